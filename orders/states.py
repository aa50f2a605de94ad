"""The life of an order."""

from django.db.models import TextChoices


class OrderStatus(TextChoices):
    """Where an order stands."""

    # `ALLOWED` says what may follow.
    DRAFT = "draft", "Draft"
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
    def can_be_edited(self) -> bool:
        """Whether lines, delivery and note may still change."""
        return self in {OrderStatus.DRAFT, OrderStatus.PENDING}

    @property
    def can_be_returned(self) -> bool:
        """Whether the customer may have pieces of it, which may come back."""
        return self in {OrderStatus.ACCEPTED, OrderStatus.FULFILLED}


ALLOWED: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.DRAFT: frozenset({OrderStatus.PENDING, OrderStatus.CANCELLED}),
    OrderStatus.PENDING: frozenset(
        {OrderStatus.ACCEPTED, OrderStatus.REJECTED, OrderStatus.CANCELLED}
    ),
    OrderStatus.ACCEPTED: frozenset({OrderStatus.FULFILLED, OrderStatus.CANCELLED}),
    OrderStatus.FULFILLED: frozenset(),
    OrderStatus.REJECTED: frozenset(),
    OrderStatus.CANCELLED: frozenset(),
}


class OrderVerb(TextChoices):
    """What happened to an order, as its history says it."""

    DRAFTED = "drafted", "Drafted"
    PLACED = "placed", "Placed"
    EDITED = "edited", "Edited"
    ASSIGNED = "assigned", "Assigned"
    ACCEPTED = "accepted", "Accepted"
    REJECTED = "rejected", "Rejected"
    PART_FULFILLED = "part_fulfilled", "Fulfilled in part"
    FULFILLED = "fulfilled", "Fulfilled"
    RETURNED = "returned", "Returned"
    CANCELLED = "cancelled", "Cancelled"


class DeliveryMethod(TextChoices):
    """How the goods come to the customer."""

    COLLECTION = "collection", "Collection"
    DELIVERY = "delivery", "Delivery"


class CartNoticeCode(TextChoices):
    """What a shopper is to know of a line of their cart before they place it."""

    PRICE_CHANGED = "price_changed", "Its price has changed"
    LESS_LEFT = "less_left", "Less is left than they want"
    OUT_OF_STOCK = "out_of_stock", "It is sold out"
    NOT_FOR_SALE = "not_for_sale", "It is not for sale any more"
