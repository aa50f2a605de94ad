"""What a carrier would take for a shipment, before it is made."""

from collections.abc import Sequence

from orders.models import Order
from orders.services import Wanted
from shipping.exceptions import NoQuote
from shipping.providers import Address, Quote, Refused, Unclear, provider
from shipping.states import DeliveryService

from .carriers import active_carrier
from .circuits import note_outcome, take_turn
from .preparing import planned


def quotes_for(
    *,
    order_id: int,
    parcels: Sequence[Sequence[Wanted]] | None = None,
    service: DeliveryService = DeliveryService.STANDARD,
    address: Address | None = None,
    carrier: str = "",
) -> list[Quote]:
    """Ask a carrier what `prepare_shipment` with the same arguments would cost.

    The network is asked outside of any transaction.

    Raises:
        NotShippable, CarrierUnknown, InvalidInput: as in `prepare_shipment`.
        NoQuote: the carrier says no prices, or cannot be asked now.
    """
    chosen = active_carrier(carrier)
    consignment = planned(
        order=Order.objects.get(pk=order_id),
        carrier=chosen,
        parcels=parcels,
        service=service,
        address=address,
        number="quote",
    ).consignment
    plug_in = provider(chosen.name)
    if not plug_in.quotes:
        raise NoQuote(f"{plug_in.label} says no prices.")
    turn = take_turn(chosen.pk)
    if turn is None:
        raise NoQuote(f"{plug_in.label} cannot be asked now.")
    answer = plug_in.quote(consignment)
    note_outcome(chosen.pk, answer, turn)
    if isinstance(answer, Refused | Unclear):
        raise NoQuote(f"{plug_in.label} says no price: {answer.reason}")
    return list(answer)
