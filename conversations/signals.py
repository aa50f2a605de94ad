"""What conversations announce, inside the transaction that makes it true."""

from django.dispatch import Signal

from core.events import Event

conversation_reply = Event(
    "conversation.reply",
    texts={"en": "{text}", "sw": "{text}"},
    variables={
        "text": "Yes, we have blue ones again. Come by any time before six.",
        "agent": "Baraka Otieno",
        "shop": "Duka",
    },
    reply=True,
)
# Somebody at `phone` is about to be answered: who knows that they must not be raises a `Conflict`.
replying = Signal()
