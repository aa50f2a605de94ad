"""Claim, begin, send, settle: what workers do with the outbox, and what becomes of it."""

import threading
import uuid
from datetime import timedelta
from itertools import pairwise

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.utils import timezone

from core import jobs
from notifications import services, tasks
from notifications.models import Message
from notifications.services import (
    begin_sending,
    claim_messages,
    deliver_due_messages,
    give_up_lost_messages,
    settle,
)
from notifications.tests.factories import MessageFactory
from notifications.transports import Accepted, Refused, Unknown, africastalking

SENT = Accepted(id="ATXid_9", cost="KES 0.8000")
BUSY = Refused(code="500", reason="gateway error", may_pass=True)
REFUSED = Refused(code="403", reason="invalid phone number", may_pass=False)
LOST = Unknown(reason="ReadTimeout")


@pytest.fixture(autouse=True)
def nobody_asks_to_stop():
    yield
    jobs._stopping.clear()


def let_leases_pass():
    Message.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def claim_one():
    [message] = claim_messages(limit=1)
    return message


def begun():
    """A message that a worker has just handed to the gateway."""
    MessageFactory.create()
    message = claim_one()
    assert begin_sending(message=message)
    return message


def now_of(message):
    return Message.objects.get(pk=message.pk)


def statuses():
    return list(Message.objects.order_by("pk").values_list("status", flat=True))


class Between:
    """`with Between() as window: …; assert window.holds(moment, plus=seconds)`."""

    def __enter__(self):
        self.start = timezone.now()
        return self

    def __exit__(self, *_):
        self.end = timezone.now()

    def holds(self, moment, *, plus):
        return self.start <= moment - timedelta(seconds=plus) <= self.end


@pytest.mark.django_db
class TestClaiming:
    def test_a_claim_stamps_a_fence_and_lasts_for_the_lease(self, settings):
        settings.MESSAGE_LEASE_SECONDS = 45
        MessageFactory.create()

        with Between() as window:
            message = claim_one()

        row = now_of(message)
        assert isinstance(row.fence, uuid.UUID)
        assert row.fence == message.fence
        assert window.holds(row.due_at, plus=45)
        assert (row.status, row.attempts) == ("queued", 0)

    def test_the_oldest_come_first_and_no_more_than_asked_for(self):
        now = timezone.now()
        later = MessageFactory.create(due_at=now - timedelta(seconds=1))
        first = MessageFactory.create(due_at=now - timedelta(seconds=9))
        second = MessageFactory.create(due_at=now - timedelta(seconds=5))

        assert claim_messages(limit=2) == [first, second]
        assert claim_messages(limit=2) == [later]
        assert claim_messages(limit=2) == []

    def test_two_claims_have_two_fences(self):
        MessageFactory.create_batch(3)

        one, two = claim_messages(limit=2)
        three = claim_one()

        assert one.fence == two.fence != three.fence

    def test_what_waits_for_its_time_is_left(self):
        MessageFactory.create(due_at=timezone.now() + timedelta(seconds=30))

        assert claim_messages(limit=5) == []

    @pytest.mark.parametrize(
        "status", ["sending", "sent", "failed", "parked", "unknown", "suppressed"]
    )
    def test_only_what_is_queued_is_claimed(self, status):
        MessageFactory.create(status=status, due_at=timezone.now() - timedelta(days=1))

        assert claim_messages(limit=5) == []

    def test_when_the_lease_has_passed_another_claims_it(self):
        MessageFactory.create()
        first = claim_one()
        let_leases_pass()

        second = claim_one()

        assert second == first
        assert second.fence != first.fence


