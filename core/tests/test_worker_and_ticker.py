"""The real programs, as processes of their own."""

import signal
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from core.models import PeriodicJob, Worker
from core.tests import probe
from tests.processes import spawn_manage, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
READY, RUNNING = TaskResultStatus.READY, TaskResultStatus.RUNNING
SUCCESSFUL, FAILED = TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED


def notes(folder):
    """Return (process, text) of each run that a task noted."""
    path = folder / "notes"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(line.split()[0]), line.split()[1]) for line in lines]


def status(result):
    return DBTaskResult.objects.get(pk=result.id).status


def end_sessions():
    """End the sessions that other processes have on this test's database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return cursor.fetchone()[0]


def test_a_worker_runs_tasks_beats_and_ends_cleanly_when_told_to(tmp_path):
    good = probe.note.enqueue(str(tmp_path), text="good")
    bad = probe.fail.enqueue()
    with spawn_manage("worker", "--id", "w1") as worker:
        wait_until(lambda: status(bad) == FAILED)
        assert status(good) == SUCCESSFUL
        assert notes(tmp_path) == [(worker.pid, "good")]
        assert DBTaskResult.objects.get(pk=good.id).worker_ids == ["w1"]
        assert "ValueError: no good" in DBTaskResult.objects.get(pk=bad.id).traceback

        seen = Worker.objects.get(pk="w1").seen_at
        wait_until(lambda: Worker.objects.get(pk="w1").seen_at > seen)
        later = probe.note.enqueue(str(tmp_path), text="later")
        wait_until(lambda: status(later) == SUCCESSFUL)

        assert worker.stop() == 0
        assert not Worker.objects.exists()
        assert [
            line["message"] for line in worker.log_lines() if line["logger"] == "duka.worker"
        ] == [
            "worker w1 started",
            "worker w1 is told to stop; it finishes what it has in hand",
            "worker w1 stopped",
        ]
        assert "Traceback" not in worker.log().replace(r"\n", "").partition("no good")[2]


def test_a_worker_that_is_told_to_end_finishes_the_task_in_hand_and_takes_no_other(tmp_path):
    first = probe.wait_for_file.enqueue(str(tmp_path))
    second = probe.note.enqueue(str(tmp_path), text="second")
    with spawn_manage("worker") as worker:
        wait_until(lambda: notes(tmp_path))
        worker.process.send_signal(signal.SIGINT)
        assert status(first) == RUNNING
        (tmp_path / "go").touch()

        assert worker.process.wait(60) == 0

    assert (status(first), status(second)) == (SUCCESSFUL, READY)
    assert not Worker.objects.exists()


def test_the_task_of_a_killed_worker_is_run_by_another(tmp_path):
    lost = probe.hang_once.enqueue(str(tmp_path))
    with (
        spawn_manage("worker", "--id", "victim") as victim,
        spawn_manage("ticker") as ticker,
    ):
        wait_until(lambda: notes(tmp_path))
        with spawn_manage("worker", "--id", "heir") as heir:
            wait_until(lambda: Worker.objects.filter(pk="heir").exists())
            victim.kill()
            # The reaper is a periodic job, each 10 s by right; here it is always due.
            reaper = PeriodicJob.objects.filter(name="core.tasks.reap_lost_tasks")

            def finished():
                reaper.update(next_run_at=Now() - timedelta(seconds=1))
                return status(lost) == SUCCESSFUL

            wait_until(finished)
            assert [each for each, _ in notes(tmp_path)] == [victim.pid, heir.pid]
            assert DBTaskResult.objects.get(pk=lost.id).worker_ids == ["victim", "heir"]
            assert heir.said("took task core.tests.probe.hang_once from a worker that is gone")
            assert (heir.stop(), ticker.stop()) == (0, 0)

    assert [each.pk for each in Worker.objects.all()] == ["victim"]


def test_a_worker_and_a_ticker_go_on_after_the_database_ended_their_sessions(tmp_path):
    with spawn_manage("worker", "--id", "w1") as worker, spawn_manage("ticker") as ticker:
        wait_until(lambda: Worker.objects.exists() and PeriodicJob.objects.exists())
        for n in range(3):
            assert end_sessions() >= 1
            again = probe.note.enqueue(str(tmp_path), text=f"{n}")
            wait_until(lambda again=again: status(again) == SUCCESSFUL)
        seen = Worker.objects.get(pk="w1").seen_at
        PeriodicJob.objects.update(last_run_at=None)
        waiting = PeriodicJob.objects.filter(last_run_at=None)
        # Due until it is run: a task of before that still waits puts it off.
        wait_until(lambda: not waiting.update(next_run_at=Now()))
        wait_until(lambda: Worker.objects.get(pk="w1").seen_at > seen)

        assert worker.process.poll() is None
        assert ticker.process.poll() is None
        assert (worker.stop(), ticker.stop()) == (0, 0)

    assert [text for _, text in notes(tmp_path)] == ["0", "1", "2"]
    assert not Worker.objects.exists()


def test_a_task_in_whose_middle_the_session_ended_is_run_again_by_the_same_worker(tmp_path):
    """It lives and beats, so that no reaper would ever take the task from it."""
    task = probe.lose_connection_once.enqueue(str(tmp_path))
    with spawn_manage("worker", "--id", "w1") as worker:
        wait_until(lambda: status(task) == SUCCESSFUL)

        assert worker.said("worker w1 lost the database; trying again")
        assert notes(tmp_path) == [(worker.pid, "began")] * 2
        assert DBTaskResult.objects.get(pk=task.id).worker_ids == ["w1", "w1"]
        assert worker.stop() == 0


JOBS = {
    "accounts.tasks.remove_old_sign_ins",
    "bookings.tasks.remind_customers",
    "core.tasks.reap_lost_tasks",
    "core.tasks.remove_old_records",
    "customers.tasks.remove_old_codes",
    "notifications.tasks.deliver_messages",
    "notifications.tasks.look_at_callbacks",
    "notifications.tasks.remove_old_callbacks",
    "notifications.tasks.record_missed_contacts",
    "notifications.tasks.remove_old_links",
    "notifications.tasks.sync_templates",
    "orders.tasks.remove_expired_carts",
    "repairs.tasks.collect_repairs",
    "repairs.tasks.sync_repair_sources",
    "repairs.tasks.write_documents",
    "shipping.tasks.announce_coming",
    "shipping.tasks.cancel_shipments",
    "shipping.tasks.look_at_news",
    "shipping.tasks.poll_silent_shipments",
    "shipping.tasks.remove_old_news",
    "shipping.tasks.retry_waiting",
    "shipping.tasks.run_standing_orders",
    "shipping.tasks.send_shipments",
    "shipping.tasks.sync_carriers",
    "uploads.tasks.remove_old_uploads",
    "uploads.tasks.run_uploads",
}


def test_a_ticker_syncs_and_enqueues_until_it_is_told_to_end():
    PeriodicJob.objects.create(name="gone.task", every=timedelta(hours=1))
    with spawn_manage("ticker") as ticker:
        wait_until(lambda: DBTaskResult.objects.count() == len(JOBS))
        assert ticker.stop(signal.SIGINT) == 0
        assert ticker.log() == ""

    assert {result.task_path for result in DBTaskResult.objects.all()} == JOBS
    assert PeriodicJob.objects.count() == len(JOBS)
