"""What a shopkeeper decides: name, currency, region."""

from .env import env

SHOP_NAME = env.str("SHOP_NAME", default="Duka")
# ISO 4217. One currency a shop; orders keep the one they were placed in.
SHOP_CURRENCY = env.str("SHOP_CURRENCY", default="KES")
# ISO 3166-1 alpha-2: how a phone number without a country code is read.
SHOP_REGION = env.str("SHOP_REGION", default="KE")
