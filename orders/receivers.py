"""Orders follow their customers."""

from typing import Any

from django.dispatch import receiver

from customers.models import Customer
from customers.signals import data_asked_for, forgotten, merged

from . import services


@receiver(merged)
def on_merged(*, source: Customer, target: Customer, **_: Any) -> None:
    services.move_orders(source=source, target=target)


@receiver(data_asked_for)
def on_data_asked_for(*, customer: Customer, **_: Any) -> dict[str, Any]:
    return {"orders": services.personal_data(customer=customer)}


@receiver(forgotten)
def on_forgotten(*, customer: Customer, **_: Any) -> None:
    services.forget_customer(customer=customer)
