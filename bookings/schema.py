"""GraphQL of bookings: what shoppers need to book."""

from collections.abc import Callable
from datetime import date
from typing import Any

import graphene
from graphql import GraphQLResolveInfo

from accounts.models import User
from bookings import services
from bookings.api.resources import ResourcesViewSet
from bookings.api.views import ServiceOrderViewSet, ServiceViewSet, availability
from bookings.models import (
    BookedService,
    Booking,
    BookingChange,
    OpeningHours,
    Resource,
    Service,
)
from bookings.permissions import can_see_bookings
from bookings.states import BookingStatus, BookingVerb
from core.api.serializers import on_clock
from core.graphql.inputs import enum_of
from core.graphql.lists import ListField
from core.graphql.mutations import Verb
from core.graphql.relations import ModelType, Node, Related
from core.graphql.rest import view_for

_STATUS = enum_of(BookingStatus)


class ServiceType(ModelType):
    """Something that is done at a time."""

    view = ServiceViewSet

    class Meta:
        name = "Service"
        model = Service
        interfaces = (Node,)
        fields = ("id", "name", "duration", "fee", "active")

    number = graphene.NonNull(graphene.String, description="REST's `id`, by which it is booked.")

    def resolve_number(self: Service, info: GraphQLResolveInfo) -> str:
        return str(self.pk)


class OpeningHoursType(ModelType):
    """From when to when something can be booked on a day of the week, by the shop's clocks."""

    class Meta:
        name = "OpeningHours"
        model = OpeningHours
        fields = ()

    weekday = graphene.NonNull(graphene.Int, description="0 is Monday, 6 is Sunday.")
    opens = graphene.NonNull(graphene.String, description="`08:00`.")
    closes = graphene.NonNull(
        graphene.String, description="`18:00`; `00:00` is midnight at the end of that day."
    )

    def resolve_opens(self: OpeningHours, info: GraphQLResolveInfo) -> str:
        return on_clock(self.opens)

    def resolve_closes(self: OpeningHours, info: GraphQLResolveInfo) -> str:
        return on_clock(self.closes)


class ResourceType(ModelType):
    """Who or what can be booked: a person, a room, a bay."""

    view = ResourcesViewSet

    class Meta:
        name = "Resource"
        model = Resource
        interfaces = (Node,)
        fields = ("id", "name", "step", "is_default", "active")

    code = graphene.NonNull(graphene.String, description="What it is booked by.")
    gap = graphene.NonNull(graphene.Int, description="Minutes from one booking to the next.")
    opening_hours = Related(
        OpeningHoursType, of="opening_hours", many=True, description="When it can be booked."
    )

    def resolve_gap(self: Resource, info: GraphQLResolveInfo) -> int:
        return self.gap_in_minutes


class BookedServiceType(ModelType):
    """A service of a booking, with its fee when it was booked."""

    needs = {"name": ("service",)}

    class Meta:
        name = "BookedService"
        model = BookedService
        fields = ("fee",)

    number = graphene.NonNull(graphene.String, description="REST's `id` of the service.")
    name = graphene.NonNull(graphene.String, description="How the service is called.")

    def resolve_number(self: BookedService, info: GraphQLResolveInfo) -> str:
        return str(self.service_id)

    def resolve_name(self: BookedService, info: GraphQLResolveInfo) -> str:
        return self.service.name


class BookingChangeType(ModelType):
    """Something that happened to a booking."""

    needs = {"by": ("by",)}

    class Meta:
        name = "BookingChange"
        model = BookingChange
        fields = ("at", "reason")

    verb = graphene.NonNull(enum_of(BookingVerb), description="What happened.")
    to_status = graphene.NonNull(_STATUS, description="Where it stood then.")
    by = graphene.String(description="Name of who did it; null to shoppers.")

    def resolve_by(self: BookingChange, info: GraphQLResolveInfo) -> str | None:
        return str(self.by) if self.by and can_see_bookings(info.context.user) else None


