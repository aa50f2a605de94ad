"""What every verb writes and announces."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.events import Event, Notice, Recipient
from orders.exceptions import OrderChanged
from orders.models import Order, OrderChange, OrderLine
from orders.states import OrderVerb

from .telling import data_of

if TYPE_CHECKING:
    from accounts.models import User


def locked(order_id: int, *, seen: datetime | None = None) -> Order:
    """Return the order as it is now, nobody else's to change before the transaction ends.

    Raises `OrderChanged` where it changed since it was `seen`.
    """
    # Without its customer: joined before the wait for the lock, they may be another's since.
    order = Order.objects.select_for_update(no_key=True).get(pk=order_id)
    if seen is not None and seen != order.updated_at:
        raise OrderChanged(f"Order {order.number} has changed since you read it. Look again.")
    return order


def record(
    order: Order,
    verb: OrderVerb,
    *,
    from_status: str,
    by: "User | None",
    event: Event | None,
    reason: str = "",
    changes: dict[str, Any] | None = None,
) -> None:
    """Write what happened into the order's history and tell the customer where `event` is given."""
    change = OrderChange.objects.create(
        order=order,
        verb=verb,
        from_status=from_status,
        to_status=order.status,
        by=by,
        reason=reason,
        changes=changes or {},
    )
    if event is None:
        return
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
            data={**data_of(order), "reason": reason},
        ),
    )


def line_change(line: OrderLine, name: str, before: int, after: int) -> dict[str, list[int]]:
    return {f"{line.sku} {name}": [before, after]} if before != after else {}
