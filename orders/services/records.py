"""Reads for others, and what follows when a customer is merged or forgotten."""

from typing import Any

from django.db.models import Count

from customers.models import Customer
from orders.models import Order
from orders.states import OrderStatus


def count_by_status() -> dict[str, int]:
    """Return how many orders there are in each status, of all statuses, in one statement."""
    counted = dict(Order.objects.order_by().values_list("status").annotate(orders=Count("pk")))
    return {str(status): counted.get(str(status), 0) for status in OrderStatus}


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
            "lines": [
                {
                    "sku": line.sku,
                    "name": line.name,
                    "quantity": line.quantity,
                    "unit_price": str(line.unit_price),
                }
                for line in order.lines.all()
            ],
        }
        for order in Order.objects.filter(customer=customer).for_display()
    ]


def forget_customer(*, customer: Customer) -> None:
    """Keep of a customer's orders what the books need, not what they wrote."""
    Order.objects.filter(customer=customer).update(note="")
