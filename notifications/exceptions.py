"""What notifications refuse."""

from core.errors import IllegalMove


class MessageMoveNotAllowed(IllegalMove):
    """The message's status does not allow this now."""
