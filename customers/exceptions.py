"""What the customer records refuse."""

from core.errors import Conflict, DomainError, InvalidInput


class CodeTaken(InvalidInput):
    code = "taken"


class HasOrders(Conflict):
    """A customer with orders, or with what other apps keep of them, cannot be deleted."""

    code = "in_use"


class PhoneTaken(Conflict):
    """Another account has proved the number before."""

    code = "phone_taken"


class NotForMachines(Conflict):
    """A program has no phone of its own."""

    code = "not_for_machines"


class Forgotten(Conflict):
    """Whoever this was has asked to be forgotten."""

    code = "forgotten"


class WrongCode(InvalidInput):
    """The code is wrong, too old, or was tried too often; which of them is not told."""

    code = "wrong_code"


class TooManyCodes(DomainError):
    """SMS cost the shop money, and the owner of a phone their rest."""

    status = 429
    code = "throttled"


class AccountChanged(Conflict):
    """A customer who had no account has one now."""

    code = "account_changed"
