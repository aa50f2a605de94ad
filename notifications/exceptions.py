"""What notifications refuse."""

from core.errors import Conflict, DomainError, IllegalMove


class MessageMoveNotAllowed(IllegalMove):
    """The message's status does not allow this now."""


class NoPhone(DomainError):
    """There is no phone number that this could be about."""

    status = 404
    code = "no_phone"


class OptedOut(Conflict):
    """They want to hear nothing from the shop."""

    code = "opted_out"
