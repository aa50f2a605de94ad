"""What repairs refuse."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import Conflict, IllegalMove, InvalidInput


class MoveNotAllowed(IllegalMove):
    """The job's status does not allow this now."""


class AmbiguousJob(Conflict):
    """Several sources have a job of this number; `ids` are what each is called in full."""

    code = "ambiguous_job"

    def __init__(self, detail: str, *, ids: Sequence[str]) -> None:
        super().__init__(detail)
        self.ids = list(ids)

    @property
    def members(self) -> Mapping[str, Any]:
        return {"ids": self.ids}


class NothingToSettle(Conflict):
    """The client's database does not contradict us."""

    code = "nothing_to_settle"


class BadMapping(InvalidInput):
    """This is no column of the contract, or no status."""

    code = "bad_mapping"


class UnknownSource(InvalidInput):
    """No client's database of this name is in the settings."""

    code = "unknown_source"


class SourceBusy(Conflict):
    """Another collector is at it."""

    code = "source_busy"


class SourceInactive(Conflict):
    """It is not to be collected from."""

    code = "source_inactive"


class LeaseLost(Exception):
    """Another collector has the source by now: what is in hand is not written."""
