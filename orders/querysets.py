"""Named reads of orders."""

from typing import TYPE_CHECKING, Self

from django.db.models import QuerySet
from django.db.models.functions import Now

from .permissions import can_see_orders
from .states import OrderStatus

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
        return self.filter(customer__user=user.pk).exclude(status=OrderStatus.DRAFT)

    def pending(self) -> Self:
        return self.filter(status=OrderStatus.PENDING)


class CartQuerySet(QuerySet["Cart"]):
    def for_display(self) -> Self:
        """With all that an answer shows, in a fixed number of statements."""
        return self.prefetch_related("lines__variant__product")

    def expired(self) -> Self:
        return self.filter(expires_at__lte=Now())
