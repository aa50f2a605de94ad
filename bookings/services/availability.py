"""Which times of a resource are free: within its opening hours, and its gap from all bookings."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from bookings.models import Booking, ClosedDay, Resource
from bookings.querysets import LONGEST_GAP

_DAY = timedelta(days=1)
# How far ahead free times are looked for.
_HORIZON = timedelta(days=31)


@dataclass(frozen=True, kw_only=True)
class Day:
    """The free times of a day, by the shop's calendar; the times are in UTC."""

    date: date
    times: list[datetime]


def free_days(
    *, resource: Resource, first: date, last: date, minutes: int = 0, now: datetime | None = None
) -> list[Day]:
    """Return the times that can be booked on each day from `first` to `last`.

    They lie `resource.step` apart from the opening on, are not over, and what begins there
    (`minutes` long, at least a step) ends before the closing.
    """
    return list(_days(resource, first, last, minutes=minutes, after=now or timezone.now()))


def next_free_times(*, resource: Resource, after: datetime, most: int = 3) -> list[datetime]:
    """Return the first times at or after `after`, and not over, that can be booked."""
    after = max(after, timezone.now())
    first = after.astimezone(_zone()).date()
    days = _days(resource, first, first + _HORIZON, minutes=0, after=after)
    return list(islice((each for day in days for each in day.times), most))


def is_free(
    *, resource: Resource, time: datetime, minutes: int, moved: Booking | None = None
) -> bool:
    """Tell whether a time is among those that `free_days` offers, as if `moved` were not there."""
    day = time.astimezone(_zone()).date()
    days = _days(resource, day, day, minutes=minutes, after=timezone.now(), moved=moved)
    return any(time in each.times for each in days)


def _days(
    resource: Resource,
    first: date,
    last: date,
    *,
    minutes: int,
    after: datetime,
    moved: Booking | None = None,
) -> Iterator[Day]:
    hours = defaultdict(list)
    for each in resource.opening_hours.all():
        hours[each.weekday].append(each)
    closed = set(
        ClosedDay.objects.filter(Q(resource=resource) | Q(resource=None))
        .filter(date__range=(first, last))
        .values_list("date", flat=True)
    )
    blocked = _blocked(resource, first, last, moved)
    step = timedelta(minutes=resource.step)
    needs = max(step, timedelta(minutes=minutes))
    for number in range((last - first).days + 1):
        day = first + number * _DAY
        times = set()
        for each in [] if day in closed else hours[day.weekday()]:
            begins, ends = _moment(day, each.opens), _moment(day, each.closes)
            if each.closes == time.min:
                ends = _moment(day + _DAY, each.closes)
            # In UTC: an hour that the clocks skip is not there, one that they repeat is twice.
            while begins + needs <= ends:
                if begins >= after and not _is_blocked(blocked, begins):
                    times.add(begins)
                begins += step
        yield Day(date=day, times=sorted(times))


def _blocked(
    resource: Resource, first: date, last: date, moved: Booking | None
) -> list[tuple[datetime, datetime]]:
    """Return the spans, in order and without their ends, in which nothing can begin."""
    begin = _moment(first, time.min)
    end = _moment(last + 2 * _DAY, time.min)
    near = Booking.objects.live().filter(
        resource=resource, datetime__gt=begin - LONGEST_GAP, datetime__lt=end + resource.gap
    )
    if moved is not None:
        near = near.exclude(pk=moved.pk)
    blocked: list[tuple[datetime, datetime]] = []
    for booked, gap in near.order_by("datetime").values_list("datetime", "gap"):
        begins, ends = booked - resource.gap, booked + gap
        if blocked and begins < blocked[-1][1]:
            begins, before = blocked.pop()
            ends = max(before, ends)
        blocked.append((begins, ends))
    return blocked


def _is_blocked(blocked: list[tuple[datetime, datetime]], time: datetime) -> bool:
    at = bisect_left(blocked, (time,)) - 1
    return at >= 0 and time < blocked[at][1]


def _moment(day: date, clock: time) -> datetime:
    """Return when the shop's clocks show this; of a time that they show twice, the first."""
    return datetime.combine(day, clock, _zone()).astimezone(UTC)


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.SHOP_TIME_ZONE)
