"""What uploads keep of a customer goes with them."""

from typing import Any

from django.dispatch import receiver

from core import metrics
from core.forgetting import Erasure
from customers.models import Customer
from customers.signals import forgotten, stranger_forgotten

from . import services


@receiver(forgotten)
def on_forgotten(*, customer: Customer, **_: Any) -> list[Erasure]:
    return services.forget_customer(customer=customer)


@receiver(stranger_forgotten)
def on_stranger_forgotten(*, phone: str, email: str, **_: Any) -> list[Erasure]:
    return services.forget_stranger(phone=phone, email=email)


metrics.register(services.measure)
