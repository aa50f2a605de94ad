"""Verbs of orders; the only writer of their tables.

Each locks, checks, writes and announces, in that order and in one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

from catalog.exceptions import OutOfStock
from catalog.models import Variant
from catalog.services import give_back_stock, take_stock
from core.errors import FieldError, InvalidInput
from core.events import Event, Notice, Recipient
from core.sequences import next_value
from customers.models import Customer
from customers.services import hold_customer

from . import signals
from .exceptions import MoveNotAllowed, UnknownGoods
from .models import Order, OrderLine, OrderStatusChange
from .states import OrderStatus

if TYPE_CHECKING:
    from accounts.models import User

MAX_LINES = 200
MAX_QUANTITY = 1_000_000
# The largest amount that `Order.total` holds.
MAX_TOTAL = Decimal("999999999999.99")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A line to be ordered: so many pieces of a SKU, in capitals or not."""

    sku: str
    quantity: int


@transaction.atomic
def place_order(
    *, customer: Customer, lines: Sequence[Wanted], by: "User | None", note: str = ""
) -> Order:
    """Place an order: take its goods from stock and tell the customer.

    Lines with the same SKU become one. Name and price are those of this moment.

    Raises:
        InvalidInput: no lines, a quantity or total beyond bounds, or the customer is deleted.
        UnknownGoods: a SKU is not for sale; all such lines are named.
        OutOfStock: there is too little of something; all such lines are named.
    """
    _check_bounds(lines)
    try:
        customer = hold_customer(customer_id=customer.pk)
    except Customer.DoesNotExist:
        raise InvalidInput.at(
            "customer", detail="There is no such customer any more.", code="does_not_exist"
        ) from None
    variants = {
        variant.sku.lower(): variant
        for variant in Variant.objects.for_sale(line.sku for line in lines)
    }
    _refuse_unknown(lines, known=set(variants))
    quantities: dict[int, int] = {}
    for line in lines:
        key = variants[line.sku.lower()].pk
        quantities[key] = quantities.get(key, 0) + line.quantity
    by_key = {variant.pk: variant for variant in variants.values()}
    total = sum(
        (by_key[key].price * quantity for key, quantity in quantities.items()), Decimal("0.00")
    )
    if total > MAX_TOTAL:
        raise InvalidInput.at("lines", detail=f"An order cannot exceed {MAX_TOTAL}.")
    try:
        take_stock(quantities=quantities)
    except OutOfStock as error:
        raise _naming_lines(error, lines, by_key) from None

    order = Order.objects.create(
        number=str(next_value("order_number")),
        customer=customer,
        currency=settings.SHOP_CURRENCY,
        total=total,
        note=note,
    )
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            variant=by_key[key],
            sku=by_key[key].sku,
            name=by_key[key].display_name,
            unit_price=by_key[key].price,
            quantity=quantity,
        )
        for key, quantity in quantities.items()
    )
    _record(order, from_status="", by=by, reason="", event=signals.order_placed)
    return order


def accept_order(*, order_id: int, by: "User | None") -> Order:
    """Say that the shop will do it. Raises `MoveNotAllowed` unless the order is pending."""
    return _move(order_id, OrderStatus.ACCEPTED, by=by, event=signals.order_accepted)


def reject_order(*, order_id: int, by: "User | None", reason: str) -> Order:
    """Say that the shop cannot do it, and give its goods back to stock.

    Raises:
        InvalidInput: there is no reason; the customer is told it.
        MoveNotAllowed: unless the order is pending.
    """
    if not reason.strip():
        raise InvalidInput.at(
            "reason", detail="Give a reason: the customer is told it.", code="required"
        )
    return _move(order_id, OrderStatus.REJECTED, by=by, reason=reason, event=signals.order_rejected)


def fulfil_order(*, order_id: int, by: "User | None") -> Order:
    """Say that the customer has it. Raises `MoveNotAllowed` unless the order is accepted."""
    return _move(order_id, OrderStatus.FULFILLED, by=by, event=signals.order_fulfilled)


def cancel_order(*, order_id: int, by: "User | None", reason: str = "") -> Order:
    """Call it off and give its goods back to stock.

    Raises:
        MoveNotAllowed: unless the order is pending or accepted.
    """
    return _move(
        order_id, OrderStatus.CANCELLED, by=by, reason=reason, event=signals.order_cancelled
    )


@transaction.atomic
def _move(
    order_id: int, to: OrderStatus, *, by: "User | None", event: Event, reason: str = ""
) -> Order:
    # Locked first, and what is checked is this row: two shopkeepers may decide at once.
    order = (
        Order.objects.select_for_update(of=("self",), no_key=True)
        .select_related("customer")
        .get(pk=order_id)
    )
    before = order.state
    if to not in before.allowed:
        raise MoveNotAllowed(
            f"Order {order.number} is {before.label.lower()}; it cannot become {to.label.lower()}.",
            status=before,
            allowed=[str(status) for status in before.allowed],
        )
    order.status = to
    order.save(update_fields=["status", "updated_at"])
    if to.gives_back_stock:
        give_back_stock(quantities=dict(order.lines.values_list("variant_id", "quantity")))
    _record(order, from_status=before, by=by, reason=reason, event=event)
    return order


def _record(
    order: Order, *, from_status: str, by: "User | None", reason: str, event: Event
) -> None:
    change = OrderStatusChange.objects.create(
        order=order, from_status=from_status, to_status=order.status, by=by, reason=reason
    )
    customer = order.customer
    event.announce(
        order=order,
        notice=Notice(
            occurrence=str(change.pk),
            subject="order",
            reference=order.number,
            recipient=Recipient(
                reference=customer.code, phone=customer.phone, language=customer.language
            ),
            data={
                "customer": customer.name,
                "number": order.number,
                "total": f"{order.currency} {order.total:,.2f}",
                "shop": settings.SHOP_NAME,
                "reason": reason,
            },
        ),
    )


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


def _naming_lines(
    error: OutOfStock, lines: Sequence[Wanted], variants: dict[int, Variant]
) -> OutOfStock:
    """Say the catalogue's error in the caller's terms: the first line of each short SKU."""
    index_of = {line.sku.lower(): index for index, line in reversed(list(enumerate(lines)))}
    return OutOfStock(
        error.detail,
        errors=[
            FieldError(
                path=("lines", index_of[variants[int(each.path[1])].sku.lower()], "quantity"),
                code=each.code,
                detail=each.detail,
            )
            for each in error.errors
        ],
    )


def move_orders(*, source: Customer, target: Customer) -> None:
    """Let the orders of one customer record be another's: both are one person."""
    Order.objects.filter(customer=source).update(customer=target)


def personal_data(*, customer: Customer) -> list[dict[str, Any]]:
    """Return what is kept of a customer's orders, the newest first."""
    return [
        {
            "number": order.number,
            "status": order.status,
            "placed_at": order.placed_at,
            "total": str(order.total),
            "currency": order.currency,
            "note": order.note,
            "lines": [
                {
                    "sku": line.sku,
                    "name": line.name,
                    "quantity": line.quantity,
                    "unit_price": str(line.unit_price),
                }
                for line in order.lines.all()
            ],
        }
        for order in Order.objects.filter(customer=customer).for_display()
    ]


def forget_customer(*, customer: Customer) -> None:
    """Keep of a customer's orders what the books need, not what they wrote."""
    Order.objects.filter(customer=customer).update(note="")
