"""What uploads refuse."""

from core.errors import DomainError, IllegalMove, InvalidInput


class UnreadableFile(InvalidInput):
    """The file as a whole cannot be used; the errors name its columns, or the file."""

    code = "unreadable_file"


class TooLarge(DomainError):
    """The file is larger than this shop accepts."""

    status = 413
    code = "too_large"


class MoveNotAllowed(IllegalMove):
    """The upload's status does not allow this verb now."""


class ClaimLost(Exception):
    """The upload is no longer this worker's: cancelled, or taken over by another."""
