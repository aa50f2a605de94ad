"""What the shop keeps of a person by messages: handed out, made one, forgotten."""

import json
from urllib.parse import urlencode

import pytest
from django.apps import apps

from accounts.services.people import delete_account, personal_data
from accounts.tests.factories import UserFactory
from conversations.models import Interaction
from customers.exceptions import HasOrders
from customers.models import Customer
from customers.services import (
    claim_phone,
    delete_customer,
    forget_customer,
    send_phone_code,
    update_customer,
)
from customers.services.forgetting import forget_stranger
from customers.tests.factories import CustomerFactory
from notifications.models import (
    Callback,
    Consent,
    ConsentChange,
    InboundMessage,
    Message,
    MessageEvent,
    StatusLink,
)
from notifications.services import (
    call_off_message,
    claim_messages,
    is_opted_out,
    look_at_callbacks,
    note_consent,
    settle,
)
from notifications.states import ConsentSource
from notifications.transports import Accepted, Refused
from orders import services as orders
from orders.tests.factories import OrderFactory

from .factories import MessageFactory
from .outbox import begin, claim_one, let_leases_pass, now_of

pytestmark = pytest.mark.django_db

PHONE, BEFORE, OTHER = "+254722000001", "+254722000002", "+254722000003"
KEY = "k" * 20
DOWN = Refused(code="http_503", reason="HTTP 503", may_pass=True, whole=True)
# What no row of the outbox may say any more once they left.
PERSONAL = ("722000001", "Wanjiru", "kiosk")


@pytest.fixture(autouse=True)
def gateway_that_calls(settings):
    settings.SMS_GATEWAYS = {"africastalking"}
    settings.AFRICASTALKING_API_KEY = "key"
    settings.AFRICASTALKING_CALLBACK_KEY = KEY


@pytest.fixture
def tell(client):
    """`tell("report", id=…)`: Africa's Talking tells something, at which nobody looks yet."""

    def tell(kind, **form):
        answer = client.post(
            f"/webhooks/sms/africastalking/{kind}/{KEY}/",
            urlencode(form),
            content_type="application/x-www-form-urlencoded",
        )
        return answer.status_code

    return tell


@pytest.fixture
def shopper():
    return UserFactory.create(email="wanjiru@example.com", first_name="Wanjiru")


@pytest.fixture
def customer(shopper):
    return CustomerFactory.create(user=shopper, name="Wanjiru", phone=PHONE, code="C7")


def wrote(text, phone=PHONE, **more):
    count = InboundMessage.objects.count()
    return InboundMessage.objects.create(
        transport="africastalking",
        gateway_id=f"in-{count}",
        phone=phone,
        to="22",
        text=text,
        **more,
    )


def wish(opted_out, phone=PHONE, detail="", source=ConsentSource.STAFF):
    note_consent(phone=phone, opted_out=opted_out, source=source, detail=detail)


def all_that_is_kept():
    models = apps.get_app_config("notifications").get_models()
    rows = [{**row} for model in models for row in model.objects.values()]
    for row in rows:
        row["body"] = bytes(row["body"]).decode() if "key" in row else row.get("body")
    return json.dumps(rows, default=str)


class TestDownload:
    def test_what_they_wrote_and_want_is_in_it(self, shopper, customer):
        before = wrote("Habari?")
        known = wrote("Niko kwa kiosk", customer="C7", phone=BEFORE)
        wish(opted_out=True, detail="STOP", source=ConsentSource.MESSAGE)
        change = ConsentChange.objects.get()

        data = personal_data(user=shopper)

        assert data["inbound_messages"] == [
            {"phone": each.phone, "to": "22", "text": each.text, "received_at": each.received_at}
            for each in (known, before)
        ]
        assert data["consent"] == {
            "phone": PHONE,
            "opted_out": True,
            "changed_at": Consent.objects.get().changed_at,
            "changes": [
                {"opted_out": True, "source": "message", "detail": "STOP", "at": change.at}
            ],
        }

    def test_nothing_of_others_is(self, shopper, customer):
        # Of one who had the number before.
        wrote("Siri", customer="C70")
        wrote("Siri", phone=OTHER)
        wish(opted_out=True, phone=OTHER)
        MessageFactory.create(recipient="C70", to=PHONE)
        MessageFactory.create(recipient=OTHER, to=OTHER)

        data = personal_data(user=shopper)

        assert (data["messages"], data.keys() & {"inbound_messages", "consent"}) == ([], set())

    def test_without_a_number_nothing_is_known_by_it(self, shopper, customer):
        update_customer(customer_id=customer.pk, phone="", email="wanjiru@example.com")
        wrote("Siri")
        wish(opted_out=True)
        MessageFactory.create(recipient="", to="")

        data = personal_data(user=shopper)

        assert (data["messages"], data.keys() & {"inbound_messages", "consent"}) == ([], set())

    def test_what_they_were_answered_as_a_stranger_is_in_it(self, tell, shopper):
        tell("inbound", id="in-1", **{"from": PHONE, "to": "22", "text": "HELP"})
        look_at_callbacks()
        CustomerFactory.create(user=shopper, phone=PHONE)

        assert [each["event"] for each in personal_data(user=shopper)["messages"]] == [
            "consent.help"
        ]


