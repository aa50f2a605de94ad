"""What a customer's timeline has of what they were told."""

from conversations.signals import conversation_reply
from core.timeline import Entry, Window, shortened
from customers.models import Customer
from notifications.models import Message


def messages_of(*, customer: Customer, window: Window) -> list[Entry]:
    """Return what a customer was told, where it was queued; no code or link that opens a thing."""
    told = Message.objects.filter(recipient=customer.code).shown()
    # A reply is a contact itself, and stands there.
    messages = told.exclude(event=conversation_reply.code)
    return [_entry(message) for message in window.of(messages, at="created_at")]


def _entry(message: Message) -> Entry:
    subject = message.subject.replace("_", " ")
    return Entry(
        at=message.created_at,
        kind="message",
        key=message.pk,
        reference=str(message.pk),
        title=f"{message.channel.upper()} about {subject} {message.reference}",
        status=message.status,
        text="" if message.secret else shortened(message.body),
    )
