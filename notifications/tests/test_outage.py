"""A gateway that is down for an hour: orders do not notice, and all that waits goes out after it."""

import time
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.tests.factories import VariantFactory
from customers.tests.factories import CustomerFactory
from notifications.models import Message, Pace
from orders.services import Wanted, place_order
from tests.ports import free_port
from tests.processes import spawn_manage
from tests.processes import wait_until as wait_until_within
from tests.servers import RemoteGateway, spawn_gateway

from .outbox import statuses

pytestmark = pytest.mark.django_db(transaction=True)

wait_until = partial(wait_until_within, seconds=120)
HOUR = timedelta(hours=1)


@pytest.fixture
def place():
    """`place()`: place an order, and return the statements that it took."""
    sku = VariantFactory.create(stock=1000).sku

    def place():
        customer = CustomerFactory.create()
        with CaptureQueriesContext(connection) as queries:
            place_order(customer=customer, lines=[Wanted(sku=sku, quantity=1)], by=None)
        return len(queries)

    place()  # What is read once in a process has been read.
    return place


@pytest.mark.parametrize("how", ["hangs", "refuses", "is gone"])
def test_placing_an_order_asks_no_gateway_and_does_the_same_when_it_is_down(
    gateway, settings, place, how
):
    gateway.behave("*", {"hangs": "hang", "refuses": "http:503"}.get(how, "101"))
    if how == "is gone":
        settings.AFRICASTALKING_URL = f"http://127.0.0.1:{free_port()}"
    as_ever = place()
    an_hour_ago = timezone.now() - HOUR
    Message.objects.update(created_at=an_hour_ago, due_at=an_hour_ago)
    Pace.objects.create(
        transport="africastalking",
        failures=60,
        failing_since=an_hour_ago,
        next_at=timezone.now() + timedelta(seconds=60),
    )

    assert [place() for _ in range(5)] == [as_ever] * 5

    assert statuses() == ["queued"] * 7
    assert gateway.book() == []


def test_after_an_hour_all_that_waited_goes_out_once_oldest_first_at_the_rate(tmp_path, place):
    rate, port = 10, free_port()
    nobody = RemoteGateway(f"http://127.0.0.1:{port}", tmp_path / "nothing.jsonl")
    env = nobody.env | {"SMS_RATES": f"africastalking={rate}", "MESSAGE_RETRY_SECONDS": "1"}
    down = Pace.objects.filter(failures__gte=3)
    with ExitStack() as stack:
        for command in ("worker", "ticker"):
            stack.enter_context(spawn_manage(command, env=env))
        for _ in range(4):
            place()
        wait_until(down.exists)
        # Its pauses pass, and each time it is still gone.
        for _ in range(6):
            place()
            failures = down.get().failures
            let_pauses_pass()
            wait_until(lambda failures=failures: down.get().failures > failures)
        for _ in range(25):
            place()
        Message.objects.update(created_at=F("created_at") - HOUR)
        Pace.objects.update(failing_since=F("failing_since") - HOUR)
        # Nobody has lost a try, though there was but one more.
        waiting = list(Message.objects.order_by("pk"))
        assert {(row.status, row.rounds) for row in waiting} == {("queued", 0)}
        assert sum(row.attempts for row in waiting) >= 3 + 6

        gateway = stack.enter_context(spawn_gateway(tmp_path, port=port))
        back = time.time()
        let_pauses_pass()
        wait_until(lambda: set(statuses()) == {"sent"})

        book = gateway.book()
    assert [entry["to"] for entry in book] == [row.to for row in waiting]
    # None before its turn; it has saved up no turns for the time when it was down.
    early = [n for n, entry in enumerate(book) if entry["at"] < back + n / rate - 0.05]
    assert early == []
    pace = Pace.objects.get()
    assert (pace.failures, pace.failing_since, pace.error) == (0, None, "")


def let_pauses_pass():
    now = timezone.now()
    Message.objects.update(due_at=now)
    Pace.objects.update(next_at=now)
