"""What somebody writes to the shop is a contact of theirs in the conversations."""

import json
import logging
from functools import partial
from urllib.parse import urlencode

import pytest
from django.db import OperationalError

from conversations import services as conversations
from conversations.models import Interaction
from core import jobs
from core.tests.races import at_once
from customers.models import Customer
from customers.signals import merged
from customers.tests.factories import CustomerFactory
from notifications.models import Callback, Consent, InboundMessage, Message
from notifications.services import (
    contacts,
    forget_recipient,
    look_at_callbacks,
    record_inbound,
    record_missed_contacts,
)
from notifications.tasks import record_missed_contacts as record_missed_contacts_task

pytestmark = pytest.mark.django_db

PHONE, OTHER = "+254722000001", "+254722000002"
KEY = "k" * 20


@pytest.fixture(autouse=True)
def nobody_asks_to_stop():
    yield
    jobs._stopping.clear()


@pytest.fixture
def wrote(client, settings):
    """`wrote("Tea?")`: somebody writes to the shop by Africa's Talking."""
    settings.SMS_GATEWAYS = {"africastalking"}
    settings.AFRICASTALKING_API_KEY = "key"
    settings.AFRICASTALKING_CALLBACK_KEY = KEY
    count = iter(range(1, 99))

    def wrote(text, *, phone=PHONE, ident=None):
        form = {"id": ident or f"in-{next(count)}", "from": phone, "to": "22000", "text": text}
        response = client.post(
            f"/webhooks/sms/africastalking/inbound/{KEY}/",
            urlencode(form),
            content_type="application/x-www-form-urlencoded",
        )
        assert response.status_code == 200
        look_at_callbacks()
        return InboundMessage.objects.order_by("pk").last()

    return wrote


@pytest.fixture
def broken(monkeypatch):
    """Contacts cannot be recorded, for a reason that nobody foresaw."""

    def fail(**_):
        # In the midst of it: a statement was refused.
        Interaction.objects.create(document="", custom="{")

    def mend():
        monkeypatch.setattr(contacts, "record_contact", conversations.record_contact)

    monkeypatch.setattr(contacts, "record_contact", fail)
    return mend


def before(text="Tea?", phone=PHONE, **fields):
    """A message of before there were conversations."""
    count = InboundMessage.objects.count()
    return InboundMessage.objects.create(
        transport="vonage", gateway_id=f"old-{count}", phone=phone, text=text, **fields
    )


def kept():
    return [
        (json.loads(each.custom)["text"], each.customer, each.source_id)
        for each in Interaction.objects.order_by("interaction_date", "pk")
    ]


def test_a_message_is_a_contact_of_whose_number_it_is(wrote):
    customer = CustomerFactory.create(phone=PHONE)
    CustomerFactory.create(phone=PHONE)

    message = wrote("Bei ni ngapi?")

    row = Interaction.objects.get()
    assert json.loads(row.custom) == {
        "text": "Bei ni ngapi?",
        "direction": "in",
        "phone": PHONE,
    }
    assert (row.customer, row.source_id) == (customer, f"inbound-{message.pk}")
    assert (row.client.is_shop, row.engagement.channel, row.agent_name) == (True, "sms", "")
    assert 0 <= (message.received_at - row.interaction_date).total_seconds() < 0.001
    assert message.recorded


def test_a_number_that_belongs_to_nobody_writes_as_nobody(wrote):
    message = wrote("Tea?", phone=OTHER)

    assert kept() == [("Tea?", None, f"inbound-{message.pk}")]


@pytest.mark.parametrize("word", ["STOP", "START", "HELP", "Acha"])
def test_words_that_mean_something_are_contacts_too(wrote, word):
    message = wrote(word)

    assert kept() == [(word, None, f"inbound-{message.pk}")]


def test_it_is_a_contact_once_however_often_the_gateway_repeats_it(wrote):
    wrote("Tea?", ident="in-1")
    wrote("Tea?", ident="in-1")
    Callback.objects.all().delete()
    wrote("Tea?", ident="in-1")
    record_missed_contacts()

    assert len(kept()) == 1


def test_the_same_words_again_are_another(wrote):
    wrote("Tea?")
    wrote("Tea?")

    assert len(kept()) == 2


