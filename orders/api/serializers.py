"""Shapes of orders in and out."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from core.api.serializers import InputSerializer, MoneyField
from customers.models import Customer
from orders.models import Order, OrderChange, OrderLine
from orders.permissions import can_see_orders
from orders.services import MAX_LINES, MAX_QUANTITY, Wanted


class OrderLineSerializer(serializers.ModelSerializer[OrderLine]):
    total = MoneyField(max_digits=18)

    class Meta:
        model = OrderLine
        fields = ("sku", "name", "quantity", "unit_price", "total")


class OrderChangeSerializer(serializers.ModelSerializer[OrderChange]):
    by = serializers.SerializerMethodField(
        help_text="Name of who did it; null for the customer's own doing, and to shoppers."
    )

    class Meta:
        model = OrderChange
        fields = ("from_status", "to_status", "by", "at", "reason")

    def get_by(self, change: OrderChange) -> str | None:
        # Who works in a shop is none of a shopper's business.
        request = self.context.get("request")
        if change.by is None or (request and not can_see_orders(request.user)):
            return None
        return str(change.by)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An order",
            {
                "number": "1001",
                "status": "pending",
                "customer": "C1001",
                "customer_name": "Wanjiru Kamau",
                "lines": [
                    {
                        "sku": "TEA-1",
                        "name": "Chai",
                        "quantity": 2,
                        "unit_price": "12.50",
                        "total": "25.00",
                    }
                ],
                "total": "25.00",
                "currency": "KES",
                "note": "",
                "placed_at": "2026-11-21T08:00:00Z",
                "updated_at": "2026-11-21T08:00:00Z",
                "history": [
                    {
                        "from_status": "",
                        "to_status": "pending",
                        "by": "Mama Njeri",
                        "at": "2026-11-21T08:00:00Z",
                        "reason": "",
                    }
                ],
            },
            response_only=True,
        )
    ]
)
class OrderSerializer(serializers.ModelSerializer[Order]):
    customer: Any = serializers.SlugRelatedField(
        slug_field="code", read_only=True, help_text="Code of the customer."
    )
    customer_name = serializers.CharField(source="customer.name", read_only=True)
    lines = OrderLineSerializer(many=True)
    history = OrderChangeSerializer(many=True)

    class Meta:
        model = Order
        fields = (
            "number",
            "status",
            "customer",
            "customer_name",
            "lines",
            "total",
            "currency",
            "note",
            "placed_at",
            "updated_at",
            "history",
        )


class LineInput(InputSerializer):
    sku = serializers.CharField(max_length=64)
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY)

    ignored = ("name", "unit_price", "total")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Two of one thing",
            {"customer": "C1001", "lines": [{"sku": "TEA-1", "quantity": 2}]},
            request_only=True,
        )
    ]
)
class NewOrderInput(InputSerializer):
    customer = serializers.SlugRelatedField(
        slug_field="code", queryset=Customer.objects.all(), help_text="Code of the customer."
    )
    lines: Any = serializers.ListSerializer(
        child=LineInput(), allow_empty=False, max_length=MAX_LINES
    )
    note = serializers.CharField(max_length=2000, required=False, allow_blank=True)

    def validate_lines(self, lines: list[dict[str, Any]]) -> list[Wanted]:
        return [Wanted(**line) for line in lines]


class OptionalReasonInput(InputSerializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)
