"""Shapes of service orders, as the contract has them, and of services."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from bookings.models import (
    LARGEST_ID,
    BookedService,
    Booking,
    BookingChange,
    Resource,
    Service,
)
from bookings.permissions import can_see_bookings
from bookings.services import MAX_SERVICES
from core.api.serializers import InputSerializer, MoneyField
from customers.models import Customer

_DIGITS = len(str(LARGEST_ID))


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string", "pattern": "^[0-9]+$"}]})
class IdField(serializers.Field[Any, Any, Any, Any]):
    """An id, as a number or in digits: other systems write it either way."""

    default_error_messages = {"invalid": f"An id is a whole number from 1 to {LARGEST_ID}."}

    def to_internal_value(self, data: Any) -> int:
        is_digits = isinstance(data, str) and data.isascii() and data.isdigit()
        is_number = isinstance(data, int) and not isinstance(data, bool)
        number = int(data) if is_number or (is_digits and len(data) <= _DIGITS) else 0
        if not 1 <= number <= LARGEST_ID:
            self.fail("invalid")
        return number

    def to_representation(self, value: Any) -> str:
        return str(value)


class MomentField(serializers.DateTimeField):
    """A time in RFC 3339 with its offset: without one nobody knows when it is."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return super().to_internal_value(value)
        except OverflowError:
            self.fail("invalid", format="RFC 3339")

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise serializers.ValidationError(
                "Say the offset too, such as 2026-11-23T09:30:00Z.", code="naive"
            )
        return value.astimezone(UTC)

    def to_representation(self, value: Any) -> str:
        # As the contract has it, to the millisecond, unless it was given more exactly.
        exactly = "microseconds" if value.microsecond % 1000 else "milliseconds"
        return str(value.astimezone(UTC).isoformat(timespec=exactly).replace("+00:00", "Z"))


@extend_schema_field(OpenApiTypes.NUMBER)
class TotalField(MoneyField):
    """Money as the contract has it: a number, of which a decimal string is taken as well."""

    def to_representation(self, value: Any) -> int | float:  # type: ignore[override]  # see above
        amount = Decimal(value)
        # No rounding: twelve digits fit a float.
        return int(amount) if amount == amount.to_integral_value() else float(amount)


