"""Who wants to hear from the shop: by a word of theirs, their own data, the gateway, the shop."""

from datetime import timedelta
from functools import partial
from itertools import pairwise
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from accounts.tests.factories import UserFactory
from core import jobs
from core.tests.graph import Graph, verdict
from core.tests.races import at_once
from core.tests.rest import pointers, problem_of, utc
from customers.signals import phone_code_sent
from customers.tests.factories import CustomerFactory
from notifications.models import Consent, ConsentChange, InboundMessage, Message
from notifications.services import (
    begin_sending,
    deliver_due_messages,
    is_opted_out,
    look_at_callbacks,
    meaning_of,
    note_consent,
)
from notifications.states import ConsentSource
from orders import services as orders
from orders.tests.factories import OrderFactory

from .factories import MessageFactory
from .outbox import claim_one, now_of, statuses, timeline

pytestmark = pytest.mark.django_db

PHONE = "+254722000001"
KEY = "k" * 20


@pytest.fixture(autouse=True)
def nobody_asks_to_stop():
    yield
    jobs._stopping.clear()


@pytest.fixture
def told(client, settings):
    """`told("inbound", text="Stop")`: Africa's Talking tells something, and it is looked at."""
    settings.SMS_GATEWAYS = {"africastalking"}
    settings.AFRICASTALKING_API_KEY = "key"
    settings.AFRICASTALKING_CALLBACK_KEY = KEY

    def told(kind, **form):
        response = client.post(
            f"/webhooks/sms/africastalking/{kind}/{KEY}/",
            urlencode(form),
            content_type="application/x-www-form-urlencoded",
        )
        assert response.status_code == 200
        look_at_callbacks()

    return told


@pytest.fixture
def wrote(told):
    """`wrote("Stop")`: somebody writes to the shop."""
    count = iter(range(1, 99))

    def wrote(text, *, phone=PHONE, ident=None):
        ident = ident or f"in-{next(count)}"
        told("inbound", id=ident, **{"from": phone, "to": "22000", "text": text})

    return wrote


def opt_out(phone=PHONE, **more):
    return note_consent(phone=phone, opted_out=True, source=ConsentSource.STAFF, **more)


def changes():
    return list(ConsentChange.objects.values_list("opted_out", "source", "detail"))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("STOP", "stop"),
        ("stop", "stop"),
        (" Stop. ", "stop"),
        ("'STOP!'", "stop"),
        ("stopall", "stop"),
        ("Unsubscribe", "stop"),
        ("ACHA", "stop"),
        ("simamisha", "stop"),
        ("Sitisha\n", "stop"),
        ("START", "start"),
        ("unstop", "start"),
        ("Anza", "start"),
        ("endelea", "start"),
        ("HELP", "help"),
        ("info", "help"),
        ("Msaada", "help"),
        ("usaidizi.", "help"),
        ("please stop", ""),
        ("stop by at noon", ""),
        ("STOP STOP", ""),
        ("stopper", ""),
        ("don't stop", ""),
        ("Nisaidie", ""),
        ("acha nifike", ""),
        ("STOP,", "stop"),
        ("“STOP”", "stop"),
        ("ＳＴＯＰ", "stop"),
        ("(stop) ", "stop"),
        ("Stop All…", "stop"),
        ("*STOP*\u200b", "stop"),
        ("stop 2", ""),
        ("", ""),
        ("...", ""),
    ],
)
def test_a_word_counts_only_where_it_stands_alone(text, meaning):
    assert meaning_of(text) == meaning


