"""What follows when a customer is merged, asks for their data, or is forgotten."""

from contextlib import suppress
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from core.forgetting import NOBODY, Erasure
from customers.models import Customer
from shipping.exceptions import MoveNotAllowed
from shipping.models import (
    News,
    Occurrence,
    Shipment,
    ShipmentEvent,
    StandingOrder,
    StandingOrderChange,
)
from shipping.providers import ADDRESS_FIELDS, Address
from shipping.states import NewsState, OccurrenceStatus, ShipmentStatus, StandingOrderStatus

from .life import end_standing_order
from .preparing import cancel_shipment

# Stands where there must be something.
FORGOTTEN = NOBODY
# To which country is the books' business.
_PERSONAL = list(ADDRESS_FIELDS[:-1])
_BLANK = {name: "" if name in {"line_2", "postcode"} else FORGOTTEN for name in _PERSONAL}
_LEFT = "They asked to be forgotten."
_BOOKS = "The books: what was sent, when, by whom, and to which country."
_BEYOND = "Carriers: their own books hold the address of what they were given. Ask them."


def move_standing_orders(*, source: Customer, target: Customer) -> None:
    """Let the standing orders of one customer record be another's: both are one person.

    Their shipments follow their orders.
    """
    StandingOrder.objects.filter(customer=source).update(customer=target)


def personal_data(*, customer: Customer) -> dict[str, list[dict[str, Any]]]:
    """Return what is kept of a customer's shipments and standing orders, the newest first."""
    shipments = Shipment.objects.filter(order__customer=customer).for_display()
    # All of their dates and changes, which an answer of the API does not show.
    standing_orders = (
        StandingOrder.objects.filter(customer=customer)
        .select_related("customer")
        .prefetch_related("items__variant", "occurrences__order", "history")
    )
    return {
        "shipments": [_shipment(each) for each in shipments],
        "standing_orders": [_standing_order(each) for each in standing_orders],
    }


def _shipment(shipment: Shipment) -> dict[str, Any]:
    return {
        "number": shipment.number,
        "order": shipment.order.number,
        "carrier": shipment.carrier.name,
        "status": shipment.status,
        "delivery_address": asdict(Address.of(shipment)),
        "tracking_url": shipment.tracking_url,
        "parcels": [
            [{"sku": item.line.sku, "quantity": item.quantity} for item in parcel.items.all()]
            for parcel in shipment.parcels.all()
        ],
        "timeline": [
            {
                "what": entry.verb,
                "status": entry.status,
                "at": entry.at,
                "detail": entry.customers_detail,
            }
            for entry in shipment.timeline.all()
            if not entry.is_internal
        ],
    }


def _standing_order(standing: StandingOrder) -> dict[str, Any]:
    return {
        "number": standing.number,
        "status": standing.status,
        "interval": standing.interval,
        "every": standing.every,
        "start": standing.start,
        "end": standing.end,
        "count": standing.count,
        "delivery_address": asdict(Address.of(standing)),
        "items": [
            {"sku": item.variant.sku, "quantity": item.quantity} for item in standing.items.all()
        ],
        "dates": [
            {"on": each.on, "status": each.status, "order": each.order and each.order.number}
            for each in standing.occurrences.all()
        ],
        "history": [
            {
                "what": each.verb,
                "at": each.at,
                "reason": each.customers_reason,
                "changes": each.changes,
            }
            for each in standing.history.all()
        ],
    }


@transaction.atomic
def forget_customer(*, customer: Customer) -> list[Erasure]:
    """Keep of a customer's shipments and standing orders what the books need, not where they live.

    Nothing is sent to an address that is forgotten: what no carrier has is called off. What was
    written of them may say anything of anybody, whoever wrote it.
    """
    return [*_forget_shipments(customer), *_forget_standing_orders(customer)]


def _forget_shipments(customer: Customer) -> list[Erasure]:
    shipments = Shipment.objects.filter(order__customer=customer)
    ours = shipments.filter(status__in=[ShipmentStatus.WAITING, ShipmentStatus.REFUSED])
    for key in ours.filter(cancel_asked_at=None).order_by("pk").values_list("pk", flat=True):
        # It may have gone out meanwhile, and its carrier calls nothing off.
        with suppress(MoveNotAllowed):
            cancel_shipment(shipment_id=key, by=None, reason=_LEFT)
    blank = {**_BLANK, "tracking_url": "", "error": ""}
    blanked = shipments.exclude(**blank).update(**blank)
    timeline = ShipmentEvent.objects.filter(shipment__order__customer=customer)
    said = timeline.exclude(detail__in=["", _LEFT]).update(detail="")
    said += _forget_addresses(timeline)
    news = News.objects.filter(shipment__order__customer=customer)
    # Also what could not be folded in, though it names a shipment of theirs.
    news |= News.objects.filter(reference__in=shipments.values("number"))
    told = news.exclude(state=NewsState.NEW).exclude(body=b"", detail="")
    return [
        Erasure(
            app="shipping",
            what="shipments",
            blanked=blanked,
            kept=shipments.count(),
            reason=_BOOKS,
            beyond=_BEYOND,
        ),
        Erasure(app="shipping", what="timeline of shipments", blanked=said),
        Erasure(
            app="shipping",
            what="what carriers told",
            # It says nothing more; the row stays, so that what comes once more is known as that.
            blanked=told.update(body=b"", detail="", state=NewsState.DONE),
            kept=news.filter(state=NewsState.NEW).count(),
            reason="Not looked at yet: it is emptied when it is.",
        ),
    ]


def _forget_standing_orders(customer: Customer) -> list[Erasure]:
    standing_orders = StandingOrder.objects.filter(customer=customer)
    for key in standing_orders.exclude(status=StandingOrderStatus.ENDED).values_list(
        "pk", flat=True
    ):
        end_standing_order(standing_order_id=key, by=None, reason=_LEFT)
    # What waits for goods of one that was over already.
    dates = Occurrence.objects.filter(standing_order__customer=customer)
    dates.filter(status=OccurrenceStatus.WAITING).update(
        status=OccurrenceStatus.SKIPPED, try_at=None, reason=_LEFT
    )
    said = dates.exclude(reason__in=["", _LEFT]).update(reason="")
    history = StandingOrderChange.objects.filter(standing_order__customer=customer)
    said += history.exclude(reason__in=["", _LEFT]).update(reason="")
    said += _forget_addresses(history)
    return [
        Erasure(
            app="shipping",
            what="standing orders",
            blanked=standing_orders.exclude(**_BLANK).update(**_BLANK),
            kept=standing_orders.count(),
            reason="The books: what was to come, and when.",
        ),
        Erasure(app="shipping", what="history of standing orders", blanked=said),
    ]


def _forget_addresses(history: QuerySet[Any]) -> int:
    return history.filter(changes__has_any_keys=_PERSONAL).update(
        changes=RawSQL("changes - %s::text[]", [_PERSONAL])
    )
