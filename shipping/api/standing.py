"""REST of standing orders."""

from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.serializers import InputSerializer, MoneyField, NothingInput
from core.api.views import ResourceViewSet
from core.permissions import signed_in
from customers.models import Customer
from orders.api.serializers import LineInput
from orders.services import MAX_LINES
from shipping import services
from shipping.models import Occurrence, StandingItem, StandingOrder, StandingOrderChange
from shipping.permissions import can_handle_standing_orders, can_see_standing_orders
from shipping.querysets import SHOWN, StandingOrderQuerySet
from shipping.services import MAX_COUNT, MAX_EVERY, Coming
from shipping.states import DeliveryService, Interval

from .filters import StandingOrderFilter
from .serializers import ADDRESS, AddressSerializer, ShipmentAddressInput

_ITEMS = [{"sku": "TEA-1", "quantity": 2}]
_WEEKLY: dict[str, Any] = {
    "items": _ITEMS,
    "delivery_address": ADDRESS,
    "service": "standard",
    "interval": "week",
    "every": 2,
    "start": "2026-11-30",
}


def _for_the_shop(serializer: "serializers.BaseSerializer[Any]") -> bool:
    request = serializer.context.get("request")
    return request is None or can_see_standing_orders(request.user)


class StandingItemSerializer(serializers.ModelSerializer[StandingItem]):
    sku = serializers.CharField(source="variant.sku")
    name = serializers.CharField(source="variant.display_name")

    class Meta:
        model = StandingItem
        fields = ("sku", "name", "quantity")


class OccurrenceSerializer(serializers.ModelSerializer[Occurrence]):
    order: Any = serializers.SlugRelatedField(
        slug_field="number", read_only=True, allow_null=True, help_text="Number of its order."
    )
    shipment: Any = serializers.SlugRelatedField(
        slug_field="number", read_only=True, allow_null=True, help_text="Number of its shipment."
    )

    class Meta:
        model = Occurrence
        fields = ("on", "status", "order", "shipment", "reason")

    def to_representation(self, occurrence: Occurrence) -> dict[str, Any]:
        data = super().to_representation(occurrence)
        return data if _for_the_shop(self) else data | {"reason": occurrence.customers_reason}


