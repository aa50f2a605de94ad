"""REST of the shop's own contacts: typed in, answered, corrected, deleted like any other."""

import json

import pytest

from accounts.tests.factories import StaffFactory
from conversations import services
from conversations.models import Interaction
from conversations.states import Channel, Direction
from core import clock
from core.tests.rest import pointers, problem_of
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from notifications.services import note_consent
from notifications.states import ConsentSource
from orders.tests.factories import OrderFactory

from .factories import make_interaction

pytestmark = pytest.mark.django_db

PHONE = "+254722000001"
NOBODY = "5f18d12f42262eec0d43567d"


@pytest.fixture
def staff(db):
    return StaffFactory.create(
        first_name="Baraka",
        last_name="Otieno",
        permissions=["conversations.handle_interaction"],
    )


@pytest.fixture
def rest(staff, api_as):
    return api_as(staff)


def contact(**fields):
    defaults = {"channel": Channel.SMS, "direction": Direction.IN, "text": "Tea?", "phone": PHONE}
    return services.record_contact(**{**defaults, "at": clock.now()} | fields)


class TestTypedIn:
    def test_a_call_is_an_interaction_of_whose_the_number_is(self, rest):
        CustomerFactory.create(code="C1", phone=PHONE)

        answer = rest.post(
            "/contacts/",
            {"phone": "0722 000 001", "text": " Blue ones? ", "at": "2026-05-16T12:00:00.5Z"},
        )

        row = Interaction.objects.get()
        assert answer.status_code == 201
        assert answer.json() == {
            "id": row.pk,
            "client": row.client_id,
            "engagement": row.engagement_id,
            "interaction_date": "2026-05-16T12:00:00.500000Z",
            "agent_name": "Baraka Otieno",
            "sentiment": "",
            "custom": {"text": "Blue ones?", "direction": "in", "phone": PHONE},
            "customer": "C1",
            "order": None,
            "source_id": "",
            "created_at": answer.json()["created_at"],
            "updated_at": answer.json()["updated_at"],
        }
        assert row.engagement.channel == "phone"
        assert answer["Location"] == f"http://testserver/api/v1/interactions/{row.pk}/"
        assert rest.get(f"/interactions/{row.pk}/").json() == answer.json()
        assert rest.get(f"/interactions/{row.pk}/")["ETag"] == answer["ETag"]

    def test_all_of_it_can_be_said(self, rest):
        order = OrderFactory.create()

        answer = rest.post(
            "/contacts/",
            {
                "customer": order.customer.code,
                "order": order.number,
                "channel": "visit",
                "direction": "out",
                "text": "Brought it.",
                "sentiment": "Positive",
            },
        ).json()

        assert (answer["customer"], answer["order"]) == (order.customer.code, order.number)
        assert (answer["sentiment"], answer["custom"]) == (
            "Positive",
            {"text": "Brought it.", "direction": "out"},
        )
        assert Interaction.objects.get().engagement.channel == "visit"

    def test_all_that_is_wrong_is_told_at_once(self, rest):
        forgotten = CustomerFactory.create(forgotten_at=clock.now())
        wrong = {
            "customer": forgotten.code,
            "order": "9999",
            "channel": "pigeon",
            "direction": "up",
            "text": "",
            "at": "noon",
            "phone": "1" * 33,
            "sentiment": "x" * 65,
            "agent_name": "Another",
        }

        assert sorted(pointers(rest.post("/contacts/", wrong))) == [
            ("/agent_name", "unknown_field"),
            ("/at", "invalid"),
            ("/channel", "invalid_choice"),
            ("/customer", "does_not_exist"),
            ("/direction", "invalid_choice"),
            ("/order", "does_not_exist"),
            ("/phone", "max_length"),
            ("/sentiment", "max_length"),
            ("/text", "blank"),
        ]
        assert pointers(rest.post("/contacts/", {})) == [("/text", "required")]
        assert pointers(rest.post("/contacts/", {"text": "Hm.", "phone": "12"})) == [
            ("/phone", "impossible_phone")
        ]
        assert not Interaction.objects.exists()

    def test_an_order_of_another_customer_is_refused_at_the_order(self, rest):
        wrong = {
            "text": "Hm.",
            "customer": CustomerFactory.create().code,
            "order": OrderFactory.create().number,
        }

        assert pointers(rest.post("/contacts/", wrong)) == [("/order", "wrong_customer")]

    def test_sent_again_with_its_key_it_is_one(self, rest):
        answers = [rest.post("/contacts/", {"text": "Hm."}, idempotency_key="k1") for _ in range(2)]

        assert answers[0].json() == answers[1].json()
        assert answers[1]["Idempotent-Replayed"] == "true"
        assert Interaction.objects.count() == 1

    def test_it_is_corrected_and_deleted_as_any_interaction(self, rest):
        made = rest.post("/contacts/", {"text": "Asked for te."})
        address = f"/interactions/{made.json()['id']}/"
        custom = {"text": "Asked for tea.", "direction": "in"}

        corrected = rest.patch(address, {"custom": custom}, if_match=made["ETag"])

        assert (corrected.status_code, corrected.json()["custom"]) == (200, custom)
        assert rest.delete(address).status_code == 204
        assert not Interaction.objects.exists()


