"""Shapes of orders in and out."""

import uuid
from dataclasses import replace
from typing import Any, ClassVar

from django.db.models import Q
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from accounts.models import User
from core.api.serializers import InputSerializer, MoneyField
from customers.models import Customer
from orders.models import Order, OrderChange, OrderLine
from orders.permissions import can_see_orders
from orders.services import COLLECTION, MAX_LINES, MAX_QUANTITY, Delivery, Wanted
from orders.states import DeliveryMethod, OrderStatus

_ADDRESS = {
    "recipient": "Wanjiru Kamau",
    "line_1": "Moi Avenue 12",
    "line_2": "",
    "city": "Nairobi",
    "postcode": "00100",
    "country": "KE",
}


class OrderLineSerializer(serializers.ModelSerializer[OrderLine]):
    total = MoneyField(max_digits=18)
    outstanding = serializers.IntegerField(help_text="Pieces that were not handed over.")

    class Meta:
        model = OrderLine
        fields = (
            "sku",
            "name",
            "quantity",
            "unit_price",
            "total",
            "fulfilled",
            "returned",
            "outstanding",
        )


class OrderHistorySerializer(serializers.ListSerializer[Any]):
    def to_representation(self, data: Any) -> list[Any]:
        changes = data.all()
        if not _for_the_shop(self):
            changes = [each for each in changes if not each.is_internal]
        return super().to_representation(changes)


class OrderChangeSerializer(serializers.ModelSerializer[OrderChange]):
    changes: Any = serializers.DictField(
        child=serializers.ListField(min_length=2, max_length=2),
        help_text="By field what it was and what it became; of lines `SKU quantity`,"
        " `SKU fulfilled`, `SKU returned`.",
    )
    by: Any = serializers.StringRelatedField(
        allow_null=True, read_only=True, help_text="Name of who did it; null to shoppers."
    )

    class Meta:
        model = OrderChange
        list_serializer_class = OrderHistorySerializer
        fields = ("verb", "from_status", "to_status", "changes", "reason", "by", "at")

    def to_representation(self, change: OrderChange) -> dict[str, Any]:
        data = super().to_representation(change)
        if not _for_the_shop(self):
            reason, changes = change.customers_part
            placed = change.from_status == OrderStatus.DRAFT
            data |= {"by": None, "reason": reason, "changes": changes}
            data |= {"from_status": ""} if placed else {}
        return data


class AssigneeSerializer(serializers.ModelSerializer[User]):
    name = serializers.CharField(source="get_full_name")

    class Meta:
        model = User
        fields = ("subject", "name", "email")


class DeliveryAddressSerializer(serializers.ModelSerializer[Order]):
    line_1 = serializers.CharField(source="address_line_1")
    line_2 = serializers.CharField(source="address_line_2")

    class Meta:
        model = Order
        fields = ("recipient", "line_1", "line_2", "city", "postcode", "country")

    def to_representation(self, order: Order) -> Any:
        if order.delivery_method == DeliveryMethod.COLLECTION:
            return None
        return super().to_representation(order)


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
                        "fulfilled": 0,
                        "returned": 0,
                        "outstanding": 2,
                    }
                ],
                "total": "25.00",
                "currency": "KES",
                "note": "",
                "delivery_method": "delivery",
                "delivery_address": _ADDRESS,
                "reference": None,
                "assigned_to": None,
                "placed_at": "2026-11-21T08:00:00Z",
                "updated_at": "2026-11-21T08:05:00Z",
                "history": [
                    {
                        "verb": "placed",
                        "from_status": "",
                        "to_status": "pending",
                        "changes": {},
                        "reason": "",
                        "by": "Mama Njeri",
                        "at": "2026-11-21T08:00:00Z",
                    },
                    {
                        "verb": "edited",
                        "from_status": "pending",
                        "to_status": "pending",
                        "changes": {"TEA-1 quantity": [1, 2], "total": ["12.50", "25.00"]},
                        "reason": "",
                        "by": "Mama Njeri",
                        "at": "2026-11-21T08:05:00Z",
                    },
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
    delivery_address = DeliveryAddressSerializer(
        source="*", allow_null=True, help_text="Null where it is collected."
    )
    assigned_to = AssigneeSerializer(
        allow_null=True, help_text="Who of the shop sees to it; null to shoppers."
    )
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
            "delivery_method",
            "delivery_address",
            "reference",
            "assigned_to",
            "placed_at",
            "updated_at",
            "history",
        )

    def to_representation(self, order: Order) -> dict[str, Any]:
        data = super().to_representation(order)
        return data if _for_the_shop(self) else data | {"assigned_to": None}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "On a busy morning",
            {
                "draft": 1,
                "pending": 12,
                "accepted": 4,
                "fulfilled": 240,
                "rejected": 3,
                "cancelled": 8,
                "waiting": 12,
            },
        )
    ]
)
class OrderCountsSerializer(serializers.Serializer[Any]):
    draft = serializers.IntegerField()
    pending = serializers.IntegerField()
    accepted = serializers.IntegerField()
    fulfilled = serializers.IntegerField()
    rejected = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    waiting = serializers.IntegerField(help_text="Those that the shop is to accept or reject.")


