"""What every verb writes and announces."""

from typing import TYPE_CHECKING, Any

from django.conf import settings

from core.events import Event, Notice, Recipient
from orders.models import Order, OrderChange, OrderLine
from orders.states import OrderVerb

if TYPE_CHECKING:
    from accounts.models import User


def locked(order_id: int) -> Order:
    """Return the order as it is now, nobody else's to change before the transaction ends."""
    return (
        Order.objects.select_for_update(of=("self",), no_key=True)
        .select_related("customer")
        .get(pk=order_id)
    )


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
            data={
                "customer": customer.name,
                "number": order.number,
                "total": f"{order.currency} {order.total:,.2f}",
                "shop": settings.SHOP_NAME,
                "reason": reason,
            },
        ),
    )


def line_change(line: OrderLine, name: str, before: int, after: int) -> dict[str, list[int]]:
    return {f"{line.sku} {name}": [before, after]} if before != after else {}
