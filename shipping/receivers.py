"""Shipments follow their orders, standing orders their customers."""

from typing import Any

from django.dispatch import receiver

from core import doctor, metrics, status_pages, timeline
from core.forgetting import Erasure
from customers.models import Customer
from customers.signals import data_asked_for, forgotten, merged
from orders.models import Order
from orders.signals import order_accepted, order_cancelled

from . import services, signals
from .models import Shipment, StandingOrder
from .permissions import can_see_shipments, can_see_standing_orders


@receiver(order_accepted)
def on_order_accepted(*, order: Order, **_: Any) -> None:
    services.ship_accepted(order=order)


@receiver(order_cancelled)
def on_order_cancelled(*, order: Order, **_: Any) -> None:
    services.call_off_shipments(order_id=order.pk, by=None)


@receiver(merged)
def on_merged(*, source: Customer, target: Customer, **_: Any) -> None:
    services.move_standing_orders(source=source, target=target)


@receiver(data_asked_for)
def on_data_asked_for(*, customer: Customer, **_: Any) -> dict[str, Any]:
    return services.personal_data(customer=customer)


@receiver(forgotten)
def on_forgotten(*, customer: Customer, **_: Any) -> list[Erasure]:
    return services.forget_customer(customer=customer)


metrics.register(services.measure)
doctor.register("carriers", services.examine_carriers, database=True)
doctor.register("carriers", services.reach_carriers, network=True)
status_pages.register("shipment", services.status_page)
status_pages.add("order", services.parts_of_order)
timeline.register(
    "shipment",
    label="Shipments",
    read=services.shipments_of,
    may=can_see_shipments,
    model=Shipment,
    route="shipment-detail",
)
timeline.register(
    "standing_order",
    label="Standing orders",
    read=services.standing_orders_of,
    may=can_see_standing_orders,
    model=StandingOrder,
    route="standing-order-detail",
)
for _event in signals.SHIPMENT_EVENTS:
    _event.data_of = services.data_of_number
for _event in signals.STANDING_ORDER_EVENTS:
    _event.data_of = services.data_of_standing_order