def _for_the_shop(serializer: "serializers.BaseSerializer[Any]") -> bool:
    """Tell the shop, which sees everything, from a shopper: who works there is not theirs."""
    request = serializer.context.get("request")
    return request is None or can_see_orders(request.user)


class LineInput(InputSerializer):
    sku = serializers.CharField(max_length=64)
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY)

    ignored: ClassVar[tuple[str, ...]] = (
        "name",
        "unit_price",
        "total",
        "fulfilled",
        "returned",
        "outstanding",
    )

    def validate(self, attrs: dict[str, Any]) -> Any:
        # In a PATCH too a line is whole.
        if missing := {"sku", "quantity"} - set(attrs):
            detail = serializers.ErrorDetail("This field is required.", code="required")
            raise serializers.ValidationError({name: [detail] for name in missing})
        return Wanted(**attrs)


def _lines(**kwargs: Any) -> Any:
    return serializers.ListSerializer(
        child=LineInput(), allow_empty=False, max_length=MAX_LINES, **kwargs
    )


class DeliveryAddressInput(InputSerializer):
    recipient = serializers.CharField(max_length=200)
    line_1 = serializers.CharField(source="address_line_1", max_length=200)
    line_2 = serializers.CharField(
        source="address_line_2", max_length=200, required=False, allow_blank=True
    )
    city = serializers.CharField(max_length=100)
    postcode = serializers.CharField(max_length=20, required=False, allow_blank=True)
    country = serializers.CharField(
        max_length=2, required=False, allow_blank=True, help_text="ISO 3166-1 alpha-2."
    )


class DeliveryInput(InputSerializer):
    delivery_method = serializers.ChoiceField(
        choices=DeliveryMethod.choices, required=False, help_text="Without it: collection."
    )
    delivery_address = DeliveryAddressInput(
        required=False, allow_null=True, help_text="Whole, for a delivery; null for a collection."
    )


