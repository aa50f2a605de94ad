"""Numbers of messages for `/metrics`."""

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, Min, Q
from django.db.models.functions import Now
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from core import clock
from notifications.models import Callback, Message, Pace
from notifications.states import FAILURES, MessageStatus

_WAITING = (MessageStatus.QUEUED, MessageStatus.SENDING)
# At which a person is to look. The rest are ever more, and well.
_STRANDED = (MessageStatus.FAILED, MessageStatus.PARKED, MessageStatus.UNKNOWN)


def measure() -> Iterator[Metric]:
    """Yield where messages stand, how long they wait, and how gateways do."""
    yield from _standing()
    yield _lately()
    yield from _gateways()
    yield GaugeMetricFamily(
        "duka_callbacks_waiting",
        "What gateways told and nobody has looked at.",
        value=Callback.objects.to_look_at().count(),
    )


def _standing() -> Iterator[Metric]:
    # Both by small indexes: what was sent long ago is not read.
    waiting = Message.objects.filter(status__in=_WAITING).aggregate(
        **{status.value: Count("pk", filter=Q(status=status)) for status in _WAITING},
        oldest=Min("created_at", filter=Q(status=MessageStatus.QUEUED)),
        due=Min("due_at"),
    )
    stranded = dict(
        Message.objects.filter(status__in=_STRANDED)
        .order_by()
        .values_list("status")
        .annotate(messages=Count("pk"))
    )
    messages = GaugeMetricFamily(
        "duka_messages", "Messages that wait, or at which a person is to look.", labels=["status"]
    )
    for status in _WAITING:
        messages.add_metric([status.value], waiting[status.value])
    for status in _STRANDED:
        messages.add_metric([status.value], stranded.get(status.value, 0))
    yield messages
    now = clock.now()
    for name, said, since in (
        ("oldest", "Age of the oldest that is queued, those for a later try too.", "oldest"),
        ("overdue", "For how long a worker should have taken the first.", "due"),
    ):
        seconds = (now - waiting[since]).total_seconds() if waiting[since] else 0
        yield GaugeMetricFamily(f"duka_messages_{name}_seconds", said, value=max(seconds, 0))


def _lately() -> Metric:
    counted = dict(
        Message.objects.filter(created_at__gte=Now() - timedelta(hours=1))
        .order_by()
        .values_list("status")
        .annotate(messages=Count("pk"))
    )
    lately = GaugeMetricFamily(
        "duka_messages_last_hour",
        "Messages of the last hour, by where they stand now.",
        labels=["status"],
    )
    for status in MessageStatus:
        lately.add_metric([status.value], counted.get(status.value, 0))
    return lately


def _gateways() -> Iterator[Metric]:
    down = GaugeMetricFamily(
        "duka_gateway_down",
        f"1: it failed {FAILURES} times in a row, and is asked seldom.",
        labels=["gateway"],
    )
    for pace in Pace.objects.order_by("pk"):
        down.add_metric([pace.pk], int(pace.failures >= FAILURES))
    yield down
