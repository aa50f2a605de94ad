"""What customers are told of a booking."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import QuerySet

from bookings.models import Booking


def in_shop(time: datetime) -> str:
    """Return a time as the shop's clocks show it."""
    return f"{time.astimezone(ZoneInfo(settings.SHOP_TIME_ZONE)):%Y-%m-%d %H:%M}"


def data_of(booking: Booking) -> dict[str, str]:
    """Return what fills the words of any event of a booking."""
    return {
        "customer": booking.customer.name if booking.customer else "",
        "number": str(booking.pk),
        "time": in_shop(booking.datetime),
        "total": f"{booking.currency} {booking.total_fee:,.2f}",
        "shop": settings.SHOP_NAME,
    }


def find(number: str, among: QuerySet[Booking]) -> Booking | None:
    # A bigint at most.
    known = number.isascii() and number.isdigit() and len(number) <= 18
    return among.filter(pk=number).first() if known else None


def data_of_number(number: str) -> dict[str, str] | None:
    booking = find(number, Booking.objects.select_related("customer"))
    return data_of(booking) if booking else None
