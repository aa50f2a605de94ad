"""The table of a booking's moves."""

import itertools

import pytest

from bookings.states import ALLOWED, BookingStatus

MOVES = {
    ("pending", "confirmed"),
    ("pending", "cancelled"),
    ("confirmed", "cancelled"),
    ("confirmed", "done"),
    ("confirmed", "no_show"),
}


def test_every_status_has_its_row():
    assert set(ALLOWED) == set(BookingStatus)
    assert BookingStatus.values == ["pending", "confirmed", "cancelled", "done", "no_show"]


@pytest.mark.parametrize(("before", "after"), list(itertools.product(BookingStatus, repeat=2)))
def test_of_every_pair_only_the_listed_moves_are_allowed(before, after):
    assert (after in before.allowed) == ((before.value, after.value) in MOVES)


def test_what_is_open_is_what_can_still_be_moved():
    assert [status.value for status in BookingStatus if status.is_open] == ["pending", "confirmed"]