class TestWords:
    @pytest.mark.parametrize(
        ("language", "word", "answer"),
        [
            ("en", "Stop", "Duka: you will hear from us no more. Write START to hear from us again."),
            ("sw", "Acha", "Duka: hutapokea ujumbe tena kutoka kwetu. Andika ANZA ili kupokea tena."),
        ],
    )  # fmt: skip
    def test_stop_is_noted_and_answered_once_in_their_language(
        self, wrote, gateway, language, word, answer
    ):
        customer = CustomerFactory.create(phone=PHONE, language=language)

        wrote(word)

        assert is_opted_out(phone=PHONE)
        assert changes() == [(True, "message", word)]
        assert deliver_due_messages() == 1
        [entry] = gateway.book()
        assert (entry["to"], entry["message"]) == (PHONE, answer)
        message = Message.objects.get()
        assert (message.event, message.recipient) == ("consent.stopped", customer.code)

    def test_start_takes_it_back(self, wrote):
        opt_out()

        wrote("ANZA")

        assert not is_opted_out(phone=PHONE)
        assert changes() == [(True, "staff", ""), (False, "message", "ANZA")]
        assert Message.objects.get().body == (
            "Duka: you will hear from us again about your orders. Write STOP to end it."
        )

    def test_start_alone_is_a_wish_that_became_known(self, wrote):
        wrote("START")

        assert not is_opted_out(phone=PHONE)
        assert changes() == [(False, "message", "START")]
        assert Message.objects.get().event == "consent.started"

    @pytest.mark.parametrize("opted_out", [False, True])
    def test_help_is_answered_and_changes_nothing(self, wrote, opted_out):
        if opted_out:
            opt_out()

        wrote("HELP")

        assert is_opted_out(phone=PHONE) == opted_out
        assert len(changes()) == opted_out
        [message] = Message.objects.all()
        assert (message.event, message.status) == ("consent.help", "queued")
        assert message.body == (
            "Duka: we write about your orders. STOP ends it, START begins it again."
        )

    def test_five_words_an_hour_are_answered_and_all_of_them_count(self, wrote):
        for _ in range(3):
            wrote("STOP")
            wrote("START")
        assert Message.objects.count() == 5

        wrote("STOP")
        assert (Message.objects.count(), is_opted_out(phone=PHONE)) == (5, True)

        wrote("HELP", phone="+254722000009")
        Message.objects.filter(to=PHONE).update(created_at=timezone.now() - timedelta(hours=1))
        wrote("HELP")
        assert Message.objects.count() == 7

    def test_ids_that_begin_alike_are_two_words(self, wrote):
        wrote("HELP", ident="x" * 90 + "1")
        wrote("HELP", ident="x" * 90 + "2")

        assert Message.objects.count() == 2

    def test_anything_else_is_kept_and_not_answered(self, wrote):
        customer = CustomerFactory.create(phone=PHONE)

        wrote("Please stop by at noon")

        [inbound] = InboundMessage.objects.all()
        assert (inbound.phone, inbound.to, inbound.text, inbound.customer) == (
            PHONE,
            "22000",
            "Please stop by at noon",
            customer.code,
        )
        assert not Consent.objects.exists()
        assert not Message.objects.exists()

    def test_without_a_name_each_is_something_new(self, wrote):
        for text in ("STOP", "START", "STOP"):
            wrote(text, ident="")

        assert [opted_out for opted_out, _, _ in changes()] == [True, False, True]
        assert (Message.objects.count(), InboundMessage.objects.count()) == (3, 3)

    def test_one_message_that_is_told_twice_counts_once(self, wrote):
        wrote("STOP", ident="in-1")
        note_consent(phone=PHONE, opted_out=False, source=ConsentSource.STAFF)

        wrote("STOP", ident="in-1")

        assert not is_opted_out(phone=PHONE)
        assert (Message.objects.count(), InboundMessage.objects.count()) == (1, 1)

    def test_who_writes_it_again_is_answered_again_and_nothing_changes(self, wrote):
        wrote("STOP")
        wrote("STOP")

        assert changes() == [(True, "message", "STOP")]
        assert Message.objects.filter(event="consent.stopped").count() == 2

    def test_a_stranger_may_write_it_too(self, wrote):
        wrote("STOP", phone="+255712000001")

        assert is_opted_out(phone="+255712000001")
        assert Message.objects.get().recipient == "+255712000001"

    def test_the_gateway_s_opt_out_is_noted_and_answered_by_nobody(self, told):
        told("opt-out", senderId="DUKA", phoneNumber=PHONE)

        assert changes() == [(True, "gateway", "africastalking")]
        assert not Message.objects.exists()


