"""Verbs by hand: sending again, calling off, settling what nobody knows."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.tests.rest import pointers
from customers.services import update_customer
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from notifications.services import (
    deliver_due_messages,
    give_up_lost_messages,
    retry_message,
    settle,
    settle_message,
)
from notifications.states import MessageStatus
from orders.tests.factories import OrderFactory

from .factories import MessageFactory
from .outbox import BUSY, LOST, SENT, begun, claim_one, let_leases_pass, now_of, timeline

pytestmark = pytest.mark.django_db

ALL = set(MessageStatus)
FROM = {
    "retry": {"failed", "parked"},
    "cancel": {"queued", "parked"},
    "settle": {"unknown"},
}


def do(api, message, verb, **body):
    return api.post(f"/messages/{message.pk}/{verb}/", body)


class TestRetry:
    @pytest.mark.parametrize("status", sorted(FROM["retry"]))
    def test_it_goes_out_again_with_all_its_tries(self, api, gateway, shopkeeper, status):
        message = MessageFactory.create(
            status=status,
            attempts=7,
            rounds=6,
            refused_by={"africastalking": "lasting"},
            transport_id="ATXid_old",
            error_code="403",
            error="invalid",
            due_at=timezone.now() + timedelta(days=1),
        )

        answer = do(api, message, "retry", reason="The number is mended.")

        assert (answer.status_code, answer.json()["status"]) == (200, "queued")
        row = now_of(message)
        assert (row.rounds, row.refused_by, row.transport_id) == (0, {}, "")
        assert (row.error_code, row.error) == ("", "")
        [event] = row.timeline.all()
        assert (event.what, event.detail, event.by) == (
            "retried",
            "The number is mended.",
            shopkeeper,
        )
        assert answer.json()["timeline"][0]["by"] == str(shopkeeper)

        assert deliver_due_messages() == 1
        assert (now_of(message).status, now_of(message).attempts) == ("sent", 8)
        assert len(gateway.book()) == 1

    def test_it_goes_to_the_number_that_the_customer_has_now(self, api, gateway):
        CustomerFactory.create(code="C7", phone="+254722000009")
        message = MessageFactory.create(status="failed", recipient="C7", to="+254722000001")

        assert do(api, message, "retry").json()["to"] == "+254722000009"

        deliver_due_messages()
        assert [entry["to"] for entry in gateway.book()] == ["+254722000009"]

    def test_one_that_had_no_number_goes_out_once_the_customer_has_one(self, api, gateway):
        customer = CustomerFactory.create(phone="", email="a@example.com")
        order = OrderFactory.create(customer=customer)
        message = Message.objects.get(reference=order.number)
        assert (message.status, message.error_code) == ("suppressed", "no_phone")

        refused = do(api, message, "retry")
        assert (refused.status_code, refused.json()["detail"]) == (
            409,
            "There is still no phone number to send it to.",
        )
        update_customer(customer_id=customer.pk, phone="+254722000001")
        assert do(api, message, "retry").json()["status"] == "queued"

        deliver_due_messages()
        assert now_of(message).status == "sent"

    def test_one_that_opted_out_cannot(self, api):
        message = MessageFactory.create(status="suppressed", error_code="opted_out")

        assert do(api, message, "retry").json()["detail"] == (
            "A message that is suppressed cannot be sent again."
        )

    def test_one_whose_words_are_forgotten_cannot(self, api):
        message = MessageFactory.create(status="failed", body="")

        answer = do(api, message, "retry")

        assert (answer.status_code, answer.json()["code"]) == (409, "illegal_move")
        assert answer.json()["detail"] == "Its words are not kept any more."
        assert now_of(message).status == "failed"


class TestWhatIsLearntLate:
    """Settled as failed by hand, a message may have been taken after all."""

    @pytest.fixture
    def settled(self, gateway):
        message = begun()
        let_leases_pass()
        give_up_lost_messages()
        settle_message(message_id=message.pk, outcome=MessageStatus.FAILED, by=None)
        return message

    def test_an_answer_that_comes_after_that_counts(self, settled):
        settle(message=settled, outcome=SENT)

        assert (now_of(settled).status, now_of(settled).transport_id) == ("sent", "ATXid_9")

    def test_an_answer_that_comes_before_it_goes_out_again_ends_it(self, settled, gateway):
        retry_message(message_id=settled.pk, by=None)
        settle(message=settled, outcome=SENT)

        assert deliver_due_messages() == 0
        assert (now_of(settled).status, gateway.book()) == ("sent", [])

    @pytest.mark.parametrize("outcome", [LOST, BUSY], ids=["unknown", "refused"])
    def test_any_other_answer_changes_nothing(self, settled, outcome):
        settle(message=settled, outcome=outcome)

        assert now_of(settled).status == "failed"

    def test_what_a_report_says_failed_is_not_sent_by_a_late_answer(self):
        message = begun()
        Message.objects.update(status="failed", error_code="Rejected")

        settle(message=message, outcome=SENT)

        assert now_of(message).status == "failed"


class TestCancel:
    def test_one_that_waits_is_never_sent(self, api, gateway, shopkeeper):
        message = MessageFactory.create()

        answer = do(api, message, "cancel", reason="Told on the phone.")

        assert (answer.status_code, answer.json()["status"]) == (200, "suppressed")
        assert answer.json()["error_code"] == "called_off"
        assert answer.json()["error"] == "Told on the phone."
        [event] = message.timeline.all()
        assert (event.what, event.by) == ("called_off", shopkeeper)
        assert deliver_due_messages() == 0
        assert gateway.book() == []

    def test_one_that_waits_for_another_try_can_be_called_off(self, api):
        message = begun()
        settle(message=message, outcome=BUSY)
        assert now_of(message).due_at > timezone.now()

        assert do(api, message, "cancel").status_code == 200

    def test_what_a_worker_has_in_hand_cannot_until_its_lease_has_passed(self, api):
        MessageFactory.create()
        message = claim_one()

        answer = do(api, message, "cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "illegal_move")
        assert answer.json()["detail"] == "A worker has it in hand; look again in a minute."

        let_leases_pass()
        assert do(api, message, "cancel").status_code == 200


class TestSettle:
    @pytest.mark.parametrize(
        ("outcome", "at", "error"),
        [
            ("sent", (True, False), ("", "")),
            ("delivered", (True, True), ("", "")),
            ("failed", (False, False), ("settled", "They never had it.")),
        ],
    )
    def test_a_person_says_what_became_of_it(self, api, outcome, at, error):
        message = begun()
        settle(message=message, outcome=LOST)

        answer = do(api, message, "settle", outcome=outcome, reason="They never had it.")

        assert (answer.status_code, answer.json()["status"]) == (200, outcome)
        row = now_of(message)
        assert (row.sent_at is not None, row.delivered_at is not None) == at
        assert (row.error_code, row.error) == error
        assert timeline(row) == [
            ("begun", ""),
            ("lost", "ReadTimeout"),
            ("settled", "They never had it."),
        ]
        last = row.timeline.last()
        assert (last.code, last.by.is_staff) == (outcome, True)

    def test_one_settled_as_failed_may_be_sent_again(self, api, gateway):
        message = MessageFactory.create(status="unknown", error_code="unknown")

        do(api, message, "settle", outcome="failed")
        assert deliver_due_messages() == 0
        assert do(api, message, "retry").status_code == 200

        assert deliver_due_messages() == 1
        assert now_of(message).status == "sent"

    @pytest.mark.parametrize("outcome", ["queued", "unknown", "teleported", None])
    def test_an_outcome_that_is_none_is_refused(self, api, outcome):
        message = MessageFactory.create(status="unknown")

        [(pointer, _)] = pointers(do(api, message, "settle", outcome=outcome))

        assert pointer == "/outcome"
        assert now_of(message).status == "unknown"

    def test_without_an_outcome_it_is_refused(self, api):
        message = MessageFactory.create(status="unknown")

        assert pointers(do(api, message, "settle")) == [("/outcome", "required")]


@pytest.mark.parametrize(
    ("verb", "status"),
    [(verb, status) for verb, fits in FROM.items() for status in sorted(ALL - fits)],
)
def test_a_move_that_the_status_does_not_allow_is_a_409_and_changes_nothing(api, verb, status):
    message = MessageFactory.create(status=status)
    before = Message.objects.values().get()

    answer = do(api, message, verb, **({"outcome": "sent"} if verb == "settle" else {}))

    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_move")
    done = {"retry": "sent again", "cancel": "called off", "settle": "settled"}[verb]
    assert answer.json()["detail"] == f"A message that is {status} cannot be {done}."
    assert Message.objects.values().get() == before
    assert timeline(message) == []


def test_what_changed_since_it_was_read_is_left_alone(api):
    message = MessageFactory.create(status="failed")
    etag = api.get(f"/messages/{message.pk}/").headers["ETag"]
    Message.objects.update(error="another")

    assert api.post(f"/messages/{message.pk}/retry/", {}, If_Match=etag).status_code == 412
    assert now_of(message).status == "failed"


def test_a_secret_one_that_still_opens_something_is_not_there(api):
    message = MessageFactory.create(status="parked", secret=True)

    assert do(api, message, "retry").status_code == 404
