"""A shop whose workers hear of their tasks from a broker: the real ones, and what goes wrong."""

import contextlib
import os
import signal
from pathlib import Path

import pytest
import requests
from django.db import connection
from django.db.models.functions import Now
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from accounts.services.machines import create_machine
from catalog.models import Variant
from catalog.tests.factories import VariantFactory
from core.models import PeriodicJob, Worker
from core.tests import probe
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from notifications.states import MessageStatus

from .brokers import BROKERS, Brokers, env_of
from .ports import free_port
from .processes import spawn_manage, wait_until
from .servers import spawn_gateway, spawn_web
from .test_journey import Caller

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
READY, SUCCESSFUL = TaskResultStatus.READY, TaskResultStatus.SUCCESSFUL
BACKENDS = ["database", *BROKERS]


@pytest.fixture(params=BROKERS)
def broker(request, brokers: Brokers):
    return brokers.get(request.param)


def status(result):
    return DBTaskResult.objects.get(pk=result.id).status


def notes(folder: Path) -> list[tuple[int, str]]:
    path = folder / "notes"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(line.split()[0]), line.split()[1]) for line in lines]


def till(base: str) -> Caller:
    rights = ["handle_orders", "manage_catalogue", "manage_customers"]
    machine, secret = create_machine(by=None, name="Till", rights=rights)
    return Caller(base, client_id=machine.client_id, secret=secret)


def order_of(customer, variant) -> dict:
    return {"customer": customer.code, "lines": [{"sku": variant.sku, "quantity": 1}]}


@pytest.mark.parametrize("kind", BACKENDS)
def test_the_log_line_of_a_message_has_the_id_of_the_request_that_caused_it(
    kind, brokers, tmp_path
):
    customer, variant = CustomerFactory.create(), VariantFactory.create(stock=5)
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(spawn_gateway(tmp_path))
        env = gateway.env | env_of(brokers, kind)
        _, base = stack.enter_context(spawn_web(env=env, port=free_port()))
        # No ticker, so that nothing but the order's own wake-up leads to the message.
        worker = stack.enter_context(spawn_manage("worker", env=env))
        wait_until(Worker.objects.exists)
        shop = till(base)
        for n in range(2):
            shop.session.headers["X-Request-ID"] = f"order-{n}"
            assert shop.post("/orders/", order_of(customer, variant), key=f"{n}")[0] == 201
            wait_until(lambda n=n: len(gateway.numbers()) == n + 1)
        wait_until(lambda: Message.objects.filter(status=MessageStatus.SENT).count() == 2)
        assert worker.stop() == 0

        told = {
            line["message"]: (line["request_id"], line["task"], line["task_id"])
            for line in worker.log_lines()
            if "message_id" in line
        }
    tasks = {
        each.args_kwargs["request_id"]: str(each.pk)
        for each in DBTaskResult.objects.filter(task_path="notifications.tasks.deliver_now")
    }
    first, second = Message.objects.order_by("pk")
    path = "notifications.tasks.deliver_now"
    assert told == {
        f"message {first.pk}: sent": ("order-0", path, tasks["order-0"]),
        f"message {second.pk}: sent": ("order-1", path, tasks["order-1"]),
    }


def test_every_periodic_job_is_run_by_a_worker_that_its_broker_tells(broker):
    with (
        spawn_manage("worker", "--id", "w1", env=broker.env) as worker,
        spawn_manage("ticker", env=broker.env) as ticker,
    ):
        wait_until(PeriodicJob.objects.exists)
        jobs = set(PeriodicJob.objects.values_list("name", flat=True))

        def done():
            return set(
                DBTaskResult.objects.filter(status=SUCCESSFUL).values_list("task_path", flat=True)
            )

        wait_until(lambda: jobs <= done())
        assert len(jobs) == 26
        assert not DBTaskResult.objects.failed().exists()
        assert {tuple(each.worker_ids) for each in DBTaskResult.objects.successful()} == {("w1",)}
        # Each of them under an id of its own, as nobody asked for it.
        assert (worker.stop(), ticker.stop()) == (0, 0)
        assert ticker.log() == ""
    assert not Worker.objects.exists()


def test_a_worker_finishes_the_task_in_hand_and_leaves_the_others(broker, tmp_path):
    first = probe.wait_for_file.enqueue(str(tmp_path))
    with spawn_manage("ticker", env=broker.env), spawn_manage("worker", env=broker.env) as worker:
        wait_until(lambda: notes(tmp_path))
        second = probe.note.enqueue(str(tmp_path), text="second")
        worker.process.send_signal(signal.SIGTERM)
        worker.wait_until_said("is told to stop; it finishes what it has in hand")
        (tmp_path / "go").touch()

        assert worker.process.wait(30) == 0
        assert (status(first), status(second)) == (SUCCESSFUL, READY)

        # Its message is still there, or sent again.
        with spawn_manage("worker", env=broker.env) as other:
            wait_until(lambda: status(second) == SUCCESSFUL)
            assert notes(tmp_path) == [(worker.pid, "began"), (other.pid, "second")]


