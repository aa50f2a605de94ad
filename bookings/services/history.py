"""What every verb locks and writes."""

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from bookings.exceptions import BookingGone, MoveNotAllowed
from bookings.models import Booking, BookingChange, Resource
from bookings.states import BookingStatus, BookingVerb
from core.events import Event, Notice, Recipient
from customers.models import Customer

from .telling import data_of

if TYPE_CHECKING:
    from accounts.models import User


def hold_resources(*resources: int) -> dict[int, Resource]:
    """Lock resources against other bookings of theirs, in the order of their keys."""
    held = Resource.objects.select_for_update(no_key=True).filter(pk__in=resources).order_by("pk")
    return {resource.pk: resource for resource in held}


def hold_booking(*, booking_id: int, to: Resource | None = None) -> Booking:
    """Return the booking as it is now, nobody else's to change before the transaction ends.

    Its resource is locked first, together with the one that it shall go `to`.

    Raises `BookingGone` where it was deleted.
    """
    while True:
        rows = Booking.objects.filter(pk=booking_id)
        of = rows.values_list("resource", flat=True).first()
        held = hold_resources(*(each for each in (of, to and to.pk) if each))
        # Without its customer: joined before the wait for the lock, they may be another's since.
        booking = rows.select_for_update(no_key=True).first()
        if booking is None:
            raise BookingGone(f"Booking {booking_id} was deleted meanwhile.")
        if booking.resource_id == of:
            booking.resource = held[of]
            return booking


def refuse_move(booking: Booking, to: BookingStatus) -> None:
    """Raises `MoveNotAllowed` where the booking cannot become `to` now."""
    before = booking.state
    if booking.imported or to not in before.allowed:
        raise MoveNotAllowed(
            f"Booking {booking.pk} is {described(booking)}; it cannot become {to.label.lower()}.",
            status=before,
            allowed=allowed(booking),
        )


def described(booking: Booking) -> str:
    return "imported history" if booking.imported else booking.state.label.lower()


def allowed(booking: Booking) -> list[str]:
    return [] if booking.imported else [str(status) for status in booking.state.allowed]


def record(
    booking: Booking,
    verb: BookingVerb,
    *,
    from_status: str,
    by: "User | None",
    event: Event | None = None,
    reason: str = "",
    changes: dict[str, Any] | None = None,
) -> BookingChange:
    """Write what happened into the booking's history and tell its customer of it by `event`."""
    change = BookingChange.objects.create(
        booking=booking,
        verb=verb,
        from_status=from_status,
        to_status=booking.status,
        by=by,
        reason=reason,
        changes=changes or {},
    )
    if event is not None:
        tell(booking, change, event, customer=booking.customer)
    return change


def tell(
    booking: Booking, change: BookingChange, event: Event, *, customer: Customer | None
) -> None:
    """Tell a customer, if there is one, of a change; nobody of a time that is over."""
    if customer is None or booking.datetime <= timezone.now():
        return
    event.announce(
        booking=booking,
        notice=Notice(
            occurrence=str(change.pk),
            subject="booking",
            reference=str(booking.pk),
            recipient=Recipient(
                reference=customer.code, phone=customer.phone, language=customer.language
            ),
            data=data_of(booking) | {"customer": customer.name},
        ),
    )
