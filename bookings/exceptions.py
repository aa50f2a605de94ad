"""What bookings refuse."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from core.errors import Conflict, DomainError, FieldError, IllegalMove, InvalidInput


class MoveNotAllowed(IllegalMove):
    """The booking's status does not allow this now."""


class BookingGone(DomainError):
    """It was deleted since the caller saw it."""

    status = 404
    code = "gone"


class IdTaken(InvalidInput):
    """Another one has this id."""

    code = "taken"


class ServiceInUse(Conflict):
    """It was booked, so the books need it."""

    code = "in_use"


class BookingConflict(Conflict):
    """Another booking of the resource is too near.

    `clashes_with` is its time, and all that is said of it; `free` are times at or after the one
    asked for that can be had.
    """

    code = "booking_conflict"

    def __init__(
        self, detail: str, *, clashes_with: datetime | None = None, free: Sequence[datetime] = ()
    ) -> None:
        error = FieldError(path=("datetime",), code=self.code, detail=detail)
        super().__init__(detail, errors=[error])
        self.clashes_with = clashes_with
        self.free = list(free)

    @property
    def members(self) -> Mapping[str, Any]:
        return {"clashes_with": self.clashes_with, "free": self.free}


class NotOffered(BookingConflict):
    """A shopper books what is offered: within the opening hours, and not over."""

    code = "not_offered"


class TooManyBookings(Conflict):
    """A shopper has as many bookings to come as they can have."""

    code = "too_many_bookings"


class ContactNeeded(Conflict):
    """The shop could not reach the shopper about their booking."""

    code = "contact_needed"


class GapClash(Conflict):
    """With the new gap, bookings that are to come would be too near to one another."""

    code = "gap_clash"
