"""Every declared event becomes a message in the outbox. No network here."""

from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.signals import leaving
from core.events import Event, Notice, all_events
from core.jobs import enqueue_on_commit
from customers.models import Customer
from customers.signals import data_asked_for, forgotten, merged, recoded

from . import services
from .tasks import deliver_now


def on_event(*, event: Event, notice: Notice, **_: Any) -> None:
    services.queue_message(event=event, notice=notice)
    enqueue_on_commit(deliver_now)


@receiver(recoded)
def on_recoded(*, customer: Customer, code: str, **_: Any) -> None:
    services.move_messages(source=code, target=customer.code)


@receiver(merged)
def on_merged(*, source: Customer, target: Customer, **_: Any) -> None:
    services.move_messages(source=source.code, target=target.code, phone=source.phone)


@receiver(data_asked_for)
def on_data_asked_for(*, customer: Customer, **_: Any) -> dict[str, Any]:
    return services.personal_data(recipient=customer.code, phone=customer.phone)


@receiver(forgotten)
def on_forgotten(*, customer: Customer, **_: Any) -> None:
    services.forget_recipient(recipient=customer.code, phone=customer.phone)


@receiver(leaving)
def on_leaving(*, user: User, **_: Any) -> None:
    # What was told to an account rather than to a customer: codes.
    services.forget_recipient(recipient=f"user-{user.pk}")


for _event in all_events():
    _event.connect(on_event, dispatch_uid="notifications.on_event")