class StandingOrderChangeSerializer(serializers.ModelSerializer[StandingOrderChange]):
    changes: Any = serializers.DictField(
        child=serializers.ListField(min_length=2, max_length=2),
        help_text="By field what it was and what it became.",
    )
    by: Any = serializers.StringRelatedField(
        allow_null=True, read_only=True, help_text="Name of who did it; null to shoppers."
    )

    class Meta:
        model = StandingOrderChange
        fields = ("verb", "changes", "reason", "by", "at")

    def to_representation(self, change: StandingOrderChange) -> dict[str, Any]:
        data = super().to_representation(change)
        if _for_the_shop(self):
            return data
        return data | {"by": None, "reason": change.customers_reason}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Every second week",
            {
                "number": "R1001",
                "status": "active",
                "customer": "C1001",
                "customer_name": "Wanjiru Kamau",
                "items": [{"sku": "TEA-1", "name": "Chai", "quantity": 2}],
                "delivery_address": ADDRESS,
                "carrier": "courier",
                "service": "standard",
                "interval": "week",
                "every": 2,
                "start": "2026-11-30",
                "end": None,
                "count": None,
                "next_on": "2026-12-14",
                "occurrences": [
                    {
                        "on": "2026-11-30",
                        "status": "ordered",
                        "order": "1001",
                        "shipment": "S1001",
                        "reason": "",
                    }
                ],
                "created_at": "2026-11-21T08:00:00Z",
                "updated_at": "2026-11-30T03:00:01Z",
                "history": [
                    {
                        "verb": "created",
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
class StandingOrderSerializer(serializers.ModelSerializer[StandingOrder]):
    customer: Any = serializers.SlugRelatedField(
        slug_field="code", read_only=True, help_text="Code of the customer."
    )
    customer_name = serializers.CharField(source="customer.name")
    items = StandingItemSerializer(many=True)
    delivery_address = AddressSerializer(source="*")
    carrier: Any = serializers.SlugRelatedField(
        slug_field="name", read_only=True, help_text="Name of the carrier."
    )
    next_on = serializers.DateField(
        allow_null=True, help_text="Its next date; null: there is none."
    )
    occurrences = OccurrenceSerializer(
        source="last_occurrences",
        many=True,
        help_text=f"The last {SHOWN} dates that something was done about, the last first.",
    )
    history = StandingOrderChangeSerializer(
        source="last_history",
        many=True,
        help_text=f"The last {SHOWN} things that happened to it, the last first.",
    )

    class Meta:
        model = StandingOrder
        fields = (
            "number",
            "status",
            "customer",
            "customer_name",
            "items",
            "delivery_address",
            "carrier",
            "service",
            "interval",
            "every",
            "start",
            "end",
            "count",
            "next_on",
            "occurrences",
            "created_at",
            "updated_at",
            "history",
        )


class StandingItemInput(LineInput):
    ignored = ("name",)


def _items(**kwargs: Any) -> Any:
    return serializers.ListSerializer(
        child=StandingItemInput(), allow_empty=False, max_length=MAX_LINES, **kwargs
    )


class _Dates(InputSerializer):
    """When it comes. Which dates those are, the service works out."""

    items: Any = _items(help_text="What comes each time, at the price of that day.")
    interval = serializers.ChoiceField(choices=Interval.choices, help_text="What it counts in.")
    every = serializers.IntegerField(
        min_value=1, max_value=MAX_EVERY, required=False, help_text="So many of them; else 1."
    )
    start = serializers.DateField(help_text="Its first date, by the shop's calendar.")
    end = serializers.DateField(required=False, allow_null=True, help_text="No date after it.")
    count = serializers.IntegerField(
        min_value=1,
        max_value=MAX_COUNT,
        required=False,
        allow_null=True,
        help_text="So many dates in all; not together with `end`.",
    )

    def validate_interval(self, value: str) -> Interval:
        return Interval(value)


@extend_schema_serializer(
    examples=[OpenApiExample("Every second week", _WEEKLY, request_only=True)]
)
class OwnStandingOrderInput(_Dates):
    """What a shopper wants to have again and again."""

    delivery_address = ShipmentAddressInput(source="address", help_text="Where it goes.")
    service = serializers.ChoiceField(
        choices=DeliveryService.choices, required=False, help_text="Without it: standard."
    )

    def validate_service(self, value: str) -> DeliveryService:
        return DeliveryService(value)


@extend_schema_serializer(
    examples=[
        OpenApiExample("For a customer", {"customer": "C1001", **_WEEKLY}, request_only=True),
        OpenApiExample(
            "Twelve times on the 31st, or the month's last day",
            {
                "customer": "C1001",
                "items": _ITEMS,
                "delivery_address": ADDRESS,
                "interval": "month",
                "start": "2027-01-31",
                "count": 12,
            },
            request_only=True,
        ),
    ]
)
class StandingOrderInput(OwnStandingOrderInput):
    """What a customer is to have again and again."""

    customer = serializers.SlugRelatedField(
        slug_field="code", queryset=Customer.objects.all(), help_text="Code of the customer."
    )
    carrier = serializers.CharField(
        max_length=32, required=False, help_text="Its name; without it, the shop's first one."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Three from the next date on",
            {"items": [{"sku": "TEA-1", "quantity": 3}]},
            request_only=True,
        ),
        OpenApiExample(
            "On the first of each month",
            {"interval": "month", "start": "2027-01-01"},
            request_only=True,
        ),
    ]
)
class StandingOrderChangeInput(OwnStandingOrderInput):
    """What is left out stays. Another interval or `start` counts the dates anew."""

    carrier = serializers.CharField(max_length=32, required=False, help_text="Its name.")

    ignored = (
        *("number", "status", "customer", "customer_name", "next_on", "occurrences"),
        *("created_at", "updated_at", "history"),
    )


@extend_schema_serializer(examples=[OpenApiExample("A reason", {"reason": "Away in August."})])
class StandingOrderReasonInput(InputSerializer):
    reason = serializers.CharField(
        max_length=500, required=False, allow_blank=True, help_text="For its history."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample("One date", {"on": "2026-12-14", "reason": "Away."}),
    ]
)
class SkipInput(StandingOrderReasonInput):
    on = serializers.DateField(help_text="One of its dates to come, or one that waits for goods.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "What would come",
            {name: _WEEKLY[name] for name in ("items", "interval", "every", "start")},
            request_only=True,
        )
    ]
)
class StandingOrderPreviewInput(_Dates):
    """As a standing order, without where it goes."""


