"""The life of a shipment and of a standing order."""

from django.db.models import TextChoices


class ShipmentStatus(TextChoices):
    """Where a shipment stands. From `sent` on it is the carrier who says so."""

    WAITING = "waiting", "Waiting to be sent"
    # The carrier takes it as little the next time, unless somebody mends it.
    REFUSED = "refused", "Refused by the carrier"
    SENT = "sent", "Sent to the carrier"
    WAITING_FOR_COLLECTION = "waiting-for-collection", "Waiting for collection"
    IN_TRANSIT = "in-transit", "In transit"
    DELIVERED = "delivered", "Delivered"
    FAILED_TO_DELIVER = "failed-to-deliver", "Failed to deliver"
    CANCELLED = "cancelled", "Cancelled"

    @property
    def is_with_carrier(self) -> bool:
        """Whether the carrier has it, and more is to come of it."""
        return self in {self.SENT, self.WAITING_FOR_COLLECTION, self.IN_TRANSIT}


# Of events of one moment the later in a shipment's life counts.
RANKS = {
    ShipmentStatus.WAITING_FOR_COLLECTION: 1,
    ShipmentStatus.IN_TRANSIT: 2,
    ShipmentStatus.FAILED_TO_DELIVER: 3,
    ShipmentStatus.DELIVERED: 4,
}
# Of these nobody but the carrier knows whether it has them, once they were handed over.
UNSURE = frozenset({ShipmentStatus.WAITING, ShipmentStatus.REFUSED})
# Its pieces are on their way, so that nobody ships them once more.
OPEN = frozenset(
    {
        ShipmentStatus.WAITING,
        ShipmentStatus.REFUSED,
        ShipmentStatus.SENT,
        ShipmentStatus.WAITING_FOR_COLLECTION,
        ShipmentStatus.IN_TRANSIT,
    }
)


class ShipmentVerb(TextChoices):
    """What happened to a shipment, as its timeline says it."""

    PREPARED = "prepared", "Prepared"
    EDITED = "edited", "Changed"
    # Handed to the carrier: from then on it may have it, whatever it answers.
    HANDED = "handed", "Handed over"
    ACCEPTED = "accepted", "Taken by the carrier"
    REFUSED = "refused", "Refused by the carrier"
    # No answer that says what became of it: asked again.
    UNCLEAR = "unclear", "No clear answer"
    EVENT = "event", "Told by the carrier"
    CANCEL_ASKED = "cancel_asked", "Asked to cancel"
    CANCEL_REFUSED = "cancel_refused", "Cannot be cancelled any more"
    CANCELLED = "cancelled", "Cancelled"


# What a customer is shown of a timeline: the rest is between the shop and the carrier.
FOR_CUSTOMERS = frozenset(
    {ShipmentVerb.PREPARED, ShipmentVerb.ACCEPTED, ShipmentVerb.EVENT, ShipmentVerb.CANCELLED}
)


class DeliveryService(TextChoices):
    """How fast, as the contract has it."""

    STANDARD = "standard", "Standard"
    EXPRESS = "express", "Express"


# Failures in a row after which a carrier is asked seldom.
FAILURES = 5


class CircuitState(TextChoices):
    """Whether a carrier can be asked."""

    UP = "up", "Up"
    FAILING = "failing", "Failing"
    # Asked by one shipment at a time, after growing pauses.
    DOWN = "down", "Down"


class NewsSource(TextChoices):
    """How we know what a carrier says."""

    WEBHOOK = "webhook", "It told us"
    POLL = "poll", "It was asked"


class NewsState(TextChoices):
    """What became of something that a carrier told us."""

    NEW = "new", "New"
    DONE = "done", "Folded in"
    # For a person: nothing of ours is called so.
    UNMATCHED = "unmatched", "No such shipment"
    # For a person: it proved to be the carrier's, and cannot be understood.
    BAD = "bad", "Not understood"


class Interval(TextChoices):
    """What a standing order counts in."""

    WEEK = "week", "Weeks"
    MONTH = "month", "Months"


class StandingOrderStatus(TextChoices):
    """Where a standing order stands."""

    ACTIVE = "active", "Active"
    PAUSED = "paused", "Paused"
    ENDED = "ended", "Ended"

    @property
    def allowed(self) -> frozenset["StandingOrderStatus"]:
        """The statuses that may follow this one."""
        return STANDING_ORDER_MOVES[self]


STANDING_ORDER_MOVES: dict[StandingOrderStatus, frozenset[StandingOrderStatus]] = {
    StandingOrderStatus.ACTIVE: frozenset({StandingOrderStatus.PAUSED, StandingOrderStatus.ENDED}),
    StandingOrderStatus.PAUSED: frozenset({StandingOrderStatus.ACTIVE, StandingOrderStatus.ENDED}),
    StandingOrderStatus.ENDED: frozenset(),
}


class OccurrenceStatus(TextChoices):
    """What became of one date of a standing order."""

    # Out of stock, or refused otherwise: tried again until it can be had or is skipped.
    WAITING = "waiting", "Waiting"
    ORDERED = "ordered", "Ordered"
    SKIPPED = "skipped", "Skipped"
    # It was due while no worker ran, and the shop does not catch up.
    MISSED = "missed", "Missed"


class StandingOrderVerb(TextChoices):
    """What happened to a standing order, as its history says it."""

    CREATED = "created", "Set up"
    CHANGED = "changed", "Changed"
    PAUSED = "paused", "Paused"
    RESUMED = "resumed", "Resumed"
    ENDED = "ended", "Ended"
    SKIPPED = "skipped", "A date skipped"
    ANNOUNCED = "announced", "Customer told of the next date"
