"""How customers are told."""

import re

from django.core.exceptions import ImproperlyConfigured

from .env import BASE_DIR, checked, env

SMS_TRANSPORTS = sorted(
    path.stem
    for path in (BASE_DIR / "notifications" / "transports").glob("*.py")
    if path.stem not in {"__init__", "base", "network"}
)

# console: prints and shows in the admin. The others are real gateways.
SMS_TRANSPORT = checked(
    "SMS_TRANSPORT",
    env.str("SMS_TRANSPORT", default="console"),
    fits=lambda name: name in SMS_TRANSPORTS,
    must=f"one of {', '.join(SMS_TRANSPORTS)}",
)

AFRICASTALKING_USERNAME = env.str("AFRICASTALKING_USERNAME", default="sandbox")
AFRICASTALKING_API_KEY = env.str("AFRICASTALKING_API_KEY", default="")
AFRICASTALKING_SENDER_ID = env.str("AFRICASTALKING_SENDER_ID", default="")
# The unguessable end of the addresses that it calls: it signs nothing.
AFRICASTALKING_CALLBACK_KEY = env.str("AFRICASTALKING_CALLBACK_KEY", default="")
if not re.fullmatch(r"|[A-Za-z0-9_-]{20,128}", AFRICASTALKING_CALLBACK_KEY):
    # Not by `checked`, which says the value.
    raise ImproperlyConfigured(
        "AFRICASTALKING_CALLBACK_KEY must be 20 to 128 letters, digits, - and _."
    )
# Another base URL: a proxy in production, a stand-in in tests. Empty: the SDK's own.
AFRICASTALKING_URL = checked(
    "AFRICASTALKING_URL",
    env.str("AFRICASTALKING_URL", default=""),
    fits=lambda url: re.fullmatch(r"(https?://[!-.0-~]+(/[!-~]*)?)?", url) is not None,
    must="an address such as https://sms.example.com",
)

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

VONAGE_API_KEY = env.str("VONAGE_API_KEY", default="")
VONAGE_API_SECRET = env.str("VONAGE_API_SECRET", default="")
VONAGE_APPLICATION_ID = env.str("VONAGE_APPLICATION_ID", default="")
# A PEM, or the path of a file that holds it.
VONAGE_PRIVATE_KEY = env.str("VONAGE_PRIVATE_KEY", default="", multiline=True)
VONAGE_SENDER = env.str("VONAGE_SENDER", default="")
# Signs what Vonage tells us.
VONAGE_SIGNATURE_SECRET = env.str("VONAGE_SIGNATURE_SECRET", default="")
VONAGE_API_HOST = checked(
    "VONAGE_API_HOST",
    env.str("VONAGE_API_HOST", default="api.nexmo.com"),
    fits=lambda host: re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?", host) is not None,
    must="a host such as api.nexmo.com",
)


def _routes(text: str) -> list[tuple[str, list[str]]]:
    """Read `+254=africastalking,vonage; repairs.*=vonage; *=africastalking`."""
    routes = []
    for part in filter(None, (each.strip() for each in text.split(";"))):
        pattern, _, given = part.partition("=")
        names = [name.strip() for name in given.split(",")]
        fits = re.fullmatch(r"\+[0-9]{1,14}|[a-z_.*]+", pattern.strip()) is not None
        checked(
            "SMS_ROUTES",
            part,
            fits=lambda _: fits and set(names) <= set(SMS_TRANSPORTS),  # noqa: B023  called at once
            must=f"rules such as +254=africastalking,vonage of {', '.join(SMS_TRANSPORTS)}",
        )
        routes.append((pattern.strip(), names))
    return routes


def _lacks(name: str) -> str:
    """Return what a gateway cannot be asked without and does not have; "": it has all."""
    if name == "africastalking" and not AFRICASTALKING_API_KEY:
        return "AFRICASTALKING_API_KEY"
    if name == "vonage":
        if not VONAGE_SENDER:
            return "VONAGE_SENDER"
        of_account = VONAGE_API_KEY and VONAGE_API_SECRET
        of_application = VONAGE_APPLICATION_ID and VONAGE_PRIVATE_KEY
        if not (of_account or of_application):
            return (
                "VONAGE_API_KEY and VONAGE_API_SECRET, or VONAGE_APPLICATION_ID and"
                " VONAGE_PRIVATE_KEY"
            )
    return ""


# Which gateways are asked, in which order, by a country's prefix or by the event. The next one is
# asked only where the one before certainly did not take the message.
SMS_ROUTES = _routes(env.str("SMS_ROUTES", default=""))
# Repairs are told by Vonage where the shop has an account there and says nothing else of them.
if (
    SMS_TRANSPORT != "console"
    and not _lacks("vonage")
    and not any(pattern.startswith("repair") for pattern, _ in SMS_ROUTES)
):
    SMS_ROUTES.insert(0, ("repair.*", ["vonage"]))


def _rates(text: str) -> dict[str, float]:
    """Read `africastalking=30,vonage=10`."""
    rates = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, number = part.partition("=")
        fits = re.fullmatch(r"[0-9]{1,4}(\.[0-9]+)?", number) is not None and float(number) > 0
        checked(
            "SMS_RATES",
            part,
            fits=lambda _: fits and name in SMS_TRANSPORTS,  # noqa: B023  called at once
            must="messages a second such as africastalking=30",
        )
        rates[name] = float(number)
    return rates


# Those that may call us.
SMS_GATEWAYS = {SMS_TRANSPORT, *(name for _, names in SMS_ROUTES for name in names)}


for _name in sorted(SMS_GATEWAYS):
    if _lack := _lacks(_name):
        _where = f"SMS_TRANSPORT={_name}" if _name == SMS_TRANSPORT else f"{_name} in SMS_ROUTES"
        raise ImproperlyConfigured(f"{_where} needs {_lack}.")
# Messages a second for each gateway, of all workers together.
SMS_RATES = _rates(env.str("SMS_RATES", default=""))
# Whether somebody who wrote STOP hears nothing at all, or still of their own orders.
SMS_STOP_STOPS_ALL = env.bool("SMS_STOP_STOPS_ALL", default=True)
# Days for which a status link opens its page.
STATUS_LINK_DAYS = checked(
    "STATUS_LINK_DAYS",
    env.int("STATUS_LINK_DAYS", default=30),
    fits=lambda days: 0 < days <= 3650,
    must="1 to 3650",
)
# Days for which it is kept what gateways told us, as it came. What it told is kept.
SMS_CALLBACK_DAYS = checked(
    "SMS_CALLBACK_DAYS",
    env.int("SMS_CALLBACK_DAYS", default=90),
    fits=lambda days: 0 < days <= 3650,
    must="1 to 3650",
)
