"""The one small shape of a carrier: what it is sent, what can come of that, what it tells us."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, Self

from core.errors import FieldError
from shipping.states import DeliveryService, ShipmentStatus

# Control characters, ends of lines, and what turns the direction of all that follows on a label.
_NO_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, kw_only=True)
class Address:
    """`country` is ISO 3166-1 alpha-2; what is not known is empty."""

    recipient: str
    line_1: str
    line_2: str
    city: str
    postcode: str
    country: str

    @classmethod
    def of(cls, row: Any) -> Self:
        """Return where a shipment or a standing order goes."""
        return cls(**{name: getattr(row, name) for name in ADDRESS_FIELDS})

    def beyond(self, limits: Mapping[str, int], *, by: str) -> Iterator[FieldError]:
        """Yield what a carrier would refuse of it, if each field has so many characters at most."""
        for name, most in limits.items():
            value = getattr(self, name)
            path = ("delivery_address", name)
            if name not in {"line_2", "postcode"} and not any(map(str.isalnum, value)):
                yield FieldError(path=path, code="required", detail=f"{by} needs it.")
            elif len(value) > most:
                detail = f"{by} takes at most {most} characters."
                yield FieldError(path=path, code="max_length", detail=detail)
            elif _NO_LINE.search(value):
                detail = f"{by} takes one line, without control characters."
                yield FieldError(path=path, code="invalid", detail=detail)


ADDRESS_FIELDS = tuple(field.name for field in fields(Address))


@dataclass(frozen=True, kw_only=True)
class Item:
    """So many pieces of a SKU, of so many grams each."""

    sku: str
    quantity: int
    weight: int


@dataclass(frozen=True, kw_only=True)
class Parcel:
    items: Sequence[Item]

    @property
    def weight(self) -> int:
        """Grams of all in it."""
        return sum(item.quantity * item.weight for item in self.items)


@dataclass(frozen=True, kw_only=True)
class Consignment:
    """What a carrier is to bring. `number` is its name for it as well as ours."""

    number: str
    service: DeliveryService
    address: Address
    parcels: Sequence[Parcel]

    @property
    def items(self) -> list[Item]:
        """What is in all parcels, each SKU once, as heavy as the first of it."""
        found: dict[str, Item] = {}
        for item in (each for parcel in self.parcels for each in parcel.items):
            before = found.get(item.sku)
            found[item.sku] = Item(
                sku=item.sku,
                quantity=item.quantity + (before.quantity if before else 0),
                weight=before.weight if before else item.weight,
            )
        return list(found.values())


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The carrier has it (or, of a cancellation, has it no more). `id`: its own name for it."""

    id: str = ""
    tracking_url: str = ""
    cost: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The carrier certainly did not do it.

    Args:
        may_pass: another try could succeed.
        whole: not of this shipment alone: the carrier does nothing for now.
    """

    code: str
    reason: str
    may_pass: bool
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Unclear:
    """It may or may not have been done: to be asked about, or to be repeated where that is safe."""

    reason: str


Outcome = Accepted | Refused | Unclear


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What the carrier would take for it."""

    amount: Decimal
    currency: str
    service: DeliveryService
    # Days until it is there, where it says so.
    days: int | None = None


@dataclass(frozen=True, kw_only=True)
class News:
    """What the carrier says of a shipment, by its number; the time is aware."""

    number: str
    status: ShipmentStatus
    at: datetime
    detail: str = ""


class NotThere(Exception):
    """The carrier knows no shipment of this number."""


class Forged(Exception):
    """A webhook that does not prove to be the carrier's."""


class Malformed(Exception):
    """A webhook that cannot be understood; it says so in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A webhook as it came over HTTP; `key` is what its address ends in."""

    body: bytes
    content_type: str
    headers: Mapping[str, str]
    key: str = ""


class Provider(Protocol):
    """A carrier. Its calls return within a shipment's lease and raise nothing they can foresee.

    A carrier must either take the same number again without shipping twice (`repeats_safely`), or
    say whether it has it (`looks_up`): else an answer that was lost could never be mended.
    """

    name: str
    # As a shopkeeper knows it.
    label: str
    repeats_safely: bool
    looks_up: bool
    cancels: bool
    quotes: bool

    def check(self, consignment: Consignment) -> Sequence[FieldError]:
        """Return what the carrier would refuse, by field, before anything is sent.

        Paths begin `delivery_address`, `parcels` (by position, from 0), or the field's name.
        """
        ...

    def send(self, consignment: Consignment) -> Outcome:
        """Hand it over."""
        ...

    def cancel(self, number: str) -> Outcome:
        """Call it off, where the carrier `cancels`."""
        ...

    def quote(self, consignment: Consignment) -> Sequence[Quote] | Refused | Unclear:
        """Ask what it would cost, where the carrier `quotes`."""
        ...

    def look_up(self, number: str) -> Sequence[News] | Refused | Unclear:
        """Return all that happened to it, where the carrier `looks_up`; raises `NotThere`."""
        ...

    def authenticate(self, request: Request) -> str:
        """Return what makes a webhook unique, where the carrier says so ("": its contents do).

        Raises `Forged` where it is not the carrier's.
        """
        ...

    def read(self, body: bytes, content_type: str) -> Sequence[News]:
        """Return what a webhook says. Raises `Malformed`."""
        ...