class TestReply:
    def test_it_is_sent_and_answered_as_an_interaction(self, rest):
        customer = CustomerFactory.create(code="C1")
        asked = contact(customer=customer)

        answer = rest.post(f"/interactions/{asked.pk}/reply/", {"text": "Yes."})

        assert answer.status_code == 201
        said = answer.json()
        assert said["custom"] == {"text": "Yes.", "direction": "out", "phone": PHONE}
        assert (said["customer"], said["agent_name"]) == ("C1", "Baraka Otieno")
        assert said["id"] != asked.pk
        assert answer["Location"] == f"http://testserver/api/v1/interactions/{said['id']}/"
        message = Message.objects.get()
        assert (message.to, message.body, message.reference) == (PHONE, "Yes.", said["id"])

    def test_sent_again_with_its_key_it_goes_out_once(self, rest):
        address = f"/interactions/{contact().pk}/reply/"

        answers = [rest.post(address, {"text": "Yes."}, idempotency_key="k1") for _ in range(2)]

        assert [each.status_code for each in answers] == [201, 201]
        assert (Message.objects.count(), Interaction.objects.count()) == (1, 2)

    def test_where_there_is_no_number_it_is_a_409(self, rest):
        answer = rest.post(f"/interactions/{make_interaction().pk}/reply/", {"text": "Yes."})

        assert (answer.status_code, problem_of(answer)["code"]) == (409, "no_phone")

    def test_where_they_want_nothing_it_is_a_409(self, rest):
        note_consent(phone=PHONE, opted_out=True, source=ConsentSource.STAFF)

        answer = rest.post(f"/interactions/{contact().pk}/reply/", {"text": "Yes."})

        assert (answer.status_code, problem_of(answer)["code"]) == (409, "opted_out")
        assert not Message.objects.exists()

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ({}, "required"),
            ({"text": " "}, "blank"),
            ({"text": "a" * 460}, "max_length"),
            ({"text": "ĩ" * 202}, "max_length"),
        ],
    )
    def test_words_that_do_not_fit_are_refused_at_the_text(self, rest, body, told):
        answer = rest.post(f"/interactions/{contact().pk}/reply/", body)

        assert pointers(answer) == [("/text", told)]

    def test_it_is_held_against_what_the_caller_has_seen(self, rest):
        asked = contact()
        address = f"/interactions/{asked.pk}/"
        seen = rest.get(address)["ETag"]
        rest.patch(address, {"sentiment": "Negative"})

        answer = rest.post(f"{address}reply/", {"text": "Yes."}, if_match=seen)

        assert (answer.status_code, Message.objects.count()) == (412, 0)

    @pytest.mark.parametrize(
        ("ident", "status"), [(NOBODY, 404), ("nonsense", 400), ("1" * 25, 400)]
    )
    def test_what_is_not_there_cannot_be_answered(self, rest, ident, status):
        answer = rest.post(f"/interactions/{ident}/reply/", {"text": "Yes."})

        assert answer.status_code == status


@pytest.mark.parametrize(
    ("rights", "status"),
    [
        ([], 403),
        (["conversations.view_interaction"], 403),
        (["conversations.handle_interaction"], 201),
    ],
)
def test_who_may_write_conversations_may_do_both(api_as, rights, status):
    rest = api_as(StaffFactory.create(permissions=rights))
    asked = contact()

    assert rest.post("/contacts/", {"text": "Hm."}).status_code == status
    assert rest.post(f"/interactions/{asked.pk}/reply/", {"text": "Hm."}).status_code == status


def test_strangers_may_not(api_as):
    asked = contact()

    assert api_as(None).post("/contacts/", {"text": "Hm."}).status_code == 401
    assert api_as(None).post(f"/interactions/{asked.pk}/reply/", {"text": "Hm."}).status_code == 401


def test_what_is_answered_is_what_the_document_says(rest):
    made = rest.post("/contacts/", {"text": 'He said "x\\u0000" 😀 </script>'})

    [document] = Interaction.objects.values_list("document", flat=True)
    assert made.json()["custom"] == json.loads(document)["custom"]
    assert made.json()["custom"]["text"] == 'He said "x\\u0000" 😀 </script>'
