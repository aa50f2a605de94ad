"""What conversations refuse."""

from core.errors import Conflict, DomainError, InvalidInput


class BadDocument(InvalidInput):
    """The document cannot be stored; the errors name its members."""

    code = "bad_document"


class TooLarge(DomainError):
    """The document is larger than MongoDB's own 16 MB."""

    status = 413
    code = "too_large"


class TooMany(DomainError):
    """More documents than one request may bring."""

    status = 413
    code = "too_many"


class IdTaken(Conflict):
    """Another document has this `_id`, or this `sourceId` in its engagement."""

    code = "id_taken"


class NoPhone(Conflict):
    """There is no phone number to which a contact could be answered."""

    code = "no_phone"


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


class BadFile(InvalidInput):
    """A file cannot be read at all."""

    code = "bad_file"


class BadMapping(InvalidInput):
    """What a CSV file's columns become cannot be read, or names columns that are not there."""

    code = "bad_mapping"


class ImportTaken(Conflict):
    """Another command takes the same file in, or the file is no more what it was."""

    code = "import_taken"
