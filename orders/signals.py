"""What orders announce, inside the transaction that makes it true."""

from core.events import Event

_VARIABLES = {
    "customer": "Wanjiru Kamau",
    "number": "1001",
    "total": "KES 1,250.00",
    "shop": "Duka",
    "reason": "We are sold out.",
    "link": "https://shop.example/t/1-9fQ2LxkR0aVbWcXdYeZf1g",
}

order_placed = Event(
    "order.placed",
    texts={
        "en": "{shop}: thank you, {customer}. We have your order {number}, {total} in all, and will"
        " confirm it soon. {link}",
        "sw": "{shop}: asante, {customer}. Tumepokea oda yako {number}, jumla {total}."
        " Tutaithibitisha hivi karibuni. {link}",
    },
    variables=_VARIABLES,
)
order_accepted = Event(
    "order.accepted",
    texts={
        "en": "{shop}: good news, {customer}. Your order {number}, {total} in all, is accepted."
        " {link}",
        "sw": "{shop}: habari njema, {customer}. Oda yako {number}, jumla {total}, imekubaliwa."
        " {link}",
    },
    variables=_VARIABLES,
)
order_rejected = Event(
    "order.rejected",
    texts={
        "en": "{shop}: sorry, {customer}. We cannot take your order {number}, {total} in all."
        " Reason: {reason}",
        "sw": "{shop}: samahani, {customer}. Hatuwezi kuchukua oda yako {number}, jumla {total}."
        " Sababu: {reason}",
    },
    variables=_VARIABLES,
)
order_fulfilled = Event(
    "order.fulfilled",
    texts={
        "en": "{shop}: {customer}, your order {number}, {total} in all, is complete. Thank you.",
        "sw": "{shop}: {customer}, oda yako {number}, jumla {total}, imekamilika. Asante.",
    },
    variables=_VARIABLES,
)
order_cancelled = Event(
    "order.cancelled",
    texts={
        "en": "{shop}: {customer}, your order {number}, {total} in all, is cancelled.",
        "sw": "{shop}: {customer}, oda yako {number}, jumla {total}, imefutwa.",
    },
    variables=_VARIABLES,
)

ORDER_EVENTS = (order_placed, order_accepted, order_rejected, order_fulfilled, order_cancelled)