@pytest.mark.django_db(transaction=True)
class TestClaimingAtOnce:
    def test_what_one_is_just_claiming_another_passes_over_without_waiting(self):
        messages = MessageFactory.create_batch(6)
        others = []

        def claim():
            others.extend(claim_messages(limit=10))
            connection.close()

        with transaction.atomic():
            mine = claim_messages(limit=4)
            # Its locks are held still, so this would not end if it waited for them.
            thread = threading.Thread(target=claim)
            thread.start()
            thread.join(10)
            assert not thread.is_alive()

        assert mine == messages[:4]
        assert others == messages[4:]

    def test_no_two_claimers_ever_get_the_same_message(self):
        messages = MessageFactory.create_batch(120)
        start = threading.Barrier(6)
        claims = []

        def claim_until_none_is_left():
            start.wait()
            while claimed := claim_messages(limit=3):
                claims.append([message.pk for message in claimed])
            connection.close()

        threads = [threading.Thread(target=claim_until_none_is_left) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert sorted(pk for claim in claims for pk in claim) == [each.pk for each in messages]

    def test_workers_side_by_side_send_each_message_once(self, gateway):
        messages = MessageFactory.create_batch(60)
        start = threading.Barrier(4)
        delivered = []

        def work():
            start.wait()
            delivered.append(deliver_due_messages())
            connection.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert sum(delivered) == 60
        assert sorted(entry["to"] for entry in gateway.book()) == [each.to for each in messages]
        assert set(statuses()) == {"sent"}


@pytest.mark.django_db
class TestBeginning:
    def test_it_is_sending_counts_a_try_and_starts_a_new_lease(self, gateway, settings):
        settings.MESSAGE_LEASE_SECONDS = 45
        MessageFactory.create()
        message = claim_one()
        Message.objects.update(due_at=timezone.now() + timedelta(seconds=2))

        with Between() as window:
            assert begin_sending(message=message) is True

        row = now_of(message)
        assert (row.status, row.attempts, row.transport) == ("sending", 1, "africastalking")
        assert window.holds(row.due_at, plus=45)

    def test_a_worker_whose_lease_has_passed_may_not_begin(self):
        MessageFactory.create()
        message = claim_one()
        let_leases_pass()

        assert begin_sending(message=message) is False
        assert (now_of(message).status, now_of(message).attempts) == ("queued", 0)

    def test_a_late_worker_may_not_begin_what_another_has_claimed(self):
        MessageFactory.create()
        late = claim_one()
        let_leases_pass()
        other = claim_one()

        assert begin_sending(message=late) is False
        assert begin_sending(message=other) is True
        assert begin_sending(message=late) is False

    def test_no_claim_begins_twice(self):
        message = begun()

        assert begin_sending(message=message) is False
        assert now_of(message).attempts == 1


@pytest.mark.django_db
class TestSettling:
    def test_accepted(self):
        message = begun()

        with Between() as window:
            settle(message=message, outcome=SENT)

        row = now_of(message)
        assert (row.status, row.transport_id, row.cost) == ("sent", "ATXid_9", "KES 0.8000")
        assert (row.error_code, row.error) == ("", "")
        assert window.holds(row.sent_at, plus=0)

    def test_refused_for_good(self):
        message = begun()

        settle(message=message, outcome=REFUSED)

        row = now_of(message)
        assert (row.status, row.error_code, row.error) == ("failed", "403", "invalid phone number")
        assert (row.sent_at, row.transport_id) == (None, "")

    def test_refused_for_now(self, settings):
        settings.MESSAGE_RETRY_SECONDS = [10]
        message = begun()

        with Between() as window:
            settle(message=message, outcome=BUSY)

        row = now_of(message)
        assert (row.status, row.error_code, row.error) == ("queued", "500", "gateway error")
        assert window.holds(row.due_at, plus=10)

    def test_unknown(self):
        message = begun()

        settle(message=message, outcome=LOST)

        row = now_of(message)
        assert (row.status, row.error_code, row.error) == ("unknown", "unknown", "ReadTimeout")

    def test_success_after_refusals_forgets_their_error(self, settings):
        settings.MESSAGE_RETRY_SECONDS = [10]
        settle(message=begun(), outcome=BUSY)
        let_leases_pass()
        again = claim_one()
        begin_sending(message=again)

        settle(message=again, outcome=SENT)

        row = now_of(again)
        assert (row.status, row.attempts, row.error_code, row.error) == ("sent", 2, "", "")

    @pytest.mark.parametrize(
        ("outcome", "expected"),
        [
            (
                Accepted(id="A\x00" + "x" * 200, cost="KES \ud800" + "9" * 50),
                {"transport_id": "A" + "x" * 127, "cost": "KES ?" + "9" * 27},
            ),
            (
                Refused(code="c" * 99, reason="a\x00b" * 200, may_pass=False),
                {"error_code": "c" * 64, "error": "ab" * 200},
            ),
            (Unknown(reason="\x00\udfff"), {"error": "?"}),
        ],
    )
    def test_words_that_the_table_cannot_hold_do_not_cost_us_the_outcome(self, outcome, expected):
        message = begun()

        settle(message=message, outcome=outcome)

        row = now_of(message)
        assert row.status in {"sent", "failed", "unknown"}
        assert {name: getattr(row, name) for name in expected} == expected


@pytest.mark.django_db
class TestFence:
    def test_what_was_begun_and_lost_becomes_unknown_when_its_lease_passes(self):
        message = begun()
        assert give_up_lost_messages() == 0
        assert now_of(message).status == "sending"
        let_leases_pass()

        assert give_up_lost_messages() == 1

        row = now_of(message)
        assert (row.status, row.error_code) == ("unknown", "unknown")
        assert row.error == "The worker died while the gateway was being asked."
        assert claim_messages(limit=5) == []

    @pytest.mark.parametrize(
        ("outcome", "status"),
        [(SENT, "sent"), (REFUSED, "failed"), (BUSY, "queued"), (LOST, "unknown")],
    )
    @pytest.mark.parametrize("given_up", [False, True])
    def test_an_outcome_after_the_lease_still_counts(self, given_up, outcome, status):
        message = begun()
        let_leases_pass()
        if given_up:
            give_up_lost_messages()

        settle(message=message, outcome=outcome)

        assert now_of(message).status == status

    @pytest.mark.parametrize("late_outcome", [SENT, REFUSED, BUSY, LOST])
    @pytest.mark.parametrize("there", ["claimed", "begun", "sent", "unknown"])
    def test_a_late_outcome_never_overwrites_another_claim(self, settings, there, late_outcome):
        settings.MESSAGE_RETRY_SECONDS = [10, 20]
        late = begun()
        settle(message=late, outcome=BUSY)
        let_leases_pass()
        other = claim_one()
        if there != "claimed":
            begin_sending(message=other)
        if there == "sent":
            settle(message=other, outcome=Accepted(id="ATXid_other"))
        if there == "unknown":
            settle(message=other, outcome=LOST)
        before = Message.objects.values().get()

        settle(message=late, outcome=late_outcome)

        assert Message.objects.values().get() == before

    @pytest.mark.parametrize("outcome", [SENT, REFUSED, BUSY, LOST])
    @pytest.mark.parametrize("first", [SENT, REFUSED])
    def test_what_is_settled_for_good_stays_so(self, first, outcome):
        message = begun()
        settle(message=message, outcome=first)
        before = Message.objects.values().get()

        settle(message=message, outcome=outcome)

        assert Message.objects.values().get() == before


@pytest.mark.django_db
class TestRetries:
    def test_the_waits_of_the_shop_grow(self, settings):
        waits = settings.MESSAGE_RETRY_SECONDS

        assert waits == [10, 60, 300, 1800, 7200, 21600]
        assert all(earlier < later for earlier, later in pairwise(waits))

    def test_each_refusal_waits_longer_until_it_is_parked(self, gateway, settings):
        settings.MESSAGE_RETRY_SECONDS = [10, 60, 300]
        gateway.behave("*", "500", "502", "405", "407")
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
            ("queued", 3, "405"),
            ("parked", 4, "407"),
        ]
        let_leases_pass()
        assert deliver_due_messages() == 0
        assert len(gateway.book()) == 4

    def test_a_gateway_that_recovers_gets_it_once_more_and_no_more(self, gateway, settings):
        settings.MESSAGE_RETRY_SECONDS = [0, 0]
        gateway.behave("*", "http:503", "http:429", "101")
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
        monkeypatch.setattr(services, "CLAIMED_AT_ONCE", 4)
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

    def test_by_default_it_is_printed(self, settings):
        assert settings.SMS_TRANSPORT == "console"
        message = MessageFactory.create()

        assert deliver_due_messages() == 1

        row = now_of(message)
        assert (row.status, row.transport_id) == ("sent", f"console-{row.pk}")

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

        services._release(late)

        assert Message.objects.values().get() == before
        assert begin_sending(message=other) is True

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
    def test_a_broken_setting_loses_nothing_and_delays_nothing(
        self, gateway, settings, name, broken
    ):
        MessageFactory.create_batch(2)
        before = list(Message.objects.values())
        good = getattr(settings, name)
        setattr(settings, name, broken)

        for _ in range(3):
            with pytest.raises(ImproperlyConfigured, match=name):
                deliver_due_messages()

        assert list(Message.objects.values()) == before
        setattr(settings, name, good)
        assert deliver_due_messages() == 2
        assert statuses() == ["sent", "sent"]

    def test_a_broken_setting_does_not_hide_what_a_crash_left_behind(self, settings):
        message = begun()
        let_leases_pass()
        settings.SMS_TRANSPORT = "pigeon"

        with pytest.raises(ImproperlyConfigured):
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
        services.transport()
        # Past the check at the start; urllib3 says so with an error that is none of requests'.
        settings.AFRICASTALKING_URL = "http://gateway..example"

        assert deliver_due_messages() == 1

        row = Message.objects.get()
        assert (row.status, row.error_code) == ("unknown", "unknown")
        assert row.error.startswith("LocationParseError: ")
        [record] = [record for record in caplog.records if record.exc_info]
        assert record.getMessage() == f"transport africastalking failed on message {row.pk}"

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
