"""Which gateway is asked, which is next, and how often in a second."""

import time
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from core import jobs
from core.tests.races import at_once
from notifications.models import Message, Pace
from notifications.services import deliver_due_messages, wait_for_turn
from notifications.services.pace import Turn
from notifications.transports import route_of
from tests.processes import spawn_manage, wait_until
from tests.servers import spawn_gateway

from .factories import MessageFactory
from .outbox import let_leases_pass, now_of, statuses

PHONE = "+254722000001"
BOTH = [("*", ["africastalking", "vonage"])]
# One message in so many seconds that a test sees no second.
SELDOM = 0.001


@pytest.fixture(autouse=True)
def nobody_asks_to_stop():
    yield
    jobs._stopping.clear()


class TestRoutes:
    @pytest.mark.parametrize(
        ("event", "to", "names"),
        [
            ("order.placed", "+254722000001", ["africastalking", "vonage"]),
            ("order.placed", "+255712000001", ["vonage"]),
            ("repair.ready", "+254722000001", ["africastalking", "vonage"]),
            ("repair.ready", "+44700000001", ["console"]),
            ("repairs", "+44700000001", ["vonage", "africastalking"]),
            ("order.placed", "+44700000001", ["vonage", "africastalking"]),
        ],
    )
    def test_the_first_rule_that_fits_counts(self, settings, event, to, names):
        settings.SMS_ROUTES = [
            ("+254", ["africastalking", "vonage"]),
            ("+25", ["vonage"]),
            ("repair.*", ["console"]),
            ("*", ["vonage", "africastalking"]),
        ]

        assert route_of(event=event, to=to) == names

    def test_where_none_fits_it_is_the_one_of_all(self, settings):
        assert route_of(event="order.placed", to=PHONE) == ["console"]

        settings.SMS_ROUTES = [("+255", ["vonage"])]
        settings.SMS_TRANSPORT = "africastalking"
        assert route_of(event="order.placed", to=PHONE) == ["africastalking"]

    @pytest.mark.django_db
    def test_each_message_goes_by_its_own(self, gateway, vonage, settings):
        settings.SMS_ROUTES = [("+254", ["africastalking"]), ("order.accepted", ["console"])]
        MessageFactory.create(to=PHONE)
        MessageFactory.create(to="+255712000001")
        MessageFactory.create(to="+255712000002", event="order.accepted")

        assert deliver_due_messages() == 3

        assert list(Message.objects.order_by("pk").values_list("transport", "status")) == [
            ("africastalking", "sent"),
            ("vonage", "sent"),
            ("console", "sent"),
        ]
        assert [len(each.book()) for each in (gateway, vonage)] == [1, 1]


@pytest.mark.django_db
class TestFailover:
    @pytest.fixture(autouse=True)
    def route(self, gateway, vonage, settings):
        settings.SMS_ROUTES = BOTH
        settings.MESSAGE_RETRY_SECONDS = [600, 600]

    @pytest.mark.parametrize("behaviour", ["403", "405", "500", "invalid_sender", "http:503"])
    def test_after_a_refusal_the_next_is_asked_at_once(self, gateway, vonage, behaviour):
        gateway.behave("*", behaviour)
        message = MessageFactory.create(to=PHONE)

        assert deliver_due_messages() == 2

        row = now_of(message)
        assert (row.status, row.transport, row.attempts, row.rounds) == ("sent", "vonage", 2, 0)
        assert [len(each.book()) for each in (gateway, vonage)] == [1, 1]
        assert list(row.timeline.values_list("what", "transport")) == [
            ("begun", "africastalking"),
            ("refused", "africastalking"),
            ("begun", "vonage"),
            ("accepted", "vonage"),
        ]

    @pytest.mark.parametrize(
        "behaviour", ["drop_after", "drop_midway", "body:[]", "took_http:500 Oh", "redirect:302"]
    )
    def test_after_an_unknown_outcome_nobody_else_is_ever_asked(self, gateway, vonage, behaviour):
        gateway.behave("*", behaviour)
        message = MessageFactory.create(to=PHONE)

        assert deliver_due_messages() == 1
        let_leases_pass()
        assert deliver_due_messages() == 0

        assert now_of(message).status == "unknown"
        assert [len(each.book()) for each in (gateway, vonage)] == [1, 0]

    def test_one_that_cannot_be_reached_is_passed_over(self, vonage, settings):
        settings.AFRICASTALKING_URL = "http://127.0.0.1:1"
        MessageFactory.create(to=PHONE)

        assert deliver_due_messages() == 2
        assert statuses() == ["sent"]
        assert len(vonage.book()) == 1

    def test_refused_by_all_for_good_it_has_failed(self, gateway, vonage):
        gateway.behave("*", "403")
        vonage.behave("*", "http:422")
        message = MessageFactory.create(to=PHONE)

        assert deliver_due_messages() == 2

        row = now_of(message)
        assert (row.status, row.error_code, row.transport) == ("failed", "http_422", "vonage")

    def test_refused_by_all_it_waits_and_only_those_that_may_yet_take_it_are_asked_again(
        self, gateway, vonage
    ):
        gateway.behave("*", "403")
        vonage.behave("*", "http:403")
        message = MessageFactory.create(to=PHONE)

        assert deliver_due_messages() == 2
        row = now_of(message)
        assert (row.status, row.rounds, row.attempts) == ("queued", 1, 2)
        assert row.refused_by == {"africastalking": "lasting"}

        for tries in (1, 1, 0):
            let_leases_pass()
            assert deliver_due_messages() == tries

        assert (now_of(message).status, now_of(message).attempts) == ("parked", 4)
        assert [len(each.book()) for each in (gateway, vonage)] == [1, 3]

    def test_after_each_wait_the_first_of_the_route_is_asked_first(self, gateway, vonage):
        gateway.behave("*", "500", "101")
        vonage.behave("*", "http:503")
        message = MessageFactory.create(to=PHONE)

        deliver_due_messages()
        let_leases_pass()
        assert deliver_due_messages() == 1

        assert (now_of(message).status, now_of(message).transport) == ("sent", "africastalking")
        assert [len(each.book()) for each in (gateway, vonage)] == [2, 1]


