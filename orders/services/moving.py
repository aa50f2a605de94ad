"""Verbs of an order's life after it is placed."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import transaction

from catalog.services import give_back_stock
from catalog.states import MovementKind
from core.errors import FieldError, InvalidInput
from core.events import Event
from orders import signals
from orders.exceptions import MoveNotAllowed, StillWithCustomer
from orders.models import Order, OrderLine
from orders.permissions import can_handle_orders
from orders.states import OrderStatus, OrderVerb

from .history import line_change, locked, record
from .placing import Wanted, refuse_move

if TYPE_CHECKING:
    from accounts.models import User


@transaction.atomic
def accept_order(*, order_id: int, by: "User | None") -> Order:
    """Say that the shop will do it. Raises `MoveNotAllowed` unless the order is pending."""
    order = locked(order_id)
    refuse_move(order, OrderStatus.ACCEPTED)
    return _become(
        order, OrderStatus.ACCEPTED, OrderVerb.ACCEPTED, by=by, event=signals.order_accepted
    )


@transaction.atomic
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
    order = locked(order_id)
    refuse_move(order, OrderStatus.REJECTED)
    _release(order, by=by)
    return _become(
        order,
        OrderStatus.REJECTED,
        OrderVerb.REJECTED,
        by=by,
        event=signals.order_rejected,
        reason=reason,
    )


@transaction.atomic
def cancel_order(*, order_id: int, by: "User | None", reason: str = "") -> Order:
    """Call it off and give its goods back to stock. A draft is dropped without a word.

    Raises:
        MoveNotAllowed: unless the order is a draft, pending or accepted.
        StillWithCustomer: part of it was handed over and has not come back.
    """
    order = locked(order_id)
    refuse_move(order, OrderStatus.CANCELLED)
    if any(line.fulfilled > line.returned for line in order.lines.all()):
        raise StillWithCustomer(
            f"Part of order {order.number} is with the customer: book its return first,"
            " or fulfil the rest."
        )
    was_draft = order.status == OrderStatus.DRAFT
    if not was_draft:
        _release(order, by=by)
    return _become(
        order,
        OrderStatus.CANCELLED,
        OrderVerb.CANCELLED,
        by=by,
        event=None if was_draft else signals.order_cancelled,
        reason=reason,
    )


@transaction.atomic
def cancel_own_order(*, order_id: int, by: "User", reason: str = "") -> Order:
    """Call off what oneself ordered. Raises `MoveNotAllowed` once the shop has said something."""
    order = locked(order_id)
    if order.status != OrderStatus.PENDING:
        raise MoveNotAllowed(
            f"Order {order.number} is {order.state.label.lower()}; ask the shop to change it.",
            status=order.state,
            allowed=[],
        )
    return cancel_order(order_id=order_id, by=by, reason=reason)


def cancel_as_allowed(*, order_id: int, by: "User", reason: str = "") -> Order:
    """Call off an order as who asks may: the shop as in `cancel_order`, its shopper their own.

    Raises:
        PermissionDenied: they see it, as they work here, but may not move orders.
    """
    if can_handle_orders(by):
        return cancel_order(order_id=order_id, by=by, reason=reason)
    if not Order.objects.filter(pk=order_id, customer__user=by).exists():
        raise PermissionDenied
    return cancel_own_order(order_id=order_id, by=by, reason=reason)


@transaction.atomic
def fulfil_order(
    *,
    order_id: int,
    by: "User | None",
    lines: Sequence[Wanted] | None = None,
    seen: datetime | None = None,
    tell: bool = True,
) -> Order:
    """Say that the customer has it, or so many pieces of some lines. Without lines: all the rest.

    With the last piece the order is fulfilled, and the customer is told, unless they hear of it
    otherwise.

    Raises:
        MoveNotAllowed: unless the order is accepted.
        OrderChanged: it changed since it was `seen` (its `updated_at`).
        InvalidInput: a line is not the order's, or fewer pieces are outstanding.
    """
    order = locked(order_id, seen=seen)
    refuse_move(order, OrderStatus.FULFILLED)
    present = list(order.lines.all())
    quantities = (
        {line.pk: line.outstanding for line in present}
        if lines is None
        else _of_lines(
            present, lines, {line.pk: line.outstanding for line in present}, "outstanding"
        )
    )
    changes: dict[str, Any] = {}
    for line in present:
        before = line.fulfilled
        line.fulfilled += quantities.get(line.pk, 0)
        changes |= line_change(line, "fulfilled", before, line.fulfilled)
    OrderLine.objects.bulk_update(present, ["fulfilled"])
    if any(line.outstanding for line in present):
        order.save(update_fields=["updated_at"])
        record(
            order,
            OrderVerb.PART_FULFILLED,
            from_status=order.status,
            by=by,
            event=None,
            changes=changes,
        )
        return order
    return _become(
        order,
        OrderStatus.FULFILLED,
        OrderVerb.FULFILLED,
        by=by,
        event=signals.order_fulfilled if tell else None,
        changes=changes,
    )


@transaction.atomic
def return_lines(
    *,
    order_id: int,
    by: "User | None",
    lines: Sequence[Wanted],
    restock: bool,
    reason: str = "",
    seen: datetime | None = None,
) -> Order:
    """Take fulfilled pieces back; with `restock` they are fit to be sold again.

    The order stays what it is: what was paid is the books' business.

    Raises:
        MoveNotAllowed: unless the order is accepted or fulfilled.
        OrderChanged: it changed since it was `seen` (its `updated_at`).
        InvalidInput: a line is not the order's, or fewer pieces are with the customer.
    """
    order = locked(order_id, seen=seen)
    if not order.state.can_be_returned:
        raise MoveNotAllowed(
            f"Order {order.number} is {order.state.label.lower()}; nothing of it can be returned.",
            status=order.state,
            allowed=[str(status) for status in order.state.allowed],
        )
    present = list(order.lines.all())
    with_customer = {line.pk: line.fulfilled - line.returned for line in present}
    quantities = _of_lines(present, lines, with_customer, "with the customer")
    changes: dict[str, Any] = {"restocked": [None, restock]}
    came_back = {}
    for line in present:
        before = line.returned
        line.returned += quantities.get(line.pk, 0)
        changes |= line_change(line, "returned", before, line.returned)
        if line.returned > before:
            came_back[line.variant_id] = line.returned - before
    OrderLine.objects.bulk_update(present, ["returned"])
    if restock:
        give_back_stock(
            quantities=came_back,
            order=order.number,
            by=by,
            kind=MovementKind.RETURNED,
            reason=reason,
        )
    order.save(update_fields=["updated_at"])
    record(
        order,
        OrderVerb.RETURNED,
        from_status=order.status,
        by=by,
        event=None,
        reason=reason,
        changes=changes,
    )
    return order


@transaction.atomic
def assign_order(*, order_id: int, by: "User | None", to: "User | None") -> Order:
    """Say who of the shop sees to it, or nobody.

    Raises:
        InvalidInput: they may not handle orders.
    """
    order = locked(order_id)
    if to is not None and not can_handle_orders(to):
        raise InvalidInput.at("to", detail="They may not handle orders.", code="not_allowed")
    before = order.assigned_to
    if before != to:
        order.assigned_to = to
        order.save(update_fields=["assigned_to", "updated_at"])
        record(
            order,
            OrderVerb.ASSIGNED,
            from_status=order.status,
            by=by,
            event=None,
            # Not their names, which are to be forgotten when they leave.
            changes={
                "assigned_to": [before and str(before.subject), to and str(to.subject)],
            },
        )
    return order


def _become(
    order: Order,
    to: OrderStatus,
    verb: OrderVerb,
    *,
    by: "User | None",
    event: Event | None,
    reason: str = "",
    changes: dict[str, Any] | None = None,
) -> Order:
    before = order.state
    order.status = to
    order.save(update_fields=["status", "updated_at"])
    record(order, verb, from_status=before, by=by, event=event, reason=reason, changes=changes)
    return order


def _release(order: Order, *, by: "User | None") -> None:
    """Give back what the customer will not get; what came back was booked when it did."""
    give_back_stock(
        quantities={
            line.variant_id: line.outstanding for line in order.lines.all() if line.outstanding
        },
        order=order.number,
        by=by,
    )


def _of_lines(
    present: Sequence[OrderLine], lines: Sequence[Wanted], most: dict[int, int], what: str
) -> dict[int, int]:
    """Return the pieces of each line that the caller names, by its key."""
    if not lines:
        raise InvalidInput.at("lines", detail="Name at least one line.", code="empty")
    by_sku = {line.sku.lower(): line for line in present}
    quantities: dict[int, int] = {}
    errors = []
    for index, wanted in enumerate(lines):
        line = by_sku.get(wanted.sku.lower())
        if line is None:
            detail = f"{wanted.sku} is not in this order."
            errors.append(
                FieldError(path=("lines", index, "sku"), code="unknown_sku", detail=detail)
            )
            continue
        quantities[line.pk] = quantities.get(line.pk, 0) + wanted.quantity
        if wanted.quantity < 1 or quantities[line.pk] > most[line.pk]:
            detail = (
                f"{most[line.pk]} of {line.sku} {'is' if most[line.pk] == 1 else 'are'} {what}."
            )
            errors.append(
                FieldError(path=("lines", index, "quantity"), code="out_of_bounds", detail=detail)
            )
    if errors:
        raise InvalidInput("A line does not fit the order.", errors=errors)
    return quantities
