"""Setting standing orders up and changing them: what comes, where to, and when."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from django.db import transaction

from catalog.models import Variant
from core import clock
from core.errors import FieldError, InvalidInput
from core.sequences import next_value
from customers.models import Customer
from customers.services import hold_customer
from orders.exceptions import UnknownGoods
from orders.services import MAX_LINES, MAX_QUANTITY, Wanted
from shipping.exceptions import CarrierUnknown, MoveNotAllowed
from shipping.models import Carrier, StandingItem, StandingOrder
from shipping.providers import Address, Consignment, Item, Parcel
from shipping.states import (
    DeliveryService,
    Interval,
    StandingOrderStatus,
    StandingOrderVerb,
)

from .carriers import active_carrier
from .dates import Rhythm
from .life import advance, hold, record, rhythm_of
from .preparing import checked_address, refuse_what_it_refuses

if TYPE_CHECKING:
    from accounts.models import User

MAX_EVERY = 52
MAX_COUNT = 10_000
# What a typing error says beyond it is no date of a standing order.
LATEST = date(2199, 12, 31)
_RHYTHM = {"interval", "every", "start", "end", "count"}


class Ends(TypedDict, total=False):
    """When it ends: after a date, or after so many of its dates; None: it does not."""

    end: date | None
    count: int | None


def address_of(standing: StandingOrder) -> Address:
    return Address.of(standing)


@transaction.atomic
def create_standing_order(
    *,
    customer: Customer,
    items: Sequence[Wanted],
    address: Address,
    interval: Interval,
    start: date,
    by: "User | None",
    every: int = 1,
    carrier: str = "",
    service: DeliveryService = DeliveryService.STANDARD,
    **ends: Unpack[Ends],
) -> StandingOrder:
    """Let something come to a customer again and again, at the price of each date.

    Args:
        carrier: without it, the first that the shop works with.

    Raises:
        InvalidInput: no items, a quantity or date beyond bounds, both an end and a count, an
            address that its carrier cannot take, or the customer is deleted.
        UnknownGoods: a SKU is not for sale; all such items are named.
        CarrierUnknown: no carrier of that name takes shipments.
    """
    rhythm = Rhythm(interval=Interval(interval), every=every, start=start, **ends)
    check_rhythm(rhythm, anew=True)
    try:
        customer = hold_customer(customer_id=customer.pk)
    except Customer.DoesNotExist:
        raise InvalidInput.at(
            "customer", detail="There is no such customer any more.", code="does_not_exist"
        ) from None
    goods = wanted_goods(items)
    by_carrier = active_carrier(carrier)
    address = checked_address(address)
    check_sendable(by_carrier, service, address, goods)
    standing = StandingOrder.objects.create(
        number=f"R{next_value('standing_order_number')}",
        customer=customer,
        interval=interval,
        every=every,
        start=start,
        end=rhythm.end,
        count=rhythm.count,
        next_on=start,
        carrier=by_carrier,
        service=service,
        **asdict(address),
    )
    _put_items(standing, goods)
    record(standing, StandingOrderVerb.CREATED, by=by)
    return standing


@transaction.atomic
def change_standing_order(
    *,
    standing_order_id: int,
    by: "User | None",
    items: Sequence[Wanted] | None = None,
    address: Address | None = None,
    interval: Interval | None = None,
    every: int | None = None,
    start: date | None = None,
    carrier: str | None = None,
    service: DeliveryService | None = None,
    **ends: Unpack[Ends],
) -> StandingOrder:
    """Change what comes, where to, or when. What is not given stays; `items` are all it shall have.

    Another interval or `start` counts its dates anew: from `start`, without one from the next
    date. A `count` that is not given is then what was left of it.

    Raises:
        MoveNotAllowed: it is ended.
        InvalidInput, UnknownGoods, CarrierUnknown: as in `create_standing_order`.
    """
    standing = hold(standing_order_id)
    if standing.state == StandingOrderStatus.ENDED:
        raise MoveNotAllowed(
            f"Standing order {standing.number} is ended; it cannot be changed.",
            status=standing.state,
            allowed=[],
        )
    before = _said(standing)
    _change_rhythm(standing, interval=interval, every=every, start=start, **ends)
    if carrier is not None and carrier != standing.carrier.name:
        standing.carrier = active_carrier(carrier)
    if service is not None:
        standing.service = service
    for name, value in asdict(checked_address(address or address_of(standing))).items():
        setattr(standing, name, value)
    changes = _changes(before, _said(standing))
    goods = goods_of(standing) if items is None else wanted_goods(items)
    if items is not None:
        changes |= _put_items(standing, goods)
    if not changes:
        return standing
    if set(changes) - _RHYTHM:
        check_sendable(
            carrier_for(standing), DeliveryService(standing.service), address_of(standing), goods
        )
    advance(standing)
    standing.save()
    record(standing, StandingOrderVerb.CHANGED, by=by, changes=changes)
    return standing


def _change_rhythm(
    standing: StandingOrder,
    *,
    interval: Interval | None,
    every: int | None,
    start: date | None,
    **ends: Unpack[Ends],
) -> None:
    before = rhythm_of(standing)
    same = (interval or before.interval, every or before.every) == (before.interval, before.every)
    anew = not same or start not in {None, before.start}
    first = before.start
    if anew:
        # It is not ended, so it has a next date.
        first = start or standing.next_on or before.start
        if before.count is not None and "count" not in ends:
            ends["count"] = None if ends.get("end") else before.count - standing.position
    rhythm = Rhythm(
        interval=Interval(interval or before.interval),
        every=before.every if every is None else every,
        start=first,
        end=ends.get("end", None if ends.get("count") else before.end),
        count=ends.get("count", None if ends.get("end") else before.count),
    )
    check_rhythm(rhythm, anew=anew and start is not None)
    standing.interval, standing.every, standing.start = rhythm.interval, rhythm.every, rhythm.start
    standing.end, standing.count = rhythm.end, rhythm.count
    if anew:
        standing.position = 0


def check_rhythm(rhythm: Rhythm, *, anew: bool) -> None:
    errors = []

    def refuse(name: str, code: str, detail: str) -> None:
        errors.append(FieldError(path=(name,), code=code, detail=detail))

    if not 1 <= rhythm.every <= MAX_EVERY:
        refuse("every", "out_of_bounds", f"Must be 1 to {MAX_EVERY}.")
    if anew and rhythm.start < clock.today():
        refuse("start", "out_of_bounds", "Must not be before today.")
    if rhythm.start > LATEST:
        refuse("start", "out_of_bounds", f"Must not be after {LATEST}.")
    if rhythm.end is not None and rhythm.end < rhythm.start:
        refuse("end", "out_of_bounds", "Must not be before its first date.")
    if rhythm.count is not None and not 1 <= rhythm.count <= MAX_COUNT:
        refuse("count", "out_of_bounds", f"Must be 1 to {MAX_COUNT}.")
    if rhythm.end is not None and rhythm.count is not None:
        refuse("count", "not_allowed", "Give an end or a count, not both.")
    if errors:
        raise InvalidInput("The dates have errors.", errors=errors)


def wanted_goods(items: Sequence[Wanted]) -> dict[Variant, int]:
    """Return the pieces of each thing that is asked for, all of them for sale."""
    if not items:
        raise InvalidInput.at("items", detail="Order at least one thing.", code="empty")
    if len(items) > MAX_LINES:
        raise InvalidInput.at("items", detail=f"At most {MAX_LINES} items.", code="max_length")
    found = {
        variant.sku.lower(): variant
        for variant in Variant.objects.for_sale(item.sku for item in items)
    }
    unknown = [
        FieldError(
            path=("items", index, "sku"),
            code=UnknownGoods.code,
            detail=f"{item.sku} is not for sale.",
        )
        for index, item in enumerate(items)
        if item.sku.lower() not in found
    ]
    if unknown:
        raise UnknownGoods("An item names something that is not for sale.", errors=unknown)
    goods: dict[Variant, int] = {}
    errors = []
    for index, item in enumerate(items):
        variant = found[item.sku.lower()]
        goods[variant] = goods.get(variant, 0) + item.quantity
        if not (item.quantity >= 1 and goods[variant] <= MAX_QUANTITY):
            errors.append(
                FieldError(
                    path=("items", index, "quantity"),
                    code="out_of_bounds",
                    detail=f"Must be 1 to {MAX_QUANTITY}.",
                )
            )
    if errors:
        raise InvalidInput("A quantity is out of bounds.", errors=errors)
    return goods


def carrier_for(standing: StandingOrder) -> Carrier:
    """Return its carrier, or where that takes nothing new the first that does.

    Raises `CarrierUnknown` where there is none.
    """
    try:
        return active_carrier(standing.carrier.name)
    except CarrierUnknown:
        return active_carrier()


def goods_of(standing: StandingOrder) -> dict[Variant, int]:
    return {
        item.variant: item.quantity for item in standing.items.select_related("variant__product")
    }


def _put_items(standing: StandingOrder, goods: Mapping[Variant, int]) -> dict[str, list[int]]:
    """Let it be for these goods and no others; return what that changes."""
    before = goods_of(standing)
    changes = {
        f"{variant.sku} quantity": [before.get(variant, 0), goods.get(variant, 0)]
        for variant in [*before, *(each for each in goods if each not in before)]
        if before.get(variant, 0) != goods.get(variant, 0)
    }
    if changes:
        standing.items.all().delete()
        StandingItem.objects.bulk_create(
            StandingItem(standing_order=standing, variant=variant, quantity=quantity)
            for variant, quantity in goods.items()
        )
    return changes


def check_sendable(
    carrier: Carrier, service: DeliveryService, address: Address, goods: Mapping[Variant, int]
) -> None:
    """Refuse now what its carrier would refuse at each date, by `InvalidInput`."""
    consignment = Consignment(
        # As long as a shipment's.
        number="S0001",
        service=service,
        address=address,
        parcels=[
            Parcel(
                items=[
                    Item(sku=variant.sku, quantity=quantity, weight=variant.weight)
                    for variant, quantity in goods.items()
                ]
            )
        ],
    )
    try:
        refuse_what_it_refuses(carrier, consignment)
    except InvalidInput as error:
        # The parcel is not the caller's, its items are.
        errors = [
            replace(each, path=each.path[2:]) if each.path[:3] == ("parcels", 0, "items") else each
            for each in error.errors
        ]
        raise InvalidInput(error.detail, errors=errors) from None


def _said(standing: StandingOrder) -> dict[str, Any]:
    """Return what can be changed of it, but for its items, as the API says it."""
    return {
        "interval": str(standing.interval),
        "every": standing.every,
        "start": str(standing.start),
        "end": standing.end and str(standing.end),
        "count": standing.count,
        "carrier": standing.carrier.name,
        "service": str(standing.service),
        **asdict(address_of(standing)),
    }


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {name: [before[name], after[name]] for name in before if before[name] != after[name]}
