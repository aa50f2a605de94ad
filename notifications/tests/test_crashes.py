"""Workers killed at the worst moments: real processes, a real gateway, and its book to compare."""

import os
import signal
from contextlib import ExitStack
from functools import partial

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from core.models import PeriodicJob, Worker
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from notifications.tasks import deliver_messages
from orders.tests.factories import OrderFactory
from tests.processes import spawn_manage
from tests.processes import wait_until as wait_until_within
from tests.servers import spawn_gateway, spawn_vonage

from .outbox import backends_waiting_for_a_lock

pytestmark = pytest.mark.django_db(transaction=True)

wait_until = partial(wait_until_within, seconds=120)  # A process may start slowly.
FIRST, SECOND, THIRD = (f"+25472200000{n}" for n in (1, 2, 3))


@pytest.fixture
def gateway(transactional_db, tmp_path):
    with spawn_gateway(tmp_path) as gateway:
        yield gateway


@pytest.fixture
def start(gateway):
    """`start("worker")`: a process of `manage.py` that ends with the test at the latest."""
    with ExitStack() as stack:
        yield lambda *command, **env: stack.enter_context(
            spawn_manage(*command, env=gateway.env | env)
        )


def place_orders(*phones):
    for phone in phones:
        OrderFactory.create(customer=CustomerFactory.create(phone=phone))


def status_of(phone):
    return Message.objects.values_list("status", flat=True).get(to=phone)


def run_twice_more():
    """Have the whole outbox looked through again, as it is every two seconds anyway."""
    for _ in range(2):
        run = DBTaskResult.objects.filter(pk=deliver_messages.enqueue().id)
        wait_until(lambda run=run: run.get().status == "SUCCESSFUL")


def test_killed_between_claiming_and_sending_a_message_goes_out_once(gateway, start):
    place_orders(FIRST, SECOND)
    gateway.behave(FIRST, "hold")
    worker = start("worker", MESSAGE_LEASE_SECONDS="60")
    # While the first is at the gateway, the second is claimed and has not begun.
    wait_until(lambda: gateway.numbers() == [FIRST])
    second = Message.objects.get(to=SECOND)
    assert (second.status, second.fence is not None) == ("queued", True)

    with transaction.atomic():
        Message.objects.select_for_update().get(pk=second.pk)
        gateway.release()
        wait_until(backends_waiting_for_a_lock)
        assert status_of(FIRST) == "sent"
        # Now it stands before `begin_sending` of the second, and there it dies.
        worker.kill()
        with connection.cursor() as cursor:
            # A backend that waits for a lock does not notice its client's death: it would begin
            # the message in the dead worker's name, and the message would end as unknown.
            for pid in backends_waiting_for_a_lock():
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_until(lambda: not backends_waiting_for_a_lock())
    assert gateway.numbers() == [FIRST]
    assert status_of(SECOND) == "queued"
    Message.objects.filter(to=SECOND).update(due_at=timezone.now())  # Its lease passes.
    start("worker")
    start("ticker")

    wait_until(lambda: status_of(SECOND) == "sent")
    run_twice_more()
    assert gateway.numbers() == [FIRST, SECOND]
    assert [row.attempts for row in Message.objects.all()] == [1, 1]


def test_killed_while_the_gateway_hangs_a_message_is_unknown_and_never_sent_again(gateway, start):
    place_orders(FIRST, SECOND, THIRD)
    gateway.behave(SECOND, "hang")
    worker = start("worker")
    start("ticker")
    wait_until(lambda: gateway.numbers() == [FIRST, SECOND])

    worker.kill()
    assert (status_of(FIRST), status_of(SECOND), status_of(THIRD)) == ("sent", "sending", "queued")
    start("worker")

    wait_until(lambda: status_of(SECOND) == "unknown" and status_of(THIRD) == "sent")
    run_twice_more()
    # The gateway did take the one that nobody knows of: sent again, it would have come twice.
    assert gateway.numbers() == [FIRST, SECOND, THIRD]
    assert (status_of(FIRST), status_of(SECOND), status_of(THIRD)) == ("sent", "unknown", "sent")
    row = Message.objects.get(to=SECOND)
    assert (row.attempts, row.error) == (1, "The worker died while the gateway was being asked.")


def test_without_a_crash_an_outcome_after_the_lease_still_counts(gateway, start):
    start("worker", "--id", "one")
    start("worker", "--id", "other")
    start("ticker")
    # All of them before: who asks the gateway does not wait for it for ever.
    wait_until(lambda: Worker.objects.count() == 2 and PeriodicJob.objects.exists())
    gateway.behave(FIRST, "hold")
    place_orders(FIRST)
    wait_until(lambda: status_of(FIRST) == "unknown")

    gateway.release()

    wait_until(lambda: status_of(FIRST) == "sent")
    assert Message.objects.get().transport_id == gateway.book()[0]["id"]
    assert gateway.numbers() == [FIRST]


def test_a_worker_that_is_told_to_stop_finishes_one_message_and_leaves_the_rest_to_others(
    gateway, start
):
    place_orders(FIRST, SECOND, THIRD)
    gateway.behave(FIRST, "hold")
    worker = start("worker")
    wait_until(lambda: gateway.numbers() == [FIRST])

    os.kill(worker.pid, signal.SIGTERM)
    worker.wait_until_said("is told to stop")
    gateway.release()

    assert worker.process.wait(60) == 0
    assert (status_of(FIRST), status_of(SECOND), status_of(THIRD)) == ("sent", "queued", "queued")
    assert (
        list(Message.objects.filter(status="queued").values_list("fence", flat=True)) == [None] * 2
    )
    start("worker")
    start("ticker")
    wait_until(lambda: status_of(THIRD) == "sent")
    assert gateway.numbers() == [FIRST, SECOND, THIRD]


def test_a_connection_that_vonage_drops_is_one_request_and_the_message_is_unknown(
    transactional_db, tmp_path
):
    with spawn_vonage(tmp_path) as vonage, ExitStack() as stack:
        # In good order, which the SDK by itself answers with nine more requests; and by a reset.
        vonage.behave(FIRST, "close_after")
        vonage.behave(SECOND, "drop_after")
        place_orders(FIRST, SECOND)
        for command in ("worker", "ticker"):
            stack.enter_context(spawn_manage(command, env=vonage.env))

        wait_until(lambda: status_of(FIRST) == status_of(SECOND) == "unknown")
        run_twice_more()

    assert [entry["to"] for entry in vonage.book()] == [FIRST, SECOND]
    assert [row.attempts for row in Message.objects.all()] == [1, 1]
