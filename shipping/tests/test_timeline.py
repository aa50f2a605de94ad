"""Shipments and standing orders in the timeline of their customer."""

from datetime import date

import pytest

from core.timeline import Entry, Window
from customers.tests.factories import CustomerFactory
from shipping import services

from .factories import (
    DeliveryOrderFactory,
    SentShipmentFactory,
    ShipmentFactory,
    StandingOrderFactory,
)

pytestmark = pytest.mark.django_db


def shipments(customer, limit=10):
    return services.shipments_of(customer=customer, window=Window(kind="shipment", limit=limit))


def standing_orders(customer):
    window = Window(kind="standing_order", limit=10)
    return services.standing_orders_of(customer=customer, window=window)


@pytest.fixture
def customer(carriers):
    return CustomerFactory.create()


def test_a_shipment_names_its_order_and_its_carrier(customer):
    order = DeliveryOrderFactory.create(customer=customer)
    shipment = SentShipmentFactory.create(order=order)
    ShipmentFactory.create()

    assert shipments(customer) == [
        Entry(
            at=shipment.created_at,
            kind="shipment",
            key=shipment.pk,
            reference=shipment.number,
            title=f"Shipment {shipment.number} of order {order.number} by Courier",
            status="sent",
        )
    ]


def test_the_last_that_was_prepared_comes_first(customer):
    orders = [DeliveryOrderFactory.create(customer=customer) for _ in range(3)]
    made = [ShipmentFactory.create(order=order).pk for order in reversed(orders)]

    assert [each.key for each in shipments(customer)] == made[::-1]
    assert [each.key for each in shipments(customer, limit=2)] == made[:0:-1]


@pytest.mark.parametrize(
    ("interval", "every", "often"),
    [
        ("week", 1, "each week"),
        ("week", 2, "every 2 weeks"),
        ("month", 1, "each month"),
        ("month", 3, "every 3 months"),
    ],
)
def test_a_standing_order_says_how_often_it_comes(customer, interval, every, often):
    standing = StandingOrderFactory.create(
        customer=customer, interval=interval, every=every, start=date(2029, 1, 8)
    )
    StandingOrderFactory.create()

    assert standing_orders(customer) == [
        Entry(
            at=standing.created_at,
            kind="standing_order",
            key=standing.pk,
            reference=standing.number,
            title=f"Standing order {standing.number}, {often} from 8 January 2029",
            status="active",
        )
    ]


def test_of_somebody_forgotten_what_was_sent_is_kept(customer):
    ShipmentFactory.create(order=DeliveryOrderFactory.create(customer=customer))
    StandingOrderFactory.create(customer=customer)

    services.forget_customer(customer=customer)

    [shipment], [standing] = shipments(customer), standing_orders(customer)
    assert (shipment.status, standing.status) == ("cancelled", "ended")
    assert "John" not in f"{shipment}{standing}"
