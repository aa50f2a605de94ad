"""REST of who or what is booked: its gap and opening hours, and the days it is closed."""

from datetime import time, timedelta
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from bookings import services
from bookings.models import CODE_PATTERN, ClosedDay, OpeningHours, Resource
from bookings.permissions import can_manage_services, can_see_services
from bookings.querysets import ResourceQuerySet
from core.api.serializers import ClockField, InputSerializer
from core.api.views import ResourceViewSet
from core.permissions import signed_in

from .filters import ClosedDayFilter, ResourceFilter
from .serializers import ShortList

_HOURS = {"weekday": 0, "opens": "08:00", "closes": "18:00"}
_RESOURCE = {
    "code": "default",
    "name": "Duka",
    "gap": 180,
    "step": 30,
    "active": True,
    "opening_hours": [_HOURS],
}
_CLOSED_DAY = {"resource": None, "date": "2026-12-25", "reason": "Christmas"}


class OpeningHoursSerializer(serializers.ModelSerializer[OpeningHours]):
    weekday = serializers.IntegerField(
        min_value=0, max_value=6, help_text="0 is Monday, 6 is Sunday."
    )
    opens = ClockField(help_text="By the shop's clocks.")
    closes = ClockField(help_text="00:00 is midnight at the end of that day.")

    class Meta:
        model = OpeningHours
        fields = ("weekday", "opens", "closes")


@extend_schema_serializer(
    examples=[
        OpenApiExample("What a small shop has", {**_RESOURCE, "is_default": True}),
    ]
)
class ResourceSerializer(serializers.ModelSerializer[Resource]):
    gap: Any = serializers.SerializerMethodField(help_text="Minutes from one booking to the next.")
    opening_hours = OpeningHoursSerializer(many=True)

    class Meta:
        model = Resource
        fields = ("code", "name", "gap", "step", "is_default", "active", "opening_hours")

    def get_gap(self, resource: Resource) -> int:
        return resource.gap_in_minutes


class OpeningHoursInput(InputSerializer):
    weekday = serializers.IntegerField(
        min_value=0, max_value=6, help_text="0 is Monday, 6 is Sunday."
    )
    opens = ClockField(help_text="By the shop's clocks.")
    closes = ClockField(help_text="00:00 is midnight at the end of that day.")

    def validate(self, attrs: dict[str, Any]) -> Any:
        # In a PATCH too they are whole: it replaces them all.
        detail = serializers.ErrorDetail("This field is required.", code="required")
        missing = {name: [detail] for name in ("weekday", "opens", "closes") if name not in attrs}
        if missing:
            raise serializers.ValidationError(missing)
        if time.min != attrs["closes"] <= attrs["opens"]:
            early = serializers.ErrorDetail("It must close after it opens.", code="invalid")
            raise serializers.ValidationError({"closes": [early]})
        return OpeningHours(**attrs)


class _Hours(ShortList):
    most = 100
    too_long = "At most 100 opening hours."


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Another bay, with a break at noon",
            {
                "code": "bay-2",
                "name": "Bay 2",
                "gap": 60,
                "opening_hours": [
                    {"weekday": 0, "opens": "08:00", "closes": "12:00"},
                    {"weekday": 0, "opens": "13:00", "closes": "18:00"},
                ],
            },
        )
    ]
)
class ResourceInput(InputSerializer):
    """Who or what is booked. What is left out stays as it is."""

    code = serializers.RegexField(
        rf"^{CODE_PATTERN}\Z", help_text="What it is booked by: letters, digits, `.`, `-`, `_`."
    )
    name = serializers.CharField(max_length=200)
    gap = serializers.IntegerField(
        min_value=1,
        max_value=7 * 24 * 60,
        required=False,
        help_text="Minutes from one booking to the next; a new one has the shop's usual gap.",
    )
    step = serializers.IntegerField(
        min_value=5,
        max_value=24 * 60,
        required=False,
        help_text="Minutes from one time that is offered to the next. Without it: 30.",
    )
    active = serializers.BooleanField(required=False, help_text="Whether it can be booked.")
    opening_hours: Any = _Hours(
        child=OpeningHoursInput(),
        required=False,
        help_text="All of them, in place of those before. What overlaps counts once; without any,"
        " no time is offered.",
    )

    ignored = ("is_default",)

    def validate_gap(self, minutes: int) -> timedelta:
        return timedelta(minutes=minutes)


