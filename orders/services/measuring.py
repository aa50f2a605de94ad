"""Numbers of orders for `/metrics`."""

from collections.abc import Iterator

from django.db.models import Count, Min
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from core import clock
from orders.models import Order
from orders.states import OrderStatus

_OPEN = (OrderStatus.PENDING, OrderStatus.ACCEPTED)


def measure() -> Iterator[Metric]:
    """Yield how many orders wait for the shop, and for how long."""
    found = {
        status: (orders, first)
        for status, orders, first in Order.objects.filter(status__in=_OPEN)
        .order_by()
        .values_list("status")
        .annotate(orders=Count("pk"), first=Min("placed_at"))
    }
    open_orders = GaugeMetricFamily(
        "duka_orders_open", "Orders that wait for the shop.", labels=["status"]
    )
    oldest = GaugeMetricFamily(
        "duka_orders_oldest_seconds", "Since the first of them was placed.", labels=["status"]
    )
    for status in _OPEN:
        orders, first = found.get(status.value, (0, None))
        open_orders.add_metric([status.value], orders)
        oldest.add_metric([status.value], (clock.now() - first).total_seconds() if first else 0)
    yield from (open_orders, oldest)
