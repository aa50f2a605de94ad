"""What accounts refuse."""

from core.errors import Conflict, DomainError, InvalidInput


class UnknownRight(InvalidInput):
    code = "unknown_right"


class NotYours(DomainError):
    """Nobody can grant, or take, what they do not have themselves."""

    status = 403
    code = "permission_denied"


class LastShopkeeper(Conflict):
    """Somebody must be left who may do everything."""

    code = "last_shopkeeper"


class AlreadyEmployed(Conflict):
    code = "already_employed"


class NotInvited(DomainError):
    """The invitation is unknown, used, revoked or too old: which of them is not told."""

    status = 404
    code = "invitation_not_valid"


class ProviderDecides(Conflict):
    """The membership comes from the sign-in provider's claims, so it is changed there."""

    code = "provider_decides"


class NoMachinesHere(Conflict):
    """Machines of an outside provider are made there; the shop needs their subject."""

    code = "subject_needed"


class SignInAgain(DomainError):
    """What cannot be taken back needs a sign-in of the last minutes."""

    status = 403
    code = "reauthentication_required"


class IdentityTaken(InvalidInput):
    code = "taken"
