"""Verbs that say what an order consists of: place, draft, edit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from catalog.exceptions import OutOfStock
from catalog.models import Variant
from catalog.services import change_stock, take_stock
from core.constraints import constraints_as
from core.errors import FieldError, InvalidInput
from core.sequences import next_value
from customers.models import Customer
from customers.services import hold_customer
from orders import signals
from orders.exceptions import EditNotAllowed, MoveNotAllowed, PriceChanged, UnknownGoods
from orders.models import Order, OrderLine
from orders.states import DeliveryMethod, OrderStatus, OrderVerb

from .history import line_change, locked, record

if TYPE_CHECKING:
    from django.db.models import Field

    from accounts.models import User

MAX_LINES = 200
MAX_QUANTITY = 1_000_000
# The largest amount that `Order.total` holds.
MAX_TOTAL = Decimal("999999999999.99")
# Fields of `Delivery`, which are the order's too.
_DELIVERY = (
    "delivery_method",
    "recipient",
    "address_line_1",
    "address_line_2",
    "city",
    "postcode",
    "country",
)
_NEEDED = {"recipient", "address_line_1", "city"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """So many pieces of a SKU, in capitals or not."""

    sku: str
    quantity: int


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How the goods come to the customer. `country` is ISO 3166-1 alpha-2."""

    delivery_method: DeliveryMethod = DeliveryMethod.COLLECTION
    recipient: str = ""
    address_line_1: str = ""
    address_line_2: str = ""
    city: str = ""
    postcode: str = ""
    country: str = ""

    @classmethod
    def of(cls, order: Order) -> "Delivery":
        return cls(**{name: getattr(order, name) for name in _DELIVERY})

    def check(self) -> None:
        """Raises `InvalidInput` where a delivery has no address, or a collection has one."""
        if self.delivery_method == DeliveryMethod.COLLECTION:
            if any(getattr(self, name) for name in _DELIVERY[1:]):
                raise InvalidInput.at(
                    "delivery_address", detail="A collection has no address.", code="not_allowed"
                )
            return
        errors = []
        for name in _DELIVERY[1:]:
            value: str = getattr(self, name)
            most = cast("Field[str, str]", Order._meta.get_field(name)).max_length or 0
            path = ("delivery_address", name.removeprefix("address_"))
            if name in _NEEDED and not value.strip():
                detail = "Needed for a delivery."
                errors.append(FieldError(path=path, code="required", detail=detail))
            elif len(value) > most:
                detail = f"At most {most} characters."
                errors.append(FieldError(path=path, code="max_length", detail=detail))
        if self.country and not re.fullmatch("[A-Z]{2}", self.country):
            detail = "Two capital letters, such as KE (ISO 3166-1)."
            errors.append(
                FieldError(path=("delivery_address", "country"), code="invalid", detail=detail)
            )
        if errors:
            raise InvalidInput("The address of the delivery has errors.", errors=errors)

    def as_fields(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in _DELIVERY}


COLLECTION = Delivery()


@transaction.atomic
def place_order(
    *,
    customer: Customer,
    lines: Sequence[Wanted],
    by: "User | None",
    note: str = "",
    delivery: Delivery = COLLECTION,
    reference: str | None = None,
    prices: Mapping[str, Decimal] | None = None,
    quietly: bool = False,
) -> Order:
    """Place an order: take its goods from stock and tell the customer.

    Lines with the same SKU become one. Name and price are those of this moment.

    Args:
        reference: what the order is called where it comes from; given to one order only.
        prices: what the customer agreed to pay, by SKU in small letters.
        quietly: tell nobody, as where old orders are uploaded.

    Raises:
        InvalidInput: no lines, a quantity or total beyond bounds, no address for a delivery,
            the reference is another order's, or the customer is deleted.
        UnknownGoods: a SKU is not for sale; all such lines are named.
        PriceChanged: a price is not what was agreed; all such lines are named.
        OutOfStock: there is too little of something; all such lines are named.
    """
    delivery.check()
    customer = _held(customer)
    found = _goods(lines)
    quantities = _quantities(lines, found)
    if prices is not None:
        _hold_prices(lines, found, prices)
    number = str(next_value("order_number"))
    try:
        take_stock(quantities=quantities, order=number, by=by)
    except OutOfStock as error:
        raise _naming_lines(error, lines, found) from None
    order = _create(
        status=OrderStatus.PENDING,
        number=number,
        customer=customer,
        found=found,
        quantities=quantities,
        note=note,
        delivery=delivery,
        reference=reference,
    )
    record(
        order,
        OrderVerb.PLACED,
        from_status="",
        by=by,
        event=None if quietly else signals.order_placed,
    )
    return order


