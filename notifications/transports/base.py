"""The one small shape of a transport: what can come of a try, and what a gateway tells us."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from notifications.states import CallbackKind, MessageStatus


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The gateway took the message; `id` is its name for it, `cost` what it says it costs."""

    id: str = ""
    cost: str = ""
    amount: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The message certainly did not go out.

    Args:
        may_pass: another try could succeed.
        whole: not of this message alone: the gateway takes none for now.
    """

    code: str
    reason: str
    may_pass: bool
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """The message may or may not have gone out, so it must not be sent again by itself."""

    reason: str


Outcome = Accepted | Refused | Unknown


class Forged(Exception):
    """A callback that does not prove to be the gateway's.

    `status` is what the gateway is answered, where its contract says more than 403.
    """

    def __init__(self, reason: str, *, status: int = 403) -> None:
        super().__init__(reason)
        self.status = status


class Malformed(Exception):
    """A callback that cannot be understood; it says so in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A callback as it came over HTTP; `key` is what its address ends in."""

    body: bytes
    content_type: str
    headers: Mapping[str, str]
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of a message. `status` is None where nothing is settled by it yet.

    `reference` is ours, where the gateway gives it back.
    """

    gateway_id: str
    status: MessageStatus | None
    said: str
    phone: str = ""
    reference: str = ""
    code: str = ""
    reason: str = ""
    amount: Decimal | None = None
    currency: str = ""
    kind: CallbackKind = field(default=CallbackKind.REPORT, init=False)

    @property
    def key(self) -> str:
        return f"{self.gateway_id} {self.said}"


@dataclass(frozen=True, kw_only=True)
class Inbound:
    """What somebody wrote to the shop."""

    gateway_id: str
    phone: str
    to: str
    text: str
    kind: CallbackKind = field(default=CallbackKind.INBOUND, init=False)

    @property
    def key(self) -> str:
        return self.gateway_id


@dataclass(frozen=True, kw_only=True)
class OptOut:
    """The gateway knows that somebody wants to hear nothing more.

    It has no key: they may want so again after they wanted otherwise.
    """

    phone: str
    gateway_id: str = ""
    kind: CallbackKind = field(default=CallbackKind.OPT_OUT, init=False)
    key: str = field(default="", init=False)


Told = Report | Inbound | OptOut


class Transport(Protocol):
    """A gateway. `send` returns within the message's lease and raises nothing it can foresee."""

    name: str
    # What it calls us about; none: it never does.
    callbacks: Sequence[CallbackKind]

    def send(self, *, to: str, body: str, reference: str) -> Outcome:
        """Send one message.

        Args:
            to: phone number in E.164.
            body: the text.
            reference: our id of the message, for gateways that keep one.
        """
        ...

    def authenticate(self, request: Request) -> str:
        """Return what makes a call unique, where the gateway says so ("": its contents do).

        Raises `Forged` where it is not the gateway's.
        """
        ...

    def read(self, kind: CallbackKind, request: Request) -> Told:
        """Return what a call says. Raises `Malformed`."""
        ...
