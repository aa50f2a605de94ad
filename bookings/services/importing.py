"""History that comes from elsewhere: kept as it was, though it clashes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from bookings.exceptions import IdTaken
from bookings.models import Booking
from bookings.states import BookingStatus, BookingVerb

from .booking import add_services, check_time, checked_total, chosen_services, insert
from .offered import default_resource, fee_of


@dataclass(frozen=True, kw_only=True)
class Order:
    """A service order of the contract. Without a total it is what its services cost."""

    id: int
    time: datetime
    services: Sequence[int]
    total_fee: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What became of an order: None where it was there before; and what it clashes with."""

    booking: Booking | None
    clashes_with: list[int]


@transaction.atomic
def import_booking(*, order: Order) -> Imported:
    """Keep a service order as history of the default resource; nobody is told.

    One that is here already stays as it is, so that a file can be loaded again.

    Raises:
        InvalidInput: no services, unknown ones or one twice; an impossible time or fee.
        IdTaken: a booking that is another one has its id.
    """
    check_time(order.time)
    resource = default_resource()
    # What is not offered any more was, then.
    services = chosen_services(order.services, known=set(order.services))
    if here := Booking.objects.filter(pk=order.id).first():
        if not _is(here, order):
            raise IdTaken.at("id", detail="Another booking has this id.")
        return Imported(booking=None, clashes_with=[])
    total = checked_total(fee_of(services) if order.total_fee is None else order.total_fee)
    others = Booking.objects.filter(resource=resource).exclude(status=BookingStatus.CANCELLED)
    near = others.reaching_into(order.time, order.time + resource.gap)
    clashes = list(near.order_by("pk").values_list("pk", flat=True))
    booking = insert(
        id=order.id,
        datetime=order.time,
        total_fee=total,
        resource=resource,
        gap=resource.gap,
        status=BookingStatus.DONE,
        imported=True,
    )
    add_services(booking, services)
    booking.history.create(
        verb=BookingVerb.IMPORTED, from_status="", to_status=booking.status, by=None
    )
    return Imported(booking=booking, clashes_with=clashes)


def _is(booking: Booking, order: Order) -> bool:
    """Tell whether an order was taken in before as this booking."""
    return (
        booking.imported
        and booking.datetime == order.time
        and {each.service_id for each in booking.booked.all()} == set(order.services)
        and order.total_fee in {None, booking.total_fee}
    )