@transaction.atomic
def draft_order(
    *,
    customer: Customer,
    lines: Sequence[Wanted],
    by: "User | None",
    note: str = "",
    delivery: Delivery = COLLECTION,
    reference: str | None = None,
) -> Order:
    """Put an order together without placing it: no stock is taken and nobody is told.

    It keeps the prices of this moment. Raises as `place_order` does, but for stock.
    """
    delivery.check()
    customer = _held(customer)
    found = _goods(lines)
    quantities = _quantities(lines, found)
    number = str(next_value("order_number"))
    order = _create(
        status=OrderStatus.DRAFT,
        number=number,
        customer=customer,
        found=found,
        quantities=quantities,
        note=note,
        delivery=delivery,
        reference=reference,
    )
    record(order, OrderVerb.DRAFTED, from_status="", by=by, event=None)
    return order


@transaction.atomic
def place_draft(*, order_id: int, by: "User | None") -> Order:
    """Place a draft at the prices it was drafted with.

    Raises:
        MoveNotAllowed: unless the order is a draft.
        UnknownGoods, OutOfStock: as in `place_order`; `lines` are the draft's.
    """
    order = locked(order_id)
    refuse_move(order, OrderStatus.PENDING)
    lines = list(order.lines.select_related("variant"))
    wanted = [Wanted(sku=line.sku, quantity=line.quantity) for line in lines]
    # By their SKUs of today: one may have got another since it was drafted.
    for_sale = {each.pk for each in Variant.objects.for_sale(line.variant.sku for line in lines)}
    _refuse_unknown(
        wanted, known={line.sku.lower() for line in lines if line.variant_id in for_sale}
    )
    try:
        take_stock(
            quantities={line.variant_id: line.quantity for line in lines},
            order=order.number,
            by=by,
        )
    except OutOfStock as error:
        by_sku = {line.sku.lower(): line.variant for line in lines}
        raise _naming_lines(error, wanted, by_sku) from None
    order.status = OrderStatus.PENDING
    order.placed_at = Now()
    order.save(update_fields=["status", "placed_at", "updated_at"])
    order.refresh_from_db(fields=["placed_at"])
    record(
        order,
        OrderVerb.PLACED,
        from_status=OrderStatus.DRAFT,
        by=by,
        event=signals.order_placed,
    )
    return order


@transaction.atomic
def edit_order(
    *,
    order_id: int,
    by: "User | None",
    lines: Sequence[Wanted] | None = None,
    note: str | None = None,
    delivery: Delivery | None = None,
    seen: datetime | None = None,
) -> Order:
    """Change what a draft or a pending order consists of; what is None stays.

    `lines` are all it shall have. What it had before keeps its price; what is new gets the
    present one. The stock follows.

    Raises:
        EditNotAllowed: the order is beyond that.
        OrderChanged: it changed since it was `seen` (its `updated_at`).
        InvalidInput, UnknownGoods, OutOfStock: as in `place_order`.
    """
    order = locked(order_id, seen=seen)
    if not order.state.can_be_edited:
        raise EditNotAllowed(
            f"Order {order.number} is {order.state.label.lower()}; only drafts and pending orders"
            " can be edited.",
            status=order.state,
            allowed=[str(status) for status in order.state.allowed],
        )
    changes: dict[str, Any] = {}
    if note is not None and note != order.note:
        changes["note"] = [order.note, note]
        order.note = note
    if delivery is not None:
        delivery.check()
        for name, value in delivery.as_fields().items():
            if value != getattr(order, name):
                changes[name] = [getattr(order, name), value]
                setattr(order, name, value)
    if lines is not None:
        changes |= _change_lines(order, lines, by=by)
    if changes:
        order.save()
        record(
            order, OrderVerb.EDITED, from_status=order.status, by=by, event=None, changes=changes
        )
    return order


