"""What conversations listen to, and where they are asked."""

from typing import Any

from django.dispatch import receiver

from core import timeline
from core.forgetting import Erasure, Mention
from customers.models import Customer
from customers.signals import (
    data_asked_for,
    forgotten,
    mentions_asked_for,
    merged,
    stranger_forgotten,
)

from . import services, signals
from .models import Interaction
from .permissions import can_see_conversations


@receiver(merged)
def on_merged(*, source: Customer, target: Customer, **_: Any) -> None:
    services.move_contacts(source=source, target=target)


@receiver(data_asked_for)
def on_data_asked_for(*, customer: Customer, **_: Any) -> dict[str, Any]:
    return services.personal_data(customer=customer)


@receiver(forgotten)
def on_forgotten(*, customer: Customer, **_: Any) -> list[Erasure]:
    return services.forget_customer(customer=customer)


@receiver(stranger_forgotten)
def on_stranger_forgotten(*, phone: str, **_: Any) -> list[Erasure]:
    return services.forget_stranger(phone=phone)


@receiver(mentions_asked_for)
def on_mentions_asked_for(*, phone: str, email: str, delete: bool, **_: Any) -> list[Mention]:
    return services.find_mentions(phone=phone, email=email, delete=delete)


signals.conversation_reply.data_of = services.data_of_reply
timeline.register(
    "contact",
    label="Contacts",
    read=services.contacts_of,
    may=can_see_conversations,
    model=Interaction,
    route="interaction-detail",
)
