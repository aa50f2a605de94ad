"""When a standing order comes: short months, leap years, clocks that are changed."""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from core import clock
from shipping.services.dates import Rhythm, last_due
from tests.fuzz import fuzzing

DAY = timedelta(days=1)
# Clocks that change at night, at midnight, by half an hour, by a whole day; and never.
ZONES = [
    "Africa/Nairobi",
    "Europe/London",
    "America/New_York",
    "America/Asuncion",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "UTC",
]
rhythms = st.builds(
    Rhythm,
    interval=st.sampled_from(["week", "month"]),
    every=st.integers(1, 52),
    start=st.dates(date(2000, 1, 1), date(2100, 12, 31)),
)
zones = st.sampled_from(ZONES)
days = st.dates(date(2000, 1, 2), date(2037, 12, 30))
times = st.times().map(lambda at: at.replace(second=0, microsecond=0))


def first(rhythm, most):
    return [f"{day}" for _, day in islice(rhythm.dates_from(0), most)]


@pytest.mark.parametrize(
    ("interval", "every", "start", "expected"),
    [
        ("week", 1, date(2026, 12, 24), "2026-12-24 2026-12-31 2027-01-07"),
        ("week", 2, date(2028, 2, 22), "2028-02-22 2028-03-07 2028-03-21"),
        ("month", 1, date(2026, 12, 31), "2026-12-31 2027-01-31 2027-02-28 2027-03-31 2027-04-30"),
        ("month", 1, date(2028, 1, 30), "2028-01-30 2028-02-29 2028-03-30"),
        ("month", 12, date(2028, 2, 29), "2028-02-29 2029-02-28 2030-02-28 2031-02-28 2032-02-29"),
    ],
)
def test_the_dates_are_counted_from_the_first(interval, every, start, expected):
    rhythm = Rhythm(interval=interval, every=every, start=start)

    assert first(rhythm, expected.count(" ") + 1) == expected.split()


def test_it_ends_on_its_last_date_or_after_so_many():
    week = {"interval": "week", "every": 1, "start": date(2026, 12, 1)}

    assert first(Rhythm(**week, end=date(2026, 12, 15)), 9) == [
        "2026-12-01",
        "2026-12-08",
        "2026-12-15",
    ]
    assert first(Rhythm(**week, end=date(2026, 12, 14)), 9) == ["2026-12-01", "2026-12-08"]
    assert first(Rhythm(**week, count=1), 9) == ["2026-12-01"]
    assert first(Rhythm(interval="month", every=52, start=date(9999, 1, 1)), 9) == ["9999-01-01"]


@fuzzing(examples=300)
@given(rhythms, st.integers(0, 500))
def test_each_month_has_its_day_or_is_too_short_for_it(rhythm, position):
    found = rhythm.date_at(position)

    if rhythm.interval == "week":
        assert found - rhythm.start == timedelta(weeks=position * rhythm.every)
    else:
        months = (found.year - rhythm.start.year) * 12 + found.month - rhythm.start.month
        assert months == position * rhythm.every
        last = calendar.monthrange(found.year, found.month)[1]
        assert found.day == min(rhythm.start.day, last)


@fuzzing(examples=300)
@given(rhythms, st.integers(0, 500), st.integers(1, 6))
def test_of_each_date_and_of_no_other_day_it_is_known_which_it_is(rhythm, position, between):
    found = rhythm.date_at(position)

    assert rhythm.position_of(found) == position
    # No two are nearer than a week.
    assert rhythm.position_of(found + between * DAY) is None
    assert rhythm.position_of(rhythm.start - between * DAY) is None


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        ("Africa/Nairobi", date(2026, 11, 30), time(6), "2026-11-30T03:00"),
        # The clocks go from 1:00 to 2:00, and in autumn from 2:00 to 1:00.
        ("Europe/London", date(2027, 3, 28), time(0, 59), "2027-03-28T00:59"),
        ("Europe/London", date(2027, 3, 28), time(1), "2027-03-28T01:00"),
        ("Europe/London", date(2027, 3, 28), time(1, 30), "2027-03-28T01:00"),
        ("Europe/London", date(2027, 3, 28), time(2), "2027-03-28T01:00"),
        ("Europe/London", date(2027, 10, 31), time(1, 30), "2027-10-31T00:30"),
        ("America/New_York", date(2027, 3, 14), time(2, 30), "2027-03-14T07:00"),
        ("America/New_York", date(2027, 11, 7), time(1, 30), "2027-11-07T05:30"),
        # Midnight was skipped; and, once, a whole day.
        ("America/Asuncion", date(2023, 10, 1), time(0), "2023-10-01T04:00"),
        ("Pacific/Apia", date(2011, 12, 30), time(6), "2011-12-30T10:00"),
        ("Pacific/Apia", date(2011, 12, 31), time(6), "2011-12-30T16:00"),
    ],
)
def test_a_date_is_due_when_the_clocks_first_show_its_time_or_would_have(
    settings, zone, day, at, expected
):
    settings.SHOP_TIME_ZONE = zone

    assert f"{clock.moment(day, at):%Y-%m-%dT%H:%M}" == expected


@fuzzing(examples=300)
@given(days, times, zones)
def test_a_later_day_is_not_due_earlier_and_none_before_its_clocks_say_so(day, at, zone):
    with override_settings(SHOP_TIME_ZONE=zone):
        before, moment, after = (clock.moment(day + n * DAY, at) for n in (-1, 0, 1))

    assert moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) >= datetime.combine(day, at)
    # Both days of Apia that were one are due at one moment.
    assert before <= moment <= after


@fuzzing(examples=300)
@given(st.datetimes(datetime(2000, 1, 2), datetime(2037, 12, 30)), times, zones)
def test_the_last_day_that_is_due_has_come_and_the_next_has_not(now, at, zone):
    now = now.replace(tzinfo=UTC)
    with (
        override_settings(SHOP_TIME_ZONE=zone, STANDING_ORDERS_AT=at),
        mock.patch.object(clock, "now", return_value=now),
    ):
        last = last_due()

        assert clock.moment(last, at) <= now < clock.moment(last + DAY, at)
