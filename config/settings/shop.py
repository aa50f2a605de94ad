"""What a shopkeeper decides: name, currency, region."""

import re

from phonenumbers import SUPPORTED_REGIONS

from .env import checked, env

# Where people and programs find it; also the name by which it issues tokens, so no `/` at the end.
_port = env.str("PORT", default="").strip()
SHOP_URL = checked(
    "SHOP_URL",
    env.str("SHOP_URL", default="") or f"http://127.0.0.1:{_port or 8000}",
    fits=lambda url: re.fullmatch(r"https?://[a-z0-9.:\[\]-]+", url) is not None,
    must="an address such as https://shop.example, without a / at its end",
)
SHOP_NAME = env.str("SHOP_NAME", default="Duka")
# ISO 4217. One currency a shop; orders keep the one they were placed in.
SHOP_CURRENCY = checked(
    "SHOP_CURRENCY",
    env.str("SHOP_CURRENCY", default="KES"),
    fits=lambda code: re.fullmatch(r"[A-Z]{3}", code) is not None,
    must="three capital letters such as KES",
)
# ISO 3166-1 alpha-2: how a phone number without a country code is read.
SHOP_REGION = checked(
    "SHOP_REGION",
    env.str("SHOP_REGION", default="KE"),
    fits=lambda code: code in SUPPORTED_REGIONS,
    must="two capital letters of a country such as KE",
)
# Where the shop itself hears of what it must know at once, E.164. Empty: nowhere.
SHOP_PHONE = checked(
    "SHOP_PHONE",
    env.str("SHOP_PHONE", default=""),
    fits=lambda phone: re.fullmatch(r"(\+[1-9][0-9]{5,14})?", phone) is not None,
    must="a phone number such as +254711000001",
)
# Days after its last change that a cart is kept: a shopper's, and one of somebody unknown.
CART_DAYS = checked(
    "CART_DAYS",
    env.int("CART_DAYS", default=30),
    fits=lambda days: days > 0,
    must="more than 0",
)
STRANGER_CART_DAYS = checked(
    "STRANGER_CART_DAYS",
    env.int("STRANGER_CART_DAYS", default=7),
    fits=lambda days: days > 0,
    must="more than 0",
)