class ComingSerializer(serializers.Serializer[Coming]):
    on = serializers.DateField(help_text="By the shop's calendar.")
    total = MoneyField(max_digits=18, help_text="At the prices of now.")
    notices: Any = serializers.ListField(
        child=serializers.CharField(), help_text="What stands in its way as things are now."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "The next two",
            {
                "currency": "KES",
                "results": [
                    {"on": "2026-11-30", "total": "25.00", "notices": []},
                    {"on": "2026-12-14", "total": "25.00", "notices": []},
                ],
            },
        )
    ]
)
class StandingOrderPreviewSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField(help_text="ISO 4217.")
    results = ComingSerializer(many=True)


class StandingOrderViewSet(ResourceViewSet):
    queryset = StandingOrder.objects.for_display()
    serializer_class = StandingOrderSerializer
    lookup_field = "number"
    http_method_names = ["get", "post", "patch", "head", "options"]
    inputs = {
        "create": StandingOrderInput,
        "own": OwnStandingOrderInput,
        "partial_update": StandingOrderChangeInput,
        "preview_new": StandingOrderPreviewInput,
        "pause": StandingOrderReasonInput,
        "resume": NothingInput,
        "end": StandingOrderReasonInput,
        "skip": SkipInput,
    }
    # A shopper makes, changes and sees their own; of the rest they cannot know.
    permitted = {"create": can_handle_standing_orders, "*": signed_in}
    filterset_class = StandingOrderFilter
    search_fields = ("number", "customer__name", "customer__code", "customer__phone")
    ordering = "-created_at"
    ordering_fields = ("created_at",)

    def get_queryset(self) -> StandingOrderQuerySet:
        return StandingOrder.objects.for_display().visible_to(self.request.user)

    def create(self, request: Request) -> Response:
        """Make a standing order for a customer."""
        return self.created(services.create_standing_order(by=self.caller, **self.input()).pk)

    @extend_schema(responses={201: StandingOrderSerializer})
    @action(detail=False, methods=["post"])
    def own(self, request: Request) -> Response:
        """Make a standing order for oneself.

        409 `contact_needed` where the shop could not reach the caller, or
        `too_many_standing_orders`.
        """
        return self.created(services.create_own(by=self.caller, **self.input()).pk)

    def partial_update(self, request: Request, number: str) -> Response:
        """Change what comes from the next date on, or where to; a shopper, of their own."""
        return self._change(services.change_as_allowed)

    @extend_schema(responses=StandingOrderPreviewSerializer)
    @action(detail=False, methods=["post"], url_path="preview", url_name="preview-new",
            filterset_class=None, pagination_class=None)  # fmt: skip
    def preview_new(self, request: Request) -> Response:
        """Show the first dates of a standing order that is not made, and what they would cost."""
        return Response(_shown(services.preview_new(**self.input())))

    @extend_schema(responses=StandingOrderPreviewSerializer)
    @action(detail=True, filterset_class=None, pagination_class=None)
    def preview(self, request: Request, number: str) -> Response:
        """Show its next dates and what they would cost."""
        return Response(_shown(services.preview(self.get_object())))

    @extend_schema(responses=StandingOrderSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, number: str) -> Response:
        """Let nothing come until it is resumed; a shopper, their own."""
        return self._change(services.pause_as_allowed)

    @extend_schema(responses=StandingOrderSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, number: str) -> Response:
        """Let a paused one come again, from its next date to come; a shopper, their own."""
        return self._change(services.resume_as_allowed)

    @extend_schema(responses=StandingOrderSerializer)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, number: str) -> Response:
        """End a standing order for good; a shopper, their own."""
        return self._change(services.end_as_allowed)

    @extend_schema(responses=StandingOrderSerializer)
    @action(detail=True, methods=["post"])
    def skip(self, request: Request, number: str) -> Response:
        """Let one of the dates to come pass; a shopper, of their own. Twice is as once."""
        return self._change(services.skip_as_allowed)

    def _locked_object(self) -> Any:
        # Alone first: a customer joined before the wait for the lock may be another since.
        rows = StandingOrder.objects.select_for_update(no_key=True)
        rows.filter(number=self.kwargs["number"]).first()
        return super()._locked_object()

    def _change(self, verb: Callable[..., object]) -> Response:
        arguments = self.input()
        return self.change_locked(
            lambda standing: verb(standing_order_id=standing.pk, by=self.caller, **arguments)
        )


def previewed(coming: Sequence[Coming]) -> dict[str, Any]:
    """Return what comes, in both APIs' shape."""
    return {"currency": settings.SHOP_CURRENCY, "results": coming}


def _shown(coming: Sequence[Coming]) -> Any:
    return StandingOrderPreviewSerializer(previewed(coming)).data
