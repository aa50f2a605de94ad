"""Languages and time zones."""

from zoneinfo import available_timezones

from .env import checked, env

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("sw", "Kiswahili")]
# The API answers in UTC; the admin shows SHOP_TIME_ZONE (core.middleware).
TIME_ZONE = "UTC"
SHOP_TIME_ZONE = checked(
    "SHOP_TIME_ZONE",
    env.str("SHOP_TIME_ZONE", default="Africa/Nairobi"),
    fits=lambda zone: zone in available_timezones(),
    must="a time zone such as Africa/Nairobi",
)
USE_I18N = True
USE_TZ = True