@extend_schema_serializer(examples=[OpenApiExample("A longer gap", {"gap": 240})])
class ResourceChangeInput(ResourceInput):
    """What is to be another; what is left out stays as it is."""


class ResourcesViewSet(ResourceViewSet):
    """What can be booked. None is ever deleted: it is made inactive instead."""

    queryset = Resource.objects.prefetch_related("opening_hours")
    serializer_class = ResourceSerializer
    lookup_field = "code"
    inputs = {
        "create": ResourceInput,
        "update": ResourceInput,
        "partial_update": ResourceChangeInput,
    }
    permitted = {"list": signed_in, "retrieve": signed_in, "*": can_manage_services}
    filterset_class = ResourceFilter
    search_fields = ("name", "code")
    ordering = "code"
    ordering_fields = ("code",)

    def get_queryset(self) -> ResourceQuerySet:
        return Resource.objects.prefetch_related("opening_hours").visible_to(self.request.user)

    def create(self, request: Request) -> Response:
        """Let somebody or something be booked."""
        return self.created(services.create_resource(**self.input()).pk)

    def update(self, request: Request, code: str) -> Response:
        """Change what can be booked, its gap or its opening hours.

        409 `gap_clash` where bookings to come would be nearer to one another than the new gap:
        nothing is changed. The default one stays active.
        """
        changes = self.input()
        return self.change_locked(
            lambda resource: services.update_resource(resource_id=resource.pk, **changes)
        )

    def partial_update(self, request: Request, code: str) -> Response:
        """Change some of what can be booked; 409 `gap_clash` as with all of it."""
        return self.update(request, code)


@extend_schema_serializer(examples=[OpenApiExample("A holiday", {"id": 1, **_CLOSED_DAY})])
class ClosedDaySerializer(serializers.ModelSerializer[ClosedDay]):
    resource: Any = serializers.SlugRelatedField(
        slug_field="code",
        read_only=True,
        allow_null=True,
        help_text="Code of what is closed; null: all of the shop.",
    )

    class Meta:
        model = ClosedDay
        fields = ("id", "resource", "date", "reason")


@extend_schema_serializer(examples=[OpenApiExample("A holiday", _CLOSED_DAY)])
class ClosedDayInput(InputSerializer):
    resource = serializers.SlugRelatedField(
        slug_field="code",
        queryset=Resource.objects.all(),
        required=False,
        allow_null=True,
        help_text="Code of what is closed; without it, all of the shop.",
    )
    date = serializers.DateField(help_text="By the shop's calendar.")
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True)


class ClosedDayViewSet(ResourceViewSet):
    queryset = ClosedDay.objects.select_related("resource")
    serializer_class = ClosedDaySerializer
    lookup_value_regex = r"[0-9]{1,16}"
    inputs = {"create": ClosedDayInput}
    # Shoppers see by the free times that it is closed; why, is the shop's own.
    permitted = {"list": can_see_services, "retrieve": can_see_services, "*": can_manage_services}
    filterset_class = ClosedDayFilter
    # Without an index: a shop has some dozens.
    ordering = "date"
    ordering_fields = ("date",)

    def create(self, request: Request) -> Response:
        """Close a resource, or all of the shop, for a day. What is booked stays booked."""
        return self.created(services.close_day(**self.input()).pk)

    def destroy(self, request: Request, pk: str) -> Response:
        """Open on that day after all."""
        return self.delete_locked(lambda day: services.open_day(closedday_id=day.pk))
