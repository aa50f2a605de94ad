"""Filters of the order list."""

import django_filters
from django.db.models import QuerySet
from django.db.models.functions import Lower

from core.api.filters import TimeFilter
from customers.models import Customer
from orders.models import Order, OrderLine
from orders.permissions import can_see_orders
from orders.states import OrderStatus

from .serializers import employee_known_as


class OrderFilter(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(choices=OrderStatus.choices, help_text="Its status.")
    customer = django_filters.CharFilter(method="of_customer", help_text="Code of the customer.")
    assigned_to = django_filters.CharFilter(
        method="of_assignee",
        help_text="`me`, `none`, or an employee by `id`, `subject` or e-mail address.",
    )
    sku = django_filters.CharFilter(method="with_sku", help_text="Has this SKU, in any case.")
    reference = django_filters.CharFilter(help_text="What it is called where it comes from.")
    placed_after = TimeFilter(
        "placed_at", "gte", help_text="Placed at this time or later (RFC 3339)."
    )
    placed_before = TimeFilter("placed_at", "lt", help_text="Placed before this time (RFC 3339).")

    class Meta:
        model = Order
        fields = ()

    def of_customer(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        # Looked up first: by their key the planner knows whether they ordered much or little.
        found = Customer.objects.filter(code=value).values_list("pk", flat=True)
        return orders.filter(customer__in=list(found))

    def of_assignee(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        user = self.request.user
        if not can_see_orders(user):
            return orders.none()
        if value == "none":
            return orders.filter(assigned_to=None)
        employee = user if value == "me" else employee_known_as(value)
        return orders.filter(assigned_to=employee) if employee else orders.none()

    def with_sku(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        lines = OrderLine.objects.annotate(lower=Lower("sku")).filter(lower=value.lower())
        return orders.filter(pk__in=lines.values("order"))
