"""Orders in the timeline of their customer."""

from dataclasses import replace

import pytest

from core.timeline import Entry, Mark, Window
from customers.tests.factories import CustomerFactory
from orders import services

from .shop import goods, order_of, wanted

pytestmark = pytest.mark.django_db
WINDOW = Window(kind="order", limit=10)


@pytest.fixture
def customer(db):
    goods()
    return CustomerFactory.create()


def read(customer, **options):
    return services.orders_of(customer=customer, window=replace(WINDOW, **options))


def test_an_order_says_what_it_comes_to_where_it_stands_and_its_note(customer, settings):
    settings.SHOP_CURRENCY = "KES"
    order = services.place_order(
        customer=customer, lines=wanted(TEA=2, POT=10), note="Ring\ntwice.", by=None
    )
    services.accept_order(order_id=order.pk, by=None)
    order_of(TEA=1)

    assert read(customer) == [
        Entry(
            at=order.placed_at,
            kind="order",
            key=order.pk,
            reference=order.number,
            title=f"Order {order.number}, 2 lines, KES 1,025.00",
            status="accepted",
            text="Ring twice.",
        )
    ]


def test_a_draft_is_there_too_and_the_newest_comes_first(customer):
    orders = [order_of(customer=customer, status=each, CUP=1) for each in ("fulfilled", "draft")]

    found = read(customer)

    assert [(each.reference, each.status) for each in found] == [
        (orders[1].number, "draft"),
        (orders[0].number, "fulfilled"),
    ]
    assert found[0].title.startswith(f"Order {orders[1].number}, 1 line, ")


def test_a_window_cuts_them(customer):
    first, second, third = (order_of(customer=customer, CUP=1) for _ in range(3))
    mark = Mark(at=third.placed_at, kind="order", key=third.pk)

    assert [each.key for each in read(customer, limit=2)] == [third.pk, second.pk]
    assert [each.key for each in read(customer, mark=mark)] == [second.pk, first.pk]
    last = Mark(at=first.placed_at, kind="order", key=first.pk)
    assert [each.key for each in read(customer, mark=last, backwards=True, limit=1)] == [second.pk]
    assert [
        each.key for each in read(customer, after=second.placed_at, before=third.placed_at)
    ] == [second.pk]


def test_of_somebody_forgotten_there_is_the_order_without_its_note(customer):
    order = services.place_order(customer=customer, lines=wanted(TEA=1), note="Ring.", by=None)

    services.forget_customer(customer=customer)

    assert [(each.reference, each.text) for each in read(customer)] == [(order.number, "")]
