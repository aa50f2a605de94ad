"""Where errors are told: Sentry, or whatever speaks as it does, by SENTRY_DSN."""

from django.core.exceptions import ImproperlyConfigured

from .env import checked, env

# https://key@sentry.example/1. Empty: nobody is told.
SENTRY_DSN = env.str("SENTRY_DSN", default="").strip()
if SENTRY_DSN:
    # Here, as it takes a moment and many do without.
    from sentry_sdk.utils import BadDsn, Dsn

    try:
        Dsn(SENTRY_DSN)
    except BadDsn:
        # Without what was given: it is a secret.
        raise ImproperlyConfigured(
            "SENTRY_DSN must be an address such as https://key@sentry.example/1, or empty."
        ) from None
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", default="production")
# Of errors, the share that is told.
SENTRY_SAMPLE_RATE = checked(
    "SENTRY_SAMPLE_RATE",
    env.float("SENTRY_SAMPLE_RATE", default=1.0),
    fits=lambda share: 0 <= share <= 1,
    must="from 0 to 1",
)
