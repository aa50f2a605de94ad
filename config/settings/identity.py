"""OpenID Connect: who says who somebody is (docs/identity.md).

Without `OIDC_ISSUER` the shop is its own provider (django-allauth), at `SHOP_URL`.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import lazy

from .env import VAR_DIR, checked, env
from .shop import SHOP_NAME, SHOP_URL


def _ask(name: str) -> str:
    # Here, as a provider is asked on first use, never while settings are read.
    from accounts.oidc.discovery import endpoint  # noqa: PLC0415

    return endpoint(name)


_endpoint = lazy(_ask, str)


def _has_name(url: str) -> bool:
    try:
        ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return True
    return False


# The issuer's URL, exactly as it stands in its tokens.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="") or SHOP_URL
OIDC_EMBEDDED = OIDC_ISSUER == SHOP_URL
# What a token must name in `aud` to be meant for this API: never a client's id.
OIDC_AUDIENCE = env.str("OIDC_AUDIENCE", default=f"{SHOP_URL}/api")
# Client ids whose tokens are taken; empty: any client's that name the audience.
OIDC_ACCEPTED_CLIENTS = env.list("OIDC_ACCEPTED_CLIENTS", default=[])
# Seconds to wait for an answer of the provider.
OIDC_TIMEOUT = env.float("OIDC_TIMEOUT", default=5)
# Seconds after which the provider's keys are fetched anew, and the least between two fetches.
OIDC_KEYS_SECONDS = env.float("OIDC_KEYS_SECONDS", default=300)
OIDC_KEYS_COOLDOWN_SECONDS = env.float("OIDC_KEYS_COOLDOWN_SECONDS", default=10)

# Where the roles stand in the claims of an outside provider: `groups`, `realm_access.roles`.
# A path with dots; names that hold dots themselves (Auth0's) are put in [brackets].
OIDC_ROLES_CLAIM = env.str("OIDC_ROLES_CLAIM", default="groups")
# Which of shop-owner and shop-employee opens the admin where it comes by the claim.
OIDC_STAFF_ROLES = env.list("OIDC_STAFF_ROLES", default=[])
# Where people look after their account at an outside provider.
OIDC_ACCOUNT_URL = env.str("OIDC_ACCOUNT_URL", default="")

# The shop as a relying party (mozilla-django-oidc).
OIDC_RP_CLIENT_ID = env.str("OIDC_RP_CLIENT_ID", default="duka" if OIDC_EMBEDDED else "")
OIDC_RP_CLIENT_SECRET = env.str("OIDC_RP_CLIENT_SECRET", default="")
if not OIDC_EMBEDDED and not (OIDC_RP_CLIENT_ID and OIDC_RP_CLIENT_SECRET):
    raise ImproperlyConfigured("OIDC_ISSUER needs OIDC_RP_CLIENT_ID and OIDC_RP_CLIENT_SECRET.")
OIDC_RP_SCOPES = env.str("OIDC_RP_SCOPES", default="openid email profile")
OIDC_RP_SIGN_ALGO = "RS256"
OIDC_OP_AUTHORIZATION_ENDPOINT = _endpoint("authorization_endpoint")
OIDC_OP_TOKEN_ENDPOINT = _endpoint("token_endpoint")
OIDC_OP_USER_ENDPOINT = _endpoint("userinfo_endpoint")
OIDC_OP_JWKS_ENDPOINT = _endpoint("jwks_uri")
OIDC_TOKEN_USE_BASIC_AUTH = env.bool("OIDC_TOKEN_USE_BASIC_AUTH", default=False)
OIDC_USE_PKCE = True
OIDC_CALLBACK_CLASS = "accounts.pages.sign_in.CallbackView"
OIDC_AUTHENTICATE_CLASS = "accounts.pages.sign_in.SignInView"
OIDC_OP_LOGOUT_URL_METHOD = "accounts.pages.sign_in.end_session_url"

# The embedded provider's own pages ask for its own form; all others begin with OpenID Connect.
LOGIN_URL = "account_login" if OIDC_EMBEDDED else "oidc_authentication_init"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

# Passwords are those of the embedded provider; an outside one keeps its own.
AUTHENTICATION_BACKENDS = [
    "accounts.backends.MembershipBackend",
    "accounts.backends.OpenIDBackend",
    *(["accounts.backends.PasswordBackend"] if OIDC_EMBEDDED else []),
]

# The embedded provider: its signing keys and the secret of the shop's own client.
IDENTITY_FILE = env.str("IDENTITY_FILE", default=str(VAR_DIR / "identity.json"))
IDP_OIDC_ADAPTER = "accounts.oidc.provider.ProviderAdapter"
IDP_OIDC_ACCESS_TOKEN_FORMAT = "jwt"  # noqa: S105
# Seconds. A token outlives what is revoked by so long at most.
IDP_OIDC_ACCESS_TOKEN_EXPIRES_IN = 300
IDP_OIDC_ID_TOKEN_EXPIRES_IN = 300
IDP_OIDC_REFRESH_TOKEN_EXPIRES_IN = 30 * 24 * 3600
IDP_OIDC_AUTHORIZATION_CODE_EXPIRES_IN = 60
IDP_OIDC_JWKS_CACHE_CONTROL = 60
# A sign-out page that a link of the shop's own opens need not ask again.
IDP_OIDC_RP_INITIATED_LOGOUT_ASKS_FOR_OP_LOGOUT = False
IDP_OIDC_RATE_LIMITS = {
    # Requests of one address, and wrong secrets shown for one client from one address.
    "token": "600/m/ip",
    "token_refused": "20/m/key",
}

ACCOUNT_ADAPTER = "accounts.oidc.people.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
# By name: the username is a number that says nothing.
ACCOUNT_USER_DISPLAY = str
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_FORMS = {"signup": "accounts.oidc.sign_up.SignUpForm"}
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.oidc.people.NameForm"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_SESSION_REMEMBER = True
# Beside allauth's own: no address gets more mails in an hour, whoever has them sent.
ACCOUNT_RATE_LIMITS = {
    "reset_password": "20/m/ip,5/m/key,10/60m/key",
    "confirm_email": "1/10s/key,10/60m/key",
}
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = f"{SHOP_NAME}: "
ACCOUNT_DEFAULT_HTTP_PROTOCOL = SHOP_URL.partition(":")[0]
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
# A passkey belongs to a host's name: at an IP address no browser makes one, so none is offered.
PASSKEYS_OFFERED = _has_name(SHOP_URL)
MFA_TOTP_ISSUER = SHOP_NAME
# Browsers take http from this machine (localhost) for as good as https.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = SHOP_URL.startswith("http://")
# How many proxies of ours stand in front, each adding to X-Forwarded-For.
ALLAUTH_TRUSTED_PROXY_COUNT = int(env.bool("BEHIND_PROXY", default=False))

# Days in which an invitation can be accepted; minutes for which a code by SMS counts.
INVITATION_DAYS = checked(
    "INVITATION_DAYS",
    env.int("INVITATION_DAYS", default=7),
    fits=lambda days: days > 0,
    must="more than 0",
)
PHONE_CODE_MINUTES = 10
PHONE_CODE_TRIES = 5
