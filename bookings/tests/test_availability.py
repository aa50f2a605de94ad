"""Which times are free: opening hours by the shop's clocks, closed days, the gap, what is booked."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from accounts.tests.factories import UserFactory
from bookings import services
from bookings.exceptions import BookingConflict
from bookings.models import ClosedDay
from bookings.services import Order
from core.tests.rest import parameters

from .factories import (
    MONDAY,
    BookingFactory,
    CancelledBookingFactory,
    ResourceFactory,
    ServiceFactory,
)

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
NEW_YORK = "America/New_York"


@pytest.fixture
def bay():
    """Open on Mondays from 9 to 12 in Nairobi, which is 6 to 9 UTC; times every hour."""
    bay = ResourceFactory.create(code="bay", gap=HOUR, step=60)
    bay.opening_hours.create(weekday=0, opens=time(9), closes=time(12))
    return bay


def free(resource, first, last=None, **more):
    days = services.free_days(resource=resource, first=first, last=last or first, **more)
    return [f"{each:%d %H:%M}" for day in days for each in day.times]


def clocks(resource, day, zone):
    """Return the free times of a day as the shop's clocks show them, with their offset."""
    (found,) = services.free_days(resource=resource, first=day, last=day)
    return [f"{each.astimezone(ZoneInfo(zone)):%H:%M%z}" for each in found.times]


def test_times_lie_a_step_apart_from_the_opening_and_end_before_the_closing(bay):
    assert free(bay, date(2029, 1, 1)) == ["01 06:00", "01 07:00", "01 08:00"]
    assert free(bay, date(2029, 1, 1), minutes=60) == ["01 06:00", "01 07:00", "01 08:00"]
    assert free(bay, date(2029, 1, 1), minutes=61) == ["01 06:00", "01 07:00"]
    assert free(bay, date(2029, 1, 1), minutes=181) == []
    assert free(bay, date(2029, 1, 2), date(2029, 1, 8)) == ["08 06:00", "08 07:00", "08 08:00"]


def test_a_day_may_have_a_break_and_go_on_to_midnight(bay):
    bay.opening_hours.create(weekday=0, opens=time(22), closes=time(0))
    # What overlaps is offered once.
    bay.opening_hours.create(weekday=0, opens=time(11), closes=time(13))

    assert [each[3:] for each in free(bay, date(2029, 1, 1))] == [
        "06:00", "07:00", "08:00", "09:00", "19:00", "20:00",
    ]  # fmt: skip


def test_what_is_nearer_than_the_gap_to_a_booking_is_not_free(bay):
    bay.gap = 1.5 * HOUR
    BookingFactory.create(time=MONDAY.replace(hour=7, minute=30), resource=bay, services=[
        ServiceFactory.create().pk
    ])  # fmt: skip

    # The booking's own gap, of when it was booked, is an hour: the gap of the earlier counts.
    assert free(bay, date(2029, 1, 1)) == ["01 06:00"]
    bay.gap = HOUR
    assert free(bay, date(2029, 1, 1)) == ["01 06:00"]
    bay.gap = HOUR / 4
    assert free(bay, date(2029, 1, 1)) == ["01 06:00", "01 07:00"]


def test_each_time_that_is_free_can_be_booked_and_no_other_of_the_grid(bay):
    bay.step, bay.gap = 15, HOUR / 2
    bay.save()
    for minutes in (0, 45, 110):
        BookingFactory.create(
            time=MONDAY.replace(hour=6) + timedelta(minutes=minutes), resource=bay
        )
    offered = set(free(bay, date(2029, 1, 1)))

    booked = set()
    for minutes in range(0, 180, 15):
        at = MONDAY.replace(hour=6) + timedelta(minutes=minutes)
        try:
            booking = BookingFactory.create(time=at, resource=bay)
        except BookingConflict:
            continue
        booked.add(f"{at:%d %H:%M}")
        services.delete_booking(booking_id=booking.pk, by=None)

    assert offered == booked == {"01 07:15", "01 08:30", "01 08:45"}


def test_what_is_cancelled_imported_or_of_another_resource_takes_no_time(bay):
    ServiceFactory.create(id=123)
    at = MONDAY.replace(hour=7)
    CancelledBookingFactory.create(time=at, resource=bay)
    services.import_booking(order=Order(id=1, time=at, services=[123]))
    BookingFactory.create(time=at)

    assert free(bay, date(2029, 1, 1)) == ["01 06:00", "01 07:00", "01 08:00"]


def test_a_booking_of_the_day_before_reaches_into_the_morning(bay):
    bay.gap = 12 * HOUR
    bay.save()
    BookingFactory.create(time=MONDAY.replace(hour=6) - 11 * HOUR, resource=bay)
    BookingFactory.create(time=MONDAY.replace(day=2, hour=20), resource=bay)

    assert free(bay, date(2029, 1, 1)) == ["01 07:00", "01 08:00"]


def test_closed_days_are_of_a_resource_or_of_all(bay):
    days = [date(2029, 1, number) for number in (1, 8, 15, 22)]
    ClosedDay.objects.create(date=days[0])
    ClosedDay.objects.create(date=days[1], resource=bay)
    ClosedDay.objects.create(date=days[2], resource=services.default_resource())

    assert [len(free(bay, day)) for day in days] == [0, 0, 3, 3]


