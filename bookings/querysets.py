"""Named reads of bookings."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.db.models import F, QuerySet

from .permissions import can_see_bookings, can_see_services
from .states import OPEN, BookingStatus

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User

    from .models import Booking, Resource, Service

# No gap is longer, so that what reaches into a time is found by an index.
LONGEST_GAP = timedelta(days=7)


class ServiceQuerySet(QuerySet["Service"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """All for those who work with them; for everybody else what is offered."""
        return self if can_see_services(user) else self.filter(active=True)


class ResourceQuerySet(QuerySet["Resource"]):
    def bookable(self) -> Self:
        return self.filter(active=True)

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """All for those who work with them; for everybody else what can be booked."""
        return self if can_see_services(user) else self.bookable()


class BookingQuerySet(QuerySet["Booking"]):
    def for_display(self) -> Self:
        """With all that an answer shows, in a fixed number of statements."""
        return self.select_related("customer", "resource").prefetch_related(
            "booked__service", "history__by"
        )

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """All for those who may see bookings; for a shopper their own."""
        if can_see_bookings(user):
            return self
        return self.filter(customer__user=user.pk) if user.pk else self.none()

    def live(self) -> Self:
        """Return those that take time of their resource, as `booking_keeps_the_gap` has it."""
        return self.filter(imported=False).exclude(status=BookingStatus.CANCELLED)

    def open(self) -> Self:
        return self.filter(imported=False, status__in=OPEN)

    def reaching_into(self, begin: datetime, end: datetime) -> Self:
        """Return those whose time and gap overlap [begin, end)."""
        # The first condition bounds what the index reads.
        reaches: Any = F("datetime") + F("gap")
        return (
            self.filter(datetime__gt=begin - LONGEST_GAP, datetime__lt=end)
            .annotate(reaches=reaches)
            .filter(reaches__gt=begin)
        )
