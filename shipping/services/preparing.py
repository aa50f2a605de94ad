"""Verbs of a shipment before the carrier has it, and of calling it off."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from core import clock
from core.errors import FieldError, InvalidInput
from core.sequences import next_value
from orders.models import Order, OrderLine
from orders.services import Delivery, Wanted
from orders.states import DeliveryMethod, OrderStatus
from shipping.exceptions import CarrierUnknown, MoveNotAllowed, NotShippable
from shipping.models import Carrier, Parcel, ParcelItem, Shipment
from shipping.providers import Address, Consignment, Item, provider
from shipping.providers import Parcel as Box
from shipping.states import OPEN, UNSURE, DeliveryService, ShipmentStatus, ShipmentVerb

from .attention import note
from .carriers import active_carrier, held_carrier, next_cut_off
from .timeline import locked, record

if TYPE_CHECKING:
    from accounts.models import User

MAX_PARCELS = 99


@dataclass(frozen=True, kw_only=True)
class Piece:
    """So many of a line in a parcel."""

    line: OrderLine
    quantity: int

    @property
    def item(self) -> Item:
        weight = self.line.variant.weight
        return Item(sku=self.line.sku, quantity=self.quantity, weight=weight)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a shipment is to be: as its carrier is told, and of which lines."""

    consignment: Consignment
    packed: Sequence[Sequence[Piece]]


def shippable(order: Order) -> dict[int, int]:
    """Return how many pieces of each line are neither with the customer nor on their way."""
    return _left(order, list(order.lines.all()))


def _left(order: Order, lines: Sequence[OrderLine]) -> dict[int, int]:
    # Where it is fulfilled its pieces are so already: once delivered, and on the way again since.
    on_their_way = _pieces(Shipment.objects.open().filter(order=order, fulfilled_at=None))
    return {line.pk: max(line.outstanding - on_their_way.get(line.pk, 0), 0) for line in lines}


def _pieces(shipments: QuerySet[Shipment]) -> dict[int, int]:
    """Return how many pieces of each line are in these."""
    packed = ParcelItem.objects.filter(parcel__shipment__in=shipments).order_by()
    return dict(packed.values_list("line").annotate(Sum("quantity")))


@transaction.atomic
def prepare_shipment(
    *,
    order_id: int,
    by: "User | None",
    parcels: Sequence[Sequence[Wanted]] | None = None,
    carrier: str = "",
    service: DeliveryService = DeliveryService.STANDARD,
    address: Address | None = None,
) -> Shipment:
    """Pack goods of an accepted order; they go out with the carrier's next batch.

    Args:
        parcels: what is in each; None: all that is left, in one.
        carrier: "": the first one that is active.
        address: None: the order's. Without a country it is in the shop's.

    Raises:
        NotShippable: the order is not accepted, is collected, or nothing of it is left.
        CarrierUnknown: no such carrier takes shipments.
        InvalidInput: a parcel holds what is not left or not the order's, or the carrier takes no
            such shipment; all such fields are named.
    """
    # Locked first: two employees may pack the same pieces.
    orders = Order.objects.select_related("customer")
    order = orders.select_for_update(no_key=True, of=("self",)).get(pk=order_id)
    chosen = held_carrier(active_carrier(carrier))
    plan = planned(
        order=order,
        carrier=chosen,
        parcels=parcels,
        service=service,
        address=address,
        number=f"S{next_value('shipment_number')}",
    )
    shipment = Shipment.objects.create(
        number=plan.consignment.number,
        order=order,
        carrier=chosen,
        service=service,
        **asdict(plan.consignment.address),
        due_at=next_cut_off(chosen, clock.now()),
        created_at=clock.now(),
    )
    _pack(shipment, plan.packed)
    record(shipment, ShipmentVerb.PREPARED, by=by)
    return shipment