class ContractInput(InputSerializer):
    """What other systems send: fields of theirs that nobody knows here are let pass."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            data = {name: value for name, value in data.items() if name in self.fields}
        return super().to_internal_value(data)


_SERVICE = {
    "id": 123,
    "name": "Inspection",
    "duration": 60,
    "fee": "100.00",
    "currency": "KES",
    "active": True,
}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A service",
            {
                **_SERVICE,
                "created_at": "2026-11-21T08:00:00Z",
                "updated_at": "2026-11-21T08:00:00Z",
            },
            response_only=True,
        )
    ]
)
class ServiceSerializer(serializers.ModelSerializer[Service]):
    currency = serializers.SerializerMethodField(help_text="ISO 4217.")

    class Meta:
        model = Service
        fields = (
            "id",
            "name",
            "duration",
            "fee",
            "currency",
            "active",
            "created_at",
            "updated_at",
        )

    def get_currency(self, service: Service) -> str:
        return str(settings.SHOP_CURRENCY)


class ServiceInput(ContractInput):
    name = serializers.CharField(max_length=200)
    duration = serializers.IntegerField(
        min_value=1, max_value=24 * 60, required=False, help_text="Minutes. Without it: 60."
    )
    fee = MoneyField(required=False, help_text="Without it: 0.00.")
    active = serializers.BooleanField(required=False, help_text="Whether it can be booked.")


@extend_schema_serializer(
    examples=[
        OpenApiExample("As other systems have it", {"id": 123, "name": "Inspection"}),
        OpenApiExample("With its fee", {"name": "Testing", "duration": 90, "fee": "250.00"}),
    ]
)
class NewServiceInput(ServiceInput):
    id = IdField(required=False, help_text="What it is called elsewhere; else one is made.")


@extend_schema_serializer(
    examples=[OpenApiExample("Dearer", {"name": "Inspection", "fee": "120.00"})]
)
class ServiceChangeInput(ServiceInput):
    pass


class BookedServiceSerializer(serializers.ModelSerializer[BookedService]):
    id = IdField(source="service_id")
    name = serializers.CharField(source="service.name")
    fee = MoneyField(help_text="What it cost when it was booked.")

    class Meta:
        model = BookedService
        fields = ("id", "name", "fee")


class BookingChangeSerializer(serializers.ModelSerializer[BookingChange]):
    changes: Any = serializers.DictField(
        child=serializers.ListField(min_length=2, max_length=2),
        help_text="By field what it was and what it became.",
    )
    by: Any = serializers.StringRelatedField(
        allow_null=True, read_only=True, help_text="Name of who did it; null to shoppers."
    )

    class Meta:
        model = BookingChange
        fields = ("verb", "from_status", "to_status", "changes", "reason", "by", "at")

    def to_representation(self, change: BookingChange) -> dict[str, Any]:
        data = super().to_representation(change)
        request = self.context.get("request")
        if request is None or can_see_bookings(request.user):
            return data
        return data | {"by": None, "changes": change.customers_part}


_ORDER = {
    "id": "223",
    "datetime": "2026-11-23T09:30:00.000Z",
    "totalfee": 100,
    "services": [{"id": "123"}],
}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A service order",
            {
                **_ORDER,
                "services": [{"id": "123", "name": "Inspection", "fee": "100.00"}],
                "currency": "KES",
                "status": "pending",
                "customer": "C1001",
                "customer_name": "Wanjiru Kamau",
                "resource": "default",
                "imported": False,
                "created_at": "2026-11-21T08:00:00Z",
                "updated_at": "2026-11-21T08:00:00Z",
                "history": [
                    {
                        "verb": "booked",
                        "from_status": "",
                        "to_status": "pending",
                        "changes": {},
                        "reason": "",
                        "by": "Mama Njeri",
                        "at": "2026-11-21T08:00:00Z",
                    }
                ],
            },
            response_only=True,
        )
    ]
)
class ServiceOrderSerializer(serializers.ModelSerializer[Booking]):
    id = IdField()
    datetime = MomentField()
    totalfee = TotalField(source="total_fee")
    services = BookedServiceSerializer(many=True, source="booked")
    customer: Any = serializers.SlugRelatedField(
        slug_field="code", read_only=True, allow_null=True, help_text="Code; null: nobody's."
    )
    customer_name = serializers.CharField(source="customer.name", default=None, allow_null=True)
    resource: Any = serializers.SlugRelatedField(
        slug_field="code", read_only=True, help_text="Code of who or what is booked."
    )
    history = BookingChangeSerializer(many=True)

    class Meta:
        model = Booking
        fields = (
            "id",
            "datetime",
            "totalfee",
            "services",
            "currency",
            "status",
            "customer",
            "customer_name",
            "resource",
            "imported",
            "created_at",
            "updated_at",
            "history",
        )


class ServiceReference(ContractInput):
    """A service by its id; what else stands there is let pass."""

    id = IdField(help_text="What the service is called by.")

    def validate(self, attrs: dict[str, Any]) -> Any:
        # In a PATCH too it says which one.
        if "id" not in attrs:
            detail = serializers.ErrorDetail("This field is required.", code="required")
            raise serializers.ValidationError({"id": [detail]})
        return attrs["id"]


class ShortList(serializers.ListSerializer[Any]):
    most: ClassVar[int]
    too_long: ClassVar[str]

    def run_validation(self, data: Any = serializers.empty) -> Any:
        # Before each is looked at: a million of them would be a long answer.
        if isinstance(data, list) and len(data) > self.most:
            raise serializers.ValidationError(self.too_long, code="max_length")
        return super().run_validation(data)


TOO_MANY_SERVICES = ErrorDetail(
    f"A booking has at most {MAX_SERVICES} services.", code="max_length"
)


class _References(ShortList):
    most = MAX_SERVICES
    too_long = TOO_MANY_SERVICES


@extend_schema_serializer(
    examples=[
        OpenApiExample("As the contract has it", _ORDER, request_only=True),
        OpenApiExample(
            "For a customer",
            {
                "datetime": "2026-11-23T12:30:00+03:00",
                "services": [{"id": 123}, {"id": 789}],
                "customer": "C1001",
            },
            request_only=True,
        ),
    ]
)
class ServiceOrderInput(ContractInput):
    """A service order. `id` is what it is called elsewhere; without it one is made."""

    id = IdField(required=False)
    datetime = MomentField(source="time", help_text="RFC 3339, with its offset.")
    totalfee = TotalField(
        source="total_fee",
        required=False,
        allow_null=True,
        help_text="Without it: what its services cost together.",
    )
    services: Any = _References(child=ServiceReference(), allow_empty=False)
    customer = serializers.SlugRelatedField(
        slug_field="code",
        queryset=Customer.objects.all(),
        required=False,
        allow_null=True,
        help_text="Code of the customer.",
    )
    resource = serializers.SlugRelatedField(
        slug_field="code",
        queryset=Resource.objects.bookable(),
        required=False,
        help_text="Code of who or what is booked; without it, the shop's default.",
    )


@extend_schema_serializer(
    examples=[OpenApiExample("Moved", {"datetime": "2026-11-24T09:30:00Z"}, request_only=True)]
)
class ServiceOrderChangeInput(ServiceOrderInput):
    """A service order; its `id`, if it is sent, is that of the address."""

    def validate_id(self, value: int) -> int:
        if value != self.context["id"]:
            raise serializers.ValidationError("Another one than the address says.", code="differs")
        return value


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "At a free time", {"datetime": "2026-11-23T09:30:00Z", "services": [{"id": "123"}]}
        )
    ]
)
class OwnBookingInput(InputSerializer):
    datetime = MomentField(source="time", help_text="One of those that are free.")
    services: Any = _References(
        child=ServiceReference(), allow_empty=False, help_text="What is to be done."
    )
    resource = serializers.SlugRelatedField(
        slug_field="code",
        queryset=Resource.objects.bookable(),
        required=False,
        help_text="Code of who or what is booked; without it, the shop's default.",
    )


@extend_schema_serializer(
    examples=[OpenApiExample("A day later", {"datetime": "2026-11-24T09:30:00Z"})]
)
class MoveInput(InputSerializer):
    datetime = MomentField(source="time", help_text="When it is to be, with its offset.")


@extend_schema_serializer(examples=[OpenApiExample("A reason", {"reason": "Changed their mind."})])
class WhyInput(InputSerializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


class DaySerializer(serializers.Serializer[Any]):
    date = serializers.DateField(help_text="A day of the shop's calendar.")
    times: Any = serializers.ListField(
        child=MomentField(), help_text="Those that can be booked, in UTC."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A Monday with a booking at 12:30",
            {
                "resource": "default",
                "time_zone": "Africa/Nairobi",
                "gap": 180,
                "results": [
                    {
                        "date": "2026-11-23",
                        "times": ["2026-11-23T05:00:00.000Z", "2026-11-23T06:30:00.000Z"],
                    }
                ],
            },
        )
    ]
)
class AvailabilitySerializer(serializers.Serializer[Any]):
    resource = serializers.CharField(help_text="Code of who or what can be booked.")
    time_zone = serializers.CharField(help_text="Of the shop's calendar and opening hours.")
    gap = serializers.IntegerField(help_text="Minutes from one booking to the next.")
    results = DaySerializer(many=True)


class ImportInput(ContractInput):
    """A service order of a file, as the contract has it."""

    id = IdField()
    datetime = MomentField(source="time")
    totalfee = TotalField(source="total_fee", required=False, allow_null=True)
    services: Any = _References(child=ServiceReference(), allow_empty=False)


class AvailabilityQuery(serializers.Serializer[Any]):
    """What `GET /availability/` may be asked; the dates are of the shop's calendar."""

    known: ClassVar[tuple[str, ...]] = ("resource", "from", "to", "services")

    resource = serializers.SlugRelatedField(
        slug_field="code", queryset=Resource.objects.bookable(), required=False
    )
    to = serializers.DateField(required=False)
    services = serializers.RegexField(
        r"^[0-9]{1,16}(,[0-9]{1,16}){0,99}\Z",
        required=False,
        error_messages={"invalid": "Ids of services with commas between them."},
    )

    def get_fields(self) -> Any:
        # `from` is a word of Python's own.
        return {**super().get_fields(), "from": serializers.DateField(required=False)}
