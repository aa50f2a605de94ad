"""What follows for bookings when a customer is merged, asks for their data, or is forgotten."""

from contextlib import suppress
from typing import Any

from django.db import transaction
from django.utils import timezone

from bookings.exceptions import BookingGone, MoveNotAllowed
from bookings.models import Booking, BookingChange
from core.forgetting import Erasure
from customers.models import Customer

from .moving import cancel_booking

_BOOKS = "The books: what was done, when, and for how much."


def move_bookings(*, source: Customer, target: Customer) -> None:
    """Let the bookings of one customer record be another's: both are one person."""
    Booking.objects.filter(customer=source).update(customer=target)


def personal_data(*, customer: Customer) -> list[dict[str, Any]]:
    """Return what is kept of a customer's bookings, the last first."""
    return [
        {
            "id": str(booking.pk),
            "datetime": booking.datetime,
            "status": booking.status,
            "totalfee": str(booking.total_fee),
            "currency": booking.currency,
            "services": [each.service.name for each in booking.booked.all()],
            "history": [
                {
                    "what": each.verb,
                    "at": each.at,
                    "reason": each.reason,
                    "changes": each.customers_part,
                }
                for each in booking.history.all()
            ],
        }
        for booking in Booking.objects.filter(customer=customer).for_display()
    ]


@transaction.atomic
def forget_customer(*, customer: Customer) -> list[Erasure]:
    """Keep of a customer's bookings what the books need, not what was written about them.

    What is still to come is called off without a word: nobody could be reached about it.
    """
    called_off = 0
    to_come = Booking.objects.open().filter(customer=customer, datetime__gt=timezone.now())
    for key in to_come.order_by("resource", "pk").values_list("pk", flat=True):
        # Somebody may have called it off meanwhile.
        with suppress(MoveNotAllowed, BookingGone):
            cancel_booking(booking_id=key, by=None, quietly=True)
            called_off += 1
    history = BookingChange.objects.filter(booking__customer=customer)
    return [
        Erasure(
            app="bookings",
            what="bookings",
            kept=Booking.objects.filter(customer=customer).count(),
            reason=_BOOKS,
        ),
        Erasure(app="bookings", what="bookings to come, called off", blanked=called_off),
        Erasure(
            app="bookings",
            what="history of bookings",
            blanked=history.exclude(reason="").update(reason=""),
        ),
    ]
