"""What a status link shows of an order."""

from core.status_pages import StatusPage, Step
from orders.models import Order
from orders.states import OrderStatus, OrderVerb

_TITLE = {"en": "Order {number}", "sw": "Oda {number}"}
_STATES = {
    "en": {
        OrderStatus.PENDING: "Waiting for the shop",
        OrderStatus.ACCEPTED: "Accepted",
        OrderStatus.FULFILLED: "Complete",
        OrderStatus.REJECTED: "Not taken",
        OrderStatus.CANCELLED: "Cancelled",
    },
    "sw": {
        OrderStatus.PENDING: "Inasubiri duka",
        OrderStatus.ACCEPTED: "Imekubaliwa",
        OrderStatus.FULFILLED: "Imekamilika",
        OrderStatus.REJECTED: "Haikuchukuliwa",
        OrderStatus.CANCELLED: "Imefutwa",
    },
}
_STEPS = {
    "en": {
        OrderVerb.PLACED: "Placed",
        OrderVerb.EDITED: "Changed",
        OrderVerb.ACCEPTED: "Accepted",
        OrderVerb.REJECTED: "Not taken",
        OrderVerb.PART_FULFILLED: "Handed over in part",
        OrderVerb.FULFILLED: "Handed over",
        OrderVerb.RETURNED: "Something came back",
        OrderVerb.CANCELLED: "Cancelled",
    },
    "sw": {
        OrderVerb.PLACED: "Imewekwa",
        OrderVerb.EDITED: "Imebadilishwa",
        OrderVerb.ACCEPTED: "Imekubaliwa",
        OrderVerb.REJECTED: "Haikuchukuliwa",
        OrderVerb.PART_FULFILLED: "Imekabidhiwa kwa sehemu",
        OrderVerb.FULFILLED: "Imekabidhiwa",
        OrderVerb.RETURNED: "Kuna kilichorudishwa",
        OrderVerb.CANCELLED: "Imefutwa",
    },
}


def status_page(reference: str, language: str) -> StatusPage | None:
    """Return where an order stands, without its goods, its price, or who ordered it."""
    order = Order.objects.prefetch_related("history").filter(number=reference).first()
    if order is None or order.status == OrderStatus.DRAFT:
        return None
    language = language if language in _TITLE else "en"
    steps = [
        Step(at=change.at, label=_STEPS[language][OrderVerb(change.verb)])
        for change in order.history.all()
        if not change.is_internal
    ]
    return StatusPage(
        title=_TITLE[language].format(number=order.number),
        state=_STATES[language].get(order.state, order.state.label),
        steps=steps,
    )
