import logging
import threading
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from core import jobs, request_id
from core.models import IdempotencyKey, PeriodicJob, Worker
from core.tasks import reap_lost_tasks, remove_old_records
from core.tests import probe
from core.tests.races import at_once

READY, RUNNING = TaskResultStatus.READY, TaskResultStatus.RUNNING
SUCCESSFUL, FAILED = TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED
HOUR = timedelta(hours=1)
FAIL = "core.tests.probe.fail"

pytestmark = pytest.mark.django_db


@pytest.fixture
def periodic(monkeypatch):
    """Only the job `core.tests.probe.fail`, every hour, with its row."""
    monkeypatch.setattr(jobs, "_periodic", {})
    jobs.periodic(every=HOUR)(probe.fail)
    jobs.sync_periodic_jobs()
    return PeriodicJob.objects.get()


def set_next_run(by):
    PeriodicJob.objects.update(next_run_at=Now() + by)


def next_run_in():
    """Return how long it is until the only job is due, in seconds."""
    return (PeriodicJob.objects.get().next_run_at - timezone.now()).total_seconds()


def enqueued():
    return DBTaskResult.objects.count()


def test_every_declared_job_has_a_row_that_is_due_at_once():
    jobs.sync_periodic_jobs()

    assert {job.name: job.every for job in PeriodicJob.objects.all()} == {
        "accounts.tasks.remove_old_sign_ins": HOUR,
        "bookings.tasks.remind_customers": timedelta(minutes=5),
        "core.tasks.reap_lost_tasks": timedelta(seconds=10),
        "core.tasks.remove_old_records": HOUR,
        "customers.tasks.remove_old_codes": HOUR,
        "notifications.tasks.deliver_messages": timedelta(seconds=2),
        "notifications.tasks.look_at_callbacks": timedelta(seconds=5),
        "notifications.tasks.remove_old_callbacks": timedelta(days=1),
        "notifications.tasks.remove_old_links": timedelta(days=1),
        "notifications.tasks.record_missed_contacts": timedelta(minutes=10),
        "notifications.tasks.sync_templates": HOUR,
        "orders.tasks.remove_expired_carts": HOUR,
        "repairs.tasks.collect_repairs": timedelta(seconds=5),
        "repairs.tasks.sync_repair_sources": timedelta(minutes=1),
        "repairs.tasks.write_documents": timedelta(seconds=5),
        "shipping.tasks.announce_coming": timedelta(minutes=10),
        "shipping.tasks.cancel_shipments": timedelta(seconds=5),
        "shipping.tasks.look_at_news": timedelta(seconds=5),
        "shipping.tasks.poll_silent_shipments": timedelta(minutes=5),
        "shipping.tasks.remove_old_news": timedelta(days=1),
        "shipping.tasks.retry_waiting": timedelta(minutes=5),
        "shipping.tasks.run_standing_orders": timedelta(minutes=1),
        "shipping.tasks.send_shipments": timedelta(seconds=5),
        "shipping.tasks.sync_carriers": timedelta(minutes=1),
        "uploads.tasks.remove_old_uploads": HOUR,
        "uploads.tasks.run_uploads": timedelta(seconds=5),
    }
    assert PeriodicJob.objects.due().count() == PeriodicJob.objects.count()


def test_sync_keeps_when_a_job_is_due_and_whether_it_is_on(periodic):
    PeriodicJob.objects.update(enabled=False, next_run_at=Now() + timedelta(minutes=30))
    before = PeriodicJob.objects.get().next_run_at

    jobs.sync_periodic_jobs()

    job = PeriodicJob.objects.get()
    assert (job.enabled, job.next_run_at) == (False, before)


def test_sync_removes_jobs_that_are_no_more(periodic):
    PeriodicJob.objects.create(name="gone.task", every=HOUR)

    jobs.sync_periodic_jobs()

    assert [job.name for job in PeriodicJob.objects.all()] == [FAIL]


def test_an_interval_that_was_made_shorter_counts_from_now_and_a_longer_one_later(periodic):
    jobs.tick()
    jobs.periodic(every=timedelta(minutes=1))(probe.fail)
    jobs.sync_periodic_jobs()
    assert 55 < next_run_in() <= 60

    jobs.periodic(every=timedelta(hours=5))(probe.fail)
    jobs.sync_periodic_jobs()
    assert 50 < next_run_in() <= 60
    assert PeriodicJob.objects.get().every == timedelta(hours=5)


