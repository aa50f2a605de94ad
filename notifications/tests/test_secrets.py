"""Messages whose words open something: nobody sees them while they do, and then they are gone."""

import pytest
from django.urls import reverse

from core.events import Notice, Recipient, all_events
from notifications.models import Message
from notifications.services import (
    deliver_due_messages,
    give_up_lost_messages,
    personal_data,
    settle,
)
from notifications.tasks import deliver_messages

from .factories import MessageFactory
from .outbox import BUSY, LOST, REFUSED, SENT, begin, claim_one, let_leases_pass, now_of

pytestmark = pytest.mark.django_db

LIST = reverse("admin:notifications_message_changelist")
CODE = "Duka: 123456 is your code."


def secret(**fields):
    return MessageFactory.create(**{"event": "test.code", "body": CODE, "secret": True, **fields})


def begun():
    """A secret message that a worker has just handed to the gateway."""
    secret()
    message = claim_one()
    assert begin(message)
    return message


@pytest.mark.parametrize("status", ["queued", "sending", "parked", "unknown"])
class TestWhileItOpensSomething:
    def test_the_api_neither_shows_nor_finds_it(self, api, status):
        hidden, other = secret(status=status), MessageFactory.create()

        def listed(query):
            return [row["id"] for row in api.get(f"/messages/{query}").json()["results"]]

        assert listed("") == [other.pk]
        for query in ("?search=123456", f"?search={hidden.to[1:]}", "?event=test.code"):
            assert listed(query) == []
        assert api.get("/messages/?count=true").json()["count"] == 1
        assert api.get(f"/messages/{hidden.pk}/").status_code == 404

    def test_the_admin_neither_shows_nor_finds_it(self, admin, status):
        hidden, other = secret(status=status), MessageFactory.create()

        def listed(**query):
            return [row.pk for row in admin.get(LIST, query).context["cl"].result_list]

        page = admin.get(reverse("admin:notifications_message_change", args=[hidden.pk]))
        assert listed() == [other.pk]
        assert listed(q="123456") == []
        assert (page.status_code, CODE in page.content.decode()) == (302, False)


class TestOnceItIsDoneWith:
    @pytest.mark.parametrize(
        ("outcome", "status"), [(SENT, "sent"), (REFUSED, "failed"), (LOST, "unknown")]
    )
    def test_its_words_are_forgotten_and_staff_see_that_it_was_told(self, api, outcome, status):
        message = begun()

        settle(message=message, outcome=outcome)

        shown = api.get(f"/messages/{message.pk}/").json()
        assert (shown["status"], shown["body"], shown["to"]) == (status, "", message.to)

    def test_one_that_is_tried_again_keeps_them_until_the_last_try(self, settings):
        settings.MESSAGE_RETRY_SECONDS = [10]
        message = begun()

        settle(message=message, outcome=BUSY)
        assert (now_of(message).status, now_of(message).body) == ("queued", CODE)

        let_leases_pass()
        again = claim_one()
        begin(again)
        settle(message=again, outcome=BUSY)
        assert (now_of(message).status, now_of(message).body) == ("parked", "")

    def test_of_one_that_was_lost_with_its_worker_they_are_forgotten_too(self):
        message, other = begun(), MessageFactory.create(status="sending")
        let_leases_pass()

        assert give_up_lost_messages() == 2

        assert (now_of(message).status, now_of(message).body) == ("unknown", "")
        assert now_of(other).body == "Duka: thank you."

    def test_other_messages_keep_their_words(self):
        MessageFactory.create()
        message = claim_one()
        begin(message)

        settle(message=message, outcome=SENT)

        assert now_of(message).body == "Duka: thank you."


def test_one_whose_words_were_forgotten_meanwhile_does_not_go_out_empty(gateway):
    message = secret()
    claimed = claim_one()
    begin(claimed)
    let_leases_pass()
    give_up_lost_messages()

    settle(message=claimed, outcome=BUSY)

    assert (now_of(message).status, now_of(message).error_code) == ("failed", "words_forgotten")
    let_leases_pass()
    assert (deliver_due_messages(), gateway.book()) == (0, [])


def test_what_the_shop_keeps_of_somebody_leaves_them_out():
    secret(recipient="C7")
    MessageFactory.create(recipient="C7")

    assert [each["body"] for each in personal_data(recipient="C7")["messages"]] == [
        "Duka: thank you."
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("code", [event.code for event in all_events() if event.secret])
def test_an_event_that_says_so_makes_such_a_message_and_it_goes_out_whole(gateway, code):
    event = next(each for each in all_events() if each.code == code)
    data = dict.fromkeys(event.variables, "x1y2")
    recipient = Recipient(reference="user-1", phone="+254722000001")

    event.announce(
        notice=Notice(occurrence="1", subject="test", reference="1", recipient=recipient, data=data)
    )
    queued = Message.objects.get()
    deliver_messages.call()

    assert (queued.secret, queued.body) == (True, event.text_in("en")[0].format_map(data))
    assert [entry["message"] for entry in gateway.book()] == [queued.body]
    sent = now_of(queued)
    assert (sent.status, sent.body) == ("sent", "")


def test_every_event_with_a_code_or_a_link_is_secret():
    opening = {
        event.code
        for event in all_events()
        if event.variables.keys() & {"code", "link", "token", "url"}
        # Their link shows less than whoever sees messages may see anyway.
        and not event.code.startswith(("order.", "booking.", "shipment.", "repair."))
    }

    assert opening == {event.code for event in all_events() if event.secret}
    assert opening == {"account.invited", "customer.phone_code", "standing_order.coming"}
