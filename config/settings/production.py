"""A shop on a server. Refuses to start until all it needs is named in the environment."""

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from .env import checked, env

_required = {
    "SHOP_URL": "where people find the shop: https://shop.example",
    "SECRET_KEY": "a long random string, the same on every machine of the shop",
    "DATABASE_URL": "postgres://user:password@host:5432/name",
}
if env.str("OIDC_ISSUER", default="") in ("", env.str("SHOP_URL", default="")):
    # The shop is its own provider: OIDC_EMBEDDED, which can only be read further down.
    _required |= {
        "EMAIL_URL": "smtp+tls://user:password@host:587; people prove their address by a code",
        "IDENTITY_FILE": "where the sign-in keys are kept, the same file on every machine",
    }
_missing = [name for name in _required if not env.str(name, default="").strip()]
if _missing:
    raise ImproperlyConfigured(
        "Set these environment variables: "
        + "; ".join(f"{name} ({_required[name]})" for name in _missing)
        + "."
    )

# The sentence above comes before any other failure.
from .base import *  # noqa: E402  see above
from .base import REST_FRAMEWORK, SHOP_URL, STORAGES  # noqa: E402  see above
from .rest import limit  # noqa: E402  see above

# Without TLS browsers keep no cookie of the shop, but on this machine itself.
_host = str(urlsplit(SHOP_URL).hostname)
checked(
    "SHOP_URL",
    SHOP_URL,
    fits=lambda url: url.startswith("https://") or _host in ("localhost", "127.0.0.1", "::1"),
    must="an address that begins with https://: nobody could sign in without TLS",
)
DEBUG = False
SECRET_KEY = env.str("SECRET_KEY")
# Its own name always; ALLOWED_HOSTS adds others, such as a health check's.
ALLOWED_HOSTS = sorted({_host, *env.list("ALLOWED_HOSTS", default=[])})
CSRF_TRUSTED_ORIGINS = env.list(
    "CSRF_TRUSTED_ORIGINS", default=[f"https://{host}" for host in ALLOWED_HOSTS if host != "*"]
)
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "core.statics.StaticFiles"},
}
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
# Browsers take them from this very host by https alone: no other host of the same domain, and
# nobody on the way, can plant one.
SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken"
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
# Asked from the machine itself or its own network, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=False)
# W021 wants the preload: that binds a whole domain for years, so its owner decides.
SILENCED_SYSTEM_CHECKS = ["security.W021"]
if env.bool("BEHIND_PROXY", default=False):
    # Only where a proxy in front sets this header itself and drops a caller's own.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Far above what people and sound programs do; so that one caller does not take all there is.
REST_FRAMEWORK = REST_FRAMEWORK | {
    "DEFAULT_THROTTLE_RATES": REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    | {
        "anon": limit("THROTTLE_ANON", default="50/s"),
        "user": limit("THROTTLE_USER", default="100/s"),
    }
}
# Where no proxy before the shop has their folder: in containers (compose.yaml).
SERVE_MEDIA = env.bool("SERVE_MEDIA", default=False)
