"""What customers are told of a shipment."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from core.events import Notice, Recipient
from shipping import signals
from shipping.models import Carrier, Shipment, ShipmentEvent
from shipping.providers import provider
from shipping.states import ShipmentStatus

_EVENTS = {
    ShipmentStatus.SENT: signals.shipment_sent,
    # Where its carrier said so before it answered that it has it.
    ShipmentStatus.WAITING_FOR_COLLECTION: signals.shipment_sent,
    ShipmentStatus.IN_TRANSIT: signals.shipment_in_transit,
    ShipmentStatus.DELIVERED: signals.shipment_delivered,
    ShipmentStatus.FAILED_TO_DELIVER: signals.shipment_failed,
}


def tell(shipment: Shipment, entry: ShipmentEvent) -> None:
    """Tell the customer where it stands since this entry of its timeline, if they are to know.

    Inside the transaction that wrote the entry, once for each.
    """
    event = _EVENTS.get(shipment.state)
    if event is None:
        return
    customer = shipment.order.customer
    event.announce(
        notice=Notice(
            occurrence=str(entry.pk),
            subject="shipment",
            reference=shipment.number,
            recipient=Recipient(
                reference=customer.code, phone=customer.phone, language=customer.language
            ),
            data=data_of(shipment),
        )
    )


def data_of(shipment: Shipment) -> dict[str, str]:
    """Return what fills the words of any event of a shipment."""
    return {
        "customer": shipment.order.customer.name,
        "number": shipment.number,
        "order": shipment.order.number,
        "carrier": label_of(shipment.carrier),
        "shop": settings.SHOP_NAME,
    }


def label_of(carrier: Carrier) -> str:
    """Return a carrier as people know it."""
    try:
        return provider(carrier.name).label
    except ImproperlyConfigured:
        # The shop works with it no more; what it has under way goes on.
        return carrier.name.capitalize()


def data_of_number(number: str) -> dict[str, str] | None:
    shipment = (
        Shipment.objects.select_related("order__customer", "carrier").filter(number=number).first()
    )
    return data_of(shipment) if shipment else None
