"""The table of an order's moves."""

import itertools

import pytest

from orders.states import ALLOWED, OrderStatus

MOVES = {
    ("draft", "pending"),
    ("draft", "cancelled"),
    ("pending", "accepted"),
    ("pending", "rejected"),
    ("pending", "cancelled"),
    ("accepted", "fulfilled"),
    ("accepted", "cancelled"),
}


def test_every_status_has_its_row():
    assert set(ALLOWED) == set(OrderStatus)
    assert OrderStatus.values == [
        "draft",
        "pending",
        "accepted",
        "fulfilled",
        "rejected",
        "cancelled",
    ]


@pytest.mark.parametrize(("before", "after"), list(itertools.product(OrderStatus, repeat=2)))
def test_of_every_pair_only_the_listed_moves_are_allowed(before, after):
    assert (after in before.allowed) == ((before.value, after.value) in MOVES)


def test_nothing_leads_out_of_what_is_over():
    assert [status.value for status in OrderStatus if not status.allowed] == [
        "fulfilled",
        "rejected",
        "cancelled",
    ]


def test_what_waits_can_be_edited_and_what_was_taken_on_can_come_back():
    assert [status.value for status in OrderStatus if status.can_be_edited] == ["draft", "pending"]
    assert [status.value for status in OrderStatus if status.can_be_returned] == [
        "accepted",
        "fulfilled",
    ]


def test_no_status_can_be_entered_twice():
    """What the constraint `order_enters_each_status_once` relies on: the table has no circle."""

    def reachable(status):
        return set(status.allowed).union(*(reachable(after) for after in status.allowed))

    assert all(status not in reachable(status) for status in OrderStatus)
