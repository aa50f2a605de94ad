"""What a customer's timeline has of their orders."""

from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from core.timeline import Entry, Window, shortened
from customers.models import Customer
from orders.models import Order, OrderLine


def orders_of(*, customer: Customer, window: Window) -> list[Entry]:
    """Return a customer's orders, where they were placed; a draft, where it was begun."""
    lines = OrderLine.objects.filter(order=OuterRef("pk")).order_by().values("order")
    orders: QuerySet[Any] = Order.objects.filter(customer=customer).annotate(
        line_count=Coalesce(Subquery(lines.annotate(rows=Count("pk")).values("rows")), 0)
    )
    return [_entry(order, order.line_count) for order in window.of(orders, at="placed_at")]


def _entry(order: Order, lines: int) -> Entry:
    counted = "1 line" if lines == 1 else f"{lines} lines"
    return Entry(
        at=order.placed_at,
        kind="order",
        key=order.pk,
        reference=order.number,
        title=f"Order {order.number}, {counted}, {order.currency} {order.total:,.2f}",
        status=order.status,
        text=shortened(order.note),
    )
