"""Reads for others, and what follows when a customer is merged or forgotten."""

from typing import Any

from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from customers.models import Customer
from orders.models import Order, OrderChange
from orders.states import DeliveryMethod, OrderStatus

from .placing import Delivery

# Stands where a delivery must have something.
FORGOTTEN = "–"
# Fields of an order that tell who its customer is.
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
def forget_customer(*, customer: Customer) -> None:
    """Keep of a customer's orders what the books need, not what they wrote or where they live.

    That an order was delivered, and to which country, is the books' business.
    """
    orders = Order.objects.filter(customer=customer)
    # The orders first: who edits one holds it until its history is written.
    orders.update(note="")
    orders.filter(delivery_method=DeliveryMethod.DELIVERY).update(
        recipient=FORGOTTEN,
        address_line_1=FORGOTTEN,
        address_line_2="",
        city=FORGOTTEN,
        postcode="",
    )
    history = OrderChange.objects.filter(order__customer=customer)
    history.filter(changes__has_any_keys=_PERSONAL).update(
        changes=RawSQL("changes - %s::text[]", [_PERSONAL])
    )
    if customer.user_id is not None:
        history.filter(by=customer.user_id).update(reason="")
