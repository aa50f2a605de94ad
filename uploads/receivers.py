"""What uploads keep of a customer goes with them."""

from typing import Any

from django.dispatch import receiver

from customers.models import Customer
from customers.signals import forgotten

from . import services


@receiver(forgotten)
def on_forgotten(*, customer: Customer, **_: Any) -> None:
    services.forget_customer(code=customer.code)