def test_a_tick_enqueues_what_is_due_and_says_when_it_is_due_next(periodic):
    due = PeriodicJob.objects.get().next_run_at

    assert jobs.tick() == 1

    job = PeriodicJob.objects.get()
    task = DBTaskResult.objects.get()
    assert (task.task_path, task.status) == (FAIL, READY)
    assert task.args_kwargs == {"args": [], "kwargs": {}}
    assert job.last_task_id == str(task.pk)
    assert job.next_run_at == due + HOUR
    assert abs(timezone.now() - job.last_run_at) < timedelta(seconds=10)


def test_what_is_not_due_or_not_on_or_not_declared_is_left(periodic):
    set_next_run(timedelta(seconds=5))
    assert jobs.tick() == 0

    PeriodicJob.objects.update(next_run_at=Now() - HOUR, enabled=False)
    assert jobs.tick() == 0

    PeriodicJob.objects.update(enabled=True, name="of.an.older.version")
    assert jobs.tick() == 0
    assert enqueued() == 0


def test_a_job_whose_last_run_still_waits_for_a_worker_is_not_enqueued_again(periodic):
    jobs.tick()
    first_run = PeriodicJob.objects.get().last_run_at
    set_next_run(-timedelta(minutes=1))

    assert jobs.tick() == 0

    assert enqueued() == 1
    assert PeriodicJob.objects.get().last_run_at == first_run
    assert 58 * 60 < next_run_in() <= 60 * 60


@pytest.mark.parametrize("status", [RUNNING, SUCCESSFUL, FAILED])
def test_a_job_whose_last_run_was_taken_up_is_enqueued_again(periodic, status):
    jobs.tick()
    DBTaskResult.objects.update(status=status)
    set_next_run(-timedelta(minutes=1))

    assert jobs.tick() == 1
    assert enqueued() == 2


@pytest.mark.parametrize("last", ["", "no id at all", "00000000-0000-0000-0000-000000000000"])
def test_a_job_whose_last_run_is_not_known_any_more_is_enqueued(periodic, last):
    PeriodicJob.objects.update(last_task_id=last)

    assert jobs.tick() == 1


def test_a_late_tick_keeps_the_beat(periodic):
    set_next_run(-timedelta(minutes=10))
    due = PeriodicJob.objects.get().next_run_at

    jobs.tick()

    assert PeriodicJob.objects.get().next_run_at == due + HOUR


def test_after_a_long_sleep_a_job_runs_once_and_not_once_for_each_miss(periodic):
    set_next_run(-timedelta(days=3))

    ticks = []
    for _ in range(3):
        ticks.append(jobs.tick())
        DBTaskResult.objects.update(status=SUCCESSFUL)

    assert ticks == [1, 0, 0]
    assert 59 * 60 < next_run_in() <= 60 * 60


def test_a_tick_that_fails_midway_leaves_everything_as_it_was(periodic, monkeypatch):
    jobs.periodic(every=HOUR)(probe.note)
    jobs.sync_periodic_jobs()
    PeriodicJob.objects.filter(name="core.tests.probe.note").update(last_task_id="x" * 64)
    monkeypatch.setitem(jobs._periodic, "core.tests.probe.note", (object(), HOUR))
    before = list(PeriodicJob.objects.values())

    with pytest.raises(AttributeError), transaction.atomic():
        jobs.tick()

    assert enqueued() == 0
    assert list(PeriodicJob.objects.values()) == before


@pytest.mark.django_db(transaction=True)
def test_any_number_of_tickers_at_once_enqueue_each_due_job_once(monkeypatch):
    monkeypatch.setattr(jobs, "_periodic", {})
    for task in (probe.fail, probe.note, probe.hang_once, probe.wait_for_file):
        jobs.periodic(every=HOUR)(task)
    at_once([jobs.sync_periodic_jobs] * 4)

    for _ in range(5):
        PeriodicJob.objects.update(next_run_at=Now() - F("every") / 2)
        DBTaskResult.objects.all().delete()
        counts = at_once([jobs.tick] * 4)

        assert sum(counts) == 4
        assert enqueued() == 4


@pytest.mark.django_db(transaction=True)
def test_a_job_that_another_ticker_has_in_hand_is_skipped_rather_than_waited_for(periodic):
    def tick():
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '3s'")
        return jobs.tick()

    with transaction.atomic():
        PeriodicJob.objects.select_for_update().get()
        assert at_once([tick]) == [0]
    assert at_once([tick]) == [1]


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_is_enqueued_after_the_commit_and_not_before():
    with transaction.atomic():
        jobs.enqueue_on_commit(probe.note, folder="/x", text="hello")
        assert enqueued() == 0

    assert DBTaskResult.objects.get().args_kwargs == {
        "args": [],
        "kwargs": {"folder": "/x", "text": "hello"},
    }


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_of_a_transaction_that_is_rolled_back_is_forgotten():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        jobs.enqueue_on_commit(probe.fail)
        1 / 0  # noqa: B018

    with transaction.atomic(), pytest.raises(ZeroDivisionError), transaction.atomic():
        jobs.enqueue_on_commit(probe.fail)
        1 / 0  # noqa: B018

    assert enqueued() == 0


