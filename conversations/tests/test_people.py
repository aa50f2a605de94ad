"""What conversations keep of a person: handed out, forgotten, and where others speak of them."""

import json

import pytest

from accounts.services.people import delete_account
from accounts.services.people import personal_data as data_of
from accounts.tests.factories import UserFactory
from conversations import services
from conversations.models import ImportedFile, Interaction, RejectedLine
from conversations.services import people
from conversations.states import Channel, Direction
from core.forgetting import Erasure, Mention
from customers.tests.factories import CustomerFactory
from orders.tests.factories import OrderFactory

from .factories import WHEN, make_interaction

pytestmark = pytest.mark.django_db
PHONE, OTHER = "+254722000001", "+254722000002"
EMAIL = "amina@posta.example"


@pytest.fixture
def customer():
    return CustomerFactory.create(
        user=UserFactory.create(), phone=PHONE, email=EMAIL, name="Amina", code="C7"
    )


def contact(**fields):
    return services.record_contact(
        channel=Channel.SMS, direction=Direction.IN, text="Habari?", at=WHEN, **fields
    )


def left():
    return set(Interaction.objects.values_list("pk", flat=True))


class TestAsked:
    def test_their_documents_are_in_what_they_download(self, customer):
        theirs = make_interaction(customer=customer, custom='{"n":12345678901234567890}')
        make_interaction(customer=CustomerFactory.create())

        [document] = data_of(user=customer.user)["interactions"]

        assert document == json.loads(theirs.document)

    def test_numbers_are_as_they_are_written_and_half_letters_can_be_told(self, customer):
        row = make_interaction(customer=customer)
        text = row.document.replace('"custom":{}', '"custom":{"x":1e999,"y":1.50,"t":"\\ud800"}')
        Interaction.objects.update(document=text)

        [document] = services.personal_data(customer=customer)["interactions"]

        assert document["custom"] == {"x": "1e999", "y": "1.50", "t": "\ufffd"}
        json.dumps(document, allow_nan=False).encode()

    def test_what_they_wrote_from_their_number_is_theirs_and_who_has_none_has_no_section(
        self, customer
    ):
        assert services.personal_data(customer=customer) == {}
        contact(phone=PHONE)
        contact(phone=OTHER)

        [document] = services.personal_data(customer=customer)["interactions"]

        assert document["custom"]["phone"] == PHONE


class TestForgotten:
    def test_their_contacts_are_deleted_and_nobody_else_s(self, customer):
        order = OrderFactory.create(customer=customer)
        make_interaction(customer=customer)
        make_interaction(order=order)
        contact(phone=PHONE)
        kept = {
            contact(phone=OTHER).pk,
            contact(phone=PHONE, customer=CustomerFactory.create()).pk,
            # Whose number that is in another's document, nobody knows.
            make_interaction(custom={"phone": PHONE}).pk,
        }

        [erasure] = services.forget_customer(customer=customer)

        assert left() == kept
        assert (erasure.app, erasure.what, erasure.deleted, erasure.kept) == (
            "conversations",
            "interactions",
            3,
            0,
        )

    def test_a_contact_of_somebody_else_stays_though_its_order_is_theirs(self, customer):
        order = OrderFactory.create(customer=customer)
        make_interaction(order=order)
        others = make_interaction(order=order, customer=CustomerFactory.create())

        services.forget_customer(customer=customer)

        assert left() == {others.pk}

    def test_leaving_does_the_same(self, customer):
        make_interaction(customer=customer)

        delete_account(user=customer.user)

        assert left() == set()

    def test_at_a_number_that_another_has_too_they_stay(self, customer):
        CustomerFactory.create(phone=PHONE)
        make_interaction(customer=customer)
        stays = contact(phone=PHONE)

        [erasure] = services.forget_customer(customer=customer)

        assert left() == {stays.pk}
        assert (erasure.deleted, erasure.kept) == (1, 1)
        assert erasure.reason == (
            "Contacts at a number that another customer has too: whose they are nobody can tell."
        )

    def test_a_stranger_is_known_by_the_number_alone(self):
        contact(phone=PHONE)
        stays = contact(phone=OTHER)

        [erasure] = services.forget_stranger(phone=PHONE)
        assert (erasure.deleted, left()) == (1, {stays.pk})
        assert services.forget_stranger(phone="")[0] == Erasure(
            app="conversations", what="interactions", beyond=erasure.beyond
        )


class TestMentions:
    def test_they_are_found_however_they_are_written(self):
        found = [
            make_interaction(custom={"log": [{"text": text}]}).pk
            for text in (
                f"Call {PHONE}!",
                "Call 0722 000-001.",
                "tel:00254722000001",
                "(+254) 722.000.001",
                "Mail Amina@Posta.Example, please.",
            )
        ]
        found += [
            make_interaction(custom='{"mail":"amina\\u0040posta.example"}').pk,
            make_interaction(custom='{"phone":254722000001}').pk,
            make_interaction(source_id="sms-+254722000001").pk,
            make_interaction(agent_name=EMAIL).pk,
        ]
        for other in ("0722 000 0011", "+2547220000012", "xamina@posta.example", EMAIL + ".uk"):
            make_interaction(custom={"text": other})

        said = services.find_mentions(phone=PHONE, email="")
        said += services.find_mentions(phone="", email=EMAIL)

        assert sorted(key for each in said for key in each.keys) == sorted(found)
        assert Interaction.objects.count() == len(found) + 4

    def test_an_address_at_the_beginning_of_a_line_is_found(self):
        row = make_interaction(custom={"text": f"Mail:\n{EMAIL}"})

        assert people.find_mentions(phone="", email=EMAIL) == [
            Mention(app="conversations", what="interactions", count=1, keys=(row.pk,))
        ]

    def test_lines_that_were_set_aside_are_found_in_their_bytes(self):
        file = ImportedFile.objects.create(fingerprint="f", name="old.json", collection="clients")
        for number, content in enumerate((b"\xff 0722 000 001", b"\xfe nobody"), start=1):
            RejectedLine.objects.create(file=file, number=number, content=content, errors=[])

        assert services.find_mentions(phone=PHONE, email="") == [
            Mention(app="conversations", what="lines set aside", count=1, keys=("old.json:1",))
        ]
        [said] = services.find_mentions(phone=PHONE, email="", delete=True)
        assert said.deleted
        assert list(RejectedLine.objects.values_list("number", flat=True)) == [2]

    def test_of_many_the_first_hundred_are_named_and_all_are_deleted(self, monkeypatch):
        monkeypatch.setattr(people, "_AT_ONCE", 40)
        keys = sorted(make_interaction(custom={"p": PHONE}).pk for _ in range(103))
        stays = make_interaction()

        [said] = services.find_mentions(phone=PHONE, email="", delete=True)

        assert (said.count, said.keys, said.deleted) == (103, tuple(keys[:100]), True)
        assert left() == {stays.pk}

    def test_of_nothing_nothing_is_found(self):
        make_interaction()

        assert services.find_mentions(phone="", email="") == []
