"""Filters of the order list."""

import django_filters

from core.api.filters import TimeFilter
from orders.models import Order
from orders.states import OrderStatus


class OrderFilter(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(choices=OrderStatus.choices, help_text="Its status.")
    customer = django_filters.CharFilter("customer__code", help_text="Code of the customer.")
    placed_after = TimeFilter(
        "placed_at", "gte", help_text="Placed at this time or later (RFC 3339)."
    )
    placed_before = TimeFilter("placed_at", "lt", help_text="Placed before this time (RFC 3339).")

    class Meta:
        model = Order
        fields = ()
