"""Numbers of uploads for `/metrics`."""

from collections.abc import Iterator

from django.db.models import Count, Min
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from core import clock
from uploads.models import Upload
from uploads.states import UploadStatus


def measure() -> Iterator[Metric]:
    """Yield how many uploads wait, and for how long a worker should have taken the first."""
    waiting = Upload.objects.filter(
        status__in=[UploadStatus.QUEUED, UploadStatus.RUNNING]
    ).aggregate(uploads=Count("pk"), due=Min("due_at"))
    yield GaugeMetricFamily(
        "duka_uploads_waiting", "Uploads that are not over.", value=waiting["uploads"]
    )
    late = (clock.now() - waiting["due"]).total_seconds() if waiting["due"] else 0
    yield GaugeMetricFamily(
        "duka_uploads_overdue_seconds",
        "For how long a worker should have taken the first.",
        value=max(late, 0),
    )
