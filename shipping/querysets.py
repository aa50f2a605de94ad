"""Named reads of shipments and standing orders."""

from typing import TYPE_CHECKING, Self

from django.db.models import QuerySet

from .permissions import can_see_shipments
from .states import OPEN

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User

    from .models import News, Occurrence, Shipment, StandingOrder


class ShipmentQuerySet(QuerySet["Shipment"]):
    def for_display(self) -> Self:
        """With all that an answer shows, in a fixed number of statements."""
        return self.select_related("order__customer", "carrier").prefetch_related(
            "parcels__items__line", "timeline__by"
        )

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """All for those who may see shipments; for a shopper those of their own orders."""
        if can_see_shipments(user):
            return self
        return self.filter(order__customer__user=user.pk) if user.pk else self.none()

    def open(self) -> Self:
        return self.filter(status__in=OPEN)


class NewsQuerySet(QuerySet["News"]):
    pass


class StandingOrderQuerySet(QuerySet["StandingOrder"]):
    def for_display(self) -> Self:
        """With all that an answer shows, in a fixed number of statements."""
        return self.select_related("customer", "carrier").prefetch_related(
            "items__variant__product", "occurrences__order", "occurrences__shipment", "history__by"
        )

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """All for those who may see shipments; for a shopper their own."""
        if can_see_shipments(user):
            return self
        return self.filter(customer__user=user.pk) if user.pk else self.none()


class OccurrenceQuerySet(QuerySet["Occurrence"]):
    pass
