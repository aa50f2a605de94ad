"""E-mail: codes to sign up and to reset a password, invitations."""

from django.core.exceptions import ImproperlyConfigured

from .env import env, readable
from .shop import SHOP_NAME

# smtp+tls://user:password@host:587 in production; consolemail:// prints it.
_url = readable("EMAIL_URL", env.str("EMAIL_URL", default="") or "consolemail://")
try:
    EMAIL_CONFIG = env.email_url_config(_url)
except ImproperlyConfigured:
    raise ImproperlyConfigured(
        "EMAIL_URL must be an address such as smtp+tls://user:password@host:587."
    ) from None
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default=f"{SHOP_NAME} <shop@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
