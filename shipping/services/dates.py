"""The dates of a standing order, by the shop's calendar."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from django.conf import settings

from core import clock
from shipping.states import Interval


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """When a standing order comes: `start`, and from there every so many weeks or months.

    Each date is counted from the first, not from the one before: what begins on the 31st comes on
    the last day of shorter months, and on the 31st again after.
    """

    interval: Interval
    every: int
    start: date
    end: date | None = None
    count: int | None = None

    def date_at(self, position: int) -> date | None:
        """Return its date of a position, from 0; None: it is over by then."""
        if self.count is not None and position >= self.count:
            return None
        steps = position * self.every
        try:
            if self.interval == Interval.WEEK:
                found = self.start + timedelta(weeks=steps)
            else:
                found = self.start + relativedelta(months=steps)
        except (OverflowError, ValueError):
            # Beyond the last day that there is.
            return None
        return None if self.end is not None and found > self.end else found

    def dates_from(self, position: int) -> Iterator[tuple[int, date]]:
        """Yield positions with their dates, from one on."""
        while (found := self.date_at(position)) is not None:
            yield position, found
            position += 1

    def position_of(self, day: date) -> int | None:
        """Return which of its dates a day is; None: it is none of them."""
        if self.interval == Interval.WEEK:
            position = (day - self.start).days // (7 * self.every)
        else:
            months = (day.year - self.start.year) * 12 + day.month - self.start.month
            position = months // self.every
        return position if position >= 0 and self.date_at(position) == day else None


def last_due(at: datetime | None = None) -> date:
    """Return the last day whose standing orders are due at a moment, without one now."""
    at = at or clock.now()
    today = at.astimezone(ZoneInfo(settings.SHOP_TIME_ZONE)).date()
    due = clock.moment(today, settings.STANDING_ORDERS_AT)
    return today if due <= at else today - timedelta(days=1)
