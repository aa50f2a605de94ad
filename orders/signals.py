"""What orders announce, inside the transaction that makes it true."""

from core.events import Event

# customer: name; number; total: amount with its currency; shop: name; reason: maybe empty.
_VARIABLES = ("customer", "number", "total", "shop", "reason")

order_placed = Event(
    "order.placed",
    text="{shop}: thank you, {customer}. We have your order {number}, {total} in all,"
    " and will confirm it soon.",
    variables=_VARIABLES,
)
order_accepted = Event(
    "order.accepted",
    text="{shop}: good news, {customer}. Your order {number}, {total} in all, is accepted.",
    variables=_VARIABLES,
)
order_rejected = Event(
    "order.rejected",
    text="{shop}: sorry, {customer}. We cannot take your order {number}, {total} in all."
    " Reason: {reason}",
    variables=_VARIABLES,
)
order_fulfilled = Event(
    "order.fulfilled",
    text="{shop}: {customer}, your order {number}, {total} in all, is complete. Thank you.",
    variables=_VARIABLES,
)
order_cancelled = Event(
    "order.cancelled",
    text="{shop}: {customer}, your order {number}, {total} in all, is cancelled.",
    variables=_VARIABLES,
)