class BookingType(ModelType):
    """Services at a time; REST calls it a service order."""

    view = ServiceOrderViewSet
    needs = {
        "customer": ("customer",),
        "customer_name": ("customer",),
        "resource": ("resource",),
    }

    class Meta:
        name = "Booking"
        model = Booking
        interfaces = (Node,)
        fields = ("id", "datetime", "total_fee", "currency", "imported", "created_at", "updated_at")

    number = graphene.NonNull(graphene.String, description="REST's `id`: `223`.")
    status = graphene.NonNull(_STATUS, description="Where it stands.")
    customer = graphene.String(description="Code of the customer; null: nobody's.")
    customer_name = graphene.String(description="How the customer is called.")
    resource = graphene.NonNull(graphene.String, description="Code of who or what is booked.")
    services = Related(BookedServiceType, of="booked", many=True, description="What is booked.")
    history = Related(
        BookingChangeType,
        of="history",
        many=True,
        description="All that happened to it, the first thing first.",
    )

    def resolve_number(self: Booking, info: GraphQLResolveInfo) -> str:
        return str(self.pk)

    def resolve_customer(self: Booking, info: GraphQLResolveInfo) -> str | None:
        return self.customer.code if self.customer else None

    def resolve_customer_name(self: Booking, info: GraphQLResolveInfo) -> str | None:
        return self.customer.name if self.customer else None

    def resolve_resource(self: Booking, info: GraphQLResolveInfo) -> str:
        return self.resource.code


class FreeDayType(graphene.ObjectType):
    """The free times of a day."""

    class Meta:
        name = "FreeDay"

    date = graphene.NonNull(graphene.Date, description="A day of the shop's calendar.")
    times = graphene.NonNull(
        graphene.List(graphene.NonNull(graphene.DateTime)),
        description="Those that can be booked, in UTC.",
    )


class AvailabilityType(graphene.ObjectType):
    """Which times are free."""

    class Meta:
        name = "Availability"

    resource = graphene.NonNull(graphene.String, description="Code of who or what can be booked.")
    time_zone = graphene.NonNull(graphene.String, description="Of the shop's calendar.")
    gap = graphene.NonNull(graphene.Int, description="Minutes from one booking to the next.")
    days = graphene.NonNull(
        graphene.List(graphene.NonNull(FreeDayType)), description="Each day that was asked for."
    )


class BookingsQuery(graphene.ObjectType):
    services = ListField(
        ServiceType,
        view=ServiceViewSet,
        description="What can be booked, for those who have signed in.",
    )
    resources = ListField(
        ResourceType,
        view=ResourcesViewSet,
        description="Who or what can be booked, for those who have signed in.",
    )
    availability = graphene.Field(
        AvailabilityType,
        resource=graphene.String(description="Its code; without it the default one."),
        from_=graphene.Date(name="from", description="The first day; without it today."),
        to=graphene.Date(description="The last day; without it a week."),
        services=graphene.String(
            description="Numbers of services with commas between them: all of it is to end before"
            " the closing."
        ),
        description="Which times are free, for those who have signed in.",
    )
    bookings = ListField(
        BookingType,
        view=ServiceOrderViewSet,
        description="One's own bookings; all of them for those who may see bookings.",
    )
    booking = graphene.Field(
        BookingType,
        id=graphene.ID(description="Its `id`."),
        number=graphene.String(description="Its `number`."),
        description="One booking, by `id` or `number`; null: there is none to be seen.",
    )

    def resolve_availability(
        self, info: GraphQLResolveInfo, from_: date | None = None, **asked: Any
    ) -> dict[str, Any]:
        # Whoever may book may know when.
        view_for(ServiceOrderViewSet, info, "book")
        query = {"from": from_, **asked}
        given = {name: str(each) for name, each in query.items() if each is not None}
        found = availability(given, info.context.user)
        return {**found, "days": found["results"]}

    def resolve_booking(
        self, info: GraphQLResolveInfo, number: str | None = None, **by: str
    ) -> Any:
        # What is no number is nobody's.
        known = number is None or (number.isascii() and number.isdigit() and len(number) <= 16)
        key = number if known else "0"
        return BookingType.named(info, {**by, "pk": key})


def _of_booking(verb: Callable[..., Booking]) -> Callable[..., int]:
    def do(*, key: int, by: User, **data: Any) -> int:
        return verb(booking_id=key, by=by, **data).pk

    return do


class BookingsMutation(graphene.ObjectType):
    book = Verb(
        lambda by, **data: services.book_own(by=by, **data).pk,
        view=ServiceOrderViewSet,
        action="book",
        kind=BookingType,
        description="Book for oneself, at one of the times that `availability` offers.",
    )
    move_booking = Verb(
        _of_booking(services.move_as_allowed),
        view=ServiceOrderViewSet,
        action="move",
        kind=BookingType,
        of=BookingType,
        description="Move a booking; a shopper, their own to a time that is offered.",
    )
    cancel_booking = Verb(
        _of_booking(services.cancel_as_allowed),
        view=ServiceOrderViewSet,
        action="cancel",
        kind=BookingType,
        of=BookingType,
        description="Call off a pending or confirmed booking; a shopper, their own.",
    )