@pytest.mark.django_db
class TestRates:
    @pytest.fixture(autouse=True)
    def rates(self, settings):
        settings.SMS_RATES = {"africastalking": SELDOM}

    def test_what_is_above_the_rate_waits_unclaimed_and_goes_out_oldest_first(self, gateway):
        messages = MessageFactory.create_batch(3)

        assert deliver_due_messages() == 1
        assert statuses() == ["sent", "queued", "queued"]
        for row in Message.objects.filter(status="queued"):
            assert (row.fence, row.attempts) == (None, 0)
            assert row.due_at <= timezone.now()
        assert deliver_due_messages() == 0

        Pace.objects.update(next_at=timezone.now())
        assert deliver_due_messages() == 1
        assert [entry["to"] for entry in gateway.book()] == [each.to for each in messages[:2]]

    def test_who_has_patience_waits_for_its_turns(self, gateway, settings):
        settings.SMS_RATES = {"africastalking": 20}
        MessageFactory.create_batch(4)
        start = time.time()

        assert deliver_due_messages(patience=2) == 4

        assert gateway.book()[3]["at"] - start >= 3 / 20

    def test_another_gateway_is_not_held_back_by_it(self, gateway, settings):
        settings.SMS_ROUTES = [("+255", ["console"])]
        for to in (PHONE, "+254722000002", "+255712000001"):
            MessageFactory.create(to=to)

        assert deliver_due_messages() == 2

        assert statuses() == ["sent", "queued", "sent"]

    def test_without_a_rate_nothing_is_counted(self, settings):
        assert wait_for_turn("console") == Turn()
        assert not Pace.objects.exists()

    def test_a_gateway_that_was_idle_has_saved_up_no_turns(self):
        Pace.objects.create(transport="africastalking", next_at=timezone.now() - timedelta(days=1))

        assert wait_for_turn("africastalking") == Turn()
        assert wait_for_turn("africastalking") is None

    def test_asked_to_stop_nobody_waits_for_a_turn(self, settings):
        settings.SMS_RATES = {"africastalking": 2}
        assert wait_for_turn("africastalking") == Turn()
        jobs.ask_to_stop()

        assert wait_for_turn("africastalking", patience=2) is None


def database_clock():
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_no_two_workers_get_the_same_turn(settings):
    settings.SMS_RATES = {"console": 200}
    start = database_clock()

    turns = at_once([lambda: wait_for_turn("console", patience=2)] * 60, threads=6)

    assert turns == [Turn()] * 60
    # The last turn is 59 gaps after the first, and the next one more.
    assert (Pace.objects.get().next_at - start).total_seconds() >= 60 / 200


@pytest.mark.django_db(transaction=True)
def test_two_processes_together_keep_to_the_rate(tmp_path):
    MessageFactory.create_batch(6)
    deliver = "from notifications import tasks; print('sent', tasks.deliver_messages.call())"

    with spawn_gateway(tmp_path) as gateway, ExitStack() as stack:
        env = gateway.env | {"SMS_RATES": f"africastalking={SELDOM}"}
        both = [
            stack.enter_context(spawn_manage("shell", "-c", deliver, env=env)) for _ in range(2)
        ]
        for each in both:
            wait_until(lambda each=each: each.process.poll() is not None)

        said = sorted(
            line for each in both for line in each.log().splitlines() if line.startswith("sent")
        )
        assert said == ["sent 0", "sent 1"]
        assert len(gateway.numbers()) == 1
    assert sorted(statuses()) == ["queued"] * 5 + ["sent"]