def test_under_a_new_code_all_is_still_theirs(customer):
    message = MessageFactory.create(recipient="C7", to=PHONE)

    update_customer(customer_id=customer.pk, code="VIP")

    assert now_of(message).recipient == "VIP"


def test_of_two_records_that_are_one_person_all_is_the_others(shopper):
    found = CustomerFactory.create(phone=PHONE, code="C7", user=None)
    CustomerFactory.create(user=shopper, code="C8", phone=BEFORE)
    by_code = wrote("A", customer="C8", phone=OTHER)
    by_phone = wrote("B", phone=BEFORE)
    others = wrote("C", customer="C9", phone=BEFORE)
    told, answered = (MessageFactory.create(recipient=each, to=BEFORE) for each in ("C8", BEFORE))
    send_phone_code(user=shopper, phone=PHONE)
    code = Message.objects.get(event="customer.phone_code").body.split(": ")[1][:6]

    assert claim_phone(user=shopper, code=code) == found

    now = dict(InboundMessage.objects.values_list("text", "customer"))
    assert now == {by_code.text: "C7", by_phone.text: "C7", others.text: "C9"}
    assert [now_of(each).recipient for each in (told, answered)] == ["C7", "C7"]
    assert not Customer.objects.filter(code="C8").exists()


class TestForgetting:
    def test_no_row_names_them_any_more(self, tell, shopper, customer):
        tell("inbound", id="in-0", **{"from": PHONE, "to": "22", "text": "HELP"})
        tell("inbound", id="in-1", **{"from": PHONE, "to": "22", "text": "Niko kwa kiosk"})
        tell("opt-out", senderId="DUKA", phoneNumber=PHONE)
        assert tell("report", id="?", status="Success", phoneNumber=f"{PHONE} kiosk") == 400
        sent = MessageFactory.create(
            recipient="C7",
            to=PHONE,
            body="Wanjiru!",
            data={"customer": "Wanjiru"},
            status="sent",
            transport="africastalking",
            transport_id="AT1",
            error=f"Invalid number: {PHONE}",
        )
        tell("report", id="AT1", status="Failed", phoneNumber=PHONE, failureReason="Barred")
        tell("report", id="AT1", status="Sent", phoneNumber=PHONE)
        tell("report", id="AT2", status="Sent", phoneNumber=PHONE)
        look_at_callbacks()
        waits = MessageFactory.create(recipient="C7", to=PHONE, status="parked")
        call_off_message(message_id=waits.pk, by=None, reason="Wanjiru rang")
        wish(opted_out=False, detail="Wanjiru said so")
        wish(opted_out=True, detail="Wanjiru said otherwise")
        kept = {
            model: model.objects.count()
            for model in (Callback, ConsentChange, InboundMessage, Message, MessageEvent)
        }
        said = all_that_is_kept()
        assert [each for each in PERSONAL if each not in said] == []

        delete_account(user=shopper)

        # The wish to hear nothing holds on, and so its number.
        assert is_opted_out(phone=PHONE)
        said = all_that_is_kept().replace(f'"phone": "{PHONE}", "opted_out": true', "")
        assert [each for each in PERSONAL if each in said] == []
        assert {model: model.objects.count() for model in kept} == kept
        row = now_of(sent)
        assert (row.status, row.error_code, row.error) == ("failed", "Barred", "")

    def test_who_may_be_told_leaves_no_wish(self, shopper, customer):
        wish(opted_out=True)
        wish(opted_out=False)
        wish(opted_out=False, phone=OTHER)

        delete_account(user=shopper)

        assert list(Consent.objects.values_list("phone", flat=True)) == [OTHER]

    def test_what_came_and_was_not_looked_at_has_its_effect_first(self, tell, shopper, customer):
        tell("inbound", id="in-1", **{"from": PHONE, "to": "22", "text": "STOP"})

        delete_account(user=shopper)

        assert is_opted_out(phone=PHONE)
        assert look_at_callbacks() == 0
        assert list(Message.objects.values_list("event", "recipient", "status", "to")) == [
            ("consent.stopped", "C7", "suppressed", "")
        ]
        assert InboundMessage.objects.get().text == ""
        assert bytes(Callback.objects.get().body) == b""

    def test_what_came_and_was_not_looked_at_leaves_no_contact(self, tell, customer):
        tell("inbound", id="in-1", **{"from": PHONE, "to": "22", "text": "Wanjiru here"})

        forget_customer(customer_id=customer.pk)

        assert (Interaction.objects.count(), look_at_callbacks()) == (0, 0)
        assert list(InboundMessage.objects.values_list("phone", "text", "recorded")) == [
            ("", "", True)
        ]

    def test_what_a_stranger_sent_and_was_not_looked_at_leaves_no_contact(self, tell):
        tell("inbound", id="in-1", **{"from": OTHER, "to": "22", "text": "Juma here"})

        forget_stranger(phone=OTHER)

        assert (Interaction.objects.count(), look_at_callbacks()) == (0, 0)
        assert InboundMessage.objects.get().text == ""

    def test_what_a_gateway_sends_once_more_does_nothing(self, tell, shopper, customer):
        told = {"id": "in-1", "from": PHONE, "to": "22", "text": "STOP"}
        tell("inbound", **told)
        look_at_callbacks()
        delete_account(user=shopper)
        wish(opted_out=False)

        tell("inbound", **told)
        Callback.objects.all().delete()
        tell("inbound", **told)
        look_at_callbacks()

        assert not is_opted_out(phone=PHONE)
        assert (InboundMessage.objects.count(), Message.objects.count()) == (1, 1)

    def test_a_report_that_comes_later_is_emptied_too(self, tell, shopper, customer):
        message = MessageFactory.create(
            recipient="C7", to=PHONE, status="sent", transport="africastalking", transport_id="AT1"
        )
        delete_account(user=shopper)

        tell("report", id="AT1", status="Failed", phoneNumber=PHONE, failureReason="Barred")
        look_at_callbacks()

        callback = Callback.objects.get()
        assert (callback.state, callback.detail, bytes(callback.body)) == (
            "done",
            "Its message is forgotten.",
            b"",
        )
        assert (now_of(message).status, message.timeline.count()) == ("sent", 0)

    @pytest.mark.parametrize(
        ("outcome", "status"),
        [
            (Accepted(id="AT1"), "sent"),
            (Refused(code="403", reason=f"{PHONE}: no", may_pass=False), "failed"),
            (Refused(code="500", reason=f"{PHONE}: busy", may_pass=True), "suppressed"),
            (DOWN, "suppressed"),
        ],
    )
    def test_what_is_on_its_way_ends_as_it_ends(self, shopper, customer, outcome, status):
        MessageFactory.create(recipient="C7", to=PHONE)
        message = claim_one()
        assert begin(message)
        delete_account(user=shopper)

        settle(message=message, outcome=outcome)

        row = now_of(message)
        assert (row.status, row.body, row.to, row.error) == (status, "", "", "")
        assert [event.detail for event in row.timeline.all()] == ["", ""]
        let_leases_pass()
        assert claim_messages(limit=1) == []

    def test_links_to_what_they_were_told_of_open_nothing(self, client, shopper, customer):
        mine, other = OrderFactory.create(customer=customer), OrderFactory.create()
        orders.accept_order(order_id=mine.pk, by=None)
        path = Message.objects.filter(reference=mine.number).last().body.rpartition("8000")[2]
        assert client.get(path).status_code == 200

        delete_account(user=shopper)

        assert client.get(path).status_code == 404
        assert set(StatusLink.objects.filter(revoked_at=None).values_list("reference")) == {
            (other.number,)
        }

    def test_a_customer_whom_the_shop_deletes_is_forgotten_too(self, shopper, customer):
        message = MessageFactory.create(recipient="C7", to=PHONE)
        note_consent(phone=PHONE, opted_out=False, source=ConsentSource.STAFF)

        delete_customer(customer_id=customer.pk)

        row = now_of(message)
        assert (row.status, row.body, row.to) == ("suppressed", "", "")
        assert not Consent.objects.exists()

    def test_one_who_cannot_be_deleted_is_not_forgotten(self, customer):
        order = OrderFactory.create(customer=customer)

        with pytest.raises(HasOrders):
            delete_customer(customer_id=customer.pk)

        assert Message.objects.get(reference=order.number).to == PHONE

    def test_of_others_all_stays(self, tell, shopper, customer):
        tell("inbound", id="in-1", **{"from": OTHER, "to": "22", "text": "Nani?"})
        look_at_callbacks()
        message = MessageFactory.create(recipient="C70", data={"customer": "Ann"})
        message.timeline.create(what="settled", detail="Ann rang")
        wish(opted_out=True, phone=OTHER, detail="Ann said so")
        before = all_that_is_kept()

        delete_account(user=shopper)

        assert all_that_is_kept() == before

    def test_a_number_that_another_has_too_is_not_theirs_alone(self, tell, shopper, customer):
        CustomerFactory.create(phone=PHONE, code="C70")
        tell("opt-out", senderId="DUKA", phoneNumber=PHONE)
        look_at_callbacks()
        wish(opted_out=False, detail="Said so")
        wrote("Nani?")
        mine = wrote("Nani?", customer="C7")

        delete_account(user=shopper)

        assert list(ConsentChange.objects.values_list("detail", flat=True)) == [
            "africastalking",
            "Said so",
        ]
        assert dict(InboundMessage.objects.values_list("pk", "text")) == {
            mine.pk: "",
            mine.pk - 1: "Nani?",
        }
        assert b"722000001" in bytes(Callback.objects.get().body)

    def test_an_account_that_is_no_customer_leaves_no_words(self, shopper):
        send_phone_code(user=shopper, phone=PHONE)
        wish(opted_out=False, detail="Nani")

        delete_account(user=shopper)

        # The number was never proved, so that it may be anybody's.
        assert list(Message.objects.values_list("status", "to", "body")) == [("suppressed", "", "")]
        assert ConsentChange.objects.get().detail == "Nani"
