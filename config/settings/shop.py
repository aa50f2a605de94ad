"""What a shopkeeper decides: name, currency, region."""

import re

from phonenumbers import SUPPORTED_REGIONS

from .env import checked, env

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
