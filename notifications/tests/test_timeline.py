"""Messages in the timeline of whom they were for."""

import pytest

from conversations.signals import conversation_reply
from core.timeline import LONGEST_TEXT, Entry, Window
from customers.tests.factories import CustomerFactory
from notifications import services
from notifications.models import Message

from .factories import MessageFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer(db):
    return CustomerFactory.create()


def read(customer):
    return services.messages_of(customer=customer, window=Window(kind="message", limit=10))


def test_a_message_says_what_it_is_about_and_its_words(customer):
    message = MessageFactory.create(
        recipient=customer.code, status="delivered", body="Karibu\nsana."
    )
    MessageFactory.create()

    assert read(customer) == [
        Entry(
            at=message.created_at,
            kind="message",
            key=message.pk,
            reference=str(message.pk),
            title="SMS about order 1001",
            status="delivered",
            text="Karibu sana.",
        )
    ]


def test_long_words_are_cut(customer):
    MessageFactory.create(recipient=customer.code, body="x" * 1000, subject="standing_order")

    [entry] = read(customer)

    assert (len(entry.text), entry.title) == (LONGEST_TEXT, "SMS about standing order 1001")


def test_words_that_open_something_are_not_there_while_they_do(customer):
    message = MessageFactory.create(
        recipient=customer.code, secret=True, body="Your code is 012345."
    )

    assert read(customer) == []

    # As once they were sent.
    Message.objects.update(body="")
    assert [(each.key, each.text) for each in read(customer)] == [(message.pk, "")]


def test_a_reply_to_a_contact_is_left_to_the_contacts(customer):
    told = MessageFactory.create(recipient=customer.code)
    MessageFactory.create(recipient=customer.code, event=conversation_reply.code)

    assert [each.key for each in read(customer)] == [told.pk]


def test_of_somebody_forgotten_it_is_kept_that_they_were_told(customer):
    MessageFactory.create(recipient=customer.code, status="sent")

    services.forget_recipient(recipient=customer.code, phone=customer.phone)

    assert [(each.status, each.text) for each in read(customer)] == [("sent", "")]
