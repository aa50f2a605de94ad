"""What a status link shows of a shipment."""

from core.status_pages import Part, StatusPage, Step
from shipping.models import Shipment, ShipmentEvent
from shipping.states import ShipmentStatus, ShipmentVerb

from .telling import label_of

_TITLE = {"en": "Delivery {number} of order {order}", "sw": "Usafirishaji {number} wa oda {order}"}
_PART = {"en": "Delivery {number}: {carrier}", "sw": "Usafirishaji {number}: {carrier}"}
_FOLLOW = {"en": "Follow it", "sw": "Fuatilia"}
_STATES = {
    "en": {
        ShipmentStatus.WAITING: "Being prepared",
        # What the carrier dislikes of it is the shop's to mend.
        ShipmentStatus.REFUSED: "Being prepared",
        ShipmentStatus.SENT: "Handed to the carrier",
        ShipmentStatus.WAITING_FOR_COLLECTION: "Waiting to be collected by the carrier",
        ShipmentStatus.IN_TRANSIT: "On its way",
        ShipmentStatus.DELIVERED: "Delivered",
        ShipmentStatus.FAILED_TO_DELIVER: "Could not be delivered",
        ShipmentStatus.CANCELLED: "Cancelled",
    },
    "sw": {
        ShipmentStatus.WAITING: "Inaandaliwa",
        ShipmentStatus.REFUSED: "Inaandaliwa",
        ShipmentStatus.SENT: "Imekabidhiwa kwa msafirishaji",
        ShipmentStatus.WAITING_FOR_COLLECTION: "Inasubiri kuchukuliwa na msafirishaji",
        ShipmentStatus.IN_TRANSIT: "Iko njiani",
        ShipmentStatus.DELIVERED: "Imefikishwa",
        ShipmentStatus.FAILED_TO_DELIVER: "Haikuweza kufikishwa",
        ShipmentStatus.CANCELLED: "Imefutwa",
    },
}


def status_page(reference: str, language: str) -> StatusPage | None:
    """Return where a shipment stands, without what is in it, for whom or where it goes."""
    shipment = (
        Shipment.objects.select_related("order", "carrier")
        .prefetch_related("timeline")
        .filter(number=reference)
        .first()
    )
    if shipment is None:
        return None
    language = language if language in _TITLE else "en"
    url = shipment.tracking_url
    follow = Part(label=label_of(shipment.carrier), text=_FOLLOW[language], url=url)
    return StatusPage(
        title=_TITLE[language].format(number=shipment.number, order=shipment.order.number),
        state=_STATES[language][shipment.state],
        steps=[
            Step(at=entry.at, label=_STATES[language][_status_of(entry)])
            for entry in shipment.timeline.all()
            if not entry.is_internal
        ],
        parts=[follow] if url else [],
    )


def parts_of_order(reference: str, language: str) -> list[Part]:
    """Return where each shipment of an order stands, the oldest first; nothing of what is over."""
    language = language if language in _PART else "en"
    shipments = Shipment.objects.filter(order__number=reference).select_related("carrier")
    return [
        Part(
            label=_PART[language].format(number=each.number, carrier=label_of(each.carrier)),
            text=_STATES[language][each.state],
            url=each.tracking_url,
        )
        for each in shipments.exclude(status=ShipmentStatus.CANCELLED).order_by("pk")
    ]


def _status_of(entry: ShipmentEvent) -> ShipmentStatus:
    # News may be faster than the carrier's answer, which by then finds it on its way.
    taken = entry.verb == ShipmentVerb.ACCEPTED
    return ShipmentStatus.SENT if taken else ShipmentStatus(entry.status)
