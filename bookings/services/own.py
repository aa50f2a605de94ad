"""What shoppers do with bookings of their own."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from bookings.exceptions import ContactNeeded, MoveNotAllowed, NotOffered, TooManyBookings
from bookings.models import Booking, Resource, Service
from bookings.permissions import can_handle_bookings
from customers.models import Customer
from customers.services import ensure_customer_of

from .availability import is_free, last_offered_day, next_free_times, shop_day
from .booking import (
    book,
    change_booking,
    check_time,
    chosen_services,
    minutes_of,
    refuse_clash,
)
from .history import allowed, hold_booking
from .moving import cancel_booking
from .offered import default_resource
from .telling import in_shop

if TYPE_CHECKING:
    from accounts.models import User


@transaction.atomic
def book_own(
    *, time: datetime, services: Sequence[int], by: "User", resource: Resource | None = None
) -> Booking:
    """Book for oneself, at a time that is offered.

    Raises:
        ContactNeeded: neither a phone number nor an e-mail address is known of them.
        TooManyBookings: they have `BOOKING_OPEN_LIMIT` still to come.
        NotOffered: it is not within the opening hours, over, or too far ahead.
        InvalidInput, BookingConflict: as `book` does.
    """
    check_time(time)
    # It locks the account, so that those who book at once for themselves are counted in turn.
    customer = ensure_customer_of(user=by)
    if customer is None:
        raise ContactNeeded(
            "The shop needs a phone number or an e-mail address to reach you. Add one to your"
            " account, then book."
        )
    _refuse_too_many(customer)
    resource = resource or default_resource()
    _refuse_unoffered(resource, time, chosen_services(services))
    return book(time=time, services=services, customer=customer, resource=resource, by=by)


@transaction.atomic
def move_as_allowed(*, booking_id: int, by: "User", time: datetime) -> Booking:
    """Move a booking as who asks may: the shop to any time, its customer to one that is offered.

    Raises:
        PermissionDenied: they see it, as they work here, but may not handle bookings.
        NotOffered: as in `book_own`.
        MoveNotAllowed: as in `change_booking`; to its customer, also once its time is over.
        InvalidInput, BookingConflict: as `change_booking` does.
    """
    if not can_handle_bookings(by):
        _refuse_others(booking_id, by)
        check_time(time)
        booking = hold_booking(booking_id=booking_id)
        _refuse_over(booking)
        if booking.state.is_open:
            chosen = [each.service for each in booking.booked.select_related("service")]
            _refuse_unoffered(booking.resource, time, chosen, moved=booking)
    return change_booking(booking_id=booking_id, time=time, by=by)


@transaction.atomic
def cancel_as_allowed(*, booking_id: int, by: "User", reason: str = "") -> Booking:
    """Call off a booking as who asks may: the shop any, its customer their own.

    Raises:
        PermissionDenied: they see it, as they work here, but may not handle bookings.
        MoveNotAllowed: as `cancel_booking` does; to its customer, also once its time is over.
    """
    if not can_handle_bookings(by):
        _refuse_others(booking_id, by)
        _refuse_over(hold_booking(booking_id=booking_id))
    return cancel_booking(booking_id=booking_id, by=by, reason=reason)


def _refuse_others(booking_id: int, by: "User") -> None:
    if not Booking.objects.filter(pk=booking_id, customer__user=by).exists():
        raise PermissionDenied


def _refuse_too_many(customer: Customer) -> None:
    limit = settings.BOOKING_OPEN_LIMIT
    to_come = Booking.objects.open().filter(customer=customer, datetime__gt=timezone.now())
    if to_come.count() >= limit:
        raise TooManyBookings(
            f"You have as many bookings to come as you can have: {limit}. Cancel one that you do"
            " not need, or ask the shop."
        )


def _refuse_over(booking: Booking) -> None:
    # Else bookings that the shop has not closed could all be moved to come, past the limit.
    if booking.state.is_open and booking.datetime <= timezone.now():
        raise MoveNotAllowed(
            f"Booking {booking.pk} was at {in_shop(booking.datetime)}, which is over.",
            status=booking.state,
            allowed=allowed(booking),
        )


def _refuse_unoffered(
    resource: Resource, time: datetime, services: Sequence[Service], *, moved: Booking | None = None
) -> None:
    if moved is not None and time == moved.datetime:
        return
    minutes = minutes_of(services)
    if is_free(resource=resource, time=time, minutes=minutes, moved=moved):
        return
    last = last_offered_day()
    if shop_day(time) > last:
        raise NotOffered(
            f"{in_shop(time)} is too far ahead: the last day that is offered is {last}."
        )
    # Where that is why, it is said so.
    refuse_clash(resource, time, other_than=moved, minutes=minutes)
    free = next_free_times(resource=resource, after=time, minutes=minutes, moved=moved)
    there = f" Free: {', '.join(in_shop(each) for each in free)}." if free else ""
    raise NotOffered(f"{in_shop(time)} is not offered.{there}", free=free)
