"""Domain errors: raised by services, answered alike by REST, GraphQL and admin.

An app's `exceptions.py` subclasses one of the kinds below with a `code` of its
own; `core.api.problems` (and later the GraphQL layer) does the one mapping.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self


def pointer_to(path: Sequence[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) to a field of the body; "" is the body itself."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """One thing that is wrong with one field.

    `path` leads to the field in the caller's input, e.g. `("lines", 0, "sku")`.
    """

    path: tuple[str | int, ...]
    code: str
    detail: str

    @property
    def pointer(self) -> str:
        return pointer_to(self.path)


class DomainError(Exception):
    """A rule of the shop said no. `detail` is a sentence for the person who asked."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "invalid"

    def __init__(self, detail: str, *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)

    @property
    def members(self) -> Mapping[str, Any]:
        """What its problem document says beside the standard members."""
        return {}


class InvalidInput(DomainError):
    """The input can never be right as it stands."""

    @classmethod
    def at(cls, *path: str | int, detail: str, code: str | None = None) -> Self:
        """Return the error for one wrong field."""
        return cls(detail, errors=[FieldError(path=path, code=code or cls.code, detail=detail)])


class Conflict(DomainError):
    """The input is fine, but the state of the shop forbids it now."""

    status = 409
    code = "conflict"


class IllegalMove(Conflict):
    """A status cannot follow from the present one; `allowed` lists those that can."""

    code = "illegal_move"

    def __init__(self, detail: str, *, status: str, allowed: Sequence[str]) -> None:
        super().__init__(detail)
        self.present = status
        self.allowed = sorted(allowed)

    @property
    def members(self) -> Mapping[str, Any]:
        return {"status_now": self.present, "allowed": self.allowed}
