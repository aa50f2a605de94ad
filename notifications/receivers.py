"""Every declared event becomes a message in the outbox. No network here."""

from typing import Any

from django.dispatch import receiver

from core.events import Event, Notice, all_events
from core.jobs import enqueue_on_commit

from customers.models import Customer
from customers.signals import data_asked_for, forgotten

from . import services
from .tasks import deliver_messages


def on_event(*, event: Event, notice: Notice, **_: Any) -> None:
    services.queue_message(event=event, notice=notice)
    enqueue_on_commit(deliver_messages)


@receiver(data_asked_for)
def on_data_asked_for(*, customer: Customer, **_: Any) -> dict[str, Any]:
    return {"messages": services.personal_data(recipient=customer.code)}


@receiver(forgotten)
def on_forgotten(*, customer: Customer, **_: Any) -> None:
    services.forget_recipient(recipient=customer.code)


for _event in all_events():
    _event.connect(on_event, dispatch_uid="notifications.on_event")
