"""What repairs announce, inside the transaction that makes it true."""

from core.events import Event

_VARIABLES = {
    "customer": "John Smith",
    "number": "00123",
    "product": "spider catcher",
    "shop": "Duka",
    "link": "https://shop.example/t/1-9fQ2LxkR0aVbWcXdYeZf1g",
}

repair_opened = Event(
    "repair.opened",
    texts={
        "en": "{shop}: {customer}, we have received your {product}, job {number}: {link}",
        "sw": "{shop}: {customer}, tumepokea {product} yako, kazi {number}: {link}",
    },
    variables=_VARIABLES,
)
repair_closed = Event(
    "repair.closed",
    texts={
        "en": "{shop}: {customer}, the work on your {product}, job {number}, is complete. {link}",
        "sw": "{shop}: {customer}, kazi ya {product} yako, namba {number}, imekamilika. {link}",
    },
    variables=_VARIABLES,
)
repair_cancelled = Event(
    "repair.cancelled",
    texts={
        "en": "{shop}: {customer}, job {number} for your {product} was cancelled. {link}",
        "sw": "{shop}: {customer}, kazi {number} ya {product} yako imefutwa. {link}",
    },
    variables=_VARIABLES,
)

REPAIR_EVENTS = (repair_opened, repair_closed, repair_cancelled)
