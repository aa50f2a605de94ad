"""What the customer records refuse."""

from core.errors import Conflict, InvalidInput


class CodeTaken(InvalidInput):
    code = "taken"


class HasOrders(Conflict):
    """A customer with orders cannot be deleted."""

    code = "in_use"
