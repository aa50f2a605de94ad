"""Workers killed at the worst moments: real processes, real carriers, and their book to compare.

By the carrier that ships twice what it is sent twice; who goes on is this process.
"""

import random
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from notifications.models import Message
from notifications.tests.outbox import backends_waiting_for_a_lock
from shipping import tasks
from shipping.models import Carrier, Shipment
from shipping.services import send_due_shipments
from shipping.services.sending import LATE
from tests.processes import spawn_manage
from tests.processes import wait_until as wait_until_within

from .factories import ShipmentFactory

pytestmark = pytest.mark.django_db(transaction=True)
wait_until = partial(wait_until_within, seconds=120)  # A process may start slowly.


@pytest.fixture
def start(fake):
    """`start("worker")`: a process of `manage.py` that ends with the test at the latest."""
    env = {
        **fake.keys.environment(fake.url),
        "SHIPMENT_RETRY_SECONDS": "0.2,0.5",
    }
    with ExitStack() as stack:
        yield lambda *command: stack.enter_context(spawn_manage(*command, env=env))


def now_of(shipment):
    return Shipment.objects.get(pk=shipment.pk)


def calls(fake, shipment):
    return [entry["call"] for entry in fake.book() if entry["number"] == shipment.number]


def kill_before_it_has_the_lock(worker):
    """Kill a worker that waits for a row, and what it said to the database with it."""
    worker.kill()
    with connection.cursor() as cursor:
        # A backend that waits for a lock does not notice its client's death.
        for pid in backends_waiting_for_a_lock():
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    wait_until(lambda: not backends_waiting_for_a_lock())


def go_on():
    """Let the dead worker's lease pass, and another take over."""
    Shipment.objects.filter(leased_until__isnull=False).update(leased_until=timezone.now())
    Shipment.objects.update(handed_at=F("handed_at") - LATE)
    send_due_shipments()


def working(start):
    """Start a worker that is told that there is something to send."""
    worker = start("worker")
    tasks.send_shipments.enqueue()
    return worker


def test_killed_between_claiming_and_beginning_it_is_sent_once(fake, start):
    first, second = ShipmentFactory.create_batch(2, carrier="parcelpost")
    fake.behave(first.number, "hold")
    worker = working(start)
    # While the first is at the carrier, the second is claimed and has not begun.
    wait_until(lambda: calls(fake, first) == ["send"])
    assert now_of(second).fence is not None

    with transaction.atomic():
        Shipment.objects.select_for_update().get(pk=second.pk)
        fake.release()
        wait_until(backends_waiting_for_a_lock)
        kill_before_it_has_the_lock(worker)
    assert (now_of(first).status, now_of(second).handed_at) == ("sent", None)
    go_on()

    assert fake.shipped() == {first.number: 1, second.number: 1}
    assert (now_of(second).status, now_of(second).attempts) == ("sent", 1)


@pytest.mark.parametrize("behaviour", ["hang", "hang_before"])
def test_killed_while_it_is_asked_it_is_sent_once_whether_or_not_the_carrier_took_it(
    fake, start, behaviour
):
    shipment = ShipmentFactory.create(carrier="parcelpost")
    fake.behave(shipment.number, behaviour, "take")
    worker = working(start)
    wait_until(lambda: calls(fake, shipment) == ["send"])

    worker.kill()
    assert (now_of(shipment).status, now_of(shipment).handed_at is None) == ("waiting", False)
    go_on()

    assert (now_of(shipment).status, fake.shipped()) == ("sent", {shipment.number: 1})


def test_killed_between_the_answer_and_settling_it_is_not_sent_twice(fake, start):
    shipment = ShipmentFactory.create(carrier="parcelpost")
    fake.behave(shipment.number, "hold", "take")
    worker = working(start)
    wait_until(lambda: calls(fake, shipment) == ["send"])

    with transaction.atomic():
        Shipment.objects.select_for_update().get(pk=shipment.pk)
        fake.release()
        # It has the answer, and cannot store it.
        wait_until(backends_waiting_for_a_lock)
        kill_before_it_has_the_lock(worker)
    assert now_of(shipment).status == "waiting"
    go_on()

    assert (now_of(shipment).status, fake.shipped()) == ("sent", {shipment.number: 1})
    told = Message.objects.filter(event="shipment.sent", reference=shipment.number)
    assert told.count() == 1


@pytest.mark.slow
def test_workers_killed_at_random_and_carriers_that_fail_ship_each_once(fake, start):
    chance = random.Random(8)
    bad = ["drop_after", "drop_before", "drop_midway", "took_http:500", "http:500", "nonsense"]
    shipments = [
        ShipmentFactory.create(carrier=chance.choice(["courier", "parcelpost"])) for _ in range(24)
    ]
    for shipment in shipments:
        fake.behave(shipment.number, *chance.choices([*bad, "take"], k=2), "take")
    start("ticker")
    workers = [start("worker") for _ in range(2)]

    def fewer_wait_than(left):
        # Pauses of a carrier that is down are not what this is about.
        Carrier.objects.update(next_at=timezone.now())
        # Nor is that a carrier may be at work on one: this one has answered within seconds.
        answered = Shipment.objects.filter(handed_at__lt=timezone.now() - timedelta(seconds=3))
        answered.filter(fence=None).update(handed_at=F("handed_at") - LATE)
        return Shipment.objects.filter(status="waiting").count() < left

    for left in (20, 14, 8):
        wait_until(lambda left=left: fewer_wait_than(left))
        workers.pop(0).kill()
        workers.append(start("worker"))
        # Those of the one that lives count as well.
        Shipment.objects.filter(leased_until__isnull=False).update(leased_until=timezone.now())
    wait_until(lambda: fewer_wait_than(1))
    assert fake.shipped() == Counter(shipment.number for shipment in shipments)
    assert set(Shipment.objects.values_list("status", flat=True)) == {"sent"}
