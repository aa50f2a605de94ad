"""Numbers of the core itself for `/metrics`: the database, background work, backups."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Count, Min, Q
from django.db.models.functions import Now
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric

from . import jobs
from .backups import BackupUnknown, last_backup
from .models import PeriodicJob, Worker

# Of pg_stat_activity; whatever else it says, or does not tell us, is `other`.
_STATES = ("active", "idle", "idle in transaction", "idle in transaction (aborted)", "other")
_SESSIONS = """
    SELECT CASE WHEN state = ANY(%s) THEN state ELSE 'other' END,
           count(*),
           count(*) FILTER (WHERE wait_event_type = 'Lock'),
           coalesce(max(extract(epoch FROM clock_timestamp() - xact_start))
                    FILTER (WHERE pid <> pg_backend_pid()), 0)
      FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend'
     GROUP BY 1
"""
_SERVER = """
    SELECT pg_database_size(current_database()),
           current_setting('max_connections')::int,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
"""
# A job that is so late was not merely waiting for the ticker's next look.
LATE = timedelta(seconds=60)


def measure_database() -> Iterator[Metric]:
    """Yield what our own rights let us see of the server."""
    with connection.cursor() as cursor:
        cursor.execute(_SESSIONS, [list(_STATES)])
        sessions = {state: rest for state, *rest in cursor.fetchall()}
        cursor.execute(_SERVER)
        size, most, used = cursor.fetchone()
    by_state = GaugeMetricFamily(
        "duka_database_connections", "Sessions on the shop's database.", labels=["state"]
    )
    for state in _STATES:
        by_state.add_metric([state], sessions.get(state, [0])[0])
    yield by_state
    for name, said, value in (
        ("connections_used", "Sessions on the whole server.", used),
        ("connections_max", "Sessions that the server allows.", most),
        ("size_bytes", "Size of the shop's database.", size),
        (
            "waiting_for_locks",
            "Sessions that wait for a lock of another.",
            sum(each[1] for each in sessions.values()),
        ),
        (
            "longest_transaction_seconds",
            "Age of the oldest open transaction.",
            max((float(each[2]) for each in sessions.values()), default=0),
        ),
    ):
        yield GaugeMetricFamily(f"duka_database_{name}", said, value=value)


def measure_queue() -> Iterator[Metric]:
    """Yield how much waits for a worker, whatever carries it."""
    queue = jobs.queue()
    yield GaugeMetricFamily(
        "duka_queue_waiting", "Tasks that a worker could begin now.", value=queue.waiting
    )
    yield GaugeMetricFamily(
        "duka_queue_oldest_seconds",
        "For how long the oldest has waited.",
        value=queue.oldest_seconds,
    )


def measure_work() -> Iterator[Metric]:
    """Yield how the workers and the ticker do."""
    yield GaugeMetricFamily(
        "duka_workers",
        "Workers that are alive.",
        value=Worker.objects.seen_within(jobs.worker_lease()).count(),
    )
    found = PeriodicJob.objects.filter(enabled=True).aggregate(
        all=Count("pk"),
        late=Count("pk", filter=Q(next_run_at__lt=Now() - LATE)),
        for_long=Now() - Min("next_run_at"),
    )
    yield GaugeMetricFamily(
        "duka_periodic_jobs",
        "Periodic jobs that are on; 0: no ticker ever ran.",
        value=found["all"],
    )
    yield GaugeMetricFamily(
        "duka_periodic_jobs_late", "Those that are due for more than a minute.", value=found["late"]
    )
    yield GaugeMetricFamily(
        "duka_periodic_late_seconds",
        "How long the first of them has been due: for so long no ticker has looked.",
        value=max(found["for_long"].total_seconds(), 0) if found["all"] else 0,
    )


def measure_backups() -> Iterator[Metric]:
    """Yield what BACKUP_STATUS_FILE says; nothing where none is named."""
    if not settings.BACKUP_STATUS_FILE:
        return
    try:
        backup = last_backup()
    except BackupUnknown:
        yield GaugeMetricFamily("duka_backup_ok", "1: the last backup was made.", value=0)
        return
    yield GaugeMetricFamily("duka_backup_ok", "1: the last backup was made.", value=int(backup.ok))
    yield GaugeMetricFamily(
        "duka_backup_finished_timestamp_seconds",
        "When the last backup, or try, ended.",
        value=backup.finished_at.timestamp(),
    )
    yield GaugeMetricFamily(
        "duka_backup_max_age_seconds",
        "From which age on it is too old (BACKUP_MAX_HOURS).",
        value=settings.BACKUP_MAX_HOURS * 3600,
    )


def measure_build() -> Iterator[Metric]:
    yield InfoMetricFamily("duka_build", "What runs here.", value={"version": settings.VERSION})