def planned(
    *,
    order: Order,
    carrier: Carrier,
    parcels: Sequence[Sequence[Wanted]] | None,
    service: DeliveryService,
    address: Address | None,
    number: str,
) -> Plan:
    """Return what would be shipped of an order; raises as `prepare_shipment`."""
    if order.status != OrderStatus.ACCEPTED:
        raise NotShippable(
            f"Order {order.number} is {order.state.label.lower()}; only an accepted one is shipped."
        )
    if order.delivery_method == DeliveryMethod.COLLECTION:
        raise NotShippable(f"Order {order.number} is collected by its customer.")
    if address is None and order.customer.forgotten_at:
        raise NotShippable(
            f"The customer of order {order.number} deleted their account, and where they live is"
            " forgotten. Give a delivery_address, or cancel the order."
        )
    lines = list(order.lines.select_related("variant"))
    left = _left(order, lines)
    if not any(left.values()):
        raise NotShippable(f"Nothing of order {order.number} is left to be shipped.")
    packed = (
        [[Piece(line=line, quantity=left[line.pk]) for line in lines if left[line.pk]]]
        if parcels is None
        else _packed(lines, left, parcels)
    )
    consignment = Consignment(
        number=number,
        service=service,
        address=checked_address(address or address_of_order(order)),
        parcels=[Box(items=[piece.item for piece in pieces]) for pieces in packed],
    )
    refuse_what_it_refuses(carrier, consignment)
    return Plan(consignment=consignment, packed=packed)


def _pack(shipment: Shipment, packed: Sequence[Sequence[Piece]]) -> None:
    boxes = Parcel.objects.bulk_create(
        Parcel(shipment=shipment, position=position) for position in range(1, len(packed) + 1)
    )
    ParcelItem.objects.bulk_create(
        ParcelItem(
            parcel=box,
            line=piece.line,
            quantity=piece.quantity,
            weight=piece.line.variant.weight,
        )
        for box, pieces in zip(boxes, packed, strict=True)
        for piece in pieces
    )


def _packed(
    lines: Sequence[OrderLine], left: Mapping[int, int], parcels: Sequence[Sequence[Wanted]]
) -> list[list[Piece]]:
    """Return what the caller puts in each parcel, a line once in each."""
    if not 1 <= len(parcels) <= MAX_PARCELS:
        detail = f"Name 1 to {MAX_PARCELS} parcels."
        raise InvalidInput.at("parcels", detail=detail, code="out_of_bounds")
    by_sku = {line.sku.lower(): line for line in lines}
    taken: dict[int, int] = {}
    packed = []
    errors = []
    for number, wanted_here in enumerate(parcels):
        here: dict[int, int] = {}
        if not wanted_here:
            path: tuple[str | int, ...] = ("parcels", number, "items")
            detail = "There is nothing in this parcel."
            errors.append(FieldError(path=path, code="empty", detail=detail))
        for position, wanted in enumerate(wanted_here):
            path = ("parcels", number, "items", position)
            line = by_sku.get(wanted.sku.lower())
            if line is None:
                detail = f"{wanted.sku} is not in this order."
                errors.append(FieldError(path=(*path, "sku"), code="unknown_sku", detail=detail))
                continue
            taken[line.pk] = taken.get(line.pk, 0) + wanted.quantity
            here[line.pk] = here.get(line.pk, 0) + wanted.quantity
            if wanted.quantity < 1 or taken[line.pk] > left[line.pk]:
                is_left = "is left" if left[line.pk] == 1 else "are left"
                detail = f"{left[line.pk]} of {line.sku} {is_left} to be shipped."
                errors.append(
                    FieldError(path=(*path, "quantity"), code="out_of_bounds", detail=detail)
                )
        packed.append(
            [Piece(line=line, quantity=here[line.pk]) for line in lines if line.pk in here]
        )
    if errors:
        raise InvalidInput("A parcel does not fit the order.", errors=errors)
    return packed


def address_of_order(order: Order) -> Address:
    return Address(
        recipient=order.recipient,
        line_1=order.address_line_1,
        line_2=order.address_line_2,
        city=order.city,
        postcode=order.postcode,
        country=order.country,
    )


def delivery_to(address: Address) -> Delivery:
    return Delivery(
        delivery_method=DeliveryMethod.DELIVERY,
        recipient=address.recipient,
        address_line_1=address.line_1,
        address_line_2=address.line_2,
        city=address.city,
        postcode=address.postcode,
        country=address.country,
    )


def checked_address(address: Address) -> Address:
    """Return the address with its country. Raises `InvalidInput` as an order's would."""
    delivery_to(address).check()
    fields = asdict(address)
    return Address(**{**fields, "country": address.country or settings.SHOP_REGION})


