"""What follows for bookings when a customer is merged, asks for their data, or is forgotten."""

from typing import Any

from django.db import transaction

from bookings.models import Booking, BookingChange
from customers.models import Customer


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
                {"what": each.verb, "at": each.at, "reason": each.reason, "changes": each.changes}
                for each in booking.history.all()
            ],
        }
        for booking in Booking.objects.filter(customer=customer).for_display()
    ]


@transaction.atomic
def forget_customer(*, customer: Customer) -> None:
    """Keep of a customer's bookings what the books need, not what they wrote."""
    if customer.user_id is not None:
        history = BookingChange.objects.filter(booking__customer=customer)
        history.filter(by=customer.user_id).update(reason="")
