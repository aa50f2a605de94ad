"""Which times of a resource are free: within its opening hours, and its gap from all bookings."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.utils import timezone

from bookings.models import Booking, Resource
from bookings.querysets import LONGEST_GAP
from bookings.states import BookingStatus

_DAY = timedelta(days=1)
# How far ahead free times are looked for.
_HORIZON = timedelta(days=31)


@dataclass(frozen=True, kw_only=True)
class Day:
    """The free times of a day, by the shop's calendar; the times are in UTC."""

    date: date
    times: list[datetime]


def free_days(
    *,
    resource: Resource,
    first: date,
    last: date,
    minutes: int = 0,
    now: datetime | None = None,
    until: date = date.max,
) -> list[Day]:
    """Return the times that can be booked on each day from `first` to `last`.

    They lie `resource.step` apart from the opening on, are not over, and what begins there
    (`minutes` long, at least a step) ends before the closing. After `until` there are none.
    """
    now = now or timezone.now()
    return list(_days(resource, first, last, minutes=minutes, after=now, until=until))


def last_offered_day() -> date:
    """Return the last day, by the shop's calendar, that shoppers may book."""
    ahead: int = settings.BOOKING_DAYS_AHEAD
    return shop_day(timezone.now()) + ahead * _DAY


def next_free_times(
    *,
    resource: Resource,
    after: datetime,
    most: int = 3,
    minutes: int = 0,
    moved: Booking | None = None,
) -> list[datetime]:
    """Return the first times at or after `after`, and not over, that can be booked.

    What begins there is `minutes` long, and `moved` makes room. None of them is beyond what
    shoppers may book, unless `after` is.
    """
    after = max(after, timezone.now())
    first = shop_day(after)
    last = last_offered_day()
    until = last if first <= last else date.max
    days = _days(
        resource, first, first + _HORIZON, minutes=minutes, after=after, until=until, moved=moved
    )
    return list(islice((each for day in days for each in day.times), most))


def is_free(
    *, resource: Resource, time: datetime, minutes: int, moved: Booking | None = None
) -> bool:
    """Tell whether shoppers are offered a time, as if `moved` were not there."""
    day = shop_day(time)
    now, until = timezone.now(), last_offered_day()
    days = _days(resource, day, day, minutes=minutes, after=now, until=until, moved=moved)
    return any(time in each.times for each in days)


# As `booking_keeps_the_gap` has it; the first bound is for the index. Not by the ORM, nor is the
# next one: of a hundred who come for one time, all but one wait for nothing else.
_TOO_NEAR = """
SELECT datetime FROM bookings_booking
WHERE resource_id = %(resource)s AND NOT imported AND status <> %(cancelled)s
AND datetime > %(earliest)s AND datetime < %(end)s AND datetime + gap > %(begin)s
AND id IS DISTINCT FROM %(moved)s
ORDER BY datetime LIMIT 1
"""


def too_near(
    resource: Resource, time: datetime, *, other_than: Booking | None = None
) -> datetime | None:
    """Return the time of the first live booking that leaves no room for one at `time`, if any."""
    with connection.cursor() as cursor:
        cursor.execute(
            _TOO_NEAR,
            {
                "resource": resource.pk,
                "cancelled": BookingStatus.CANCELLED,
                "earliest": time - LONGEST_GAP,
                "begin": time,
                "end": time + resource.gap,
                "moved": other_than.pk if other_than else None,
            },
        )
        found: tuple[datetime] | None = cursor.fetchone()
    return found[0] if found else None


def _days(
    resource: Resource,
    first: date,
    last: date,
    *,
    minutes: int,
    after: datetime,
    until: date,
    moved: Booking | None = None,
) -> Iterator[Day]:
    hours, closed, taken = _plan(resource, first, last, moved)
    blocked = _blocked(taken, resource.gap)
    step = timedelta(minutes=resource.step)
    needs = max(step, timedelta(minutes=minutes))
    for number in range((last - first).days + 1):
        day = first + number * _DAY
        times = set()
        for opens, closes in [] if day in closed or day > until else hours[day.weekday()]:
            begins, ends = _moment(day, opens), _moment(day, closes)
            if closes == time.min:
                ends = _moment(day + _DAY, closes)
            # In UTC: an hour that the clocks skip is not there, one that they repeat is twice.
            while begins + needs <= ends:
                if begins >= after and not _is_blocked(blocked, begins):
                    times.add(begins)
                begins += step
        yield Day(date=day, times=sorted(times))


_PLAN = """
WITH
hours AS (SELECT * FROM bookings_openinghours WHERE resource_id = %(resource)s),
closed AS (
    SELECT date FROM bookings_closedday
    WHERE (resource_id = %(resource)s OR resource_id IS NULL)
    AND date BETWEEN %(first)s AND %(last)s
),
taken AS (
    SELECT datetime, gap FROM bookings_booking
    WHERE resource_id = %(resource)s AND NOT imported AND status <> %(cancelled)s
    AND datetime > %(begin)s AND datetime < %(end)s AND id IS DISTINCT FROM %(moved)s
)
SELECT
    ARRAY(SELECT weekday FROM hours ORDER BY id),
    ARRAY(SELECT opens FROM hours ORDER BY id),
    ARRAY(SELECT closes FROM hours ORDER BY id),
    ARRAY(SELECT date FROM closed),
    ARRAY(SELECT datetime FROM taken ORDER BY datetime),
    ARRAY(SELECT gap FROM taken ORDER BY datetime)
"""
Hours = dict[int, list[tuple[time, time]]]
Taken = list[tuple[datetime, timedelta]]


def _plan(
    resource: Resource, first: date, last: date, moved: Booking | None
) -> tuple[Hours, set[date], Taken]:
    """Return the opening hours by weekday, the closed days, and live bookings with their gaps."""
    begin, end = _moment(first, time.min), _moment(last + 2 * _DAY, time.min)
    with connection.cursor() as cursor:
        cursor.execute(
            _PLAN,
            {
                "resource": resource.pk,
                "first": first,
                "last": last,
                "cancelled": BookingStatus.CANCELLED,
                "begin": begin - LONGEST_GAP,
                "end": end + resource.gap,
                "moved": moved.pk if moved else None,
            },
        )
        weekdays, opens, closes, closed, times, gaps = cursor.fetchone()
    hours: Hours = defaultdict(list)
    for weekday, *span in zip(weekdays, opens, closes, strict=True):
        hours[weekday].append(tuple(span))
    return hours, set(closed), list(zip(times, gaps, strict=True))


def _blocked(taken: Taken, before: timedelta) -> list[tuple[datetime, datetime]]:
    """Return the spans, in order and without their ends, in which nothing can begin.

    Args:
        before: the gap of what would begin.
    """
    blocked: list[tuple[datetime, datetime]] = []
    for booked, gap in taken:
        begins, ends = booked - before, booked + gap
        if blocked and begins < blocked[-1][1]:
            begins, earlier = blocked.pop()
            ends = max(earlier, ends)
        blocked.append((begins, ends))
    return blocked


def _is_blocked(blocked: list[tuple[datetime, datetime]], time: datetime) -> bool:
    at = bisect_left(blocked, (time,)) - 1
    return at >= 0 and time < blocked[at][1]


def _moment(day: date, clock: time) -> datetime:
    """Return when the shop's clocks show this; of a time that they show twice, the first."""
    return datetime.combine(day, clock, _zone()).astimezone(UTC)


def shop_day(time: datetime) -> date:
    """Return the day of a time, by the shop's calendar."""
    return time.astimezone(_zone()).date()


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.SHOP_TIME_ZONE)
