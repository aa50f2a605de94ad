"""How goods go out, and when standing orders come."""

import re
from datetime import time

from .env import BASE_DIR, checked, env

_KNOWN = sorted(
    path.stem
    for path in (BASE_DIR / "shipping" / "providers").glob("*.py")
    if path.stem not in {"__init__", "base", "network"}
)
# The carriers that the shop works with, each a module of `shipping.providers`.
SHIPPING_PROVIDERS = checked(
    "SHIPPING_PROVIDERS",
    env.list("SHIPPING_PROVIDERS", default=[]),
    fits=lambda names: set(names) <= set(_KNOWN) and len(set(names)) == len(names),
    must=f"some of {', '.join(_KNOWN)}, with commas between them",
)


def _address(name: str) -> str:
    address: str = checked(
        name,
        env.str(name, default=""),
        fits=lambda url: re.fullmatch(r"(https?://[!-.0-~]+(/[!-~]*)?)?", url) is not None,
        must="an address such as https://carrier.example.com",
    )
    return address.rstrip("/")


COURIER_URL = _address("COURIER_URL")
COURIER_API_KEY = env.str("COURIER_API_KEY", default="")
# Of its webhooks (Standard Webhooks); several while one is rotated.
COURIER_WEBHOOK_SECRETS = env.list("COURIER_WEBHOOK_SECRETS", default=[])

PARCELPOST_URL = _address("PARCELPOST_URL")
PARCELPOST_USER = env.str("PARCELPOST_USER", default="")
PARCELPOST_PASSWORD = env.str("PARCELPOST_PASSWORD", default="")
# The unguessable end of the address that it calls: it signs nothing.
PARCELPOST_WEBHOOK_KEY = env.str("PARCELPOST_WEBHOOK_KEY", default="")

# Seconds for which a worker owns a shipment that it claimed, anew with each call: longer than the
# slowest, which `shipping.providers.network` ends after 33 s. Else two workers would ask at once.
SHIPMENT_LEASE_SECONDS = checked(
    "SHIPMENT_LEASE_SECONDS",
    env.float("SHIPMENT_LEASE_SECONDS", default=60),
    fits=lambda seconds: seconds >= 40,
    must="40 or more, as a carrier may take 33",
)
# Seconds before each further try of a shipment; the last of them again and again.
SHIPMENT_RETRY_SECONDS = checked(
    "SHIPMENT_RETRY_SECONDS",
    env.list("SHIPMENT_RETRY_SECONDS", cast=float, default=[10, 60, 300, 1800, 7200]),
    fits=lambda waits: waits and all(0 <= wait <= 7 * 86400 for wait in waits),
    must="numbers of seconds with commas between them",
)
# Hours without a word of a shipment that is on its way, after which its carrier is asked.
SHIPPING_SILENT_HOURS = checked(
    "SHIPPING_SILENT_HOURS",
    env.float("SHIPPING_SILENT_HOURS", default=24),
    fits=lambda hours: 0 < hours <= 30 * 24,
    must="more than 0 and at most 720",
)
# Days for which it is kept what carriers told us, as it came; ten times as long what waits for a
# person. What it told is kept.
SHIPPING_NEWS_DAYS = checked(
    "SHIPPING_NEWS_DAYS",
    env.int("SHIPPING_NEWS_DAYS", default=90),
    fits=lambda days: 0 < days <= 3650,
    must="1 to 3650",
)

# From when on a date of a standing order is due, by the shop's clocks.
STANDING_ORDERS_AT = time.fromisoformat(
    checked(
        "STANDING_ORDERS_AT",
        env.str("STANDING_ORDERS_AT", default="06:00"),
        fits=lambda text: re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text) is not None,
        must="a time such as 06:00",
    )
)
# Whether its orders are accepted by themselves, or wait for the shopkeeper.
STANDING_ORDERS_ACCEPT = env.bool("STANDING_ORDERS_ACCEPT", default=False)
# Standing orders that a shopper can have at once, without those that are ended; what the shop sets
# up for them counts too.
STANDING_ORDERS_OPEN_LIMIT = checked(
    "STANDING_ORDERS_OPEN_LIMIT",
    env.int("STANDING_ORDERS_OPEN_LIMIT", default=20),
    fits=lambda standing_orders: 1 <= standing_orders <= 1000,
    must="1 to 1000",
)
# What happens to dates that came and went while no worker ran.
STANDING_ORDERS_MISSED = checked(
    "STANDING_ORDERS_MISSED",
    env.str("STANDING_ORDERS_MISSED", default="catch_up"),
    fits=lambda how: how in {"catch_up", "skip"},
    must="catch_up or skip",
)
# Days before a date that its customer is told that it comes up. 0: never.
STANDING_ORDERS_NOTICE_DAYS = checked(
    "STANDING_ORDERS_NOTICE_DAYS",
    env.int("STANDING_ORDERS_NOTICE_DAYS", default=2),
    fits=lambda days: 0 <= days <= 30,
    must="0 to 30",
)
