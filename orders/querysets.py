"""Named reads of orders."""

from typing import TYPE_CHECKING, Self

from django.db.models import QuerySet

from .states import OrderStatus

if TYPE_CHECKING:
    from .models import Order


class OrderQuerySet(QuerySet["Order"]):
    def for_display(self) -> Self:
        """With all that an answer shows, in a fixed number of statements."""
        return self.select_related("customer").prefetch_related("lines", "history__by")

    def pending(self) -> Self:
        return self.filter(status=OrderStatus.PENDING)