class TestWhoOptedOut:
    def test_they_get_nothing_of_what_happens_from_then_on(self, gateway):
        opt_out()
        order = OrderFactory.create(customer=CustomerFactory.create(phone=PHONE))
        orders.accept_order(order_id=order.pk, by=None)

        assert deliver_due_messages() == 0
        assert gateway.book() == []
        assert set(Message.objects.values_list("status", "error_code", "error")) == {
            ("suppressed", "opted_out", "They do not want to hear from the shop.")
        }

    def test_nor_what_was_queued_before(self, gateway):
        waits = MessageFactory.create(to=PHONE)
        other = MessageFactory.create()
        opt_out()

        assert deliver_due_messages() == 1

        assert [entry["to"] for entry in gateway.book()] == [other.to]
        row = now_of(waits)
        assert (row.status, row.error_code, row.attempts) == ("suppressed", "opted_out", 0)
        assert timeline(row) == [("stopped", "")]

    def test_nor_what_a_worker_has_claimed_already(self):
        MessageFactory.create(to=PHONE)
        message = claim_one()
        opt_out()

        assert begin_sending(message=message, name="console") is False
        assert statuses() == ["suppressed"]

    def test_what_they_ask_for_themselves_they_get(self, gateway):
        opt_out()
        MessageFactory.create(to=PHONE, event=phone_code_sent.code, body="123456")

        assert deliver_due_messages() == 1
        assert [entry["message"] for entry in gateway.book()] == ["123456"]

    def test_where_the_law_lets_them_hear_of_their_orders_they_do(self, gateway, settings):
        settings.SMS_STOP_STOPS_ALL = False
        opt_out()
        MessageFactory.create(to=PHONE)
        OrderFactory.create(customer=CustomerFactory.create(phone=PHONE))

        assert deliver_due_messages() == 2
        assert [entry["to"] for entry in gateway.book()] == [PHONE, PHONE]

    def test_who_wants_to_hear_again_hears_of_what_happens_then(self, gateway):
        opt_out()
        order = OrderFactory.create(customer=CustomerFactory.create(phone=PHONE))
        note_consent(phone=PHONE, opted_out=False, source=ConsentSource.CUSTOMER)
        orders.accept_order(order_id=order.pk, by=None)

        assert deliver_due_messages() == 1
        assert statuses() == ["suppressed", "sent"]


class TestRecord:
    def test_every_change_is_recorded_and_what_is_none_is_not(self, shopkeeper):
        assert opt_out(detail="At the counter", by=shopkeeper)
        assert not opt_out(detail="Again")
        assert note_consent(phone=PHONE, opted_out=False, source=ConsentSource.MESSAGE)
        assert not note_consent(phone=PHONE, opted_out=False, source=ConsentSource.CUSTOMER)
        assert opt_out()

        assert changes() == [
            (True, "staff", "At the counter"),
            (False, "message", ""),
            (True, "staff", ""),
        ]
        assert ConsentChange.objects.first().by == shopkeeper

    @pytest.mark.parametrize("opted_out", [False, True])
    def test_the_first_wish_is_a_change_as_well(self, opted_out):
        def note():
            return note_consent(phone=PHONE, opted_out=opted_out, source=ConsentSource.CUSTOMER)

        assert [note(), note()] == [True, False]
        assert changes() == [(opted_out, "customer", "")]

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("before", [None, False])
    def test_of_many_who_say_the_same_at_once_it_is_recorded_once(self, before):
        if before is not None:
            note_consent(phone=PHONE, opted_out=before, source=ConsentSource.STAFF)

        noted = at_once([opt_out] * 6)

        assert sorted(noted) == [False] * 5 + [True]
        assert changes() == [(False, "staff", "")] * (before is not None) + [(True, "staff", "")]

    @pytest.mark.django_db(transaction=True)
    def test_of_many_who_contradict_each_other_each_change_is_recorded(self):
        calls = [
            partial(note_consent, phone=PHONE, opted_out=bool(n % 2), source=ConsentSource.STAFF)
            for n in range(12)
        ]

        noted = at_once(calls, threads=6)

        wishes = [opted_out for opted_out, _, _ in changes()]
        assert len(wishes) == noted.count(True)
        assert noted.count(True) + noted.count(False) == 12
        assert [one for one, next_one in pairwise(wishes) if one == next_one] == []
        assert wishes[-1] == is_opted_out(phone=PHONE)

    def test_who_was_never_asked_may_be_told(self):
        assert not is_opted_out(phone=PHONE)


