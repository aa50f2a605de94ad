"""Bookings follow their customers."""

from typing import Any

from django.dispatch import receiver

from core import status_pages, timeline
from core.forgetting import Erasure
from customers.models import Customer
from customers.signals import data_asked_for, forgotten, merged

from . import services, signals
from .models import Booking
from .permissions import can_see_bookings


@receiver(merged)
def on_merged(*, source: Customer, target: Customer, **_: Any) -> None:
    services.move_bookings(source=source, target=target)


@receiver(data_asked_for)
def on_data_asked_for(*, customer: Customer, **_: Any) -> dict[str, Any]:
    return {"bookings": services.personal_data(customer=customer)}


@receiver(forgotten)
def on_forgotten(*, customer: Customer, **_: Any) -> list[Erasure]:
    return services.forget_customer(customer=customer)


status_pages.register("booking", services.status_page)
timeline.register(
    "booking",
    label="Bookings",
    read=services.bookings_of,
    may=can_see_bookings,
    model=Booking,
    route="service-order-detail",
)
for _event in signals.BOOKING_EVENTS:
    _event.data_of = services.data_of_number
