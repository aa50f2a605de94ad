"""The life of an order."""

from django.db.models import TextChoices


class OrderStatus(TextChoices):
    """Where an order stands; `ALLOWED` says what may follow."""

    PENDING = "pending", "Pending"
    ACCEPTED = "accepted", "Accepted"
    FULFILLED = "fulfilled", "Fulfilled"
    REJECTED = "rejected", "Rejected"
    CANCELLED = "cancelled", "Cancelled"

    @property
    def allowed(self) -> frozenset["OrderStatus"]:
        """The statuses that may follow this one."""
        return ALLOWED[self]

    @property
    def gives_back_stock(self) -> bool:
        """Whether an order that comes here no longer needs the goods it took."""
        return self in {OrderStatus.REJECTED, OrderStatus.CANCELLED}


ALLOWED: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING: frozenset(
        {OrderStatus.ACCEPTED, OrderStatus.REJECTED, OrderStatus.CANCELLED}
    ),
    OrderStatus.ACCEPTED: frozenset({OrderStatus.FULFILLED, OrderStatus.CANCELLED}),
    OrderStatus.FULFILLED: frozenset(),
    OrderStatus.REJECTED: frozenset(),
    OrderStatus.CANCELLED: frozenset(),
}