def delivery_in(data: dict[str, Any], *, present: Delivery = COLLECTION) -> Delivery | None:
    """Take the fields of `DeliveryInput` out of valid data; None where there are none.

    What was not sent is as in `present`.
    """
    if not {"delivery_method", "delivery_address"} & set(data):
        return None
    method = DeliveryMethod(data.pop("delivery_method", present.delivery_method))
    if "delivery_address" in data:
        return Delivery(delivery_method=method, **(data.pop("delivery_address") or {}))
    return (
        COLLECTION
        if method == DeliveryMethod.COLLECTION
        else replace(present, delivery_method=method)
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Two of one thing",
            {"customer": "C1001", "lines": [{"sku": "TEA-1", "quantity": 2}]},
            request_only=True,
        ),
        OpenApiExample(
            "To be delivered",
            {
                "customer": "C1001",
                "lines": [{"sku": "TEA-1", "quantity": 2}],
                "note": "Ring twice.",
                "delivery_method": "delivery",
                "delivery_address": _ADDRESS,
            },
            request_only=True,
        ),
    ]
)
class NewOrderInput(DeliveryInput):
    customer = serializers.SlugRelatedField(
        slug_field="code", queryset=Customer.objects.all(), help_text="Code of the customer."
    )
    lines: Any = _lines()
    note = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    reference = serializers.CharField(
        max_length=64,
        required=False,
        allow_null=True,
        help_text="What it is called where it comes from; of one order only.",
    )
    draft = serializers.BooleanField(
        required=False, help_text="Take nothing from stock and tell nobody until it is placed."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return attrs | {"delivery": delivery_in(attrs) or COLLECTION}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Three instead of two",
            {"lines": [{"sku": "TEA-1", "quantity": 3}]},
            request_only=True,
        ),
        OpenApiExample("To be collected", {"delivery_method": "collection"}, request_only=True),
    ]
)
class OrderInput(DeliveryInput):
    lines: Any = _lines(required=False, help_text="All that the order shall have.")
    note = serializers.CharField(max_length=2000, required=False, allow_blank=True)

    ignored = (
        "number",
        "status",
        "customer",
        "customer_name",
        "total",
        "currency",
        "reference",
        "assigned_to",
        "placed_at",
        "updated_at",
        "history",
    )


@extend_schema_serializer(examples=[OpenApiExample("A reason", {"reason": "Changed their mind."})])
class OptionalReasonInput(InputSerializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample("All the rest", {}),
        OpenApiExample("One of two", {"lines": [{"sku": "TEA-1", "quantity": 1}]}),
    ]
)
class FulfilInput(InputSerializer):
    lines: Any = _lines(
        required=False, help_text="Pieces that are handed over now. Without it: all the rest."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One came back unopened",
            {"lines": [{"sku": "TEA-1", "quantity": 1}], "restock": True, "reason": "Wrong kind."},
        )
    ]
)
class ReturnInput(InputSerializer):
    lines: Any = _lines(help_text="Pieces that came back.")
    restock = serializers.BooleanField(help_text="Whether they are fit to be sold again.")
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


def employee_known_as(value: str | int) -> User | None:
    """Return who works here by `id`, `subject` or e-mail address as `/employees/` says them."""
    text = str(value)
    if text.isascii() and text.isdigit() and len(text) <= 18:  # fits a bigint
        known = Q(memberships=int(text))
    elif "@" in text:
        known = Q(email__iexact=text)
    else:
        try:
            known = Q(subject=uuid.UUID(text))
        except ValueError:
            return None
    # Two accounts may have one address: then it says too little.
    found = User.objects.filter(known, memberships__isnull=False).distinct()[:2]
    return found[0] if len(found) == 1 else None


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string"}]})
class EmployeeField(serializers.Field[Any, Any, Any, Any]):
    """An employee by `id`, `subject` or e-mail address."""

    default_error_messages = {"does_not_exist": "There is no such employee."}

    def to_internal_value(self, data: Any) -> User:
        text = isinstance(data, str) and "\x00" not in data
        number = isinstance(data, int) and not isinstance(data, bool)
        user = employee_known_as(data) if text or number else None
        if user is None:
            self.fail("does_not_exist")
        return user


@extend_schema_serializer(
    examples=[
        OpenApiExample("To somebody", {"to": "baraka@example.com"}),
        OpenApiExample("To nobody", {"to": None}),
    ]
)
class AssignInput(InputSerializer):
    to = EmployeeField(
        allow_null=True, help_text="`id`, `subject` or e-mail address of an employee; null: nobody."
    )