class TestShopper:
    @pytest.fixture
    def me(self, api_as):
        user = UserFactory.create()
        CustomerFactory.create(user=user, phone=PHONE)
        return api_as(user)

    def test_they_see_and_change_it(self, me):
        assert me.get("/me/messages/").json() == {"opted_out": False}

        answer = me.put("/me/messages/", {"opted_out": True})

        assert (answer.status_code, answer.json()) == (200, {"opted_out": True})
        assert me.get("/me/messages/").json() == {"opted_out": True}
        assert changes() == [(True, "customer", "")]
        assert ConsentChange.objects.get().by is not None
        me.put("/me/messages/", {"opted_out": False})
        assert not is_opted_out(phone=PHONE)

    @pytest.mark.parametrize(
        ("body", "error"),
        [({}, ("/opted_out", "required")), ({"opted_out": "perhaps"}, ("/opted_out", "invalid"))],
    )
    def test_what_says_neither_yes_nor_no_is_refused(self, me, body, error):
        assert pointers(me.put("/me/messages/", body)) == [error]
        assert not Consent.objects.exists()

    @pytest.mark.parametrize("method", ["GET", "PUT"])
    def test_without_a_phone_that_is_theirs_there_is_nothing_to_say(self, api_as, method):
        answer = api_as(UserFactory.create())._call(method, "/me/messages/", {"opted_out": True})

        assert answer.status_code == 404
        assert problem_of(answer) == {
            "title": "Not Found",
            "detail": "Prove a phone number first, at /me/phone/.",
            "code": "no_phone",
            "errors": [],
        }


class TestShopFront:
    """The same by GraphQL."""

    CHANGE = "mutation { updateMyMessages(input: {optedOut: %s}) { myMessages { optedOut } %s } }"
    ERRORS = "errors { field message code }"

    @pytest.fixture
    def graph(self):
        user = UserFactory.create()
        CustomerFactory.create(user=user, phone=PHONE)
        return Graph(user)

    def test_they_see_and_change_it(self, graph):
        assert graph("{ myMessages { optedOut } }") == {"optedOut": False}

        done = graph.done(self.CHANGE % ("true", self.ERRORS))

        assert done == {"myMessages": {"optedOut": True}}
        assert graph("{ myMessages { optedOut } }") == {"optedOut": True}
        assert changes() == [(True, "customer", "")]
        assert ConsentChange.objects.get().by is not None

    def test_without_a_phone_that_is_theirs_there_is_nothing_to_say(self):
        graph = Graph(UserFactory.create())

        asked = graph.ask("{ myMessages { optedOut } }")

        assert verdict(asked)[0] == "no_phone"
        assert graph.refused(self.CHANGE % ("true", self.ERRORS)) == [(None, "NO_PHONE")]

    def test_strangers_have_none(self):
        for document in ("{ myMessages { optedOut } }", self.CHANGE % ("true", self.ERRORS)):
            assert verdict(Graph().ask(document)) == ("not_authenticated", 401)
        assert not Consent.objects.exists()


class TestStaff:
    def test_they_note_it_with_their_name(self, api, shopkeeper):
        body = {"phone": "0722 000 001", "opted_out": True, "reason": "Said so at the counter."}

        answer = api.post("/consents/", body)

        assert answer.status_code == 201
        assert answer.headers["Location"].endswith("/api/v1/consents/+254722000001/")
        consent, change = Consent.objects.get(), ConsentChange.objects.get()
        assert answer.json() == {
            "phone": PHONE,
            "opted_out": True,
            "changed_at": utc(consent.changed_at),
            "changes": [
                {
                    "opted_out": True,
                    "source": "staff",
                    "detail": "Said so at the counter.",
                    "by": str(shopkeeper),
                    "at": utc(change.at),
                }
            ],
        }
        assert api.get("/consents/%2B254722000001/").json() == answer.json()

    def test_a_number_that_is_none_is_refused(self, api):
        answer = api.post("/consents/", {"phone": "12", "opted_out": True})

        assert [pointer for pointer, _ in pointers(answer)] == ["/phone"]
        assert not Consent.objects.exists()

    def test_those_who_opted_out_are_listed(self, api):
        opt_out()
        note_consent(phone="+254722000002", opted_out=True, source=ConsentSource.STAFF)
        note_consent(phone="+254722000002", opted_out=False, source=ConsentSource.STAFF)

        def listed(query):
            return [each["phone"] for each in api.get(f"/consents/{query}").json()["results"]]

        assert listed("?opted_out=true") == [PHONE]
        assert listed("?opted_out=false") == ["+254722000002"]
        assert listed("?search=000002") == ["+254722000002"]

    def test_a_list_costs_the_same_for_one_and_for_three(self, api, django_assert_num_queries):
        opt_out()
        # Session, user and membership of the test client, then the page, its changes, their names.
        with django_assert_num_queries(5):
            api.get("/consents/")
        opt_out("+254722000002")
        opt_out("+254722000003")
        with django_assert_num_queries(5):
            assert len(api.get("/consents/").json()["results"]) == 3

    def test_one_that_is_not_known_is_a_404(self, api):
        assert api.get("/consents/%2B254722000009/").status_code == 404