def refuse_what_it_refuses(carrier: Carrier, consignment: Consignment) -> None:
    """Raises `InvalidInput`, naming each field that is beyond the carrier's limits.

    `CarrierUnknown` where the shop lacks its settings.
    """
    try:
        plug_in = provider(carrier.name)
    except ImproperlyConfigured as error:
        raise CarrierUnknown.at("carrier", detail=str(error)) from None
    if errors := plug_in.check(consignment):
        # Also for those who see this sentence alone.
        said = (f"{'.'.join(map(str, each.path))}: {each.detail}" for each in errors)
        raise InvalidInput(" ".join(said), errors=errors)


def consignment_of(shipment: Shipment) -> Consignment:
    """Return a shipment as its carrier is told of it."""
    parcels = shipment.parcels.prefetch_related("items__line")
    return Consignment(
        number=shipment.number,
        service=DeliveryService(shipment.service),
        address=Address.of(shipment),
        parcels=[
            Box(
                items=[
                    Item(sku=item.line.sku, quantity=item.quantity, weight=item.weight)
                    for item in parcel.items.all()
                ]
            )
            for parcel in parcels
        ],
    )


@transaction.atomic
def edit_shipment(
    *,
    shipment_id: int,
    by: "User | None",
    carrier: str | None = None,
    service: DeliveryService | None = None,
    address: Address | None = None,
) -> Shipment:
    """Change a shipment that no carrier has, and let it go out with the next batch.

    A refused one is sent again, whether or not something is changed. What is None stays.

    Raises:
        MoveNotAllowed: the carrier has it, or may have it.
        CarrierUnknown, InvalidInput: as in `prepare_shipment`.
    """
    shipment = locked(shipment_id)
    if not shipment.is_ours:
        raise MoveNotAllowed(
            f"Shipment {shipment.number} is {_described(shipment)}; it cannot be changed.",
            status=shipment.state,
            allowed=[],
        )
    chosen = active_carrier(carrier) if carrier is not None else shipment.carrier
    after = {
        # Its own carrier's new schedule finds it, another's could miss it.
        "carrier": chosen if chosen == shipment.carrier else held_carrier(chosen),
        "service": service or shipment.service,
        **asdict(checked_address(address) if address else Address.of(shipment)),
    }
    changes = {}
    for name, value in after.items():
        if (before := getattr(shipment, name)) != value:
            changes[name] = [str(before), str(value)]
            setattr(shipment, name, value)
    if not changes and shipment.status == ShipmentStatus.WAITING:
        return shipment
    refuse_what_it_refuses(shipment.carrier, consignment_of(shipment))
    if shipment.status == ShipmentStatus.REFUSED:
        # Whoever sends it again has seen why.
        shipment.attention = ""
    shipment.status = ShipmentStatus.WAITING
    shipment.due_at = next_cut_off(shipment.carrier, clock.now())
    # A worker that has just claimed it finds that it does not have it any more.
    shipment.fence = shipment.leased_until = None
    shipment.attempts = 0
    shipment.error_code = shipment.error = ""
    shipment.save()
    record(shipment, ShipmentVerb.EDITED, by=by, changes=changes)
    return shipment


@transaction.atomic
def send_now(*, shipment_ids: Sequence[int], by: "User | None") -> int:
    """Let what waits for a batch or for another try go out at once; return how many.

    Raises:
        MoveNotAllowed: one of them does not wait to be sent.
    """
    named = Shipment.objects.filter(pk__in=shipment_ids)
    waits = Q(status=ShipmentStatus.WAITING, cancel_asked_at=None)
    if other := named.exclude(waits).first():
        raise MoveNotAllowed(
            f"Shipment {other.number} is {_described(other)}; it does not wait to be sent.",
            status=other.state,
            allowed=[],
        )
    waiting = named.waiting_until_later(clock.now())
    found = list(waiting.order_by("pk").select_for_update(no_key=True))
    now = clock.now()
    for shipment in found:
        changes = {"due_at": [shipment.due_at.isoformat(), now.isoformat()]}
        shipment.due_at = now
        record(shipment, ShipmentVerb.EDITED, by=by, changes=changes)
    Shipment.objects.bulk_update(found, ["due_at"])
    return len(found)


