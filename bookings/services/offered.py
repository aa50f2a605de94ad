"""Verbs of what can be booked."""

from datetime import date, time
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from bookings.exceptions import IdTaken, ServiceInUse
from bookings.models import ClosedDay, OpeningHours, Resource, Service
from bookings.states import Weekday
from core.constraints import constraints_as
from core.errors import InvalidInput
from core.sequences import next_value

_TAKEN = {"bookings_service_pkey": IdTaken.at("id", detail="Another service has this id.")}


def create_service(*, name: str, id: int | None = None, **fields: Any) -> Service:  # noqa: A002  its name
    """Make a service; without an id it gets one.

    Args:
        fields: `duration` (minutes), `fee`, `active`.

    Raises:
        IdTaken: another service has the id.
    """
    while True:
        service = Service(id=id or next_value("service_id"), name=name, **fields)
        try:
            with constraints_as(_TAKEN):
                service.save(force_insert=True)
        except IdTaken:
            # One that was given lies where ids are made: make the next.
            if id:
                raise
        else:
            return service


@transaction.atomic
def update_service(*, service_id: int, **changes: Any) -> Service:
    """Change a service's `name`, `duration`, `fee` or `active`; what is booked keeps its fee."""
    service = Service.objects.select_for_update(no_key=True).get(pk=service_id)
    for name, value in changes.items():
        setattr(service, name, value)
    service.save()
    return service


def delete_service(*, service_id: int) -> None:
    """Raises `ServiceInUse` where it was ever booked."""
    try:
        with transaction.atomic():
            service = Service.objects.select_for_update().filter(pk=service_id).first()
            if service is None:
                return
            service.delete()
            # Foreign keys are held at the commit, but a booking that came in is to be told here.
            connection.check_constraints()
    except (ProtectedError, IntegrityError):
        raise ServiceInUse(
            "It was booked, so it cannot be deleted. Make it inactive instead."
        ) from None


def default_resource() -> Resource:
    """Return what is booked where nobody says which. A shop always has it: a migration made it."""
    found = Resource.objects.filter(is_default=True).first()
    return found or _make_default()


def _make_default() -> Resource:
    # Somebody emptied the tables.
    with transaction.atomic():
        resource, made = Resource.objects.get_or_create(
            is_default=True, defaults={"code": "default", "name": settings.SHOP_NAME}
        )
        if made:
            OpeningHours.objects.bulk_create(
                OpeningHours(resource=resource, weekday=day, opens=time(8), closes=time(18))
                for day in Weekday.values[:6]
            )
    return resource


def close_day(*, date: date, resource: Resource | None = None, reason: str = "") -> ClosedDay:
    """Close a resource, or all of the shop, for a day. What is booked stays booked.

    Raises `InvalidInput` where it is closed already.
    """
    closed = InvalidInput.at("date", detail="It is closed on that day already.", code="exists")
    with constraints_as({"closed_day_is_named_once": closed}):
        return ClosedDay.objects.create(date=date, resource=resource, reason=reason)


def open_day(*, closedday_id: int) -> None:
    ClosedDay.objects.filter(pk=closedday_id).delete()


def fee_of(services: list[Service]) -> Decimal:
    return sum((service.fee for service in services), Decimal(0))
