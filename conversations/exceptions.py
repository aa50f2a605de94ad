"""What conversations refuse."""

from core.errors import Conflict, DomainError, InvalidInput


class BadDocument(InvalidInput):
    """The document cannot be stored; the errors name its members."""

    code = "bad_document"


class TooLarge(DomainError):
    """The document is larger than MongoDB's own 16 MB."""

    status = 413
    code = "too_large"


class IdTaken(Conflict):
    """Another document has this `_id`, or this `sourceId` in its engagement."""

    code = "id_taken"


class InUse(Conflict):
    """What others belong to is not deleted before them."""

    code = "in_use"


class ClientFixed(Conflict):
    """An engagement stays with its client, as its interactions do."""

    code = "client_fixed"


class BadFilter(InvalidInput):
    """A condition on the custom document cannot be read."""

    code = "bad_filter"


class TooSlow(DomainError):
    """The question would keep the database for longer than it may."""

    code = "too_slow"
