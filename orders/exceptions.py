"""What orders refuse."""

from core.errors import IllegalMove, InvalidInput


class MoveNotAllowed(IllegalMove):
    """The order's status does not allow this verb now."""


class UnknownGoods(InvalidInput):
    """A line names a SKU that is not for sale."""

    code = "unknown_sku"