def test_what_is_over_is_not_free_any_more(bay):
    now = datetime(2029, 1, 1, 7, 0, 0, 1, tzinfo=UTC)

    assert free(bay, date(2029, 1, 1), now=now) == ["01 08:00"]
    assert free(bay, date(2022, 11, 7)) == []


def test_the_clocks_of_the_shop_say_when_it_opens_before_and_after_they_change(bay, settings):
    settings.SHOP_TIME_ZONE = NEW_YORK
    # In 2029 summer time there begins on 11 March and ends on 4 November, both a Sunday.
    assert clocks(bay, date(2029, 3, 5), NEW_YORK)[0] == "09:00-0500"
    assert clocks(bay, date(2029, 3, 12), NEW_YORK)[0] == "09:00-0400"
    assert clocks(bay, date(2029, 10, 29), NEW_YORK)[0] == "09:00-0400"
    assert clocks(bay, date(2029, 11, 5), NEW_YORK)[0] == "09:00-0500"


def test_an_hour_that_the_clocks_skip_is_not_offered_and_one_that_they_repeat_is_twice(
    bay, settings
):
    settings.SHOP_TIME_ZONE = NEW_YORK
    bay.opening_hours.create(weekday=6, opens=time(0), closes=time(4))

    assert clocks(bay, date(2029, 3, 11), NEW_YORK) == ["00:00-0500", "01:00-0500", "03:00-0400"]
    assert clocks(bay, date(2029, 11, 4), NEW_YORK) == [
        "00:00-0400", "01:00-0400", "01:00-0500", "02:00-0500", "03:00-0500",
    ]  # fmt: skip


def test_the_gap_across_a_change_of_the_clocks_is_of_real_hours(bay, settings):
    settings.SHOP_TIME_ZONE = NEW_YORK
    bay.gap = 3 * HOUR
    bay.save()
    bay.opening_hours.create(weekday=6, opens=time(0), closes=time(6))
    # 1:00 in winter; three hours later the clocks show 5:00.
    BookingFactory.create(time=datetime(2029, 3, 11, 6, tzinfo=UTC), resource=bay)

    assert clocks(bay, date(2029, 3, 11), NEW_YORK) == ["05:00-0400"]


# REST


def test_the_api_answers_by_day_with_the_shops_zone_and_gap(api, bay):
    BookingFactory.create(time=MONDAY.replace(hour=6), resource=bay)

    response = api.get("/availability/?resource=bay&from=2029-01-01&to=2029-01-02")

    assert response.status_code == 200
    assert response.json() == {
        "resource": "bay",
        "time_zone": "Africa/Nairobi",
        "gap": 60,
        "results": [
            {"date": "2029-01-01", "times": ["2029-01-01T07:00:00.000Z", "2029-01-01T08:00:00.000Z"]},
            {"date": "2029-01-02", "times": []},
        ],
    }  # fmt: skip


def test_without_more_it_is_a_week_of_the_default_resource_from_today(api_as):
    answer = api_as(UserFactory.create()).get("/availability/").json()

    today = datetime.now(ZoneInfo("Africa/Nairobi")).date()
    days = [date.fromisoformat(each["date"]) for each in answer["results"]]
    assert answer["resource"] == "default"
    assert days == [today + timedelta(days=number) for number in range(7)]


def test_services_say_how_long_it_takes(api, bay):
    for key, duration in ((1, 60), (2, 61)):
        ServiceFactory.create(id=key, duration=duration)

    path = "/availability/?resource=bay&from=2029-01-01&to=2029-01-01&services="
    assert len(api.get(f"{path}2").json()["results"][0]["times"]) == 2
    assert len(api.get(f"{path}1,2").json()["results"][0]["times"]) == 1
    assert parameters(api.get(f"{path}1,9")) == [("services", "does_not_exist")]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("resource=nothing", ["resource"]),
        ("resource=%00", ["resource"]),
        ("from=tomorrow", ["from"]),
        ("from=2029-02-29", ["from"]),
        ("from=0001-01-01", ["from"]),
        ("from=9999-12-31", ["from"]),
        ("from=2029-01-02&to=2029-01-01", ["to"]),
        ("from=2029-01-01&to=2029-03-04", ["to"]),
        ("services=1,x", ["services"]),
        ("services=", ["services"]),
        ("day=2029-01-01&to=soon", ["day", "to"]),
    ],
)
def test_a_query_that_is_unknown_or_wrong_is_a_400_that_names_it(api, query, wrong):
    assert [name for name, _ in parameters(api.get(f"/availability/?{query}"))] == wrong


@pytest.mark.parametrize("rows", [1, 3])
def test_it_takes_the_same_statements_for_1_and_3_bookings(
    api, bay, rows, django_assert_num_queries
):
    for number in range(rows):
        BookingFactory.create(time=MONDAY + number * HOUR, resource=bay)

    with django_assert_num_queries(5):  # session, user, membership, resource, what is free
        api.get(f"/availability/?resource=bay&from=2029-01-01&to=2029-02-0{rows}")
