"""Orders follow their customers, carts the accounts."""

from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.signals import data_asked_for as account_data_asked_for
from core import status_pages
from customers.models import Customer
from customers.signals import data_asked_for, forgotten, merged

from . import services, signals


@receiver(merged)
def on_merged(*, source: Customer, target: Customer, **_: Any) -> None:
    services.move_orders(source=source, target=target)


@receiver(data_asked_for)
def on_data_asked_for(*, customer: Customer, **_: Any) -> dict[str, Any]:
    return {"orders": services.personal_data(customer=customer)}


@receiver(forgotten)
def on_forgotten(*, customer: Customer, **_: Any) -> None:
    services.forget_customer(customer=customer)


@receiver(account_data_asked_for)
def on_account_data_asked_for(*, user: User, **_: Any) -> dict[str, Any]:
    cart = services.personal_cart(user=user)
    return {"cart": cart} if cart else {}


status_pages.register("order", services.status_page)
for _event in signals.ORDER_EVENTS:
    _event.data_of = services.data_of_number
