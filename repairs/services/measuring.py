"""Numbers of repairs for `/metrics`."""

from collections.abc import Iterator

from django.db.models import Count
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from core import clock
from repairs.models import Aside, Job, Source
from repairs.states import JobStatus

from .sources import is_configured, layout_of

_OF_SOURCE = ("source",)


def measure() -> Iterator[Metric]:
    """Yield how each source does, and how many jobs stand where."""
    sources = list(Source.objects.order_by("name"))
    yield from _sources(sources)
    yield _set_aside(sources)
    yield from _jobs(sources)


def _sources(sources: list[Source]) -> Iterator[Metric]:
    lag = GaugeMetricFamily(
        "duka_repairs_lag_seconds",
        "Since the begin of the last round that took in all there was; none before the first.",
        labels=_OF_SOURCE,
    )
    failing = GaugeMetricFamily(
        "duka_repairs_failing", "1: its database does not answer as it should.", labels=_OF_SOURCE
    )
    baselined = GaugeMetricFamily(
        "duka_repairs_baselined", "1: all that was there before us is taken in.", labels=_OF_SOURCE
    )
    collected = CounterMetricFamily(
        "duka_repairs_collected", "Jobs taken in, those of the baseline too.", labels=_OF_SOURCE
    )
    now = clock.now()
    for source in sources:
        names = [source.name]
        collected.add_metric(names, source.collected)
        if not source.active or not is_configured(source):
            # Nobody collects from it, so that its lag would only grow and wake people.
            continue
        failing.add_metric(names, int(source.failures > 0))
        baselined.add_metric(names, int(source.baselined_at is not None))
        if source.complete_at is not None:
            lag.add_metric(names, max((now - source.complete_at).total_seconds(), 0))
    yield from (lag, failing, baselined, collected)


def _set_aside(sources: list[Source]) -> Metric:
    counted = dict(Aside.objects.open().order_by().values_list("source").annotate(rows=Count("pk")))
    aside = GaugeMetricFamily(
        "duka_repairs_set_aside", "Rows that could not become jobs.", labels=_OF_SOURCE
    )
    for source in sources:
        aside.add_metric([source.name], counted.get(source.pk, 0))
    return aside


def _jobs(sources: list[Source]) -> Iterator[Metric]:
    # By the index of the status alone; with the source beside it each job would be read.
    counted = dict(Job.objects.order_by().values_list("status").annotate(jobs=Count("pk")))
    jobs = GaugeMetricFamily("duka_repairs_jobs", "Jobs by their status.", labels=("status",))
    for status in JobStatus:
        jobs.add_metric([status.value], counted.get(status.value, 0))
    yield jobs
    yield GaugeMetricFamily(
        "duka_repairs_attention",
        "Jobs at which a person is to look.",
        value=Job.objects.needing_attention().count(),
    )
    # Of one that is only read nobody waits for it to know.
    writable = [each for each in sources if is_configured(each) and layout_of(each).write_back]
    yield GaugeMetricFamily(
        "duka_repairs_write_due",
        "Jobs of which the client's database does not know the status yet.",
        value=Job.objects.to_write_back().filter(source__in=writable).count(),
    )
