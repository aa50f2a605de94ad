"""REST of bookings: what the contract calls service orders."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar, cast
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema

# Of C, it ends the process at a number of thousands of digits.
from ijson.backends import python as ijson
from ijson.common import JSONError
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ErrorDetail
from rest_framework.views import APIView

from bookings import services
from bookings.models import Booking, Resource, Service
from bookings.permissions import can_handle_bookings, can_manage_services
from bookings.querysets import BookingQuerySet, ServiceQuerySet
from core.api.permissions import IsPermitted
from core.api.problems import UnknownParameter
from core.api.serializers import NothingInput
from core.api.views import ResourceViewSet
from core.permissions import Predicate, signed_in

from .filters import ServiceFilter, ServiceOrderFilter
from .serializers import (
    TOO_MANY_SERVICES,
    AvailabilityQuery,
    AvailabilitySerializer,
    MoveInput,
    NewServiceInput,
    OwnBookingInput,
    ServiceChangeInput,
    ServiceOrderChangeInput,
    ServiceOrderInput,
    ServiceOrderSerializer,
    ServiceSerializer,
    WhyInput,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User

MOST_DAYS = 62


class ServiceViewSet(ResourceViewSet):
    queryset = Service.objects.all()
    serializer_class = ServiceSerializer
    lookup_value_regex = r"[0-9]{1,16}"
    inputs = {
        "create": NewServiceInput,
        "update": ServiceChangeInput,
        "partial_update": ServiceChangeInput,
    }
    permitted = {"list": signed_in, "retrieve": signed_in, "*": can_manage_services}
    filterset_class = ServiceFilter
    search_fields = ("name",)
    ordering = "name"
    ordering_fields = ("name",)

    def get_queryset(self) -> ServiceQuerySet:
        return Service.objects.visible_to(self.request.user)

    def create(self, request: Request) -> Response:
        """Offer a service."""
        return self.created(services.create_service(**self.input()).pk)

    def update(self, request: Request, pk: str) -> Response:
        """Change a service. What is booked keeps its fee."""
        changes = self.input()
        return self.change_locked(
            lambda service: services.update_service(service_id=service.pk, **changes)
        )

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change some fields of a service. What is booked keeps its fee."""
        return self.update(request, pk)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a service that was never booked."""
        return self.delete_locked(lambda service: services.delete_service(service_id=service.pk))


class ServiceOrderViewSet(ResourceViewSet):
    queryset = Booking.objects.for_display()
    serializer_class = ServiceOrderSerializer
    lookup_value_regex = r"[0-9]{1,16}"
    inputs = {
        "create": ServiceOrderInput,
        "update": ServiceOrderChangeInput,
        "partial_update": ServiceOrderChangeInput,
        "book": OwnBookingInput,
        "move": MoveInput,
        "confirm": NothingInput,
        "cancel": WhyInput,
        "done": NothingInput,
        "no_show": NothingInput,
    }
    # A shopper books for themselves, and sees their own; of the rest they cannot know.
    permitted = {
        "list": signed_in,
        "retrieve": signed_in,
        "book": signed_in,
        "move": signed_in,
        "cancel": signed_in,
        "*": can_handle_bookings,
    }
    filterset_class = ServiceOrderFilter
    search_fields = ("customer__name", "customer__code", "customer__phone")
    ordering = "-datetime"
    ordering_fields = ("datetime",)

    def get_queryset(self) -> BookingQuerySet:
        return Booking.objects.for_display().visible_to(self.request.user)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "id": int(self.kwargs.get("pk", 0))}

    def read_body(self, request: Request) -> None:
        try:
            super().read_body(request)
        except RequestDataTooBig:
            # A million services are told what is wrong with them, without being read.
            if has_more_services(request._request.read(256 * 1024), services.MAX_SERVICES):
                raise ValidationError({"services": [TOO_MANY_SERVICES]}) from None
            raise

    def create(self, request: Request) -> Response:
        """Book services at a time.

        409 `booking_conflict` where another booking of the resource is nearer than its gap:
        `clashes_with` is the time of that one, `free` are the next times that can be had.
        """
        return self.created(services.book(by=self.caller, **self.input()).pk)

    def update(self, request: Request, pk: str) -> Response:
        """Change a service order as a whole; 409 `booking_conflict` as where it is booked.

        `customer` and `resource` stay as they are where they are left out.
        """
        return self._change(self.input())

    def partial_update(self, request: Request, pk: str) -> Response:
        """Move a service order, or change some of its fields."""
        return self._change(self.input())

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a service order; who was to come is told that it is cancelled."""
        return self.delete_locked(
            lambda booking: services.delete_booking(booking_id=booking.pk, by=self.caller)
        )

    @extend_schema(responses={201: ServiceOrderSerializer})
    @action(detail=False, methods=["post"])
    def book(self, request: Request) -> Response:
        """Book for oneself, at one of the times that `/availability/` offers.

        409 `not_offered` where it is none of them, `too_many_bookings` where the caller has as
        many to come as they can, `contact_needed` where the shop could not reach them.
        """
        return self.created(services.book_own(by=self.caller, **self.input()).pk)

    @extend_schema(responses=ServiceOrderSerializer)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: str) -> Response:
        """Move a service order to another time; a shopper, their own to one that is offered."""
        return self._move(services.move_as_allowed)

    @extend_schema(responses=ServiceOrderSerializer)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: str) -> Response:
        """Confirm a pending service order."""
        return self._move(services.confirm_booking)

    @extend_schema(responses=ServiceOrderSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Call off a pending or confirmed service order; a shopper, their own. Its time is free."""
        return self._move(services.cancel_as_allowed)

    @extend_schema(responses=ServiceOrderSerializer)
    @action(detail=True, methods=["post"])
    def done(self, request: Request, pk: str) -> Response:
        """Say that a confirmed service order was done."""
        return self._move(services.finish_booking)

    @extend_schema(responses=ServiceOrderSerializer)
    @action(detail=True, methods=["post"], url_path="no-show", url_name="no-show")
    def no_show(self, request: Request, pk: str) -> Response:
        """Say that they did not come to a confirmed service order."""
        return self._move(services.miss_booking)

    # Where it shall go, which is locked with where it is.
    _to: Resource | None = None

    def change_locked(self, change: Callable[[Any], object]) -> Response:
        if "If-Match" in self.request.headers:
            return super().change_locked(change)
        # Else the verb alone locks: all others of the resource would wait for the answer as well.
        booking = self._seen()
        change(booking)
        return self.answer(booking.pk)

    def _locked_object(self) -> Any:
        # The resource first, as everywhere; and alone, as a customer joined before the wait for
        # the lock may be another since.
        booking = services.hold_booking(booking_id=self._seen().pk, to=self._to)
        return super()._locked_object() if "If-Match" in self.request.headers else booking

    def _seen(self) -> Booking:
        """Return the addressed booking, unlocked: nobody waits for what they cannot know of."""
        return get_object_or_404(
            Booking.objects.visible_to(self.request.user).only("pk"), pk=self.kwargs["pk"]
        )

    def _change(self, changes: dict[str, Any]) -> Response:
        changes.pop("id", None)
        self._to = changes.get("resource")
        return self.change_locked(
            lambda booking: services.change_booking(
                booking_id=booking.pk, by=self.caller, **changes
            )
        )

    def _move(self, verb: Callable[..., Booking]) -> Response:
        arguments = self.input()
        return self.change_locked(
            lambda booking: verb(booking_id=booking.pk, by=self.caller, **arguments)
        )


def has_more_services(document: bytes, most: int) -> bool:
    """Tell whether the beginning of a service order names more services than so many."""
    services = ijson.items(BytesIO(document), "services.item")
    try:
        return any(number > most for number, _ in enumerate(services, 1))
    except (JSONError, ValueError):
        return False


class AvailabilityView(APIView):
    permission_classes = (IsPermitted,)
    permitted: ClassVar[dict[str, Predicate]] = {"*": signed_in}

    @extend_schema(
        operation_id="availability",
        summary="Which times are free.",
        parameters=[
            OpenApiParameter("resource", str, description="Its code; without it the default one."),
            OpenApiParameter("from", {"type": "string", "format": "date"}, description="Today."),
            OpenApiParameter(
                "to",
                {"type": "string", "format": "date"},
                description=f"The last day; without it a week, at most {MOST_DAYS} days.",
            ),
            OpenApiParameter(
                "services",
                str,
                description="Ids with commas between them: all that is to end before the closing.",
            ),
        ],
        responses=AvailabilitySerializer,
        tags=["availability"],
    )
    def get(self, request: Request) -> Response:
        """From the opening hours of each weekday, less closed days and what is booked.

        The times lie within the opening hours by the shop's clocks; other ones can be booked by
        the shop itself, as long as they keep the gap. Shoppers are offered none that is more
        than `BOOKING_DAYS_AHEAD` days ahead.
        """
        found = availability(request.query_params.dict(), request.user)
        return Response(AvailabilitySerializer(found).data)


def availability(query: Mapping[str, str], user: "User | AnonymousUser") -> dict[str, Any]:
    """Return what is free, in both APIs' shape, or raise with all that is wrong with the query."""
    asked = _asked(query)
    # The shop itself may book any time.
    if not can_handle_bookings(user):
        asked["until"] = services.last_offered_day()
    resource = asked["resource"]
    return {
        "resource": resource.code,
        "time_zone": settings.SHOP_TIME_ZONE,
        "gap": resource.gap_in_minutes,
        "results": services.free_days(**asked),
    }


def _asked(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of `free_days`."""
    errors: dict[str, list[Any]] = {
        name: [f"Unknown parameter. Known: {', '.join(sorted(AvailabilityQuery.known))}."]
        for name in sorted(set(given) - set(AvailabilityQuery.known))
    }
    query = AvailabilityQuery(data=given)
    if not query.is_valid():
        errors |= cast("dict[str, list[Any]]", query.errors)
    if errors:
        raise UnknownParameter(errors)
    data = query.validated_data
    today = timezone.now().astimezone(ZoneInfo(settings.SHOP_TIME_ZONE)).date()
    first = data.get("from", today)
    if not 1970 <= first.year < 2200:
        raise UnknownParameter({"from": ["Must be from 1970 to 2199."]})
    last = data.get("to", first + timedelta(days=6))
    if not first <= last < first + timedelta(days=MOST_DAYS):
        raise UnknownParameter({"to": [f"Must be `from` or at most {MOST_DAYS - 1} days later."]})
    ids = [int(each) for each in data["services"].split(",")] if "services" in data else []
    found = Service.objects.in_bulk(ids)
    if unknown := [str(each) for each in ids if each not in found]:
        detail = ErrorDetail(f"There is no service {', '.join(unknown)}.", code="does_not_exist")
        raise UnknownParameter({"services": [detail]})
    return {
        "resource": data.get("resource") or services.default_resource(),
        "first": first,
        "last": last,
        "minutes": sum(found[each].duration for each in ids),
    }
