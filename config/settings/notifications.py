"""How customers are told."""

from django.core.exceptions import ImproperlyConfigured

from .env import BASE_DIR, checked, env

_TRANSPORTS = sorted(
    path.stem
    for path in (BASE_DIR / "notifications" / "transports").glob("*.py")
    if path.stem not in {"__init__", "base"}
)

# console: prints and shows in the admin. africastalking: the real gateway.
SMS_TRANSPORT = checked(
    "SMS_TRANSPORT",
    env.str("SMS_TRANSPORT", default="console"),
    fits=lambda name: name in _TRANSPORTS,
    must=f"one of {', '.join(_TRANSPORTS)}",
)

AFRICASTALKING_USERNAME = env.str("AFRICASTALKING_USERNAME", default="sandbox")
AFRICASTALKING_API_KEY = env.str("AFRICASTALKING_API_KEY", default="")
if SMS_TRANSPORT == "africastalking" and not AFRICASTALKING_API_KEY:
    raise ImproperlyConfigured("SMS_TRANSPORT=africastalking needs AFRICASTALKING_API_KEY.")
AFRICASTALKING_SENDER_ID = env.str("AFRICASTALKING_SENDER_ID", default="")
# Another base URL: a proxy in production, a stand-in in tests. Empty: the SDK's own.
AFRICASTALKING_URL = env.str("AFRICASTALKING_URL", default="")

# Seconds for which a worker owns a message that it claimed. Longer than the
# slowest gateway call (Africa's Talking: 3.05 s to connect + 9.05 s to read).
MESSAGE_LEASE_SECONDS = checked(
    "MESSAGE_LEASE_SECONDS",
    env.float("MESSAGE_LEASE_SECONDS", default=60),
    fits=lambda seconds: seconds > 0,
    must="more than 0",
)
# Seconds before each further try after a refusal that may pass; then it is parked.
MESSAGE_RETRY_SECONDS = env.list(
    "MESSAGE_RETRY_SECONDS", cast=float, default=[10, 60, 300, 1800, 7200, 21600]
)
