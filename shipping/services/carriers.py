"""The carriers that the shop works with, and when their batches go out."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction

from core import clock
from core.errors import FieldError, InvalidInput
from shipping.exceptions import CarrierUnknown
from shipping.models import Carrier, Shipment
from shipping.states import UNSURE


def sync_carriers() -> None:
    """Give every configured carrier its row; one that is no more keeps its shipments."""
    known = set(Carrier.objects.values_list("name", flat=True))
    new = [Carrier(name=name) for name in settings.SHIPPING_PROVIDERS if name not in known]
    # Another worker may do so at this moment.
    Carrier.objects.bulk_create(new, ignore_conflicts=True)


def active_carrier(name: str = "") -> Carrier:
    """Return a carrier that takes new shipments; without a name the first of the settings.

    Raises `CarrierUnknown`.
    """
    configured = settings.SHIPPING_PROVIDERS
    found = {each.name: each for each in Carrier.objects.filter(name__in=configured)}
    if len(found) < len(configured):
        sync_carriers()
        found = {each.name: each for each in Carrier.objects.filter(name__in=configured)}
    for each in [name] if name else configured:
        if each in found and found[each].active:
            return found[each]
    detail = f"No carrier {name!r} takes shipments." if name else "No carrier takes shipments."
    raise CarrierUnknown.at("carrier", detail=detail)


def held_carrier(carrier: Carrier) -> Carrier:
    """Return it as it is now, with a schedule that stays until this transaction ends.

    Shared, so that those who pack do not wait for one another. Whoever changes a schedule waits,
    and so finds all that was made by the one before.
    """
    statement = "SELECT * FROM shipping_carrier WHERE id = %s FOR SHARE"
    [held] = Carrier.objects.raw(statement, [carrier.pk])
    return held


def next_cut_off(carrier: Carrier, now: datetime) -> datetime:
    """Return when the carrier's next batch goes out; without a schedule, now."""
    if not carrier.days:
        return now
    today = now.astimezone(ZoneInfo(settings.SHOP_TIME_ZONE)).date()
    # A week on it is the same day again, by when today's may be over.
    days = (today + timedelta(days=ahead) for ahead in range(8))
    batches = (clock.moment(day, carrier.cut_off) for day in days if day.weekday() in carrier.days)
    return next(batch for batch in batches if batch >= now)


@transaction.atomic
def update_carrier(
    *,
    carrier_id: int,
    active: bool | None = None,
    days: Sequence[int] | None = None,
    cut_off: time | None = None,
) -> Carrier:
    """Change when its batches go out, or whether anything new goes by it.

    What waits for a batch waits for the new one; what was handed over once keeps its turn.

    Raises:
        InvalidInput: a day is none of 0 (Monday) to 6.
    """
    if days is not None and not set(days) <= set(range(7)):
        detail = "Days are 0 (Monday) to 6 (Sunday)."
        raise InvalidInput(
            detail, errors=[FieldError(path=("days",), code="invalid", detail=detail)]
        )
    # Before its shipments, so that none is made meanwhile (`held_carrier`).
    carrier = Carrier.objects.select_for_update(no_key=True).get(pk=carrier_id)
    before = (carrier.days, carrier.cut_off)
    if active is not None:
        carrier.active = active
    if days is not None:
        carrier.days = sorted(set(days))
    if cut_off is not None:
        carrier.cut_off = cut_off
    carrier.save(update_fields=["active", "days", "cut_off"])
    if (carrier.days, carrier.cut_off) != before:
        waiting = Shipment.objects.filter(
            # A refused one may be mended at this moment, to wait for the batch that was.
            carrier=carrier,
            status__in=UNSURE,
            handed_at=None,
            fence=None,
        )
        keys = waiting.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True)
        Shipment.objects.filter(pk__in=list(keys)).update(
            due_at=next_cut_off(carrier, clock.now()), updated_at=clock.now()
        )
    return carrier
