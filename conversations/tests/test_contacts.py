"""The shop's own contacts: where they are kept, what is kept of them, whose they are."""

import json
from datetime import UTC, datetime
from functools import partial

import pytest

from accounts.tests.factories import StaffFactory
from conversations import services
from conversations.exceptions import BadDocument
from conversations.models import Client, Engagement, Interaction
from conversations.services import contacts
from conversations.states import Channel, Direction
from core.errors import InvalidInput
from core.phones import ImpossiblePhone
from core.tests.races import at_once
from customers.models import Customer
from customers.signals import merged
from customers.tests.factories import CustomerFactory
from orders.models import Order
from orders.tests.factories import OrderFactory

from .factories import ClientFactory, make_interaction

pytestmark = pytest.mark.django_db

AT = datetime(2026, 5, 16, 12, 0, 0, 123_456, tzinfo=UTC)
PHONE = "+254722000001"


def record(**fields):
    return services.record_contact(
        **{"channel": Channel.SMS, "direction": Direction.IN, "text": "Habari?", "at": AT} | fields
    )


def links(interaction):
    interaction = Interaction.objects.get(pk=interaction.pk)
    return interaction.customer, interaction.order


class TestOwnEngagement:
    def test_it_is_the_shop_s_own_and_made_on_demand(self, settings):
        settings.SHOP_NAME = "Mama Njeri's"
        ClientFactory.create(name="Mama Njeri's")

        engagement = services.own_engagement(channel=Channel.PHONE)

        assert (engagement.name, engagement.channel) == ("Phone", "phone")
        assert (engagement.client.name, engagement.client.is_shop) == ("Mama Njeri's", True)
        assert (Client.objects.count(), Engagement.objects.count()) == (2, 1)

    def test_each_channel_has_one_of_the_same_client(self):
        made = [services.own_engagement(channel=channel) for channel in (*Channel, *Channel)]

        assert Engagement.objects.count() == len(Channel)
        assert [each.channel for each in made] == [*Channel.values, *Channel.values]
        assert {each.client for each in made} == {Client.objects.get()}

    def test_a_long_name_of_the_shop_is_cut(self, settings):
        settings.SHOP_NAME = "x" * 300

        assert services.own_engagement(channel=Channel.SMS).client.name == "x" * 200


@pytest.mark.django_db(transaction=True)
def test_all_who_need_it_first_at_once_get_the_same():
    channels = [Channel.SMS, Channel.PHONE] * 4
    found = at_once([partial(services.own_engagement, channel=each) for each in channels])

    assert [each.channel for each in found] == ["sms", "phone"] * 4
    assert (Client.objects.count(), Engagement.objects.count()) == (1, 2)


@pytest.mark.django_db(transaction=True)
def test_a_contact_that_its_source_tells_at_once_many_times_is_kept_once():
    found = at_once([partial(record, source_id="inbound-1", text=f"{n}") for n in range(6)])

    kept = Interaction.objects.get()
    assert [each.pk for each in found] == [kept.pk] * 6


class TestRecordContact:
    def test_it_is_a_document_like_any_other(self):
        customer = CustomerFactory.create(code="C1")

        kept = record(
            text="Bei ni ngapi?",
            customer=customer,
            phone=PHONE,
            agent_name="Amina",
            sentiment="Positive",
            source_id="inbound-7",
        )

        engagement = services.own_engagement(channel=Channel.SMS)
        row = Interaction.objects.get()
        assert row.pk == kept.pk
        assert row.document == (
            f'{{"_id":{{"$oid":"{row.pk}"}},"engagementId":{{"$oid":"{engagement.pk}"}},'
            '"interactionDate":{"$date":1778932800123},"agentName":"Amina","sentiment":"Positive",'
            f'"custom":{{"text":"Bei ni ngapi?","direction":"in","phone":"{PHONE}"}}}}'
        )
        assert json.loads(row.custom) == {
            "text": "Bei ni ngapi?",
            "direction": "in",
            "phone": PHONE,
        }
        # As exact as the document.
        assert row.interaction_date == AT.replace(microsecond=123_000)
        assert (row.client, row.engagement) == (engagement.client, engagement)
        assert (row.agent_name, row.sentiment) == ("Amina", "Positive")
        assert (row.source_id, row.customer, row.order) == ("inbound-7", customer, None)

    def test_without_a_phone_there_is_none_in_it(self):
        assert json.loads(record().custom) == {"text": "Habari?", "direction": "in"}

    def test_texts_that_no_column_takes_are_kept_without_what_it_does_not(self):
        kept = record(text="a\x00b \ud800 😀\u2028", agent_name="x\x00" * 300, sentiment="y" * 99)

        row = Interaction.objects.get(pk=kept.pk)
        assert json.loads(row.custom)["text"] == "ab ? 😀\u2028"
        assert (row.agent_name, row.sentiment) == ("x" * 200, "y" * 64)
        assert json.loads(row.document)["agentName"] == "x" * 200

    def test_a_source_names_a_contact_once_and_the_first_counts(self):
        first = record(source_id="inbound-1")
        again = record(source_id="inbound-1", text="Another", customer=CustomerFactory.create())
        elsewhere = record(source_id="inbound-1", channel=Channel.PHONE)

        assert again.pk == first.pk
        assert {each.pk for each in Interaction.objects.all()} == {first.pk, elsewhere.pk}
        assert links(first) == (None, None)

    def test_of_two_at_once_the_faster_counts(self, monkeypatch):
        write = contacts.document_of

        def slow(**fields):
            monkeypatch.setattr(contacts, "document_of", write)
            record(source_id="inbound-1", text="Faster")
            return write(**fields)

        monkeypatch.setattr(contacts, "document_of", slow)

        kept = record(source_id="inbound-1", text="Slower")

        assert Interaction.objects.get().pk == kept.pk
        assert json.loads(kept.custom)["text"] == "Faster"

    def test_without_a_source_s_name_each_is_one(self):
        record()
        record()

        assert Interaction.objects.count() == 2

    def test_an_order_brings_its_customer(self):
        order = OrderFactory.create()

        assert links(record(order=order)) == (order.customer, order)

    def test_another_customer_s_order_is_refused_and_nothing_kept(self):
        with pytest.raises(BadDocument) as refused:
            record(order=OrderFactory.create(), customer=CustomerFactory.create())

        assert [(each.path, each.code) for each in refused.value.errors] == [
            (("order",), "wrong_customer")
        ]
        assert not Interaction.objects.exists()


