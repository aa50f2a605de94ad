"""History that comes from elsewhere: kept as it was, though it clashes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

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
    """What became of an order: None where its id was there before; and what it clashes with."""

    booking: Booking | None
    clashes_with: list[int]


@transaction.atomic
def import_booking(*, order: Order) -> Imported:
    """Keep a service order as history of the default resource; nobody is told.

    One that is here already stays as it is, so that a file can be loaded again.

    Raises:
        InvalidInput: no services, unknown ones or one twice; an impossible time or fee.
    """
    check_time(order.time)
    resource = default_resource()
    if Booking.objects.filter(pk=order.id).exists():
        return Imported(booking=None, clashes_with=[])
    services = chosen_services(order.services)
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
    record_import(booking)
    return Imported(booking=booking, clashes_with=clashes)


def record_import(booking: Booking) -> None:
    booking.history.create(
        verb=BookingVerb.IMPORTED, from_status="", to_status=booking.status, by=None
    )
