"""Why stock moves."""

from django.db.models import TextChoices


class MovementKind(TextChoices):
    """What happened to the pieces; the sign of a movement says whether they came or went."""

    RECEIVED = "received", "Received"  # from a supplier, or there when it was first listed
    SOLD = "sold", "Sold"  # for an order, when it is placed
    RELEASED = "released", "Released"  # by an order that no longer needs them
    ADJUSTED = "adjusted", "Adjusted"  # broken, lost, given away
    RETURNED = "returned", "Returned"  # by a customer, fit to be sold again
    COUNTED = "counted", "Counted"  # a count found more or less than the books
