"""Tasks that a broker tells of, seen from within; `tests/test_celery.py` has the processes."""

import importlib
import logging
import os
import signal
import threading
from datetime import timedelta

import pytest
from celery.worker import state
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django_tasks import TaskResultStatus, default_task_backend
from django_tasks.exceptions import InvalidTaskError
from django_tasks_db.models import DBTaskResult

from core import celery, jobs, request_id
from core.tests import probe
from tests.brokers import BROKERS
from tests.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
READY, SUCCESSFUL = TaskResultStatus.READY, TaskResultStatus.SUCCESSFUL


@pytest.fixture(params=BROKERS)
def broker(request, brokers, settings):
    """A broker, and this process as one whose settings lead there."""
    broker = brokers.get(request.param)
    settings.CELERY_BROKER_URL = broker.server.url
    settings.CELERY_QUEUE = broker.queue
    importlib.reload(celery)
    settings.TASKS = {"default": {"BACKEND": "core.celery.CeleryBackend", "QUEUES": []}}
    yield broker
    celery.app.close()


@pytest.fixture
def worker(monkeypatch):
    """A worker in this thread, as `manage.py worker` makes it."""
    from core.celery_worker import CeleryWorker  # noqa: PLC0415  it wants the broker's settings

    monkeypatch.setattr(jobs, "_stopping", threading.Event())
    monkeypatch.setattr(state, "should_stop", None)
    monkeypatch.setattr("core.workers.RECONNECT_SECONDS", 0)
    return CeleryWorker("w1")


def age():
    """Let all tasks have waited for a while."""
    DBTaskResult.objects.update(enqueued_at=Now() - timedelta(minutes=1))


def work_until_done(worker, result):
    """Let a worker work until a task has been run."""

    def stop():
        try:
            wait_until(lambda: DBTaskResult.objects.get(pk=result.id).status == SUCCESSFUL)
        finally:
            worker.shutdown(signal.SIGTERM, None)
            connection.close()

    stopper = threading.Thread(target=stop)
    stopper.start()
    assert worker.work() == 0
    stopper.join()


def test_a_task_has_its_row_at_once_and_its_message_with_the_commit(broker):
    with transaction.atomic():
        result = probe.fail.enqueue()
        assert (result.status, celery.waiting_messages()) == (READY, 0)

    assert celery.waiting_messages() == 1
    assert default_task_backend.get_result(result.id).status == READY
    assert DBTaskResult.objects.get().args_kwargs == {"args": [], "kwargs": {}}


def test_of_a_transaction_that_is_rolled_back_there_is_neither(broker):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        probe.fail.enqueue()
        1 / 0  # noqa: B018

    assert (DBTaskResult.objects.count(), celery.waiting_messages()) == (0, 0)


def test_a_task_for_later_is_handed_over_when_it_is_due(broker):
    later = probe.fail.using(run_after=timezone.now() + timedelta(hours=1)).enqueue()
    age()
    assert (jobs.hand_over(), celery.waiting_messages()) == (0, 0)

    DBTaskResult.objects.filter(pk=later.id).update(run_after=Now() - timedelta(seconds=1))
    assert (jobs.hand_over(), celery.waiting_messages()) == (1, 1)
    assert (jobs.hand_over(), celery.waiting_messages()) == (0, 1)


def test_as_many_messages_are_sent_again_as_are_missing(broker):
    for _ in range(3):
        probe.fail.enqueue()
    assert celery.waiting_messages() == 3
    purge()
    assert jobs.hand_over() == 0, "they have hardly waited"

    age()
    assert (jobs.hand_over(), celery.waiting_messages()) == (3, 3)
    probe.fail.enqueue()
    age()
    assert (jobs.hand_over(), celery.waiting_messages()) == (0, 4)


def purge():
    with celery.app.connection_for_write() as connection:
        assert (
            celery.app.amqp.queues[celery.app.conf.task_default_queue](
                connection.default_channel
            ).purge()
            == 3
        )


def test_without_its_broker_a_task_waits_in_the_database(broker, caplog, monkeypatch):
    broker.server.stop()
    with caplog.at_level(logging.WARNING, "duka.celery"):
        first = probe.fail.enqueue()
        # Nobody asks again so soon.
        second = probe.fail.enqueue()
        age()
        assert (jobs.hand_over(), celery.waiting_messages()) == (0, None)

    [record] = caplog.records
    assert record.getMessage() == (
        "the broker cannot be reached (OperationalError); tasks wait in the database"
    )
    assert {str(each) for each in DBTaskResult.objects.values_list("pk", flat=True)} == {
        first.id,
        second.id,
    }
    broker.server.start()
    monkeypatch.setattr(celery, "_quiet_until", 0)
    assert jobs.hand_over() == 2


