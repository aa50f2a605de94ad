"""`/metrics`: who is told, that the numbers are those of the moment, and that none costs a request."""

import logging
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tasks import TaskResultStatus, default_task_backend
from django_tasks.signals import task_finished
from django_tasks_db.models import DBTaskResult
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from core import counting, jobs, metrics
from core.models import PeriodicJob
from core.tests import probe
from core.tests.races import at_once
from notifications.tests.factories import MessageFactory
from orders.tests.factories import OrderFactory

# Refusals of whoever shows a credential are in the audit log.
pytestmark = pytest.mark.django_db
TOKEN = "tests-only-0123456789"


@pytest.fixture(autouse=True)
def token(settings):
    settings.METRICS_TOKEN = TOKEN


@pytest.fixture
def numbers(monkeypatch):
    """Numbers that an app reads: those in the list."""
    values = [1]
    monkeypatch.setattr(metrics, "_parts", [])

    def read():
        yield GaugeMetricFamily("duka_tests_things", "Things.", value=values[-1])

    metrics.register(read, part="things")
    metrics.register(read, part="things")
    return values


def ask(authorization=f"Bearer {TOKEN}", method="get"):
    headers = {} if authorization is None else {"Authorization": authorization}
    return getattr(Client(), method)("/metrics", headers=headers)


