"""Messages as the outbox has them before a worker comes."""

import factory

from notifications.models import Message


class MessageFactory(factory.django.DjangoModelFactory[Message]):
    """A message about an order that is queued and due now."""

    class Meta:
        model = Message

    event = "order.placed"
    occurrence = factory.Sequence(str)
    recipient = factory.Sequence(lambda n: f"C{n}")
    subject = "order"
    reference = "1001"
    to = factory.Sequence(lambda n: f"+2547110{n:05d}")
    language = "en"
    body = "Duka: thank you."
