"""Orders follow their customers, carts the accounts."""

from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.signals import data_asked_for as account_data_asked_for
from core import metrics, status_pages, timeline
from core.forgetting import Erasure
from customers.models import Customer
from customers.signals import data_asked_for, forgotten, merged

from . import services, signals
from .models import Order
from .permissions import can_see_orders


@receiver(merged)
def on_merged(*, source: Customer, target: Customer, **_: Any) -> None:
    services.move_orders(source=source, target=target)


@receiver(data_asked_for)
def on_data_asked_for(*, customer: Customer, **_: Any) -> dict[str, Any]:
    return {"orders": services.personal_data(customer=customer)}


@receiver(forgotten)
def on_forgotten(*, customer: Customer, **_: Any) -> list[Erasure]:
    return services.forget_customer(customer=customer)


@receiver(account_data_asked_for)
def on_account_data_asked_for(*, user: User, **_: Any) -> dict[str, Any]:
    cart = services.personal_cart(user=user)
    return {"cart": cart} if cart else {}


metrics.register(services.measure)
status_pages.register("order", services.status_page)
timeline.register(
    "order",
    label="Orders",
    read=services.orders_of,
    may=can_see_orders,
    model=Order,
    route="order-detail",
)
for _event in signals.ORDER_EVENTS:
    _event.data_of = services.data_of_number
