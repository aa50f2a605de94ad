"""Verbs of a booking's life."""

from typing import TYPE_CHECKING

from django.db import transaction

from bookings import signals
from bookings.models import Booking
from bookings.states import BookingStatus, BookingVerb
from core.events import Event

from .history import hold_booking, record, refuse_move

if TYPE_CHECKING:
    from accounts.models import User


def confirm_booking(*, booking_id: int, by: "User | None") -> Booking:
    """Say that the shop will do it. Raises `MoveNotAllowed` unless the booking is pending."""
    return _become(booking_id, BookingStatus.CONFIRMED, BookingVerb.CONFIRMED, by=by)


def cancel_booking(
    *, booking_id: int, by: "User | None", reason: str = "", quietly: bool = False
) -> Booking:
    """Call it off, which frees its time. Raises `MoveNotAllowed` once it is over.

    Args:
        quietly: tell nobody.
    """
    return _become(
        booking_id,
        BookingStatus.CANCELLED,
        BookingVerb.CANCELLED,
        by=by,
        event=None if quietly else signals.booking_cancelled,
        reason=reason,
    )


def finish_booking(*, booking_id: int, by: "User | None") -> Booking:
    """Say that it was done. Raises `MoveNotAllowed` unless the booking is confirmed."""
    return _become(booking_id, BookingStatus.DONE, BookingVerb.DONE, by=by)


def miss_booking(*, booking_id: int, by: "User | None") -> Booking:
    """Say that they did not come. Raises `MoveNotAllowed` unless the booking is confirmed."""
    return _become(booking_id, BookingStatus.NO_SHOW, BookingVerb.NO_SHOW, by=by)


@transaction.atomic
def _become(
    booking_id: int,
    to: BookingStatus,
    verb: BookingVerb,
    *,
    by: "User | None",
    event: Event | None = None,
    reason: str = "",
) -> Booking:
    booking = hold_booking(booking_id=booking_id)
    refuse_move(booking, to)
    before = booking.state
    booking.status = to
    booking.save(update_fields=["status", "updated_at"])
    record(booking, verb, from_status=before, by=by, event=event, reason=reason)
    return booking
