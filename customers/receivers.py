"""Customers follow their accounts."""

from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.signals import changed, data_asked_for, leaving, registered
from core.forgetting import Erasure

from . import services


@receiver(registered)
def on_registered(*, user: User, **_: Any) -> None:
    services.ensure_customer_of(user=user)


@receiver(changed)
def on_changed(*, user: User, **_: Any) -> None:
    services.follow_account(user=user)


@receiver(data_asked_for)
def on_data_asked_for(*, user: User, **_: Any) -> dict[str, Any]:
    return services.personal_data(user=user)


@receiver(leaving)
def on_leaving(*, user: User, **_: Any) -> list[Erasure]:
    return services.forget_customer_of(user=user)
