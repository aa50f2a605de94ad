"""Numbers of shipments and standing orders for `/metrics`."""

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, Min, Q
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from core import clock
from shipping.models import Carrier, News, Occurrence, Shipment, StandingOrder
from shipping.states import FAILURES, OPEN, NewsState, OccurrenceStatus, ShipmentStatus

# Of older ones that are done with, nobody looks any more; they would all be read.
_LOOKED_AT = sorted({*OPEN, ShipmentStatus.FAILED_TO_DELIVER})


def measure() -> Iterator[Metric]:
    """Yield where goods stand that are to go out, how carriers do, which dates were missed."""
    yield from _shipments()
    yield from _carriers()
    yield from _standing_orders()


def _shipments() -> Iterator[Metric]:
    found = {
        status: (shipments, looked_at)
        for status, shipments, looked_at in Shipment.objects.filter(status__in=_LOOKED_AT)
        .order_by()
        .values_list("status")
        .annotate(shipments=Count("pk"), looked_at=Count("pk", filter=~Q(attention="")))
    }
    shipments = GaugeMetricFamily(
        "duka_shipments", "Shipments that are not done with.", labels=["status"]
    )
    for status in _LOOKED_AT:
        shipments.add_metric([status.value], found.get(status.value, (0, 0))[0])
    yield shipments
    yield GaugeMetricFamily(
        "duka_shipments_attention",
        "Those at which a person is to look.",
        value=sum(each[1] for each in found.values()),
    )
    now = clock.now()
    due = Shipment.objects.to_send(now).aggregate(due=Min("due_at"))["due"]
    yield GaugeMetricFamily(
        "duka_shipments_overdue_seconds",
        "For how long a worker should have sent the first.",
        value=(now - due).total_seconds() if due else 0,
    )


def _carriers() -> Iterator[Metric]:
    failures = GaugeMetricFamily(
        "duka_carrier_failures",
        f"Failures of a carrier in a row; from {FAILURES} on it is asked seldom.",
        labels=["carrier"],
    )
    for carrier in Carrier.objects.order_by("name"):
        failures.add_metric([carrier.name], carrier.failures)
    yield failures
    yield GaugeMetricFamily(
        "duka_carrier_news_waiting",
        "What carriers told and nobody has looked at.",
        value=News.objects.filter(state=NewsState.NEW).count(),
    )


def _standing_orders() -> Iterator[Metric]:
    # Of today some are always due still.
    yesterday = clock.today() - timedelta(days=1)
    yield GaugeMetricFamily(
        "duka_standing_orders_overdue",
        "Standing orders with a date before today of which nothing came.",
        value=StandingOrder.objects.due(yesterday).count(),
    )
    yield GaugeMetricFamily(
        "duka_standing_orders_waiting",
        "Dates of standing orders that wait for goods.",
        value=Occurrence.objects.filter(status=OccurrenceStatus.WAITING).count(),
    )