def _change_lines(order: Order, lines: Sequence[Wanted], *, by: "User | None") -> dict[str, Any]:
    _check_bounds(lines)
    present = {line.variant_id: line for line in order.lines.select_related("variant__product")}
    # What is in the order already may stay or become less, even where it is sold no longer.
    known = {line.sku.lower(): line.variant for line in present.values()}
    skus = [line.sku for line in lines] + [line.variant.sku for line in present.values()]
    for_sale = {variant.pk: variant for variant in Variant.objects.for_sale(skus)}
    found = {variant.sku.lower(): variant for variant in for_sale.values()}
    _refuse_unknown(lines, known=set(found) | set(known))
    goods = {
        line.sku.lower(): known.get(line.sku.lower()) or found[line.sku.lower()] for line in lines
    }
    quantities = _quantities(lines, goods)
    before = {key: line.quantity for key, line in present.items()}
    _refuse_unknown(
        lines,
        known={
            sku
            for sku, variant in goods.items()
            if variant.pk in for_sale or quantities[variant.pk] <= before.get(variant.pk, 0)
        },
    )
    by_key = {variant.pk: variant for variant in goods.values()}
    changes: dict[str, Any] = {}
    for key, line in present.items():
        changes |= line_change(line, "quantity", line.quantity, quantities.get(key, 0))
    after = []
    for key, quantity in quantities.items():
        line = present.get(key) or _line_of(order, by_key[key], 0)
        changes |= line_change(line, "quantity", line.quantity, quantity)
        after.append((line, quantity))
    total = sum((line.unit_price * quantity for line, quantity in after), Decimal("0.00"))
    _check_total(total)
    if order.status != OrderStatus.DRAFT:
        try:
            change_stock(
                changes={
                    key: before.get(key, 0) - quantities.get(key, 0)
                    for key in before.keys() | quantities.keys()
                },
                order=order.number,
                by=by,
            )
        except OutOfStock as error:
            raise _naming_lines(error, lines, goods) from None
    order.lines.exclude(variant__in=list(quantities)).delete()
    for line, quantity in after:
        line.quantity = quantity
    OrderLine.objects.bulk_update([line for line, _ in after if line.pk], ["quantity"])
    OrderLine.objects.bulk_create([line for line, _ in after if not line.pk])
    if total != order.total:
        changes["total"] = [str(order.total), str(total)]
        order.total = total
    return changes


def refuse_move(order: Order, to: OrderStatus) -> None:
    """Raises `MoveNotAllowed` where the order cannot become `to` now."""
    before = order.state
    if to not in before.allowed:
        raise MoveNotAllowed(
            f"Order {order.number} is {before.label.lower()}; it cannot become {to.label.lower()}.",
            status=before,
            allowed=[str(status) for status in before.allowed],
        )


def _held(customer: Customer) -> Customer:
    try:
        return hold_customer(customer_id=customer.pk)
    except Customer.DoesNotExist:
        raise InvalidInput.at(
            "customer", detail="There is no such customer any more.", code="does_not_exist"
        ) from None


def _goods(lines: Sequence[Wanted]) -> dict[str, Variant]:
    """Return what the lines ask for by its SKU in small letters; all of it is for sale."""
    _check_bounds(lines)
    found = {
        variant.sku.lower(): variant
        for variant in Variant.objects.for_sale(line.sku for line in lines)
    }
    _refuse_unknown(lines, known=set(found))
    return found


