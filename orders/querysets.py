"""Named reads of orders."""

from typing import TYPE_CHECKING, Any, Self

from django.db.models import QuerySet
from django.db.models.functions import Now

from .permissions import can_see_orders
from .states import OrderStatus, OrderVerb

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User

    from .models import Cart, Order


class OrderQuerySet(QuerySet["Order"]):
    def for_display(self) -> Self:
        """With all that an answer shows, in a fixed number of statements."""
        return self.select_related("customer", "assigned_to").prefetch_related(
            "lines", "history__by"
        )

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """All for those who may see orders; for a shopper their own."""
        if can_see_orders(user):
            return self
        if user.pk is None:
            return self.none()
        # A draft is the shop's own affair, and so is one that was dropped.
        return self.filter(customer__in=self._customers_of(user), history__verb=OrderVerb.PLACED)

    def _customers_of(self, user: "User") -> list[int]:
        # Looked up first, so that an index has their orders in order. By way of the model, which
        # imports this module.
        customers: Any = self.model._meta.get_field("customer").related_model
        return list(customers.objects.filter(user=user).values_list("pk", flat=True))


class CartQuerySet(QuerySet["Cart"]):
    def for_display(self) -> Self:
        """With all that an answer shows, in a fixed number of statements."""
        return self.prefetch_related("lines__variant__product")

    def live(self) -> Self:
        return self.filter(expires_at__gt=Now())

    def expired(self) -> Self:
        return self.filter(expires_at__lte=Now())