def test_the_task_of_a_killed_worker_is_run_by_another(broker, tmp_path):
    lost = probe.hang_once.enqueue(str(tmp_path))
    with contextlib.ExitStack() as stack:
        stack.enter_context(spawn_manage("ticker", env=broker.env))
        victim = stack.enter_context(spawn_manage("worker", "--id", "victim", env=broker.env))
        wait_until(lambda: notes(tmp_path))
        heir = stack.enter_context(spawn_manage("worker", "--id", "heir", env=broker.env))
        wait_until(lambda: Worker.objects.filter(pk="heir").exists())
        victim.kill()
        # The reaper is a periodic job, each 10 s by right; here it is always due.
        reaper = PeriodicJob.objects.filter(name="core.tasks.reap_lost_tasks")
        wait_until(lambda: reaper.update(next_run_at=Now()) and status(lost) == SUCCESSFUL)

        assert [each for each, _ in notes(tmp_path)] == [victim.pid, heir.pid]
        assert DBTaskResult.objects.get(pk=lost.id).worker_ids == ["victim", "heir"]


def test_a_task_in_whose_middle_the_database_went_away_is_run_again(broker, tmp_path):
    task = probe.lose_connection_once.enqueue(str(tmp_path))
    with (
        spawn_manage("ticker", env=broker.env),
        spawn_manage("worker", "--id", "w1", env=broker.env) as worker,
    ):
        wait_until(lambda: status(task) == SUCCESSFUL)

        assert worker.said("worker w1 lost the database; trying again")
        assert notes(tmp_path) == [(worker.pid, "began")] * 2
        assert worker.stop() == 0


def end_sessions() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_worker_that_did_nothing_goes_on_after_the_database_ended_its_sessions(broker, tmp_path):
    with spawn_manage("ticker", env=broker.env), spawn_manage("worker", env=broker.env) as worker:
        for n in range(2):
            again = probe.note.enqueue(str(tmp_path), text=f"{n}")
            wait_until(lambda again=again: status(again) == SUCCESSFUL)
            end_sessions()

        assert notes(tmp_path) == [(worker.pid, "0"), (worker.pid, "1")]
        assert worker.stop() == 0


@pytest.mark.parametrize("how", ["restarted", "killed"])
def test_a_worker_goes_on_after_its_broker_came_back(broker, how, tmp_path):
    held = probe.wait_for_file.enqueue(str(tmp_path))
    with (
        spawn_manage("ticker", env=broker.env) as ticker,
        spawn_manage("worker", env=broker.env) as worker,
    ):
        wait_until(lambda: notes(tmp_path))
        waits = [probe.note.enqueue(str(tmp_path), text=f"{n}") for n in range(3)]
        # In the middle of a task, and with others that have their message already.
        if how == "restarted":
            broker.server.restart()
        else:
            broker.server.kill()
            (tmp_path / "go").touch()
            wait_until(lambda: status(held) == SUCCESSFUL)
            broker.server.start()
        (tmp_path / "go").touch()
        wait_until(lambda: all(status(each) == SUCCESSFUL for each in [held, *waits]))

        # Each was run once, whatever came twice.
        assert sorted(text for _, text in notes(tmp_path)) == ["0", "1", "2", "began"]
        assert {pid for pid, _ in notes(tmp_path)} == {worker.pid}
        assert (worker.stop(), ticker.stop()) == (0, 0)


def test_an_order_is_taken_while_the_broker_is_away_and_its_message_goes_out_later(
    broker, tmp_path
):
    customer, variant = CustomerFactory.create(), VariantFactory.create(stock=50)
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(spawn_gateway(tmp_path))
        env = gateway.env | broker.env
        web, base = stack.enter_context(spawn_web(env=env, port=free_port()))
        worker = stack.enter_context(spawn_manage("worker", env=env))
        stack.enter_context(spawn_manage("ticker", env=env))
        shop = till(base)
        assert shop.post("/orders/", order_of(customer, variant), key="before")[0] == 201
        wait_until(lambda: len(gateway.numbers()) == 1)

        broker.server.stop()
        for n in range(5):
            assert shop.post("/orders/", order_of(customer, variant), key=f"{n}")[0] == 201
        web.wait_until_said("the broker cannot be reached")
        assert len(gateway.numbers()) == 1
        ready = requests.get(f"{base}/readyz", timeout=20)
        assert ready.json()["checks"] == {"database": "ok", "migrations": "ok", "worker": "ok"}

        broker.server.start()
        wait_until(lambda: Message.objects.filter(status=MessageStatus.SENT).count() == 6)
        assert len(gateway.numbers()) == 6
        assert Variant.objects.get().stock == 44
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.process.wait(30) == 0


def test_a_worker_waits_for_a_broker_and_can_be_told_to_stop_meanwhile(broker):
    broker.server.stop()
    with spawn_manage("worker", env=broker.env) as worker:
        wait_until(Worker.objects.exists)
        wait_until(lambda: "Cannot connect to" in worker.log())
        assert "guest:guest" not in worker.log()
        assert worker.stop() == 0
    with spawn_manage("worker", env=broker.env) as worker:
        wait_until(lambda: "Cannot connect to" in worker.log())
        broker.server.start()
        worker.wait_until_said("has its broker")
        assert worker.stop() == 0
    assert not Worker.objects.exists()
