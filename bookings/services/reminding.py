"""Reminding customers before their time."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from bookings import signals
from bookings.models import Booking
from bookings.querysets import BookingQuerySet
from bookings.states import BookingVerb

from .history import record


def remind_customers() -> int:
    """Remind everybody of a booking that is near, once of each time; return how many."""
    reminded = 0
    while settings.BOOKING_REMINDER_HOURS and _remind_one():
        reminded += 1
    return reminded


@transaction.atomic
def _remind_one() -> bool:
    # One by one, so that none waits for the failure of another; several workers share them.
    due = _due().select_for_update(skip_locked=True, no_key=True)
    booking = due.order_by("datetime", "pk").first()
    if booking is None:
        return False
    Booking.objects.filter(pk=booking.pk).update(reminded_of=booking.datetime)
    record(
        booking,
        BookingVerb.REMINDED,
        from_status=booking.status,
        by=None,
        event=signals.booking_reminder,
    )
    return True


def _due() -> BookingQuerySet:
    now = timezone.now()
    near = now + timedelta(hours=settings.BOOKING_REMINDER_HOURS)
    return (
        Booking.objects.open()
        .exclude(customer=None)
        .filter(Q(reminded_of=None) | ~Q(reminded_of=F("datetime")))
        .filter(datetime__gt=now, datetime__lte=near)
    )
