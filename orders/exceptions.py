"""What orders refuse."""

from core.errors import Conflict, DomainError, IllegalMove, InvalidInput


class MoveNotAllowed(IllegalMove):
    """The order's status does not allow this verb now."""


class UnknownGoods(InvalidInput):
    """A line names a SKU that is not for sale."""

    code = "unknown_sku"


class EditNotAllowed(IllegalMove):
    """The order is beyond the statuses in which it may be edited."""


class OrderChanged(Conflict):
    """The order is not what the caller saw when they decided."""

    code = "order_changed"


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


class CartNotFound(DomainError):
    """No stranger's cart has this token, or not any more; nobody is told which."""

    status = 404
    code = "cart_not_found"


class NotInCart(DomainError):
    """The cart has no line of this SKU."""

    status = 404
    code = "not_in_cart"


class NotForSale(Conflict):
    """A line's goods are sold no longer; it can only be removed."""

    code = "not_for_sale"


class ContactNeeded(Conflict):
    """The shop could not reach the shopper about their order."""

    code = "contact_needed"