# --- Taking over from the dead


def running(*workers, since=60):
    """A task that the last of the workers has had in hand for so many seconds."""
    result = probe.fail.enqueue()
    DBTaskResult.objects.filter(pk=result.id).update(
        status=RUNNING,
        worker_ids=list(workers),
        started_at=Now() - timedelta(seconds=since),
    )
    return DBTaskResult.objects.get(pk=result.id)


def beat(worker, ago=0):
    Worker.objects.update_or_create(id=worker)
    Worker.objects.filter(pk=worker).update(seen_at=Now() - timedelta(seconds=ago))


def test_beat_notes_a_worker_and_then_only_when_it_was_seen():
    jobs.beat("w1")
    Worker.objects.update(started_at=Now() - HOUR, seen_at=Now() - HOUR)
    before = Worker.objects.get()

    jobs.beat("w1")

    after = Worker.objects.get()
    assert after.started_at == before.started_at
    assert after.seen_at - before.seen_at > timedelta(minutes=59)


@pytest.mark.parametrize("heartbeat", [None, 31])
def test_the_task_of_a_worker_that_is_gone_goes_back_to_the_queue(heartbeat, caplog):
    task = running("dead")
    if heartbeat:
        beat("dead", ago=heartbeat)
    beat("alive")

    with caplog.at_level(logging.WARNING, "duka.jobs"):
        assert reap_lost_tasks.call() == 1

    task.refresh_from_db()
    assert (task.status, task.started_at, task.worker_ids) == (READY, None, ["dead"])
    (record,) = caplog.records
    assert record.getMessage() == f"took task {FAIL} from a worker that is gone"
    assert (record.task_id, record.workers) == (str(task.pk), ["dead"])
    assert jobs.reap_lost_tasks() == 0


def test_the_task_of_a_live_worker_stays_its_own_however_long_it_takes():
    task = running("dead", "alive", since=100_000)
    beat("alive", ago=25)

    assert jobs.reap_lost_tasks() == 0
    task.refresh_from_db()
    assert (task.status, task.worker_ids) == (RUNNING, ["dead", "alive"])


def test_a_task_that_was_just_begun_is_left_although_its_worker_has_not_beaten_yet():
    running("newcomer", since=25)

    assert jobs.reap_lost_tasks() == 0


def test_a_task_that_nobody_claims_to_run_is_taken_back():
    task = running()

    assert jobs.reap_lost_tasks() == 1
    task.refresh_from_db()
    assert task.status == READY


def test_a_task_that_took_five_workers_with_it_is_given_up():
    lost = [f"w{n}" for n in range(jobs.MAX_DEATHS)]
    once_more = running(*lost[:-1])
    enough = running(*lost)

    assert jobs.reap_lost_tasks() == 2

    once_more.refresh_from_db()
    enough.refresh_from_db()
    assert (jobs.MAX_DEATHS, once_more.status, enough.status) == (5, READY, FAILED)
    assert enough.exception_class_path == "builtins.RuntimeError"
    assert "5 workers died while running this." in enough.traceback
    assert enough.finished_at


def test_what_is_not_running_is_not_reaped():
    for status in (READY, SUCCESSFUL, FAILED):
        DBTaskResult.objects.filter(pk=running("dead").pk).update(status=status)

    assert jobs.reap_lost_tasks() == 0


@pytest.mark.django_db(transaction=True)
def test_two_reapers_at_once_take_each_task_once():
    for n in range(20):
        running(f"dead{n}")

    assert sum(at_once([jobs.reap_lost_tasks] * 4)) == 20


def test_a_worker_gives_back_what_it_had_in_hand_and_nothing_of_others():
    mine, others, formerly_mine = running("w1"), running("w2"), running("w1", "w2")
    done = running("w1")
    DBTaskResult.objects.filter(pk=done.pk).update(status=SUCCESSFUL)
    beat("w1")

    assert jobs.release_tasks_of("w1") == 1

    statuses = dict(DBTaskResult.objects.values_list("pk", "status"))
    assert statuses == {
        mine.pk: READY,
        others.pk: RUNNING,
        formerly_mine.pk: RUNNING,
        done.pk: SUCCESSFUL,
    }


def test_a_task_that_its_worker_loses_again_and_again_is_given_up():
    task = running(*["w1"] * 5)

    jobs.release_tasks_of("w1")

    task.refresh_from_db()
    assert task.status == FAILED