class TestNoteContact:
    def test_a_call_is_of_now_and_by_who_typed_it(self):
        by = StaffFactory.create(first_name="Baraka", last_name="Otieno")

        kept = services.note_contact(by=by, text="Asked for tea.")

        row = Interaction.objects.get(pk=kept.pk)
        assert (row.engagement.channel, row.agent_name) == ("phone", "Baraka Otieno")
        assert json.loads(row.custom) == {"text": "Asked for tea.", "direction": "in"}
        assert 0 <= (row.created_at - row.interaction_date).total_seconds() < 60
        assert links(row) == (None, None)

    def test_all_of_it_can_be_said(self):
        order = OrderFactory.create()

        kept = services.note_contact(
            by=StaffFactory.create(),
            text="Called back.",
            channel=Channel.VISIT,
            direction=Direction.OUT,
            at=AT,
            customer=order.customer,
            order=order,
            phone="0722 000 001",
            sentiment="Negative",
        )

        row = Interaction.objects.get(pk=kept.pk)
        assert (row.engagement.channel, row.sentiment) == ("visit", "Negative")
        assert row.interaction_date == AT.replace(microsecond=123_000)
        assert json.loads(row.custom) == {
            "text": "Called back.",
            "direction": "out",
            "phone": PHONE,
        }
        assert links(row) == (order.customer, order)

    def test_it_is_whose_the_number_is(self):
        theirs = CustomerFactory.create(phone=PHONE)
        CustomerFactory.create(phone=PHONE)
        by = StaffFactory.create()

        assert links(services.note_contact(by=by, text="Hm.", phone="0722000001"))[0] == theirs
        assert links(services.note_contact(by=by, text="Hm.", phone="0722000002"))[0] is None

    def test_who_was_named_and_whose_the_order_is_count_before_the_number(self):
        CustomerFactory.create(phone=PHONE)
        order, other = OrderFactory.create(), CustomerFactory.create()
        note = partial(services.note_contact, by=StaffFactory.create(), text="Hm.", phone=PHONE)

        assert links(note(customer=other)) == (other, None)
        assert links(note(order=order)) == (order.customer, order)

    def test_what_is_no_phone_number_is_refused(self):
        with pytest.raises(ImpossiblePhone):
            services.note_contact(by=StaffFactory.create(), text="Hm.", phone="12")

        assert not Interaction.objects.exists()

    def test_an_order_of_another_is_an_input_error(self):
        with pytest.raises(InvalidInput):
            services.note_contact(
                by=StaffFactory.create(),
                text="Hm.",
                order=OrderFactory.create(),
                customer=CustomerFactory.create(),
            )


def test_contacts_of_two_records_that_are_one_person_are_the_other_s():
    source, target, other = CustomerFactory.create_batch(3)
    order = OrderFactory.create(customer=source)
    moved = [record(order=order), make_interaction(customer=source)]
    kept = make_interaction(customer=other)
    before = {each.pk: each for each in Interaction.objects.all()}

    merged.send(sender=Customer, source=source, target=target)

    assert [links(each)[0] for each in moved] == [target, target]
    assert Order.objects.get().customer == target
    assert links(kept)[0] == other
    after = {each.pk: each for each in Interaction.objects.all()}
    assert all(after[each.pk].document == before[each.pk].document for each in moved)
    assert after[kept.pk].updated_at == before[kept.pk].updated_at
