"""Reads for others, and what follows when a customer is merged or forgotten."""

from typing import Any

from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from core.forgetting import NOBODY, Erasure
from customers.models import Customer
from orders.models import Cart, Order, OrderChange
from orders.states import DeliveryMethod, OrderStatus

from .placing import Delivery

# Stands where a delivery must have something.
FORGOTTEN = NOBODY
# Fields of an order that tell who its customer is.
_BOOKS = "The books: what was sold, when, for how much, and to which country it went."
_PERSONAL = ["note", "recipient", "address_line_1", "address_line_2", "city", "postcode"]


# Each by its small index. Of all at once the planner would rather read the whole table.
_COUNTS = """
SELECT status, (SELECT count(*) FROM orders_order WHERE orders_order.status = each.status)
FROM unnest(%s::text[]) AS each (status)
"""


def count_by_status() -> dict[str, int]:
    """Return how many orders there are in each status, of all statuses, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [OrderStatus.values])
        return dict(cursor.fetchall())


def move_orders(*, source: Customer, target: Customer) -> None:
    """Let the orders of one customer record be another's: both are one person."""
    Order.objects.filter(customer=source).update(customer=target)


def personal_data(*, customer: Customer) -> list[dict[str, Any]]:
    """Return what is kept of a customer's orders, the newest first."""
    return [
        {
            "number": order.number,
            "status": order.status,
            "placed_at": order.placed_at,
            "total": str(order.total),
            "currency": order.currency,
            "note": order.note,
            "delivery": Delivery.of(order).as_fields(),
            "lines": [
                {
                    "sku": line.sku,
                    "name": line.name,
                    "quantity": line.quantity,
                    "unit_price": str(line.unit_price),
                }
                for line in order.lines.all()
            ],
            "history": [
                {"what": change.verb, "at": change.at, "reason": reason, "changes": changes}
                for change in order.history.all()
                if not change.is_internal
                for reason, changes in [change.customers_part]
            ],
        }
        for order in Order.objects.filter(customer=customer).for_display()
    ]


@transaction.atomic
def forget_customer(*, customer: Customer) -> list[Erasure]:
    """Keep of a customer's orders what the books need, not what they wrote or where they live.

    That an order was delivered, and to which country, is the books' business. What was written in
    its history may say anything of anybody, whoever wrote it.
    """
    orders = Order.objects.filter(customer=customer)
    blank = dict.fromkeys(_PERSONAL, "")
    delivered = blank | dict.fromkeys(("recipient", "address_line_1", "city"), FORGOTTEN)
    # The orders first: who edits one holds it until its history is written.
    blanked = sum(
        of_method.exclude(**fields).update(**fields)
        for of_method, fields in (
            (orders.filter(delivery_method=DeliveryMethod.DELIVERY), delivered),
            (orders.exclude(delivery_method=DeliveryMethod.DELIVERY), blank),
        )
    )
    history = OrderChange.objects.filter(order__customer=customer)
    said = history.filter(changes__has_any_keys=_PERSONAL) | history.exclude(reason="")
    told = said.update(changes=RawSQL("changes - %s::text[]", [_PERSONAL]), reason="")
    cart = Cart.objects.filter(user=customer.user_id) if customer.user_id else Cart.objects.none()
    return [
        Erasure(app="orders", what="orders", blanked=blanked, kept=orders.count(), reason=_BOOKS),
        Erasure(app="orders", what="history of orders", blanked=told),
        Erasure(app="orders", what="carts", deleted=bool(cart.delete()[0])),
    ]
