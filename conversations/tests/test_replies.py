"""Staff answer a contact by SMS."""

import json
from functools import partial
from unittest.mock import patch

import pytest

from accounts.tests.factories import StaffFactory
from conversations import services
from conversations.exceptions import NoPhone
from conversations.models import Interaction
from conversations.services import LONGEST_REPLY, data_of_reply
from conversations.states import Channel, Direction
from core import clock
from core.errors import InvalidInput
from core.tests.races import at_once
from customers.tests.factories import CustomerFactory
from notifications.exceptions import OptedOut
from notifications.models import Consent, InboundMessage, Message, Template
from notifications.services import (
    begin_sending,
    change_template,
    note_consent,
    preview,
    sync_templates,
)
from notifications.states import ConsentSource
from notifications.tests.outbox import claim_one
from orders.tests.factories import OrderFactory

from .factories import make_interaction

pytestmark = pytest.mark.django_db

PHONE, OTHER = "+254722000001", "+254722000002"


@pytest.fixture
def staff(db):
    return StaffFactory.create(first_name="Baraka", last_name="Otieno")


@pytest.fixture
def answer(staff):
    """`answer(contact, "Yes.")`: staff reply."""

    def answer(contact, text="Yes, {we} do.", by=staff):
        return services.reply(interaction_id=contact.pk, text=text, by=by)

    return answer


def contact(**fields):
    defaults = {"channel": Channel.SMS, "direction": Direction.IN, "text": "Tea?", "phone": PHONE}
    return services.record_contact(**{**defaults, "at": clock.now()} | fields)


def wrote(text, phone=PHONE):
    """Somebody's message, in a moment after what was before."""
    count = InboundMessage.objects.count()
    return InboundMessage.objects.create(
        transport="console",
        gateway_id=f"in-{count}",
        phone=phone,
        text=text,
        received_at=clock.now(),
    )


def opt_out(phone=PHONE):
    note_consent(phone=phone, opted_out=True, source=ConsentSource.STAFF)
    # The transaction of a test is one moment to the database.
    Consent.objects.filter(phone=phone).update(changed_at=clock.now())


def test_a_reply_is_a_message_and_a_contact(answer):
    customer = CustomerFactory.create(code="C1", language="sw", phone=OTHER)

    made = answer(contact(customer=customer))

    row = Interaction.objects.get(pk=made.pk)
    assert json.loads(row.custom) == {"text": "Yes, {we} do.", "direction": "out", "phone": PHONE}
    assert (row.engagement.channel, row.agent_name) == ("sms", "Baraka Otieno")
    assert (row.customer, row.order) == (customer, None)
    message = Message.objects.get()
    assert (message.event, message.occurrence) == ("conversation.reply", row.pk)
    assert (message.subject, message.reference) == ("interaction", row.pk)
    # To where they wrote from.
    assert (message.to, message.recipient, message.language) == (PHONE, "C1", "sw")
    assert (message.body, message.status) == ("Yes, {we} do.", "queued")
    assert message.data == {"text": "Yes, {we} do.", "agent": "Baraka Otieno", "shop": "Duka"}
    assert Interaction.objects.count() == 2


def test_somebody_who_is_no_customer_is_answered_at_the_number(answer):
    answer(contact())

    message = Message.objects.get()
    assert (message.to, message.recipient, message.language) == (PHONE, PHONE, "en")


def test_a_reply_is_about_the_order_that_its_contact_is_about(answer):
    order = OrderFactory.create()

    made = answer(contact(order=order))

    assert (made.order, made.customer) == (order, order.customer)


class TestToWhom:
    def test_without_a_number_in_it_the_customer_s_counts(self, answer):
        answer(
            contact(phone="", channel=Channel.PHONE, customer=CustomerFactory.create(phone=OTHER))
        )

        assert Message.objects.get().to == OTHER

    @pytest.mark.parametrize("written", ['"12"', "12", "null", '"0722 000 0011"', '"x"', '""'])
    def test_a_number_that_can_be_nobody_s_is_none(self, answer, written):
        engagement = services.own_engagement(channel=Channel.PHONE)
        odd = make_interaction(engagement, custom=f'{{"phone":{written}}}')

        with pytest.raises(NoPhone):
            answer(odd)

    def test_a_number_in_another_client_s_document_is_not_trusted(self, answer):
        custom = {"phone": PHONE}
        customer = CustomerFactory.create(phone=OTHER)

        with pytest.raises(NoPhone):
            answer(make_interaction(custom=custom))
        answer(make_interaction(custom=custom, customer=customer))

        assert Message.objects.get().to == OTHER

    def test_a_contact_without_any_number_is_refused_and_nothing_happens(self, answer):
        customer = CustomerFactory.create(phone="", email="a@example.com")

        for nobody in (contact(phone=""), contact(phone="", customer=customer)):
            with pytest.raises(NoPhone, match="There is no phone number to answer to"):
                answer(nobody)

        assert (Message.objects.count(), Interaction.objects.count()) == (0, 2)

    def test_what_is_deleted_cannot_be_answered(self, answer):
        gone = contact()
        services.delete_interaction(interaction_id=gone.pk)

        with pytest.raises(Interaction.DoesNotExist):
            answer(gone)


