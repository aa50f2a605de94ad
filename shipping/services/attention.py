"""What a person is to look at, until they have."""

from typing import TYPE_CHECKING

from django.db import transaction

from shipping.models import Shipment
from shipping.states import ShipmentVerb

from .timeline import locked, record

if TYPE_CHECKING:
    from accounts.models import User


def note(shipment: Shipment, sentence: str) -> None:
    """Add what a person is to look at to a locked shipment, which its caller saves."""
    if sentence not in shipment.attention:
        shipment.attention = f"{shipment.attention} {sentence}".strip()


def take_back(shipment: Shipment, sentence: str) -> None:
    """Take out of a locked shipment what nobody needs to look at any more."""
    shipment.attention = shipment.attention.replace(sentence, "").replace("  ", " ").strip()


@transaction.atomic
def settle_attention(*, shipment_id: int, by: "User | None", reason: str = "") -> Shipment:
    """Say that somebody saw to what a shipment needed; where it needed nothing, nothing is said."""
    shipment = locked(shipment_id)
    if not shipment.attention:
        return shipment
    changes = {"attention": [shipment.attention, ""]}
    shipment.attention = ""
    shipment.save(update_fields=["attention", "updated_at"])
    record(shipment, ShipmentVerb.EDITED, by=by, detail=reason, changes=changes)
    return shipment
