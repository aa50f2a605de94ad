"""Every declared event becomes a message in the outbox. No network here."""

from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.signals import leaving
from conversations.signals import replying
from core import doctor, metrics, timeline
from core.events import Event, Notice, all_events
from core.forgetting import Erasure
from core.jobs import enqueue_on_commit
from customers.models import Customer
from customers.signals import (
    about_to_forget,
    data_asked_for,
    forgotten,
    merged,
    recoded,
    stranger_forgotten,
)

from . import services
from .models import Message
from .permissions import can_see_messages
from .tasks import deliver_now


def on_event(*, event: Event, notice: Notice, **_: Any) -> None:
    services.queue_message(event=event, notice=notice)
    enqueue_on_commit(deliver_now)


@receiver(replying)
def on_replying(*, phone: str, **_: Any) -> None:
    services.check_may_be_answered(phone=phone)


@receiver(recoded)
def on_recoded(*, customer: Customer, code: str, **_: Any) -> None:
    services.move_messages(source=code, target=customer.code)


@receiver(merged)
def on_merged(*, source: Customer, target: Customer, **_: Any) -> None:
    services.move_messages(source=source.code, target=target.code, phone=source.phone)


@receiver(data_asked_for)
def on_data_asked_for(*, customer: Customer, **_: Any) -> dict[str, Any]:
    return services.personal_data(recipient=customer.code, phone=customer.phone)


@receiver(about_to_forget)
def on_about_to_forget(*, phone: str, **_: Any) -> None:
    services.settle_callbacks(phone=phone)


@receiver(forgotten)
def on_forgotten(*, customer: Customer, **_: Any) -> list[Erasure]:
    return services.forget_recipient(recipient=customer.code, phone=customer.phone)


@receiver(stranger_forgotten)
def on_stranger_forgotten(*, phone: str, **_: Any) -> list[Erasure]:
    return services.forget_stranger(phone=phone)


@receiver(leaving)
def on_leaving(*, user: User, **_: Any) -> list[Erasure]:
    # What was told to an account rather than to a customer: codes.
    return services.forget_recipient(recipient=f"user-{user.pk}")


metrics.register(services.measure)
doctor.register("sms", services.examine_gateways)
doctor.register("sms", services.reach_gateways, network=True)
doctor.register("messages", services.examine_messages, database=True)
timeline.register(
    "message",
    label="Messages",
    read=services.messages_of,
    may=can_see_messages,
    model=Message,
    route="message-detail",
)
for _event in all_events():
    _event.connect(on_event, dispatch_uid="notifications.on_event")