def told(name):
    """Return what is said under a name: {labels' values: value}."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(ask().content.decode())
        for sample in family.samples
        if sample.name == name
    }


def test_whoever_shows_the_token_is_told_what_is_so_now(numbers):
    first = ask()
    numbers.append(2)
    second = ask(f"bearer  {TOKEN} ")

    assert first.status_code == second.status_code == 200
    assert first["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "no-store" in first["Cache-Control"]
    assert first.content.decode() == (
        "# HELP duka_tests_things Things.\n# TYPE duka_tests_things gauge\nduka_tests_things 1.0\n"
        "# HELP duka_database_up 1: the database answers.\n# TYPE duka_database_up gauge\n"
        "duka_database_up 1.0\n"
        "# HELP duka_metrics_success 0: this part of the numbers could not be read.\n"
        '# TYPE duka_metrics_success gauge\nduka_metrics_success{part="things"} 1.0\n'
    )
    # Registered twice, it is read once.
    assert second.content.decode().splitlines()[2] == "duka_tests_things 2.0"


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer  ", "Bearer ü"],
)
def test_strangers_learn_nothing(numbers, authorization):
    answer = ask(authorization)

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')
    assert answer.content == b"Show METRICS_TOKEN as a bearer token.\n"


@pytest.mark.parametrize("authorization", [None, "Bearer ", f"Bearer {TOKEN}"])
def test_where_no_token_is_set_there_is_nothing(numbers, settings, authorization):
    settings.METRICS_TOKEN = ""

    assert ask(authorization).status_code == 404


def test_it_is_read_and_nothing_else(numbers):
    assert ask(method="head").status_code == 200
    assert ask(method="post").status_code == 405


def test_a_part_that_fails_is_named_and_the_others_are_there(numbers, caplog):
    def fails():
        yield GaugeMetricFamily("duka_tests_half", "Begun.", value=1)
        raise RuntimeError("no number")

    metrics.register(fails, part="broken", needs_database=False)

    def breaks_its_transaction():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")
        yield from ()

    metrics.register(breaks_its_transaction)

    # By the name of the package that it is in, where none is given.
    assert told("duka_metrics_success") == {("things",): 1, ("broken",): 0, ("core",): 0}
    assert told("duka_tests_things") == {(): 1}
    assert told("duka_tests_half") == {}
    assert "the part broken of the numbers could not be read" in caplog.text


def test_a_part_that_takes_too_long_is_ended(numbers, monkeypatch):
    monkeypatch.setattr(metrics, "STATEMENT_SECONDS", 0.05)

    def sleeps():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(600)")
        yield from ()

    metrics.register(sleeps, part="slow")

    assert told("duka_metrics_success") == {("things",): 1, ("slow",): 0}


def test_what_would_end_too_late_is_left_out_and_named(numbers, monkeypatch, caplog):
    monkeypatch.setattr(metrics, "ALL_SECONDS", metrics.STATEMENT_SECONDS + 0.2)
    after = []

    def asks_for_ever():
        for _ in range(10_000):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.05)")
        yield from ()

    metrics.register(asks_for_ever, part="many")
    metrics.register(lambda: after, part="after")
    metrics.register(list, part="own", needs_database=False)

    success = told("duka_metrics_success")

    assert success == {("things",): 1, ("many",): 0, ("after",): 0, ("own",): 1}
    assert told("duka_database_up") == {(): 1}
    assert "no time was left for the part after of the numbers" in caplog.text
    assert "no time was left for the part many of the numbers" in caplog.text


def test_a_connection_that_is_lost_ends_it_and_is_said_once(numbers, caplog):
    asked = []

    def dies():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        yield from ()

    def after():
        asked.append("after")
        yield from ()

    metrics.register(dies, part="dies")
    metrics.register(after, part="after")

    [answer] = at_once([ask])
    lines = answer.content.decode().splitlines()

    assert "duka_database_up 0.0" in lines
    # What was read before is true.
    assert [line for line in lines if line.startswith("duka_metrics_success{")] == [
        'duka_metrics_success{part="things"} 1.0',
        'duka_metrics_success{part="dies"} 0.0',
        'duka_metrics_success{part="after"} 0.0',
    ]
    assert asked == []
    assert [each.message for each in caplog.records if each.name == "duka.metrics"] == [
        "the part dies of the numbers could not be read"
    ]


def test_without_the_database_it_says_so_and_what_it_knows_itself(settings):
    def without_database():
        connection.close()
        connection.settings_dict = {**connection.settings_dict, "NAME": "gone"}
        return told("duka_database_up"), told("duka_metrics_success"), told("duka_build_info")

    [(up, success, build)] = at_once([without_database])

    assert up == {(): 0}
    there = {part for (part,), value in success.items() if value}
    assert there == {"build", "processes", "backups"}
    assert success[("orders",)] == success[("queue",)] == 0
    assert build == {(settings.VERSION,): 1}


def test_every_part_is_read_and_the_statements_stay_as_many():
    assert set(told("duka_metrics_success").values()) == {1}
    with CaptureQueriesContext(connection) as empty:
        ask()
    MessageFactory.create_batch(3)
    OrderFactory.create_batch(3)
    PeriodicJob.objects.create(name="x", every=timedelta(seconds=9))
    with CaptureQueriesContext(connection) as full:
        ask()

    assert len(full) == len(empty)
    assert len(full) < 60


# What happened where it is counted


@pytest.fixture
def counted():
    """`counted(name)`: how much was added under a name since the test began."""
    before = {}

    def read(name):
        return {
            tuple(sample.labels.values()): sample.value
            for family in counting.counted()
            for sample in family.samples
            if sample.name == name
        }

    names = ["http_requests", "http_exceptions", "logged_errors", "tasks"]
    names = [f"duka_{name}_total" for name in names]
    names += ["duka_http_request_duration_seconds_count", "duka_task_duration_seconds_sum"]
    before = {name: read(name) for name in names}
    return lambda name: {
        labels: value - before[name].get(labels, 0)
        for labels, value in read(name).items()
        if value != before[name].get(labels)
    }


def test_requests_are_counted_by_their_route_and_not_by_what_a_caller_makes_up(client, counted):
    client.get("/healthz")
    client.get("/api/v1/orders/A-1/")
    client.get("/api/v1/orders/A-2/?page=3")
    client.generic("BREW", "/healthz")
    for n in range(5):
        client.get(f"/nothing/{n}/")
        client.generic(f"MADEUP{n}", "/healthz")

    assert counted("duka_http_requests_total") == {
        ("GET", "core.health.healthz", "200"): 1,
        ("GET", "order-detail", "401"): 2,
        ("other", "core.health.healthz", "405"): 6,
        ("GET", "none", "404"): 5,
    }
    assert counted("duka_http_request_duration_seconds_count") == {
        ("GET", "core.health.healthz"): 1,
        ("GET", "order-detail"): 2,
        ("other", "core.health.healthz"): 6,
        ("GET", "none"): 5,
    }


@pytest.mark.urls("core.tests.probe")
def test_an_error_of_ours_is_counted_by_its_kind(anonymous, api, counted):
    anonymous.get("/crash")
    api.get("/workers/crash/")
    api.get("/workers/locked/")

    assert counted("duka_http_exceptions_total") == {
        ("core.tests.probe.crash", "RuntimeError"): 1,
        ("worker-crash", "RuntimeError"): 1,
    }
    assert counted("duka_logged_errors_total") == {("django.request",): 2}


def test_a_line_of_the_log_counts_from_error_on(counted):
    logger = logging.getLogger("duka.tests")
    logger.warning("not yet")
    logger.error("one")
    logger.critical("two")

    assert counted("duka_logged_errors_total") == {("duka.tests",): 2}


@pytest.mark.parametrize("began", [True, False])
def test_a_task_is_counted_when_it_ends(counted, began):
    row = DBTaskResult.objects.get(pk=probe.note.enqueue("x").id)
    row.status = TaskResultStatus.SUCCESSFUL
    row.finished_at = timezone.now()
    # One that nobody could even begin has no time of its own.
    row.started_at = row.finished_at - timedelta(seconds=2) if began else None
    task_finished.send(sender=type(default_task_backend), task_result=row.task_result)

    assert counted("duka_tasks_total") == {("core.tests.probe.note", "successful"): 1}
    lasted = {("core.tests.probe.note",): 2} if began else {}
    assert counted("duka_task_duration_seconds_sum") == lasted


def test_a_folder_in_which_nothing_can_be_counted_costs_no_request(client, settings, tmp_path):
    full = tmp_path / "full"
    full.write_text("no folder")
    settings.METRICS_DIR = str(full / "below")

    def fails():
        raise OSError

    counting._safely(fails)
    assert client.get("/healthz").status_code == 200
    assert told("duka_metrics_success")[("processes",)] == 0


# The core's own


def test_the_database_says_how_many_use_it():
    connections = told("duka_database_connections")

    assert connections.keys() == {
        ("active",),
        ("idle",),
        ("idle in transaction",),
        ("idle in transaction (aborted)",),
        ("other",),
    }
    assert connections[("active",)] >= 1
    assert told("duka_database_size_bytes")[()] > 1_000_000
    assert told("duka_database_connections_max") == {(): 400}
    assert told("duka_database_waiting_for_locks") == {(): 0}


def test_workers_the_queue_and_the_ticker_say_how_they_do():
    assert told("duka_workers") == told("duka_periodic_jobs") == {(): 0}
    assert told("duka_periodic_late_seconds") == told("duka_queue_waiting") == {(): 0}
    jobs.beat("w1")
    probe.note.enqueue("x")
    late = PeriodicJob.objects.create(name="late", every=timedelta(hours=1))
    PeriodicJob.objects.filter(pk=late.pk).update(next_run_at=Now() - timedelta(seconds=600))
    PeriodicJob.objects.create(
        name="off", every=timedelta(hours=1), enabled=False, next_run_at="2020-01-01T00:00Z"
    )

    assert told("duka_periodic_jobs") == told("duka_queue_waiting") == {(): 1}
    assert told("duka_periodic_jobs_late") == {(): 1}
    assert 600 <= told("duka_periodic_late_seconds")[()] < 700
    assert told("duka_queue_oldest_seconds")[()] >= 0
    assert told("duka_workers") == {(): 1}


@pytest.mark.parametrize(
    ("written", "ok", "finished"),
    [
        ('{"finished_at": "2026-11-22T02:00:00Z", "ok": true}', 1, {(): 1795312800}),
        ('{"finished_at": "2026-11-22T02:00:00Z", "ok": false}', 0, {(): 1795312800}),
        ('{"finished_at": "2026-11-22T02:00:00", "ok": true}', 0, {}),
        ('{"finished_at": 5, "ok": true}', 0, {}),
        ("[]", 0, {}),
        ("{", 0, {}),
        (None, 0, {}),
    ],
)
def test_the_last_backup_is_what_its_file_says(settings, tmp_path, written, ok, finished):
    path = tmp_path / "backup.json"
    if written is not None:
        path.write_text(written)
    settings.BACKUP_STATUS_FILE = str(path)

    assert told("duka_backup_ok") == {(): ok}
    assert told("duka_backup_finished_timestamp_seconds") == finished


def test_of_backups_nothing_is_said_where_no_file_is_named():
    assert told("duka_backup_ok") == {}
