"""What time it is, for work that goes by dates. Simulated days put another `now` in its place."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone


def now() -> datetime:
    return timezone.now()


def today() -> date:
    """Return the day of the shop's calendar."""
    return now().astimezone(ZoneInfo(settings.SHOP_TIME_ZONE)).date()
