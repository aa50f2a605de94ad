"""What shipping announces, inside the transaction that makes it true."""

from core.events import Event

_SHIPMENT = {
    "customer": "Wanjiru Kamau",
    "number": "S1001",
    "order": "1001",
    "carrier": "Courier",
    "shop": "Duka",
    "link": "https://shop.example/t/1-9fQ2LxkR0aVbWcXdYeZf1g",
}
shipment_sent = Event(
    "shipment.sent",
    texts={
        "en": "{shop}: {customer}, goods of your order {order} are handed to {carrier}. {link}",
        "sw": "{shop}: {customer}, bidhaa za oda yako {order} zimekabidhiwa kwa {carrier}. {link}",
    },
    variables=_SHIPMENT,
)
shipment_in_transit = Event(
    "shipment.in_transit",
    texts={
        "en": "{shop}: {customer}, goods of your order {order} are on their way. {link}",
        "sw": "{shop}: {customer}, bidhaa za oda yako {order} ziko njiani. {link}",
    },
    variables=_SHIPMENT,
)
shipment_delivered = Event(
    "shipment.delivered",
    texts={
        "en": "{shop}: {customer}, goods of your order {order} are delivered. Thank you.",
        "sw": "{shop}: {customer}, bidhaa za oda yako {order} zimefikishwa. Asante.",
    },
    variables=_SHIPMENT,
)
shipment_failed = Event(
    "shipment.failed",
    texts={
        "en": "{shop}: sorry, {customer}, goods of your order {order} could not be delivered."
        " We see to it. {link}",
        "sw": "{shop}: samahani, {customer}, bidhaa za oda {order} hazikuweza kufikishwa."
        " Tutashughulikia. {link}",
    },
    variables=_SHIPMENT,
)

_STANDING = {
    "customer": "Wanjiru Kamau",
    "number": "R1001",
    "date": "2026-11-30",
    "total": "KES 1,250.00",
    "shop": "Duka",
}
standing_order_coming = Event(
    "standing_order.coming",
    texts={
        "en": "{shop}: {customer}, your order of {total} comes on {date}. Skip it? {link}",
        "sw": "{shop}: {customer}, oda yako ya {total} inakuja {date}. Huihitaji? {link}",
    },
    variables={
        **_STANDING,
        "link": "https://shop.example/skip/R1001.20261130-9fQ2LxkR0aVbWcXdYeZf1g",
    },
    # Who has the link leaves the date out, in the customer's place.
    secret=True,
)
standing_order_waiting = Event(
    "standing_order.waiting",
    texts={
        "en": "{shop}: sorry, {customer}, your standing order {number} for {date} is delayed."
        " It comes as soon as it can.",
        "sw": "{shop}: samahani, {customer}, oda yako ya kudumu {number} ya {date} imechelewa."
        " Itakuja mara itakapowezekana.",
    },
    variables=_STANDING,
)
# To the shop itself, at `SHOP_PHONE`.
standing_order_short = Event(
    "standing_order.short",
    texts={
        "en": "{shop}: standing order {number} of {customer} for {date} waits: {reason}",
        "sw": "{shop}: oda ya kudumu {number} ya {customer} ya {date} inasubiri: {reason}",
    },
    variables={**_STANDING, "reason": "1 of TEA-250 is left."},
)

SHIPMENT_EVENTS = (shipment_sent, shipment_in_transit, shipment_delivered, shipment_failed)
STANDING_ORDER_EVENTS = (standing_order_coming, standing_order_waiting, standing_order_short)
