"""What a customer's timeline has of their shipments and standing orders."""

from django.db.models import F
from django.db.models.functions import Coalesce, Now

from core.timeline import Entry, Window
from customers.models import Customer
from shipping.models import Shipment, StandingOrder
from shipping.states import Interval

from .telling import label_of

_ONE = {Interval.WEEK: "week", Interval.MONTH: "month"}


def shipments_of(*, customer: Customer, window: Window) -> list[Entry]:
    """Return what is sent to a customer, where each shipment was prepared."""
    shipments = (
        Shipment.objects.filter(order__customer=customer)
        .select_related("order", "carrier")
        # By no column: with an index on it, all shipments there are would be walked until some
        # are this customer's. So those of their orders are looked up, and sorted.
        .alias(begin=Coalesce(F("created_at"), Now()))
    )
    return [_shipment(each) for each in window.of(shipments, at="begin")]


def standing_orders_of(*, customer: Customer, window: Window) -> list[Entry]:
    """Return a customer's standing orders, where they were set up."""
    standing_orders = StandingOrder.objects.filter(customer=customer)
    return [_standing_order(each) for each in window.of(standing_orders, at="created_at")]


def _shipment(shipment: Shipment) -> Entry:
    carrier, order = label_of(shipment.carrier), shipment.order.number
    return Entry(
        at=shipment.created_at,
        kind="shipment",
        key=shipment.pk,
        reference=shipment.number,
        title=f"Shipment {shipment.number} of order {order} by {carrier}",
        status=shipment.status,
    )


def _standing_order(standing: StandingOrder) -> Entry:
    interval = _ONE[Interval(standing.interval)]
    often = f"each {interval}" if standing.every == 1 else f"every {standing.every} {interval}s"
    return Entry(
        at=standing.created_at,
        kind="standing_order",
        key=standing.pk,
        reference=standing.number,
        title=f"Standing order {standing.number}, {often} from {standing.start:%-d %B %Y}",
        status=standing.status,
    )
