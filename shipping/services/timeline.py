"""What every verb locks and writes."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core import clock
from shipping.models import News, Shipment, ShipmentEvent
from shipping.states import ShipmentVerb

if TYPE_CHECKING:
    from accounts.models import User


def locked(shipment_id: int) -> Shipment:
    """Return the shipment as it is now, nobody else's to change before the transaction ends.

    Who changes its order too locks that first.
    """
    return Shipment.objects.select_for_update(no_key=True).get(pk=shipment_id)


def record(
    shipment: Shipment,
    verb: ShipmentVerb,
    *,
    by: "User | None" = None,
    detail: str = "",
    changes: Mapping[str, Any] | None = None,
    status: str = "",
    at: datetime | None = None,
    news: News | None = None,
) -> ShipmentEvent:
    """Write what happened into the timeline.

    Args:
        status: what the carrier says of it; without it, where the shipment stands.
        at: when it happened by the carrier's clock; without it, now.
    """
    return ShipmentEvent.objects.create(
        shipment=shipment,
        verb=verb,
        status=status or shipment.status,
        at=at or clock.now(),
        by=by,
        detail=detail,
        changes=dict(changes or {}),
        news=news,
    )
