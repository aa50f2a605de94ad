"""Verbs that say what a booking is, and when: book, change, delete."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from bookings import signals
from bookings.exceptions import BookingConflict, IdTaken, MoveNotAllowed
from bookings.models import BookedService, Booking, Resource, Service
from bookings.states import BookingVerb
from core.constraints import constraints_as
from core.errors import DomainError, FieldError, InvalidInput
from core.sequences import next_value
from customers.models import Customer
from customers.services import hold_customer

from .availability import next_free_times, too_near
from .history import allowed, described, hold_booking, hold_resources, record, tell
from .offered import default_resource, fee_of
from .telling import in_shop

if TYPE_CHECKING:
    from accounts.models import User

MAX_SERVICES = 100
# The largest amount that `Booking.total_fee` holds.
MAX_TOTAL = Decimal("9999999999.99")
# What a clock or a typing error says beyond these is no time of a booking.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_TAKEN: dict[str, DomainError] = {
    "bookings_booking_pkey": IdTaken.at("id", detail="Another booking has this id.")
}
# For what the check before does not see: a writer who did not lock the resource.
_CLASH: dict[str, DomainError] = {
    "booking_keeps_the_gap": BookingConflict("Another booking is too near.")
}


@transaction.atomic
def book(
    *,
    time: datetime,
    services: Sequence[int],
    by: "User | None",
    id: int | None = None,  # noqa: A002  its name
    total_fee: Decimal | None = None,
    customer: Customer | None = None,
    resource: Resource | None = None,
    quietly: bool = False,
) -> Booking:
    """Book services at a time and tell the customer, if there is one.

    Args:
        services: their ids.
        id: by which it is known elsewhere; without it one is made.
        total_fee: without it, what the services cost together.
        resource: without it, the default one.
        quietly: tell nobody.

    Raises:
        InvalidInput: no services, unknown ones or one twice; an impossible time or fee; the
            resource is not booked any more.
        IdTaken: another booking has the id.
        BookingConflict: another booking of the resource is too near.
    """
    check_time(time)
    chosen = chosen_services(services)
    total_fee = checked_total(fee_of(chosen) if total_fee is None else total_fee)
    if id is not None and Booking.objects.filter(pk=id).exists():
        # Before the clash: sent twice, it would clash with itself.
        raise _TAKEN["bookings_booking_pkey"]
    # Once without the lock: who is late need not wait for their turn to be told so. As it is now:
    # the caller's copy may have another gap.
    resource = _as_it_is(resource) if resource else default_resource()
    minutes = minutes_of(chosen)
    refuse_clash(resource, time, minutes=minutes)
    # Before the resource, as where two of them are merged or one is forgotten.
    customer = _held_customer(customer) if customer else None
    resource = _held(resource)
    refuse_clash(resource, time, minutes=minutes)
    booking = insert(
        id=id,
        datetime=time,
        total_fee=total_fee,
        customer=customer,
        resource=resource,
        gap=resource.gap,
        reminded_of=_told_already(time),
    )
    add_services(booking, chosen)
    event = None if quietly else signals.booking_booked
    record(booking, BookingVerb.BOOKED, from_status="", by=by, event=event)
    return booking


def insert(*, id: int | None, **fields: Any) -> Booking:  # noqa: A002  its name
    while True:
        booking = Booking(
            id=id or next_value("booking_id"), currency=settings.SHOP_CURRENCY, **fields
        )
        try:
            with constraints_as(_TAKEN | _CLASH):
                booking.save(force_insert=True)
        except IdTaken:
            # One that was given lies where ids are made: make the next.
            if id:
                raise
        else:
            return booking


@transaction.atomic
def change_booking(
    *,
    booking_id: int,
    by: "User | None",
    time: datetime | None = None,
    services: Sequence[int] | None = None,
    total_fee: Decimal | None = None,
    resource: Resource | None = None,
    **customer: Customer | None,
) -> Booking:
    """Move a booking, or change what it is. What is not given stays; the customer hears of a move.

    A service that was booked keeps its fee. New services make the total anew, unless it is given.

    Args:
        customer: `customer=`, None for nobody.

    Raises:
        MoveNotAllowed: unless the booking is pending or confirmed.
        InvalidInput, BookingConflict: as `book` does.
    """
    if time or resource:
        _refuse_early(booking_id, time, resource)
    if to := customer.get("customer"):
        # Before the resource, as in `book`.
        customer["customer"] = _held_customer(to)
    booking = hold_booking(booking_id=booking_id, to=resource)
    before = booking.customer
    chosen = _chosen_anew(booking, services)
    if chosen and total_fee is None:
        total_fee = fee_of(chosen)
    changes = (
        _change_time(booking, time)
        | _change_resource(booking, resource)
        | _change_services(booking, chosen)
        | _change_total(booking, total_fee)
        | _change_customer(booking, **customer)
    )
    if not changes:
        return booking
    if booking.imported or not booking.state.is_open:
        raise MoveNotAllowed(
            f"Booking {booking.pk} is {described(booking)}; it cannot be changed.",
            status=booking.state,
            allowed=allowed(booking),
        )
    if {"datetime", "resource"} & set(changes):
        booking.gap = booking.resource.gap
        refuse_clash(booking.resource, booking.datetime, other_than=booking)
    with constraints_as(_CLASH):
        booking.save()
    if "services" in changes:
        booking.booked.all().delete()
        add_services(booking, chosen)
    moved, handed = "datetime" in changes, "customer" in changes
    change = record(
        booking,
        BookingVerb.MOVED if moved else BookingVerb.EDITED,
        from_status=booking.status,
        by=by,
        event=signals.booking_booked if handed else signals.booking_moved if moved else None,
        changes=changes,
    )
    if handed:
        tell(booking, change, signals.booking_cancelled, customer=before)
    return booking


def _refuse_early(booking_id: int, time: datetime | None, to: Resource | None) -> None:
    """Look once without the lock, as `book` does: who is late need not wait to be told so."""
    booking = Booking.objects.open().select_related("resource").filter(pk=booking_id).first()
    if booking is None:
        return
    resource = _as_it_is(to) if to and to != booking.resource else booking.resource
    time = time or booking.datetime
    if (time, resource) != (booking.datetime, booking.resource):
        refuse_clash(resource, time, other_than=booking)


@transaction.atomic
def delete_booking(*, booking_id: int, by: "User | None") -> None:
    """Delete a booking with its history. Who was to come is told that it is cancelled."""
    booking = hold_booking(booking_id=booking_id)
    if booking.state.is_open and not booking.imported:
        record(
            booking,
            BookingVerb.DELETED,
            from_status=booking.status,
            by=by,
            event=signals.booking_cancelled,
        )
    booking.delete()


def refuse_clash(
    resource: Resource, time: datetime, *, other_than: Booking | None = None, minutes: int = 0
) -> None:
    """Raises `BookingConflict` where another live booking of a resource is too near.

    Args:
        minutes: how long it takes, for the free times that are named.

    The gap of the earlier of two counts. They differ only where it was changed since: bookings
    to come got the new one then, unless they would clash by it.
    """
    clash = too_near(resource, time, other_than=other_than)
    if clash is None:
        return
    free = next_free_times(resource=resource, after=time, minutes=minutes, moved=other_than)
    there = f" Free: {', '.join(in_shop(each) for each in free)}." if free else ""
    raise BookingConflict(
        f"There is a booking at {in_shop(clash)}, which is too near."
        f" Keep {said_gap(resource.gap)} between them.{there}",
        clashes_with=clash,
        free=free,
    )


def minutes_of(services: Sequence[Service]) -> int:
    return sum(service.duration for service in services)


def said_gap(gap: timedelta) -> str:
    minutes = round(gap.total_seconds() / 60)
    hours, minutes = divmod(minutes, 60)
    said = [f"{hours} h"] if hours else []
    return " ".join([*said, f"{minutes} min"] if minutes or not hours else said)


def said_in_utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def check_time(time: datetime) -> None:
    if not EARLIEST <= time < LATEST:
        raise InvalidInput.at("datetime", detail="Must be from 1970 to 2199.", code="out_of_bounds")


def checked_total(total: Decimal) -> Decimal:
    if not 0 <= total <= MAX_TOTAL:
        raise InvalidInput.at("totalfee", detail=f"Must be 0 to {MAX_TOTAL}.", code="out_of_bounds")
    return total


def chosen_services(ids: Sequence[int], *, known: set[int] | None = None) -> list[Service]:
    """Return services by their ids; what is not offered any more, where it is `known` already."""
    if not ids:
        raise InvalidInput.at("services", detail="Book at least one service.", code="empty")
    if len(ids) > MAX_SERVICES:
        raise InvalidInput.at(
            "services", detail=f"A booking has at most {MAX_SERVICES} services.", code="max_length"
        )
    found = Service.objects.in_bulk(ids)
    errors = []
    for index, each in enumerate(ids):
        if each not in found:
            code, detail = "does_not_exist", f"There is no service {each}."
        elif not found[each].active and each not in (known or ()):
            code, detail = "does_not_exist", f"Service {each} is not offered any more."
        elif each in ids[:index]:
            code, detail = "duplicate", f"Service {each} is there already."
        else:
            continue
        errors.append(FieldError(path=("services", index, "id"), code=code, detail=detail))
    if errors:
        raise InvalidInput("A service cannot be booked.", errors=errors)
    return [found[each] for each in ids]


def add_services(booking: Booking, services: Sequence[Service]) -> None:
    BookedService.objects.bulk_create(
        BookedService(booking=booking, service=service, fee=service.fee) for service in services
    )


def _told_already(time: datetime) -> datetime | None:
    """Return the time where it is so near that who books it needs no reminder."""
    near = timezone.now() + timedelta(hours=settings.BOOKING_REMINDER_HOURS)
    return time if time <= near else None


def _held(resource: Resource) -> Resource:
    return _bookable(resource, hold_resources(resource.pk).get(resource.pk))


def _as_it_is(resource: Resource) -> Resource:
    return _bookable(resource, Resource.objects.filter(pk=resource.pk).first())


def _bookable(resource: Resource, now: Resource | None) -> Resource:
    if now is None or not now.active:
        raise InvalidInput.at(
            "resource", detail=f"{resource.code} cannot be booked.", code="does_not_exist"
        )
    return now


def _held_customer(customer: Customer) -> Customer:
    try:
        return hold_customer(customer_id=customer.pk)
    except Customer.DoesNotExist:
        raise InvalidInput.at(
            "customer", detail="There is no such customer any more.", code="does_not_exist"
        ) from None


def _chosen_anew(booking: Booking, ids: Sequence[int] | None) -> list[Service]:
    if ids is None:
        return []
    fees = {each.service_id: each.fee for each in booking.booked.all()}
    chosen = chosen_services(ids, known=set(fees))
    if set(ids) == set(fees):
        return []
    for service in chosen:
        service.fee = fees.get(service.pk, service.fee)
    return chosen


def _change_time(booking: Booking, to: datetime | None) -> dict[str, Any]:
    before = booking.datetime
    if to is None or to == before:
        return {}
    check_time(to)
    booking.datetime = to
    booking.reminded_of = _told_already(to)
    return {"datetime": [said_in_utc(before), said_in_utc(to)]}


def _change_resource(booking: Booking, to: Resource | None) -> dict[str, Any]:
    before = booking.resource
    if to is None or to == before:
        return {}
    booking.resource = _held(to)
    return {"resource": [before.code, to.code]}


def _change_services(booking: Booking, to: Sequence[Service]) -> dict[str, Any]:
    if not to:
        return {}
    before = {each.service_id for each in booking.booked.all()}
    after = {service.pk for service in to}
    return {"services": [[str(key) for key in sorted(keys)] for keys in (before, after)]}


def _change_total(booking: Booking, to: Decimal | None) -> dict[str, Any]:
    before = booking.total_fee
    if to is None or to == before:
        return {}
    booking.total_fee = checked_total(to)
    return {"totalfee": [f"{before:.2f}", f"{to:.2f}"]}


def _change_customer(booking: Booking, **customer: Customer | None) -> dict[str, Any]:
    before, to = booking.customer, customer.get("customer", booking.customer)
    if before == to:
        return {}
    booking.customer = to
    # Whoever had it before was told of its time, if anybody was.
    booking.reminded_of = _told_already(booking.datetime)
    return {"customer": [before and before.code, to and to.code]}
