"""Changing the gap of a resource, by the command and by the services."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from bookings import services
from bookings.exceptions import BookingConflict, GapClash
from bookings.models import Booking, Resource
from core.errors import InvalidInput

from .factories import (
    MONDAY,
    BookingFactory,
    CancelledBookingFactory,
    ResourceFactory,
    ServiceFactory,
)

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def gaps():
    return {
        each.pk: each.gap / HOUR for each in Booking.objects.all()
    }, services.default_resource().gap / HOUR


@pytest.fixture
def three():
    """Three bookings, 3 and 5 hours apart, one that was cancelled and one of another resource."""
    CancelledBookingFactory.create(id=4, time=MONDAY + 6 * HOUR)
    for key, hours in ((1, 0), (2, 3), (3, 8)):
        BookingFactory.create(id=key, time=MONDAY + hours * HOUR)
    BookingFactory.create(id=5, time=MONDAY + HOUR, resource=ResourceFactory.create(code="bay"))


def test_a_gap_for_which_there_is_room_is_of_all_that_is_to_come_and_no_other(three):
    assert services.change_gap(resource_id=services.default_resource().pk, gap=2 * HOUR) == []

    assert gaps() == ({1: 2, 2: 2, 3: 2, 4: 3, 5: 3}, 2)


def test_a_gap_that_bookings_to_come_have_no_room_for_is_refused_and_they_are_named(three):
    with pytest.raises(GapClash) as caught:
        services.change_gap(resource_id=services.default_resource().pk, gap=4 * HOUR)

    assert caught.value.detail == (
        "Bookings would clash: 1 at 2029-01-01 12:00 and 2 at 2029-01-01 15:00."
    )
    assert gaps() == ({1: 3, 2: 3, 3: 3, 4: 3, 5: 3}, 3)


def test_those_that_clash_may_keep_the_gap_that_they_were_booked_with(three):
    resource = services.default_resource()

    [clash] = services.change_gap(resource_id=resource.pk, gap=4 * HOUR, keep=True)

    assert (clash.earlier.pk, clash.later.pk) == (1, 2)
    # Sent again with the rest of the resource, the gap that it has now is no change.
    services.update_resource(resource_id=resource.pk, gap=4 * HOUR, name="Shop")
    assert gaps() == ({1: 3, 2: 4, 3: 4, 4: 3, 5: 3}, 4)
    # What is booked from now on keeps the new one.
    with pytest.raises(BookingConflict):
        BookingFactory.create(time=MONDAY + 6.5 * HOUR)


def test_what_is_over_keeps_its_gap_and_stands_in_nobodys_way():
    past = datetime(2022, 11, 1, 9, tzinfo=UTC)
    BookingFactory.create(id=1, time=past)
    BookingFactory.create(id=2, time=past + 3 * HOUR)

    services.change_gap(resource_id=services.default_resource().pk, gap=4 * HOUR)

    assert gaps() == ({1: 3, 2: 3}, 4)


@pytest.mark.parametrize("gap", [timedelta(0), -HOUR, timedelta(days=7, minutes=1)])
def test_a_gap_is_within_bounds(gap):
    with pytest.raises(InvalidInput) as caught:
        services.change_gap(resource_id=services.default_resource().pk, gap=gap)

    assert [(each.path, each.code) for each in caught.value.errors] == [(("gap",), "out_of_bounds")]


def test_a_gap_is_of_whole_minutes():
    with pytest.raises(InvalidInput, match="Whole minutes"):
        services.change_gap(resource_id=services.default_resource().pk, gap=timedelta(seconds=90))


def test_a_resource_has_a_code_of_its_own_and_the_default_one_is_booked_always():
    default = services.default_resource()
    bay = services.create_resource(code="bay", name="Bay")

    for change in ({"code": "default"}, {"gap": timedelta(0)}):
        with pytest.raises(InvalidInput):
            services.update_resource(resource_id=bay.pk, **change)
    with pytest.raises(InvalidInput):
        services.create_resource(code="bay", name="Another")
    with pytest.raises(InvalidInput):
        services.update_resource(resource_id=default.pk, active=False)
    changed = services.update_resource(resource_id=bay.pk, active=False, gap=HOUR, name="Old bay")
    assert (changed.active, changed.gap, changed.name) == (False, HOUR, "Old bay")
    assert Resource.objects.get(pk=default.pk).active


def test_a_setting_says_the_gap_of_a_new_resource(settings):
    settings.BOOKING_GAP = 2 * HOUR

    assert services.create_resource(code="bay", name="Bay").gap == 2 * HOUR


# manage.py change_booking_gap


def test_the_command_lists_what_would_clash_and_changes_nothing(three, capsys):
    with pytest.raises(CommandError) as caught:
        call_command("change_booking_gap", "default", "240")

    assert capsys.readouterr().out == (
        "Too near to one another: 1 at 2029-01-01 12:00 and 2 at 2029-01-01 15:00.\n"
        "1 would clash.\n"
    )
    assert str(caught.value) == (
        "Bookings would clash: 1 at 2029-01-01 12:00 and 2 at 2029-01-01 15:00."
        " Nothing was changed."
    )
    assert gaps() == ({1: 3, 2: 3, 3: 3, 4: 3, 5: 3}, 3)


@pytest.mark.parametrize(
    ("arguments", "after"),
    [
        (["240", "--keep-clashing"], ({1: 3, 2: 4, 3: 4, 4: 3, 5: 3}, 4)),
        (["240", "--dry-run"], ({1: 3, 2: 3, 3: 3, 4: 3, 5: 3}, 3)),
        (["60"], ({1: 1, 2: 1, 3: 1, 4: 3, 5: 3}, 1)),
    ],
)
def test_the_command_does_as_it_is_told(three, capsys, arguments, after):
    call_command("change_booking_gap", "default", *arguments)

    said = capsys.readouterr().out.splitlines()
    assert gaps() == after
    assert said[-1] == (
        "1 would clash."
        if "--dry-run" in arguments
        else f"The gap of default is now {arguments[0]} minutes."
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nothing", "60"], "There is no resource nothing, only default."),
        (["default", "0"], "A gap is 1 to 10080 minutes (seven days)."),
        (["default", str(10**18)], "That is no gap."),
    ],
)
def test_the_command_says_what_is_wrong(arguments, error):
    ServiceFactory.create()
    with pytest.raises(CommandError) as caught:
        call_command("change_booking_gap", *arguments)

    assert str(caught.value) == error
