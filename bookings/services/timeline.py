"""What a customer's timeline has of their bookings."""

from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Prefetch

from bookings.models import BookedService, Booking
from core.timeline import Entry, Window
from customers.models import Customer


def bookings_of(*, customer: Customer, window: Window) -> list[Entry]:
    """Return a customer's bookings, where they were made."""
    booked = Prefetch("booked", BookedService.objects.select_related("service"))
    bookings = Booking.objects.filter(customer=customer).prefetch_related(booked)
    return [_entry(booking) for booking in window.of(bookings, at="created_at")]


def _entry(booking: Booking) -> Entry:
    services = ", ".join(each.service.name for each in booking.booked.all())
    time = booking.datetime.astimezone(ZoneInfo(settings.SHOP_TIME_ZONE))
    return Entry(
        at=booking.created_at,
        kind="booking",
        key=booking.pk,
        reference=str(booking.pk),
        title=f"Booking of {services} on {time:%-d %B %Y %H:%M}",
        status=booking.status,
    )