def test_a_broker_that_hangs_holds_up_nobody_for_long(broker, caplog, monkeypatch):
    probe.fail.enqueue()
    os.kill(broker.server.pid, signal.SIGSTOP)
    try:
        with caplog.at_level(logging.WARNING, "duka.celery"):
            probe.fail.enqueue()
            assert jobs.hand_over() == 0
    finally:
        os.kill(broker.server.pid, signal.SIGCONT)

    assert len(caplog.records) == 1
    assert DBTaskResult.objects.filter(status=READY).count() == 2
    monkeypatch.setattr(celery, "_quiet_until", 0)
    wait_until(lambda: celery.waiting_messages() is not None)


def test_a_ticker_whose_broker_goes_away_meanwhile_sends_no_more(broker, monkeypatch):
    for _ in range(3):
        probe.fail.enqueue()
    purge()
    age()
    publish, sent = celery._publish, []

    def fail_later(*told):
        if sent:
            raise ConnectionResetError
        sent.append(told)
        return publish(*told)

    monkeypatch.setattr(celery, "_publish", fail_later)

    assert (jobs.hand_over(), len(sent)) == (1, 1)


def test_a_broker_knows_no_priorities(broker):
    with pytest.raises(InvalidTaskError, match="priority"):
        probe.fail.using(priority=5)


def test_a_task_of_celerys_own_worker_says_which_one_is_meant(broker, monkeypatch):
    monkeypatch.setattr(celery.Runner, "take", None)

    with pytest.raises(RuntimeError, match="runs these tasks, not"):
        celery.run(task_id="any")


def test_a_worker_runs_what_it_is_told_of_and_stops_when_it_is_told_to(broker, worker, tmp_path):
    request_id.begin("asked")
    result = probe.note.enqueue(str(tmp_path), text="done")

    work_until_done(worker, result)

    row = DBTaskResult.objects.get()
    assert (row.worker_ids, row.return_value, row.args_kwargs["request_id"]) == (
        ["w1"],
        "done",
        "asked",
    )
    assert celery.waiting_messages() == 0


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"a": 1}, {"task": "duka.run", "id": "x"}),
        ("text", {"task": "duka.run", "id": "x"}),
        ([[], {"task_id": 7}, {}], {"task": "duka.run"}),
        ([[], {}, {}], {"task": ["duka.run"], "id": "x"}),
        ([[], {}, {}], {"task": "os.system", "id": "x"}),
    ],
)
def test_what_is_no_message_of_ours_ends_no_worker(broker, worker, tmp_path, body, headers):
    with celery.app.connection_for_write() as there, there.channel() as channel:
        celery.app.amqp.queues[broker.queue](channel).declare()
        there.Producer(channel).publish(
            body,
            exchange=broker.queue,
            routing_key=broker.queue,
            headers=headers,
            serializer="json",
        )
    result = probe.note.enqueue(str(tmp_path), text="done")

    work_until_done(worker, result)

    assert DBTaskResult.objects.get(pk=result.id).status == SUCCESSFUL
    assert celery.waiting_messages() == 0


def test_a_message_that_comes_twice_runs_its_task_once(broker, worker, tmp_path):
    result = probe.note.enqueue(str(tmp_path), text="once")

    for _ in range(3):
        worker.take(result.id)

    assert (tmp_path / "notes").read_text().count("once") == 1
    worker.take("00000000-0000-0000-0000-000000000000")
    assert DBTaskResult.objects.count() == 1


def test_a_task_in_whose_middle_the_database_went_away_is_given_back(
    broker, worker, tmp_path, caplog
):
    result = probe.lose_connection_once.enqueue(str(tmp_path))

    with caplog.at_level(logging.ERROR, "duka.worker"):
        worker.take(result.id)

    assert [record.getMessage() for record in caplog.records if record.name == "duka.worker"] == [
        "worker w1 lost the database; trying again"
    ]
    row = DBTaskResult.objects.get()
    assert (row.status, row.worker_ids) == (READY, ["w1"])
    worker.take(result.id)
    row.refresh_from_db()
    assert (row.status, row.worker_ids) == (SUCCESSFUL, ["w1", "w1"])


def test_a_worker_without_a_database_looks_until_it_is_told_to_stop(worker, monkeypatch):
    tries = []

    def release(worker_id):
        tries.append(worker_id)
        if len(tries) == 3:
            worker.shutdown(signal.SIGTERM, None)
        raise OperationalError

    monkeypatch.setattr(jobs, "release_tasks_of", release)

    assert (worker.work(), tries) == (0, ["w1"] * 3)