class TestWhatFails:
    def test_it_takes_neither_the_message_nor_the_wish_in_it_along(self, wrote, broken, caplog):
        with caplog.at_level(logging.ERROR):
            message = wrote("STOP")

        assert (message.text, message.recorded) == ("STOP", False)
        assert Consent.objects.get(phone=PHONE).opted_out
        assert Message.objects.get().event == "consent.stopped"
        callback = Callback.objects.get()
        assert (callback.state, callback.detail) == ("done", "stop")
        assert f"inbound message {message.pk} could not be recorded" in caplog.text
        assert kept() == []

    def test_it_is_made_good_later(self, wrote, broken):
        customer = CustomerFactory.create(phone=PHONE)
        message = wrote("STOP")
        assert record_missed_contacts() == 0

        broken()

        assert record_missed_contacts_task.call() == 1
        assert kept() == [("STOP", customer, f"inbound-{message.pk}")]
        assert record_missed_contacts() == 0

    def test_a_database_that_is_gone_is_asked_for_all_of_it_again(self, wrote, monkeypatch):
        def gone(**_):
            raise OperationalError("the connection is closed")

        monkeypatch.setattr(contacts, "record_contact", gone)
        with pytest.raises(OperationalError):
            wrote("STOP")
        assert not InboundMessage.objects.exists()
        assert Callback.objects.get().state == "new"

        monkeypatch.undo()
        look_at_callbacks()

        assert Consent.objects.get(phone=PHONE).opted_out
        assert len(kept()) == 1


class TestMissed:
    def test_what_was_written_before_there_were_conversations_is_taken_down(self, monkeypatch):
        monkeypatch.setattr(contacts, "_AT_ONCE", 2)
        customer = CustomerFactory.create(code="C1", phone=OTHER)
        known = before("One", customer="C1")
        unknown = [before("Two"), before("Three"), before("Four")]
        since = before("Five", phone=OTHER)
        lost = before("Six", phone=OTHER, customer="C9")

        assert record_missed_contacts() == 6

        assert set(kept()) == {
            ("One", customer, f"inbound-{known.pk}"),
            *((each.text, None, f"inbound-{each.pk}") for each in unknown),
            ("Five", customer, f"inbound-{since.pk}"),
            # Their record was deleted: the number may be another's by now.
            ("Six", None, f"inbound-{lost.pk}"),
        }
        assert record_missed_contacts() == 0

    def test_one_that_cannot_be_stands_in_nobody_s_way(self, monkeypatch):
        before("One")
        before("Two")
        record = conversations.record_contact

        def some(*, text, **fields):
            if text == "One":
                raise RuntimeError(text)
            return record(text=text, **fields)

        monkeypatch.setattr(contacts, "record_contact", some)

        assert record_missed_contacts() == 1
        assert [text for text, _, _ in kept()] == ["Two"]

    def test_what_staff_deleted_stays_deleted(self, wrote):
        wrote("Tea?")
        conversations.delete_interaction(interaction_id=Interaction.objects.get().pk)

        assert (record_missed_contacts(), kept()) == (0, [])

    def test_of_who_was_forgotten_nothing_is_taken_down(self):
        customer = CustomerFactory.create(code="C1", phone=PHONE)
        message = before(customer=customer.code)
        forget_recipient(recipient="C1", phone=PHONE)

        assert record_missed_contacts() == 0
        assert record_inbound(message=message)
        assert kept() == []

    def test_a_worker_that_is_to_stop_leaves_the_rest(self):
        before()
        jobs.ask_to_stop()

        assert (record_missed_contacts(), kept()) == (0, [])


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_take_each_down_once():
    messages = [before(f"{n}") for n in range(3)]

    at_once([record_missed_contacts] * 3 + [partial(record_inbound, message=messages[0])] * 3)

    assert sorted(text for text, _, _ in kept()) == ["0", "1", "2"]


def test_what_somebody_wrote_follows_who_they_are(wrote):
    source, target = CustomerFactory.create(phone=PHONE), CustomerFactory.create()
    wrote("Tea?")

    merged.send(sender=Customer, source=source, target=target)

    assert [customer for _, customer, _ in kept()] == [target]
