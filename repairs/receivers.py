"""What repairs listen to, and where they are asked."""

from typing import Any

from django.dispatch import receiver

from core import metrics, status_pages
from customers.models import Customer
from customers.signals import data_asked_for, forgotten

from . import services, signals


@receiver(data_asked_for)
def on_data_asked_for(*, customer: Customer, **_: Any) -> dict[str, Any]:
    return services.personal_data(customer=customer)


@receiver(forgotten)
def on_forgotten(*, customer: Customer, **_: Any) -> None:
    services.forget_customer(customer=customer)


metrics.register(services.measure)
status_pages.register("repair", services.status_page)
for _event in signals.REPAIR_EVENTS:
    _event.data_of = services.data_of_id