def _quantities(lines: Sequence[Wanted], found: Mapping[str, Variant]) -> dict[int, int]:
    quantities: dict[int, int] = {}
    for line in lines:
        key = found[line.sku.lower()].pk
        quantities[key] = quantities.get(key, 0) + line.quantity
    return quantities


def _create(
    *,
    status: OrderStatus,
    number: str,
    customer: Customer,
    found: Mapping[str, Variant],
    quantities: Mapping[int, int],
    note: str,
    delivery: Delivery,
    reference: str | None,
) -> Order:
    by_key = {variant.pk: variant for variant in found.values()}
    total = sum(
        (by_key[key].price * quantity for key, quantity in quantities.items()), Decimal("0.00")
    )
    _check_total(total)
    taken = InvalidInput.at("reference", detail="Another order has this reference.", code="taken")
    with constraints_as({"orders_order_reference_key": taken}):
        order = Order.objects.create(
            number=number,
            status=status,
            customer=customer,
            currency=settings.SHOP_CURRENCY,
            total=total,
            note=note,
            reference=reference or None,
            **delivery.as_fields(),
        )
    OrderLine.objects.bulk_create(
        _line_of(order, by_key[key], quantity) for key, quantity in quantities.items()
    )
    return order


def _line_of(order: Order, variant: Variant, quantity: int) -> OrderLine:
    return OrderLine(
        order=order,
        variant=variant,
        sku=variant.sku,
        name=variant.display_name,
        unit_price=variant.price,
        quantity=quantity,
    )


def _check_total(total: Decimal) -> None:
    if total > MAX_TOTAL:
        raise InvalidInput.at("lines", detail=f"An order cannot exceed {MAX_TOTAL}.")


def _check_bounds(lines: Sequence[Wanted]) -> None:
    if not lines:
        raise InvalidInput.at("lines", detail="Order at least one thing.", code="empty")
    if len(lines) > MAX_LINES:
        raise InvalidInput.at(
            "lines", detail=f"An order has at most {MAX_LINES} lines.", code="max_length"
        )
    errors = [
        FieldError(
            path=("lines", index, "quantity"),
            code="out_of_bounds",
            detail=f"Must be 1 to {MAX_QUANTITY}.",
        )
        for index, line in enumerate(lines)
        if not 1 <= line.quantity <= MAX_QUANTITY
    ]
    if errors:
        raise InvalidInput("A quantity is out of bounds.", errors=errors)


def _refuse_unknown(lines: Sequence[Wanted], *, known: set[str]) -> None:
    """Raises `UnknownGoods` for those of `lines` whose SKU in small letters is not known."""
    errors = [
        FieldError(
            path=("lines", index, "sku"),
            code=UnknownGoods.code,
            detail=f"{line.sku} is not for sale.",
        )
        for index, line in enumerate(lines)
        if line.sku.lower() not in known
    ]
    if errors:
        raise UnknownGoods("A line names something that is not for sale.", errors=errors)


def _hold_prices(
    lines: Sequence[Wanted], found: Mapping[str, Variant], prices: Mapping[str, Decimal]
) -> None:
    errors = [
        FieldError(
            path=("lines", index, "price"),
            code=PriceChanged.code,
            detail=f"{line.sku} is {found[line.sku.lower()].price} now.",
        )
        for index, line in enumerate(lines)
        if found[line.sku.lower()].price != prices.get(line.sku.lower())
    ]
    if errors:
        raise PriceChanged("A price has changed.", errors=errors)


def _naming_lines(
    error: OutOfStock, lines: Sequence[Wanted], found: Mapping[str, Variant]
) -> OutOfStock:
    """Say the catalogue's error in the caller's terms: the first line of each short SKU."""
    sku_of = {variant.pk: sku for sku, variant in found.items()}
    index_of = {line.sku.lower(): index for index, line in reversed(list(enumerate(lines)))}
    return OutOfStock(
        error.detail,
        errors=[
            FieldError(
                path=("lines", index_of[sku_of[int(each.path[1])]], "quantity"),
                code=each.code,
                detail=each.detail,
            )
            for each in error.errors
        ],
    )
