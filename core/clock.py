"""What time it is, for work that goes by dates. Simulated days put another `now` in its place."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone


def now() -> datetime:
    return timezone.now()


def today() -> date:
    """Return the day of the shop's calendar."""
    return now().astimezone(ZoneInfo(settings.SHOP_TIME_ZONE)).date()


def moment(day: date, at: time) -> datetime:
    """Return when the shop's clocks show `at` on a day.

    Of a time that they show twice it is the first; of one that they leap over, where they leap to.
    """
    zone = ZoneInfo(settings.SHOP_TIME_ZONE)
    shown = datetime.combine(day, at)
    found = shown.replace(tzinfo=zone).astimezone(UTC)
    while found.astimezone(zone).replace(tzinfo=None) > shown:
        # Minute by minute back to the leap: what was shown before is earlier than `at`.
        earlier = found - timedelta(minutes=1)
        if earlier.astimezone(zone).replace(tzinfo=None) < shown:
            break
        found = earlier
    return found
