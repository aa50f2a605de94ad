"""Named reads of orders."""

from typing import TYPE_CHECKING, Self

from django.db.models import QuerySet

from .permissions import can_see_orders
from .states import OrderStatus

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User

    from .models import Order


class OrderQuerySet(QuerySet["Order"]):
    def for_display(self) -> Self:
        """With all that an answer shows, in a fixed number of statements."""
        return self.select_related("customer").prefetch_related("lines", "history__by")

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """All for those who may see orders; for a shopper their own."""
        if can_see_orders(user):
            return self
        return self.filter(customer__user=user.pk) if user.pk else self.none()

    def pending(self) -> Self:
        return self.filter(status=OrderStatus.PENDING)