def send_shipment(*, shipment_id: int, by: "User | None") -> Shipment:
    """As `send_now`, of one."""
    send_now(shipment_ids=[shipment_id], by=by)
    return Shipment.objects.get(pk=shipment_id)


@transaction.atomic
def cancel_shipment(*, shipment_id: int, by: "User | None", reason: str = "") -> Shipment:
    """Call it off: at once where no carrier has it, else by asking the carrier.

    Where the carrier cannot be asked anything it is written off, for a person to see to. Asked
    twice it is asked once. Raises `MoveNotAllowed` where it is over, or where the carrier says what
    it has, and calls nothing off.
    """
    shipment = locked(shipment_id)
    if shipment.cancel_asked_at is None and not _call_off(shipment, by=by, reason=reason):
        raise MoveNotAllowed(
            f"Shipment {shipment.number} is {_described(shipment)}; it cannot be cancelled.",
            status=shipment.state,
            allowed=[],
        )
    return shipment


@transaction.atomic
def call_off_shipments(*, order_id: int, by: "User | None", reason: str = "") -> int:
    """Call off what is on its way of an order that is called off; return how many.

    What cannot be any more is left to a person.
    """
    shipments = list(
        Shipment.objects.open()
        .filter(order=order_id, cancel_asked_at=None)
        .order_by("pk")
        .select_for_update(no_key=True)
    )
    for shipment in shipments:
        if not _call_off(shipment, by=by, reason=reason):
            note(shipment, "The order is cancelled, and the carrier cannot call this off.")
            shipment.save(update_fields=["attention", "updated_at"])
    return len(shipments)


def _call_off(shipment: Shipment, *, by: "User | None", reason: str) -> bool:
    """Cancel a locked shipment, or ask for it; False: neither can be."""
    if shipment.is_ours:
        shipment.attention = ""
        become_cancelled(shipment, by=by, reason=reason)
        return True
    if shipment.status not in OPEN:
        return False
    try:
        plug_in = provider(shipment.carrier.name)
        cancels, looks_up = plug_in.cancels, plug_in.looks_up
    except ImproperlyConfigured:
        # The shop works with it no more.
        cancels = looks_up = False
    if not cancels and not looks_up:
        note(shipment, "Its carrier could not be asked when it was cancelled: see that it knows.")
        become_cancelled(shipment, by=by, reason=reason)
        return True
    if not cancels and shipment.status not in UNSURE:
        return False
    shipment.cancel_asked_at = clock.now()
    shipment.attempts = 0
    shipment.due_at = clock.now()
    shipment.save(update_fields=["cancel_asked_at", "attempts", "due_at", "updated_at"])
    record(shipment, ShipmentVerb.CANCEL_ASKED, by=by, detail=reason)
    return True


def stop_what_is_fulfilled(shipment: Shipment) -> bool:
    """Call off a locked shipment, with its order locked, if its customer has goods of it already.

    They were fulfilled by hand, or brought by another shipment. Return whether so.
    """
    others = Shipment.objects.open().filter(
        order=shipment.order_id, fulfilled_at=None, handed_at__isnull=False
    )
    gone = _pieces(others.exclude(pk=shipment.pk))
    mine = _pieces(Shipment.objects.filter(pk=shipment.pk))
    lines = OrderLine.objects.filter(pk__in=mine)
    if all(mine[line.pk] <= line.outstanding - gone.get(line.pk, 0) for line in lines):
        return False
    sentence = "The customer had goods of it before it was sent."
    _call_off(shipment, by=None, reason=sentence)
    note(shipment, f"{sentence} Ship anew what is left.")
    shipment.save(update_fields=["attention", "updated_at"])
    return True


def become_cancelled(shipment: Shipment, *, by: "User | None" = None, reason: str = "") -> None:
    """Write that nobody brings a locked shipment; its pieces can be shipped anew."""
    shipment.status = ShipmentStatus.CANCELLED
    shipment.fence = shipment.leased_until = shipment.cancel_asked_at = None
    shipment.error_code = shipment.error = ""
    shipment.save()
    record(shipment, ShipmentVerb.CANCELLED, by=by, detail=reason)


def _described(shipment: Shipment) -> str:
    if shipment.cancel_asked_at:
        return "being cancelled"
    if shipment.handed_at and shipment.status == ShipmentStatus.WAITING:
        return "being handed to the carrier"
    return shipment.state.label.lower()
