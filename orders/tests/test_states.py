"""The table of an order's moves."""

import itertools

import pytest

from orders.states import ALLOWED, OrderStatus

MOVES = {
    ("pending", "accepted"),
    ("pending", "rejected"),
    ("pending", "cancelled"),
    ("accepted", "fulfilled"),
    ("accepted", "cancelled"),
}


def test_every_status_has_its_row():
    assert set(ALLOWED) == set(OrderStatus)
    assert OrderStatus.values == ["pending", "accepted", "fulfilled", "rejected", "cancelled"]


@pytest.mark.parametrize(("before", "after"), list(itertools.product(OrderStatus, repeat=2)))
def test_of_every_pair_only_the_listed_moves_are_allowed(before, after):
    assert (after in before.allowed) == ((before.value, after.value) in MOVES)


def test_goods_come_back_from_the_rejected_and_the_cancelled_alone():
    assert {status.value for status in OrderStatus if status.gives_back_stock} == {
        "rejected",
        "cancelled",
    }


def test_no_status_can_be_entered_twice():
    """What the constraint `order_enters_each_status_once` relies on: the table has no circle."""

    def reachable(status):
        return set(status.allowed).union(*(reachable(after) for after in status.allowed))

    assert all(status not in reachable(status) for status in OrderStatus)
