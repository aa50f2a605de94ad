"""What orders refuse."""

from core.errors import Conflict, IllegalMove, InvalidInput


class MoveNotAllowed(IllegalMove):
    """The order's status does not allow this verb now."""


class UnknownGoods(InvalidInput):
    """A line names a SKU that is not for sale."""

    code = "unknown_sku"


class EditNotAllowed(IllegalMove):
    """The order is beyond the statuses in which it may be edited."""


class StillWithCustomer(Conflict):
    """Part of the order was handed over and has not come back."""

    code = "still_with_customer"


class PriceChanged(Conflict):
    """A price is not what the customer agreed to; each error names one line."""

    code = "price_changed"


class CartChanged(Conflict):
    """What the cart shows is not what it would cost or hold now; to be confirmed first."""

    code = "cart_changed"


class CartEmpty(Conflict):
    """There is nothing in the cart to be placed."""

    code = "cart_empty"
