"""What shipping refuses."""

from core.errors import Conflict, IllegalMove, InvalidInput


class MoveNotAllowed(IllegalMove):
    """The status does not allow this now."""


class NotShippable(Conflict):
    """The order cannot be shipped: it is not accepted, is collected, or nothing of it is left."""

    code = "not_shippable"


class CarrierUnknown(InvalidInput):
    """No carrier of this name takes shipments."""

    code = "does_not_exist"


class NoQuote(Conflict):
    """The carrier says no price, or cannot be asked now."""

    code = "no_quote"


class TooManyStandingOrders(Conflict):
    """A shopper has as many standing orders as they can have."""

    code = "too_many_standing_orders"


class NoSuchDate(InvalidInput):
    """It is no date of the standing order that is still to come."""

    code = "no_such_date"
