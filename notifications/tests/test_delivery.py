"""Workers deliver what is due over real HTTP: retries, stopping, trouble."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from django.utils import timezone

from core import jobs
from notifications import tasks, transports
from notifications.models import Message
from notifications.services import deliver_due_messages, outbox
from notifications.transports import africastalking

from .factories import MessageFactory
from .outbox import Between, begin, begun, claim_one, let_leases_pass, now_of, statuses, timeline


@pytest.fixture(autouse=True)
def nobody_asks_to_stop():
    yield
    jobs._stopping.clear()


@pytest.mark.django_db
class TestRetries:
    def test_the_waits_of_the_shop_grow(self, settings):
        waits = settings.MESSAGE_RETRY_SECONDS

        assert waits == [10, 60, 300, 1800, 7200, 21600]
        assert all(earlier < later for earlier, later in pairwise(waits))

    def test_each_refusal_waits_longer_until_it_is_parked(self, gateway, settings):
        settings.MESSAGE_RETRY_SECONDS = [10, 60, 300]
        gateway.behave("*", "500", "502", "http:403", "407")
        message = MessageFactory.create()
        seen = []

        for wait in [10, 60, 300]:
            with Between() as window:
                assert deliver_due_messages() == 1
            row = now_of(message)
            seen.append((row.status, row.attempts, row.error_code))
            assert window.holds(row.due_at, plus=wait)
            assert deliver_due_messages() == 0  # Not before its time.
            let_leases_pass()
        assert deliver_due_messages() == 1
        row = now_of(message)
        seen.append((row.status, row.attempts, row.error_code))

        assert seen == [
            ("queued", 1, "500"),
            ("queued", 2, "502"),
            ("queued", 3, "http_403"),
            ("parked", 4, "407"),
        ]
        let_leases_pass()
        assert deliver_due_messages() == 0
        assert len(gateway.book()) == 4

    def test_a_gateway_that_recovers_gets_it_once_more_and_no_more(self, gateway, settings):
        settings.MESSAGE_RETRY_SECONDS = [0, 0]
        gateway.behave("*", "500", "501", "101")
        message = MessageFactory.create()

        assert deliver_due_messages() == 3

        row = now_of(message)
        assert (row.status, row.attempts, row.transport_id) == ("sent", 3, "ATXid_3")
        assert [entry["id"] for entry in gateway.book()] == [None, None, "ATXid_3"]

    def test_without_waits_the_first_refusal_parks_it(self, gateway, settings):
        settings.MESSAGE_RETRY_SECONDS = []
        gateway.behave("*", "500")
        message = MessageFactory.create()

        deliver_due_messages()

        assert (now_of(message).status, now_of(message).attempts) == ("parked", 1)

    @pytest.mark.parametrize(
        ("behaviour", "status"),
        [("403", "failed"), ("drop_after", "unknown"), ("body:[]", "unknown"), ("101", "sent")],
    )
    def test_what_is_decided_is_never_sent_again(self, gateway, behaviour, status):
        gateway.behave("*", behaviour)
        message = MessageFactory.create()

        assert deliver_due_messages() == 1
        for _ in range(3):
            let_leases_pass()
            assert deliver_due_messages() == 0

        assert now_of(message).status == status
        assert len(gateway.book()) == 1

    def test_without_a_phone_nothing_is_sent(self, gateway):
        MessageFactory.create(to="", status="suppressed")

        assert deliver_due_messages() == 0
        assert gateway.book() == []


@pytest.mark.django_db
class TestDelivering:
    def test_all_that_is_due_goes_out_oldest_first_over_several_batches(self, gateway, monkeypatch):
        monkeypatch.setattr(outbox, "CLAIMED_AT_ONCE", 4)
        now = timezone.now()
        numbers = [f"+25472200000{n}" for n in range(10)]
        for seconds, number in enumerate(numbers):
            MessageFactory.create(to=number, due_at=now - timedelta(seconds=60 - seconds))

        assert tasks.deliver_messages.call() == 10

        assert [entry["to"] for entry in gateway.book()] == numbers
        assert statuses() == ["sent"] * 10

    def test_the_row_has_the_gateways_id_and_cost(self, gateway):
        message = MessageFactory.create(to="+254722000001", body="Habari – 100 %")

        deliver_due_messages()

        [entry] = gateway.book()
        row = now_of(message)
        assert (entry["to"], entry["message"]) == ("+254722000001", "Habari – 100 %")
        assert (row.status, row.attempts, row.transport) == ("sent", 1, "africastalking")
        assert (row.transport_id, row.cost) == ("ATXid_1", "KES 0.8000")
        assert (row.cost_amount, row.cost_currency) == (Decimal("0.8"), "KES")
        assert timeline(row) == [("begun", ""), ("accepted", "ATXid_1")]

    def test_by_default_it_is_printed(self, settings):
        assert settings.SMS_TRANSPORT == "console"
        message = MessageFactory.create()

        assert deliver_due_messages() == 1

        row = now_of(message)
        assert (row.status, row.transport_id) == ("sent", f"console-{row.pk}-1")

    def test_the_body_that_was_said_at_the_time_is_what_is_sent(self, gateway):
        """Rendered when it happened; a worker does not look at the order again."""
        MessageFactory.create(body="As it was", reference="1001")

        deliver_due_messages()

        assert [entry["message"] for entry in gateway.book()] == ["As it was"]

    def test_asked_to_stop_it_finishes_the_present_one_and_releases_the_rest(self, gateway):
        MessageFactory.create_batch(5)
        gateway.on_request = lambda entry: jobs.ask_to_stop() if entry["id"] == "ATXid_2" else None

        with Between() as window:
            assert deliver_due_messages() == 2

        assert statuses() == ["sent", "sent", "queued", "queued", "queued"]
        for row in Message.objects.filter(status="queued"):
            assert (row.fence, row.attempts) == (None, 0)
            assert window.holds(row.due_at, plus=0)

        # Another worker need not wait for a lease.
        jobs._stopping.clear()
        gateway.on_request = None
        assert deliver_due_messages() == 3
        assert statuses() == ["sent"] * 5
        assert len(gateway.book()) == 5

    def test_after_some_seconds_it_leaves_the_rest_for_the_next_look(self, gateway, monkeypatch):
        monkeypatch.setattr(outbox, "LONGEST_RUN", 0.05)
        monkeypatch.setattr(outbox, "CLAIMED_AT_ONCE", 2)
        gateway.behave("*", "slow:0.1")
        MessageFactory.create_batch(3)

        assert deliver_due_messages() == 2

        assert statuses() == ["sent", "sent", "queued"]
        assert Message.objects.get(status="queued").fence is None

    def test_asked_to_stop_before_it_began_it_claims_nothing(self, gateway):
        MessageFactory.create()
        jobs.ask_to_stop()

        assert deliver_due_messages() == 0
        assert Message.objects.get().fence is None
        assert gateway.book() == []

    def test_what_it_releases_late_is_left_to_who_has_claimed_it_since(self):
        MessageFactory.create()
        late = claim_one()
        let_leases_pass()
        other = claim_one()
        before = Message.objects.values().get()

        outbox._release(late)

        assert Message.objects.values().get() == before
        assert begin(other) is True

    def test_a_batch_that_outlasts_its_lease_leaves_the_rest_to_others(self, gateway, settings):
        settings.MESSAGE_LEASE_SECONDS = 0.2
        MessageFactory.create_batch(2)
        gateway.behave("*", "slow:0.4", "101")

        # The second was no longer ours when its turn came; the same worker claimed it anew.
        assert deliver_due_messages() == 2

        assert statuses() == ["sent", "sent"]
        assert [row.attempts for row in Message.objects.all()] == [1, 1]
        assert len(gateway.book()) == 2


@pytest.mark.django_db
class TestTrouble:
    @pytest.mark.parametrize(
        ("name", "broken"),
        [
            ("SMS_TRANSPORT", "pigeon"),
            ("AFRICASTALKING_API_KEY", ""),
            ("AFRICASTALKING_API_KEY", "key\n"),
            ("AFRICASTALKING_URL", "sms.example.com"),
        ],
    )
    def test_a_broken_setting_loses_nothing_and_is_named(self, gateway, settings, name, broken):
        MessageFactory.create_batch(2)
        good = getattr(settings, name)
        setattr(settings, name, broken)

        assert deliver_due_messages() == 2

        for row in Message.objects.all():
            assert (row.status, row.error_code, row.rounds) == ("queued", "not_configured", 0)
            assert ("'pigeon'" if broken == "pigeon" else name) in row.error
        setattr(settings, name, good)
        let_leases_pass()
        assert deliver_due_messages() == 2
        assert statuses() == ["sent", "sent"]

    def test_a_broken_setting_does_not_hide_what_a_crash_left_behind(self, settings):
        message = begun()
        let_leases_pass()
        settings.SMS_TRANSPORT = "pigeon"
        MessageFactory.create()

        deliver_due_messages()

        assert now_of(message).status == "unknown"

    @pytest.mark.parametrize(
        "poison",
        [
            'body:{"SMSMessageData": {"Message": "x", "Recipients": [{"statusCode": 101, "messageId": "\\u0000\\ud800"}]}}',
            "took_http:500 \x00\x00",
            "body:" + "[" * 5000,
            "text:\x00",
            "drop_after",
            "drop_midway",
            "redirect:302 http://127.0.0.1:1/",
            "403",
            "500",
        ],
    )
    def test_a_poisonous_message_does_not_stop_the_others(self, gateway, poison):
        MessageFactory.create(to="+254722000001")
        others = MessageFactory.create_batch(3)
        gateway.behave("+254722000001", poison)

        assert deliver_due_messages() == 4

        assert statuses()[1:] == ["sent"] * 3
        assert [entry["to"] for entry in gateway.book()[1:]] == [each.to for each in others]

    def test_a_fault_that_nobody_foresaw_makes_it_unknown_and_is_logged(
        self, gateway, settings, caplog
    ):
        MessageFactory.create()
        transports.transport("africastalking")
        # Past the check at the start; urllib3 says so with an error that is none of requests'.
        settings.AFRICASTALKING_URL = "http://gateway..example"

        assert deliver_due_messages() == 1

        row = Message.objects.get()
        assert (row.status, row.error_code) == ("unknown", "unknown")
        assert row.error.startswith("LocationParseError: ")
        [record] = [record for record in caplog.records if record.exc_info]
        assert record.getMessage() == f"transport africastalking failed on message {row.pk}"

    def test_one_that_cannot_even_be_begun_does_not_stop_the_others(self, gateway, caplog):
        odd = MessageFactory.create(attempts=2**31 - 1)
        MessageFactory.create_batch(3)

        assert deliver_due_messages() == 3

        assert statuses() == ["queued", "sent", "sent", "sent"]
        # Its lease keeps it from being the first again at once.
        assert now_of(odd).due_at > timezone.now()
        assert f"message {odd.pk} could not be delivered" in caplog.text

    def test_a_gateway_that_is_down_costs_a_try_and_no_message(self, gateway, settings):
        settings.AFRICASTALKING_URL, good = "http://127.0.0.1:1", gateway.url
        MessageFactory.create_batch(2)

        assert deliver_due_messages() == 2
        assert statuses() == ["queued", "queued"]

        settings.AFRICASTALKING_URL = good
        let_leases_pass()
        assert deliver_due_messages() == 2
        assert statuses() == ["sent", "sent"]
        assert len(gateway.book()) == 2


def test_the_lease_outlasts_the_slowest_call_of_the_gateway(settings):
    assert sum(africastalking.TIMEOUT) < settings.MESSAGE_LEASE_SECONDS / 2


def test_delivering_is_periodic_so_that_a_lost_wake_up_costs_seconds():
    task, every = jobs._periodic["notifications.tasks.deliver_messages"]

    assert task is tasks.deliver_messages
    assert every == timedelta(seconds=2)
