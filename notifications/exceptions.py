"""What notifications refuse."""

from core.errors import Conflict, IllegalMove


class MessageMoveNotAllowed(IllegalMove):
    """The message's status does not allow this now."""


class NoPhone(Conflict):
    """There is no phone number that this could be about."""

    code = "no_phone"
