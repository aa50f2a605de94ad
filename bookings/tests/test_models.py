"""What the database holds by itself, whoever writes."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from bookings import services
from bookings.models import Booking, OpeningHours, Resource, Service

from .factories import MONDAY, BookingFactory, ResourceFactory

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def put(key, time, **fields):
    """Write a booking past the services."""
    fields = {
        "resource": services.default_resource(),
        "gap": 3 * HOUR,
        "total_fee": 0,
        "currency": "KES",
        **fields,
    }
    return Booking.objects.create(id=key, datetime=time, **fields)


def refused_by(write):
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        write()
    return caught.value.__cause__.diag.constraint_name


@pytest.mark.parametrize("apart", [0 * HOUR, 3 * HOUR - timedelta(microseconds=1)])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("status", ["pending", "confirmed", "done", "no_show"])
def test_two_live_bookings_nearer_than_the_gap_are_refused(apart, sign, status):
    put(1, MONDAY, status=status)

    assert refused_by(lambda: put(2, MONDAY + sign * apart)) == "booking_keeps_the_gap"


@pytest.mark.parametrize("sign", [1, -1])
def test_exactly_the_gap_apart_is_allowed(sign):
    put(1, MONDAY)

    assert put(2, MONDAY + sign * 3 * HOUR).pk == 2


@pytest.mark.parametrize("fields", [{"status": "cancelled"}, {"imported": True}])
def test_what_is_cancelled_or_imported_does_not_count(fields):
    put(1, MONDAY, **fields)

    assert put(2, MONDAY).pk == 2
    assert put(3, MONDAY, **fields).pk == 3


def test_resources_have_their_time_each():
    put(1, MONDAY)

    assert put(2, MONDAY, resource=ResourceFactory.create()).pk == 2


def test_of_two_different_gaps_that_of_the_earlier_counts():
    put(1, MONDAY, gap=4 * HOUR)

    assert refused_by(lambda: put(2, MONDAY + 3.5 * HOUR, gap=HOUR)) == "booking_keeps_the_gap"
    assert put(3, MONDAY - HOUR, gap=HOUR).pk == 3


def test_the_rule_is_the_same_in_a_session_whose_day_has_23_hours():
    # In New York the clocks went from 2:00 to 3:00 on 11 March 2029, at 7:00 UTC.
    time = MONDAY.replace(month=3, day=11, hour=5)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'America/New_York'")

    put(1, time, gap=timedelta(days=1))

    late = time + timedelta(days=1)
    assert refused_by(lambda: put(2, late - timedelta(minutes=1))) == "booking_keeps_the_gap"
    assert put(3, late).pk == 3


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"gap": 0 * HOUR}, "booking_gap_is_within_bounds"),
        ({"gap": timedelta(days=7, seconds=1)}, "booking_gap_is_within_bounds"),
        ({"total_fee": Decimal("-0.01")}, "booking_total_fee_is_not_negative"),
        ({"status": "lost"}, "booking_status_is_known"),
    ],
)
def test_a_booking_is_within_its_bounds(fields, constraint):
    assert refused_by(lambda: put(1, MONDAY, **fields)) == constraint


def test_what_is_booked_is_within_its_bounds():
    resource = services.default_resource()

    def hours(opens, closes, weekday=0):
        return lambda: resource.opening_hours.create(opens=opens, closes=closes, weekday=weekday)

    assert refused_by(hours("09:00", "09:00")) == "opening_hours_end_after_they_begin"
    assert refused_by(hours("09:00", "10:00", 7)) == "opening_hours_weekday_is_known"
    hours("22:00", "00:00")()
    assert (
        refused_by(lambda: ResourceFactory.create(gap=0 * HOUR)) == "resource_gap_is_within_bounds"
    )
    assert refused_by(lambda: ResourceFactory.create(step=1)) == "resource_step_is_no_flood"
    assert refused_by(lambda: ResourceFactory.create(is_default=True)) == "resource_default_is_one"
    assert (
        refused_by(lambda: Service.objects.create(id=1, name="S", fee=-1))
        == "service_fee_is_not_negative"
    )
    assert (
        refused_by(lambda: Service.objects.create(id=1, name="S", duration=0))
        == "service_duration_is_positive"
    )


def test_a_status_is_entered_once():
    booking = BookingFactory.create()

    again = {"verb": "booked", "from_status": "", "to_status": "pending"}
    assert refused_by(lambda: booking.history.create(**again)) == "booking_enters_each_status_once"


def test_the_shop_has_a_default_resource_though_its_tables_were_emptied():
    before = services.default_resource()
    hours = list(OpeningHours.objects.values_list("weekday", "opens", "closes"))
    Resource.objects.all().delete()

    after = services.default_resource()

    assert after.pk != before.pk
    assert (after.code, after.name, after.gap, after.step) == ("default", "Duka", 3 * HOUR, 30)
    assert list(OpeningHours.objects.values_list("weekday", "opens", "closes")) == hours
    assert [day for day, _, _ in hours] == [0, 1, 2, 3, 4, 5]
    assert services.default_resource() == after