class TestText:
    @pytest.mark.parametrize("text", ["a" * LONGEST_REPLY, "ĩ" * 201, "{" * 228])
    def test_three_sms_are_enough(self, answer, text):
        answer(contact(), f"  {text}\x00 ")

        message = Message.objects.get()
        assert (message.body, message.segments) == (text, 3)

    @pytest.mark.parametrize("text", ["a" * (LONGEST_REPLY + 1), "ĩ" * 202, "{" * 229])
    def test_a_fourth_is_refused_at_the_text(self, answer, text):
        with pytest.raises(InvalidInput) as refused:
            answer(contact(), text)

        [error] = refused.value.errors
        assert (error.path, error.code) == (("text",), "max_length")
        assert error.detail.startswith("It takes 4 SMS, and may take 3: 459 plain letters,")
        assert not Message.objects.exists()

    @pytest.mark.parametrize("text", ["", " \n", "\x00"])
    def test_nothing_is_not_said(self, answer, text):
        with pytest.raises(InvalidInput) as refused:
            answer(contact(), text)

        assert [(each.path, each.code) for each in refused.value.errors] == [(("text",), "blank")]

    def test_a_name_that_is_no_plain_text_does_no_harm(self, answer):
        made = answer(contact(), by=StaffFactory.create(first_name="{text}", last_name="\u2028"))

        assert Message.objects.get().body == "Yes, {we} do."
        assert Interaction.objects.get(pk=made.pk).agent_name == "{text} \u2028".strip()


class TestOneWithTheOther:
    def test_without_its_message_there_is_no_contact(self, answer):
        asked = contact()

        with (
            patch("notifications.services.queue_message", side_effect=RuntimeError("broken")),
            pytest.raises(RuntimeError, match="broken"),
        ):
            answer(asked)

        assert [each.pk for each in Interaction.objects.all()] == [asked.pk]

    def test_each_reply_is_one_message(self, answer):
        asked = contact()
        answer(asked)
        answer(asked)

        assert (Message.objects.count(), Interaction.objects.count()) == (2, 3)


@pytest.mark.django_db(transaction=True)
def test_who_answers_while_another_does_answers_as_well(staff):
    asked = contact()

    at_once(
        [partial(services.reply, interaction_id=asked.pk, text=f"{n}", by=staff) for n in "123"]
    )

    assert sorted(Message.objects.values_list("body", flat=True)) == ["1", "2", "3"]


class TestWhoWantsNothing:
    def test_who_said_stop_gets_no_reply(self, answer):
        asked = contact()
        wrote("Tea?")
        wrote("STOP")
        opt_out()

        with pytest.raises(OptedOut, match="have not written since"):
            answer(asked)

        assert (Message.objects.count(), Interaction.objects.count()) == (0, 1)

    @pytest.mark.parametrize("text", ["Tea?", "please stop by with tea", "START"])
    def test_who_wrote_since_gets_one(self, answer, text):
        opt_out()
        wrote(text)

        answer(contact())

        assert Message.objects.get().status == "queued"

    @pytest.mark.parametrize("text", ["STOP", "acha!"])
    def test_who_says_stop_once_more_gets_none(self, answer, text):
        opt_out()
        wrote("Tea?")
        wrote(text)

        with pytest.raises(OptedOut):
            answer(contact())

    def test_what_another_wrote_opens_nothing(self, answer):
        opt_out()
        wrote("Tea?", phone=OTHER)

        with pytest.raises(OptedOut):
            answer(contact())

    def test_where_stop_stops_not_all_they_are_answered(self, answer, settings):
        settings.SMS_STOP_STOPS_ALL = False
        opt_out()

        answer(contact())

        assert Message.objects.get().status == "queued"

    def test_who_says_stop_before_it_goes_out_does_not_get_it(self, answer):
        wrote("Tea?")
        answer(contact())
        message = claim_one()
        opt_out()

        assert not begin_sending(message=message, name="console")

        assert Message.objects.get().error_code == "opted_out"

    def test_what_they_asked_for_since_goes_out_though_they_opted_out(self, answer):
        opt_out()
        wrote("Tea?")
        answer(contact())

        assert begin_sending(message=claim_one(), name="console")


class TestWords:
    def test_the_shop_may_put_more_around_it(self, answer):
        sync_templates()
        template = Template.objects.get(event="conversation.reply", language="en")
        change_template(template_id=template.pk, text="{shop}: {text} {agent}", by=None)

        made = answer(contact())

        body = "Duka: Yes, {we} do. Baraka Otieno"
        assert Message.objects.get().body == body
        assert preview(template=template, reference=made.pk).body == body

    def test_they_are_shown_on_any_contact(self):
        asked = contact(text="Tea?", agent_name="Amina")

        assert data_of_reply(asked.pk) == {"text": "Tea?", "agent": "Amina", "shop": "Duka"}
        assert data_of_reply(make_interaction(custom={"a": 1}, agent_name="").pk) == {
            "text": "",
            "agent": "",
            "shop": "Duka",
        }
        assert data_of_reply("5f18d12f42262eec0d43567d") is None
        assert data_of_reply("nonsense") is None
