"""What repairs listen to, and where they are asked."""

from typing import Any

from django.dispatch import receiver

from core import doctor, metrics, status_pages, timeline
from core.forgetting import Erasure
from customers.models import Customer
from customers.signals import data_asked_for, forgotten, stranger_forgotten

from . import services, signals
from .models import Job
from .permissions import can_see_repairs


@receiver(data_asked_for)
def on_data_asked_for(*, customer: Customer, **_: Any) -> dict[str, Any]:
    return services.personal_data(customer=customer)


@receiver(forgotten)
def on_forgotten(*, customer: Customer, **_: Any) -> list[Erasure]:
    return services.forget_customer(customer=customer)


@receiver(stranger_forgotten)
def on_stranger_forgotten(*, phone: str, **_: Any) -> list[Erasure]:
    return services.forget_stranger(phone=phone)


metrics.register(services.measure)
doctor.register("repairs", services.examine_sources, database=True)
status_pages.register("repair", services.status_page)
timeline.register(
    "repair",
    label="Repairs",
    read=services.repairs_of,
    may=can_see_repairs,
    model=Job,
    route="repair-detail",
)
for _event in signals.REPAIR_EVENTS:
    _event.data_of = services.data_of_id
