"""Named reads of shipments and standing orders."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Self

from django.db.models import F, Prefetch, Q, QuerySet
from django.db.models.functions import Now

from .permissions import can_see_shipments, can_see_standing_orders
from .states import OPEN, OccurrenceStatus, ShipmentStatus, StandingOrderStatus

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User

    from .models import News, Occurrence, Shipment, StandingOrder


# So many dates and changes of a standing order are shown: a weekly one has ever more.
SHOWN = 50


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

    def with_carriers(self) -> Self:
        """What carriers have, and of which more is to come."""
        return self.filter(status__in=[each for each in ShipmentStatus if each.is_with_carrier])

    def to_send(self, now: datetime) -> Self:
        """What is to be handed to its carrier by now, and in no worker's hands."""
        return self._in_nobodys_hands().filter(
            status=ShipmentStatus.WAITING, cancel_asked_at=None, due_at__lte=now
        )

    def to_call_off(self, now: datetime) -> Self:
        """What its carrier is to be asked by now to call off."""
        return self._in_nobodys_hands().filter(
            status__in=OPEN, cancel_asked_at__isnull=False, due_at__lte=now
        )

    def waiting_until_later(self, now: datetime) -> Self:
        """What waits for its carrier's next batch, or for another try."""
        return self._in_nobodys_hands().filter(
            status=ShipmentStatus.WAITING, cancel_asked_at=None, due_at__gt=now
        )

    def _in_nobodys_hands(self) -> Self:
        return self.filter(Q(leased_until=None) | Q(leased_until__lte=Now()))


class NewsQuerySet(QuerySet["News"]):
    pass


class StandingOrderQuerySet(QuerySet["StandingOrder"]):
    def for_display(self) -> Self:
        """With all that an answer shows, in a fixed number of statements."""
        return self.select_related("customer", "carrier").prefetch_related(
            "items__variant__product",
            self._last("occurrences", "-on", "order", "shipment"),
            self._last("history", "-pk", "by"),
        )

    def _last(self, name: str, order: str, *joined: str) -> Any:
        # By way of the model, which imports this module.
        related: Any = self.model._meta.get_field(name).related_model
        rows = related.objects.order_by(order).select_related(*joined)
        return Prefetch(name, rows[:SHOWN], to_attr=f"last_{name}")

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """All for those who may see standing orders; for a shopper their own."""
        if can_see_standing_orders(user):
            return self
        return self.filter(customer__user=user.pk) if user.pk else self.none()

    def due(self, day: date) -> Self:
        """Those with a date up to a day that nothing was done about."""
        return self.filter(status=StandingOrderStatus.ACTIVE, next_on__lte=day)

    def to_announce(self, after: date, until: date) -> Self:
        """Those with a next date in between, of which their customer was not told."""
        coming = self.filter(
            status=StandingOrderStatus.ACTIVE, next_on__gt=after, next_on__lte=until
        )
        return coming.filter(Q(told_of=None) | ~Q(told_of=F("next_on")))


class OccurrenceQuerySet(QuerySet["Occurrence"]):
    def to_try(self, now: datetime) -> Self:
        """Those that wait for goods, and are to be tried again by now; a pause holds them back."""
        return self.filter(status=OccurrenceStatus.WAITING, try_at__lte=now).exclude(
            standing_order__status=StandingOrderStatus.PAUSED
        )
