"""The life of a booking, and the days of a week."""

from django.db.models import IntegerChoices, TextChoices


class BookingStatus(TextChoices):
    """Where a booking stands."""

    # `ALLOWED` says what may follow.
    PENDING = "pending", "Pending"
    CONFIRMED = "confirmed", "Confirmed"
    CANCELLED = "cancelled", "Cancelled"
    DONE = "done", "Done"
    NO_SHOW = "no_show", "No-show"

    @property
    def allowed(self) -> frozenset["BookingStatus"]:
        """The statuses that may follow this one."""
        return ALLOWED[self]

    @property
    def is_open(self) -> bool:
        """Whether it is still to come about, so that it may be changed."""
        return bool(self.allowed)


ALLOWED: dict[BookingStatus, frozenset[BookingStatus]] = {
    BookingStatus.PENDING: frozenset({BookingStatus.CONFIRMED, BookingStatus.CANCELLED}),
    BookingStatus.CONFIRMED: frozenset(
        {BookingStatus.CANCELLED, BookingStatus.DONE, BookingStatus.NO_SHOW}
    ),
    BookingStatus.CANCELLED: frozenset(),
    BookingStatus.DONE: frozenset(),
    BookingStatus.NO_SHOW: frozenset(),
}
OPEN = frozenset(status for status in BookingStatus if status.is_open)


class BookingVerb(TextChoices):
    """What happened to a booking, as its history says it."""

    BOOKED = "booked", "Booked"
    IMPORTED = "imported", "Imported"
    MOVED = "moved", "Moved"
    EDITED = "edited", "Edited"
    CONFIRMED = "confirmed", "Confirmed"
    CANCELLED = "cancelled", "Cancelled"
    DONE = "done", "Done"
    NO_SHOW = "no_show", "Did not come"
    REMINDED = "reminded", "Reminded"
    DELETED = "deleted", "Deleted"


class Weekday(IntegerChoices):
    """As Python counts them."""

    MONDAY = 0, "Monday"
    TUESDAY = 1, "Tuesday"
    WEDNESDAY = 2, "Wednesday"
    THURSDAY = 3, "Thursday"
    FRIDAY = 4, "Friday"
    SATURDAY = 5, "Saturday"
    SUNDAY = 6, "Sunday"
