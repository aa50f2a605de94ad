"""The one small shape of a transport, and the three things that can come of a try."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The gateway took the message; `id` is its name for it, `cost` what it says it costs."""

    id: str = ""
    cost: str = ""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The message certainly did not go out. `may_pass`: another try could succeed."""

    code: str
    reason: str
    may_pass: bool


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """The message may or may not have gone out, so it must not be sent again by itself."""

    reason: str


Outcome = Accepted | Refused | Unknown


class Transport(Protocol):
    """A gateway. `send` returns within the message's lease and raises nothing it can foresee."""

    name: str

    def send(self, *, to: str, body: str, reference: str) -> Outcome:
        """Send one message.

        Args:
            to: phone number in E.164.
            body: the text.
            reference: our id of the message, for gateways that keep one.
        """
        ...