def test_housekeeping_removes_finished_tasks_and_silent_workers_after_a_day():
    day = timedelta(days=1)
    second = timedelta(seconds=1)
    kept = {running("w").pk, probe.fail.enqueue().id}
    for status in (SUCCESSFUL, FAILED):
        for age, keep in ((day + second, False), (day - timedelta(minutes=1), True)):
            task = running("w")
            DBTaskResult.objects.filter(pk=task.pk).update(status=status, finished_at=Now() - age)
            kept |= {task.pk} if keep else set()
    beat("silent", ago=86_401)
    beat("quiet", ago=86_300)

    remove_old_records.call()

    assert {str(each) for each in DBTaskResult.objects.values_list("pk", flat=True)} == {
        str(each) for each in kept
    }
    assert [worker.pk for worker in Worker.objects.all()] == ["quiet"]


def test_a_long_task_is_told_to_stop(monkeypatch):
    monkeypatch.setattr(jobs, "_stopping", threading.Event())

    assert jobs.stopping() is False
    jobs.ask_to_stop()
    assert jobs.stopping() is True


def test_rows_are_called_by_what_a_person_knows_them_by(periodic):
    assert str(periodic) == FAIL
    assert str(Worker(id="shop-1234")) == "shop-1234"
    assert str(IdempotencyKey(key="k")) == "k"


def test_names_of_tasks_of_the_core_are_those_of_its_jobs():
    assert [task.module_path for task in (reap_lost_tasks, remove_old_records)] == [
        "core.tasks.reap_lost_tasks",
        "core.tasks.remove_old_records",
    ]


# --- The queue


def test_nothing_waits_in_an_empty_queue():
    assert jobs.queue() == jobs.Queue(waiting=0, oldest_seconds=0)


def test_the_queue_counts_what_could_begin_now_and_how_long_the_oldest_has_been_due():
    probe.fail.enqueue()
    oldest = probe.fail.enqueue()
    DBTaskResult.objects.filter(pk=oldest.id).update(enqueued_at=Now() - timedelta(minutes=5))
    due = probe.fail.using(run_after=timezone.now() + HOUR).enqueue()
    DBTaskResult.objects.filter(pk=due.id).update(
        enqueued_at=Now() - HOUR, run_after=Now() - timedelta(minutes=2)
    )
    # None of these: not yet due, in hand, done.
    later = probe.fail.using(run_after=timezone.now() + HOUR).enqueue()
    DBTaskResult.objects.filter(pk=later.id).update(enqueued_at=Now() - 2 * HOUR)
    running("w1", since=9000)
    DBTaskResult.objects.filter(pk=running("w1").pk).update(status=SUCCESSFUL)

    queue = jobs.queue()

    assert queue.waiting == 3
    assert 300 <= queue.oldest_seconds < 400


def test_a_task_that_a_dead_worker_left_waits_again():
    task = running("dead")
    DBTaskResult.objects.filter(pk=task.pk).update(enqueued_at=Now() - timedelta(seconds=90))

    jobs.reap_lost_tasks()

    queue = jobs.queue()
    assert queue.waiting == 1
    assert 90 <= queue.oldest_seconds < 190


def test_workers_that_look_themselves_are_handed_nothing():
    probe.fail.enqueue()

    assert jobs.hand_over() == 0


# --- The request that a task came from


def test_a_task_carries_the_id_of_its_request_beside_its_arguments():
    request_id.begin("asked")

    result = probe.note.enqueue("/x", text="hello")

    assert (result.args, result.kwargs) == (["/x"], {"text": "hello"})
    assert DBTaskResult.objects.get().args_kwargs == {
        "args": ["/x"],
        "kwargs": {"text": "hello"},
        "request_id": "asked",
    }


async def enqueue_without_waiting():
    return await probe.fail.aenqueue()


def test_so_does_one_that_is_enqueued_without_waiting():
    request_id.begin("asked")

    async_to_sync(enqueue_without_waiting)()

    assert DBTaskResult.objects.get().args_kwargs["request_id"] == "asked"


def test_a_periodic_job_comes_from_no_request(periodic):
    jobs.tick()

    assert DBTaskResult.objects.get().args_kwargs == {"args": [], "kwargs": {}}


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_that_cannot_be_stored_does_not_undo_what_was_asked_for(monkeypatch, caplog):
    def break_down(*args, **kwargs):
        raise OperationalError

    monkeypatch.setattr(DBTaskResult.objects, "create", break_down)

    with transaction.atomic():
        beat("w1")
        jobs.enqueue_on_commit(probe.fail)

    assert Worker.objects.filter(pk="w1").exists()
    assert [record.name for record in caplog.records] == ["django.db.backends.base"]
