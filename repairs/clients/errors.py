"""What a client's database answers instead of doing what was asked."""

from typing import NamedTuple

from repairs.states import FindingCode


class Finding(NamedTuple):
    """One thing that is wrong with a source; `detail` is a sentence for a person."""

    code: FindingCode
    detail: str


class SourceFailed(Exception):
    """A client's database did not do what was asked.

    `finding` says why; `detail` is a sentence for a person, without the password.
    """

    def __init__(self, finding: FindingCode, detail: str) -> None:
        super().__init__(detail)
        self.finding = finding
        self.detail = detail
