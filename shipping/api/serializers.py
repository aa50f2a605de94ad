"""Shapes of shipments, carriers and what carriers told, in and out."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from core import clock
from core.api.serializers import ClockField, InputSerializer, MoneyField
from orders.api.serializers import LineInput
from orders.models import Order
from orders.services import MAX_LINES
from shipping import services
from shipping.models import (
    Carrier,
    News,
    Parcel,
    ParcelItem,
    Shipment,
    ShipmentEvent,
)
from shipping.permissions import can_see_shipments
from shipping.providers import ADDRESS_FIELDS, Address, Provider, provider
from shipping.states import CircuitState, DeliveryService, ShipmentStatus

ADDRESS = {
    "recipient": "Wanjiru Kamau",
    "line_1": "Moi Avenue 12",
    "line_2": "",
    "city": "Nairobi",
    "postcode": "00100",
    "country": "KE",
}
_TEA = {"sku": "TEA-1", "quantity": 2}
_SHIPMENT: dict[str, Any] = {
    "number": "S1001",
    "order": "1001",
    "customer": "C1001",
    "customer_name": "Wanjiru Kamau",
    "carrier": "courier",
    "service": "express",
    "status": "in-transit",
    "delivery_address": ADDRESS,
    "parcels": [
        {"weight": 500, "items": [{"sku": "TEA-1", "name": "Chai", "quantity": 2, "weight": 250}]}
    ],
    "due_at": None,
    "sent_at": "2026-11-21T13:00:02Z",
    "attempts": 1,
    "carrier_reference": "C-88121",
    "tracking_url": "https://courier.example/88121",
    "cost": "250.00",
    "cost_currency": "KES",
    "cancel_asked_at": None,
    "last_event_at": "2026-11-22T06:12:00Z",
    "heard_at": "2026-11-22T06:12:03Z",
    "error_code": "",
    "error": "",
    "attention": "",
    "created_at": "2026-11-21T08:00:00Z",
    "updated_at": "2026-11-22T06:12:03Z",
    "timeline": [
        {
            "verb": "prepared",
            "status": "waiting",
            "at": "2026-11-21T08:00:00Z",
            "noted_at": "2026-11-21T08:00:00Z",
            "detail": "",
            "changes": {},
            "by": "Mama Njeri",
        },
        {
            "verb": "event",
            "status": "in-transit",
            "at": "2026-11-22T06:12:00Z",
            "noted_at": "2026-11-22T06:12:03Z",
            "detail": "",
            "changes": {},
            "by": None,
        },
    ],
}


def for_the_shop(serializer: "serializers.BaseSerializer[Any]") -> bool:
    """Tell the shop, which sees everything, from a shopper."""
    request = serializer.context.get("request")
    return request is None or can_see_shipments(request.user)


class AddressSerializer(serializers.ModelSerializer[Shipment]):
    class Meta:
        model = Shipment
        ref_name = "ShipmentAddress"
        fields = ADDRESS_FIELDS


class ParcelItemSerializer(serializers.ModelSerializer[ParcelItem]):
    sku = serializers.CharField(source="line.sku")
    name = serializers.CharField(source="line.name")

    class Meta:
        model = ParcelItem
        fields = ("sku", "name", "quantity", "weight")


class ParcelSerializer(serializers.ModelSerializer[Parcel]):
    weight = serializers.IntegerField(help_text="Grams of all in it.")
    items = ParcelItemSerializer(many=True)

    class Meta:
        model = Parcel
        fields = ("weight", "items")


class TimelineSerializer(serializers.ListSerializer[Any]):
    def to_representation(self, data: Any) -> list[Any]:
        events = data.all()
        if not for_the_shop(self):
            events = [each for each in events if not each.is_internal]
        return super().to_representation(events)


class ShipmentEventSerializer(serializers.ModelSerializer[ShipmentEvent]):
    changes: Any = serializers.DictField(
        child=serializers.ListField(min_length=2, max_length=2),
        help_text="By field what it was and what it became; empty to shoppers.",
    )
    by: Any = serializers.StringRelatedField(
        allow_null=True, read_only=True, help_text="Name of who did it; null to shoppers."
    )

    class Meta:
        model = ShipmentEvent
        list_serializer_class = TimelineSerializer
        fields = ("verb", "status", "at", "noted_at", "detail", "changes", "by")

    def to_representation(self, event: ShipmentEvent) -> dict[str, Any]:
        data = super().to_representation(event)
        if not for_the_shop(self):
            data |= {"by": None, "changes": {}, "detail": event.customers_detail}
        return data


@extend_schema_serializer(examples=[OpenApiExample("On its way", _SHIPMENT, response_only=True)])
class ShipmentSerializer(serializers.ModelSerializer[Shipment]):
    order: Any = serializers.SlugRelatedField(
        slug_field="number", read_only=True, help_text="Number of the order."
    )
    customer = serializers.CharField(source="order.customer.code", help_text="Code.")
    customer_name = serializers.CharField(source="order.customer.name")
    carrier: Any = serializers.SlugRelatedField(
        slug_field="name", read_only=True, help_text="Name of the carrier."
    )
    delivery_address = AddressSerializer(source="*")
    parcels = ParcelSerializer(many=True)
    due_at = serializers.SerializerMethodField(
        help_text="When it goes to the carrier; null where it is there, or will not go."
    )
    attempts = serializers.IntegerField(
        allow_null=True, help_text="How often it was handed over; null to shoppers."
    )
    timeline = ShipmentEventSerializer(many=True)

    class Meta:
        model = Shipment
        fields = (
            "number",
            "order",
            "customer",
            "customer_name",
            "carrier",
            "service",
            "status",
            "delivery_address",
            "parcels",
            "due_at",
            "sent_at",
            "attempts",
            "carrier_reference",
            "tracking_url",
            "cost",
            "cost_currency",
            "cancel_asked_at",
            "last_event_at",
            "heard_at",
            "error_code",
            "error",
            "attention",
            "created_at",
            "updated_at",
            "timeline",
        )

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_due_at(self, shipment: Shipment) -> Any:
        if shipment.state != ShipmentStatus.WAITING:
            return None
        return serializers.DateTimeField().to_representation(shipment.due_at)

    def to_representation(self, shipment: Shipment) -> dict[str, Any]:
        data = super().to_representation(shipment)
        if for_the_shop(self):
            return data
        return data | _NOT_FOR_SHOPPERS | {"status": shipment.customers_status}


# What is between the shop and its carrier.
_NOT_FOR_SHOPPERS: dict[str, Any] = {
    **dict.fromkeys(("due_at", "attempts", "cost", "cancel_asked_at", "heard_at")),
    **dict.fromkeys(("cost_currency", "error_code", "error", "attention"), ""),
}


class ShipmentAddressInput(InputSerializer):
    """Where it goes, whole."""

    recipient = serializers.CharField(max_length=200)
    line_1 = serializers.CharField(max_length=200)
    line_2 = serializers.CharField(max_length=200, required=False, allow_blank=True)
    city = serializers.CharField(max_length=100)
    postcode = serializers.CharField(max_length=20, required=False, allow_blank=True)
    country = serializers.CharField(
        max_length=2, required=False, allow_blank=True, help_text="ISO 3166-1 alpha-2."
    )

    def validate(self, attrs: dict[str, Any]) -> Any:
        # In a PATCH too an address is whole.
        if missing := {"recipient", "line_1", "city"} - set(attrs):
            detail = serializers.ErrorDetail("This field is required.", code="required")
            raise serializers.ValidationError({name: [detail] for name in missing})
        return Address(**{"line_2": "", "postcode": "", "country": "", **attrs})


class ParcelItemInput(LineInput):
    ignored = ("name", "weight")


class ParcelInput(InputSerializer):
    items: Any = serializers.ListSerializer(
        child=ParcelItemInput(),
        allow_empty=False,
        max_length=MAX_LINES,
        help_text="What is in it.",
    )

    ignored = ("weight",)

    def validate(self, attrs: dict[str, Any]) -> Any:
        return attrs["items"]


class _ShipmentFields(InputSerializer):
    carrier = serializers.CharField(
        max_length=32, required=False, help_text="Its name; without it, the shop's first one."
    )
    service = serializers.ChoiceField(
        choices=DeliveryService.choices, required=False, help_text="Without it: standard."
    )
    delivery_address = ShipmentAddressInput(
        source="address",
        required=False,
        help_text="Whole; without it, that of the order.",
    )

    def validate_service(self, value: str) -> DeliveryService:
        return DeliveryService(value)


@extend_schema_serializer(
    examples=[
        OpenApiExample("All that is left, in one parcel", {"order": "1001"}, request_only=True),
        OpenApiExample(
            "Some of it, in two parcels",
            {
                "order": "1001",
                "carrier": "courier",
                "service": "express",
                "parcels": [{"items": [_TEA]}, {"items": [{"sku": "TEA-2", "quantity": 1}]}],
            },
            request_only=True,
        ),
    ]
)
class NewShipmentInput(_ShipmentFields):
    order = serializers.SlugRelatedField(
        slug_field="number", queryset=Order.objects.all(), help_text="Number of an accepted order."
    )
    parcels: Any = serializers.ListSerializer(
        child=ParcelInput(),
        required=False,
        allow_empty=False,
        max_length=services.MAX_PARCELS,
        help_text="What goes in which; without it, all that is left in one.",
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A shorter address",
            {"delivery_address": ADDRESS | {"line_1": "Moi Ave. 12"}},
            request_only=True,
        ),
        OpenApiExample("By another carrier", {"carrier": "parcelpost"}, request_only=True),
    ]
)
class ShipmentChangeInput(_ShipmentFields):
    """What is left out stays."""

    carrier = serializers.CharField(max_length=32, required=False, help_text="Its name.")
    service = serializers.ChoiceField(
        choices=DeliveryService.choices, required=False, help_text="How fast it goes."
    )
    delivery_address = ShipmentAddressInput(source="address", required=False, help_text="Whole.")

    ignored = tuple(
        name
        for name in ShipmentSerializer.Meta.fields
        if name not in {"carrier", "service", "delivery_address"}
    )


@extend_schema_serializer(examples=[OpenApiExample("A reason", {"reason": "Sent twice."})])
class ShipmentReasonInput(InputSerializer):
    reason = serializers.CharField(
        max_length=500, required=False, allow_blank=True, help_text="For the timeline."
    )


class QuoteSerializer(serializers.Serializer[Any]):
    service = serializers.ChoiceField(choices=DeliveryService.choices)
    amount = MoneyField()
    currency = serializers.CharField(help_text="ISO 4217.")
    days = serializers.IntegerField(
        allow_null=True, help_text="Until it is there, where the carrier says so."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One service",
            {
                "results": [
                    {
                        "service": "standard",
                        "amount": "250.00",
                        "currency": "KES",
                        "days": 2,
                    }
                ]
            },
        )
    ]
)
class QuotesSerializer(serializers.Serializer[Any]):
    results = QuoteSerializer(many=True)


# Carriers


def plugin_of(carrier: Carrier) -> Provider | None:
    """Return what talks to a carrier; None: the shop is not set up for it any more."""
    try:
        return provider(carrier.name) if carrier.name in settings.SHIPPING_PROVIDERS else None
    except ImproperlyConfigured:
        return None


class CircuitSerializer(serializers.ModelSerializer[Carrier]):
    state = serializers.ChoiceField(
        choices=CircuitState.choices,
        source="circuit_state",
        help_text="up: asked as ever. failing: the last calls failed. down: asked seldom.",
    )
    next_at = serializers.SerializerMethodField(
        help_text="While it is down: when it is asked again."
    )

    class Meta:
        model = Carrier
        fields = ("state", "failures", "failing_since", "next_at", "error")

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_next_at(self, carrier: Carrier) -> Any:
        if carrier.circuit_state != CircuitState.DOWN:
            return None
        return serializers.DateTimeField().to_representation(carrier.next_at)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Batches on workdays at four",
            {
                "name": "courier",
                "label": "Courier",
                "active": True,
                "days": [0, 1, 2, 3, 4],
                "cut_off": "16:00",
                "next_batch_at": "2026-11-23T13:00:00Z",
                "cancels": True,
                "quotes": True,
                "looks_up": True,
                "circuit": {
                    "state": "up",
                    "failures": 0,
                    "failing_since": None,
                    "next_at": None,
                    "error": "",
                },
            },
            response_only=True,
        )
    ]
)
class CarrierSerializer(serializers.ModelSerializer[Carrier]):
    label: Any = serializers.SerializerMethodField(help_text="As people know it.")
    cut_off = ClockField(help_text="When its batch goes out, by the shop's clocks.")
    next_batch_at = serializers.SerializerMethodField(
        help_text="When what is made now goes out, by its schedule."
    )
    cancels = serializers.SerializerMethodField(
        help_text="Whether it can be asked to call one off."
    )
    quotes = serializers.SerializerMethodField(help_text="Whether it says what it would take.")
    looks_up = serializers.SerializerMethodField(
        help_text="Whether it can be asked what became of one."
    )
    circuit = CircuitSerializer(source="*")

    class Meta:
        model = Carrier
        fields = (
            "name",
            "label",
            "active",
            "days",
            "cut_off",
            "next_batch_at",
            "cancels",
            "quotes",
            "looks_up",
            "circuit",
        )

    def get_label(self, carrier: Carrier) -> str:
        return services.label_of(carrier)

    def get_cancels(self, carrier: Carrier) -> bool:
        plugin = plugin_of(carrier)
        return plugin is not None and plugin.cancels

    def get_quotes(self, carrier: Carrier) -> bool:
        plugin = plugin_of(carrier)
        return plugin is not None and plugin.quotes

    def get_looks_up(self, carrier: Carrier) -> bool:
        plugin = plugin_of(carrier)
        return plugin is not None and plugin.looks_up

    @extend_schema_field(serializers.DateTimeField())
    def get_next_batch_at(self, carrier: Carrier) -> Any:
        due = services.next_cut_off(carrier, clock.now())
        return serializers.DateTimeField().to_representation(due)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "On Tuesdays and Fridays", {"days": [1, 4], "cut_off": "15:30"}, request_only=True
        ),
        OpenApiExample("At once", {"days": []}, request_only=True),
    ]
)
class CarrierInput(InputSerializer):
    active = serializers.BooleanField(required=False, help_text="Whether anything new goes by it.")
    days: Any = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6),
        required=False,
        max_length=7,
        help_text="Days of the week of its batches, Monday is 0. Empty: sent at once.",
    )
    cut_off = ClockField(required=False, help_text="When its batch goes out, by the shop's clocks.")

    ignored = ("name", "label", "next_batch_at", "cancels", "quotes", "looks_up", "circuit")

    def validate_days(self, days: Sequence[int]) -> list[int]:
        return sorted(set(days))


# News


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Of a shipment that nobody knows",
            {
                "id": 7,
                "carrier": "courier",
                "source": "webhook",
                "state": "unmatched",
                "detail": "There is no shipment S9999 here.",
                "reference": "S9999",
                "shipment": None,
                "content_type": "application/json",
                "body": '{"order_id": "S9999", "event_name": "delivered", …}',
                "received_at": "2026-11-22T06:12:03Z",
            },
            response_only=True,
        )
    ]
)
class NewsSerializer(serializers.ModelSerializer[News]):
    carrier: Any = serializers.SlugRelatedField(
        slug_field="name", read_only=True, help_text="Name of the carrier."
    )
    shipment: Any = serializers.SlugRelatedField(
        slug_field="number", read_only=True, allow_null=True, help_text="Its number."
    )
    body = serializers.CharField(source="text", help_text="As it came.")

    class Meta:
        model = News
        fields = (
            "id",
            "carrier",
            "source",
            "state",
            "detail",
            "reference",
            "shipment",
            "content_type",
            "body",
            "received_at",
        )


@extend_schema_serializer(examples=[OpenApiExample("Three", {"replayed": 3})])
class ReplayedSerializer(serializers.Serializer[Any]):
    replayed = serializers.IntegerField(help_text="How many are looked at again.")
