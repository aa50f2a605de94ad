"""Parcelpost: forms, a user name and password, an unguessable address for its calls.

Fictional as well, and all that the courier is not: a reference that comes twice is shipped twice,
so it is asked first; it cancels, and it says prices. `docs/carriers.md` has its requests,
`demo/carrier.py` plays it.
"""

import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qs

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from requests.auth import HTTPBasicAuth

from core.errors import FieldError
from shipping.states import DeliveryService, ShipmentStatus

from .base import (
    Accepted,
    Address,
    Consignment,
    Forged,
    Malformed,
    News,
    NotThere,
    Outcome,
    Quote,
    Refused,
    Request,
    Unclear,
)
from .network import Answer, ask, not_understood, of_refusal

# Its name of each field of an address, and how long that may be.
_ADDRESS = {
    "recipient": ("name", 40),
    "line_1": ("street", 50),
    "line_2": ("street_2", 50),
    "city": ("town", 30),
    "postcode": ("zip", 10),
    "country": ("country", 2),
}
_PRODUCTS = {DeliveryService.STANDARD: "ECONOMY", DeliveryService.EXPRESS: "PRIORITY"}
MOST_PARCELS = 20
# Grams of one parcel.
HEAVIEST = 30_000
_STATUSES = {
    "READY": ShipmentStatus.WAITING_FOR_COLLECTION,
    "ROLLING": ShipmentStatus.IN_TRANSIT,
    "SIGNED": ShipmentStatus.DELIVERED,
    "UNDELIVERED": ShipmentStatus.FAILED_TO_DELIVER,
}


class Provider:
    name = "parcelpost"
    label = "Parcelpost"
    repeats_safely = False
    looks_up = True
    cancels = True
    quotes = True

    def __init__(self) -> None:
        if not (
            settings.PARCELPOST_URL and settings.PARCELPOST_USER and settings.PARCELPOST_PASSWORD
        ):
            raise ImproperlyConfigured(
                "parcelpost needs PARCELPOST_URL, PARCELPOST_USER and PARCELPOST_PASSWORD."
            )

    def check(self, consignment: Consignment) -> Sequence[FieldError]:
        return list(_problems(consignment))

    def send(self, consignment: Consignment) -> Outcome:
        answer = self._ask(
            "POST",
            "/consignments",
            data={
                "reference": consignment.number,
                **_address(consignment.address),
                **_goods(consignment),
            },
        )
        if not isinstance(answer, Answer):
            return answer
        said = _form(answer.body)
        if not answer.is_success:
            return _of_refusal(answer, said)
        if said.get("reference") != consignment.number or not said.get("consignment"):
            return not_understood(answer)
        track = said.get("track", "")
        price = _price(said)
        return Accepted(
            id=said["consignment"][:128],
            tracking_url=track[:500] if re.fullmatch(r"https?://[!-~]+", track) else "",
            cost=price[0] if price else None,
            currency=price[1] if price else "",
        )

    def cancel(self, number: str) -> Outcome:
        answer = self._ask("POST", "/cancellations", data={"reference": number})
        if not isinstance(answer, Answer):
            return answer
        said = _form(answer.body)
        if _is_unknown(answer, said):
            return Accepted()
        if not answer.is_success:
            return _of_refusal(answer, said)
        if said.get("reference") != number or said.get("cancelled") != "yes":
            return not_understood(answer)
        return Accepted()

    def quote(self, consignment: Consignment) -> Sequence[Quote] | Refused | Unclear:
        data = {"country": consignment.address.country, **_goods(consignment)}
        answer = self._ask("POST", "/prices", data=data)
        if not isinstance(answer, Answer):
            return answer
        said = _form(answer.body)
        if not answer.is_success:
            return _of_refusal(answer, said)
        price = _price(said)
        if price is None:
            return not_understood(answer)
        amount, currency = price
        days = said.get("days", "")
        return [
            Quote(
                amount=amount,
                currency=currency,
                service=consignment.service,
                days=int(days) if re.fullmatch(r"[0-9]{1,3}", days) else None,
            )
        ]

    def look_up(self, number: str) -> Sequence[News] | Refused | Unclear:
        answer = self._ask("GET", "/consignments", params={"reference": number})
        if not isinstance(answer, Answer):
            return answer
        said = _form(answer.body)
        if _is_unknown(answer, said):
            raise NotThere
        if not answer.is_success:
            return _of_refusal(answer, said)
        if said.get("reference") != number or not said.get("consignment"):
            return not_understood(answer)
        try:
            events = [event.split(" ") for event in _fields(answer.body).get("event", [])]
            return [_news(number, what, when) for when, what in events]
        except (ValueError, OverflowError, OSError):
            return not_understood(answer)

    def authenticate(self, request: Request) -> str:
        """Compare the key in the address: Parcelpost signs nothing."""
        expected = settings.PARCELPOST_WEBHOOK_KEY
        if not expected or not hmac.compare_digest(request.key.encode(), expected.encode()):
            raise Forged("Its address does not have the key.")
        return ""

    def read(self, body: bytes, content_type: str) -> Sequence[News]:
        try:
            fields = parse_qs(body.decode(), strict_parsing=True, max_num_fields=50)
            [number], [what], [when] = fields["reference"], fields["what"], fields["when"]
            return [_news(number, what, when)]
        except (ValueError, LookupError, OverflowError, OSError) as error:
            raise Malformed(f"{type(error).__name__}: {error}"[:300]) from None

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> Answer | Refused | Unclear:
        auth = HTTPBasicAuth(
            settings.PARCELPOST_USER.encode(), settings.PARCELPOST_PASSWORD.encode()
        )
        return ask(method, f"{settings.PARCELPOST_URL}{path}", auth=auth, params=params, data=data)


def _problems(consignment: Consignment) -> Iterator[FieldError]:
    limits = {name: most for name, (_, most) in _ADDRESS.items()}
    yield from consignment.address.beyond(limits, by="Parcelpost")
    if len(consignment.parcels) > MOST_PARCELS:
        detail = f"Parcelpost takes at most {MOST_PARCELS} parcels at once."
        yield FieldError(path=("parcels",), code="out_of_bounds", detail=detail)
    for number, parcel in enumerate(consignment.parcels):
        if parcel.weight > HEAVIEST:
            detail = f"Parcelpost takes at most {HEAVIEST} g; this weighs {parcel.weight} g."
            yield FieldError(path=("parcels", number), code="out_of_bounds", detail=detail)


def _address(address: Address) -> dict[str, str]:
    return {theirs: getattr(address, name) for name, (theirs, _) in _ADDRESS.items()}


def _goods(consignment: Consignment) -> dict[str, str]:
    said = {
        "product": _PRODUCTS[consignment.service],
        "parcels": str(len(consignment.parcels)),
    }
    for position, parcel in enumerate(consignment.parcels, start=1):
        said[f"weight_{position}"] = str(parcel.weight)
        said[f"contents_{position}"] = ", ".join(
            f"{item.quantity} x {item.sku}" for item in parcel.items
        )
    return said


def _fields(body: bytes) -> dict[str, list[str]]:
    """Return what an answer says; of one that is no form, nothing."""
    try:
        return parse_qs(body.decode(), strict_parsing=True, max_num_fields=500)
    except ValueError:
        return {}


def _form(body: bytes) -> dict[str, str]:
    return {name: values[0] for name, values in _fields(body).items() if values[0].isprintable()}


def _price(said: Mapping[str, str]) -> tuple[Decimal, str] | None:
    amount, currency = said.get("price", ""), said.get("currency", "")
    if re.fullmatch(r"[0-9]{1,10}\.[0-9]{2}", amount) and re.fullmatch(r"[A-Z]{3}", currency):
        return Decimal(amount), currency
    return None


def _is_unknown(answer: Answer, said: Mapping[str, str]) -> bool:
    """Tell whether it says itself that it has no such reference: another 404 proves nothing."""
    return answer.status == 404 and said.get("error") == "unknown_reference"


def _of_refusal(answer: Answer, said: Mapping[str, str]) -> Refused | Unclear:
    return of_refusal(answer, code=said.get("error", "")[:64], reason=said.get("message", "")[:300])


def _news(number: str, what: str, when: str) -> News:
    if not re.fullmatch(r"[!-~]{1,35}", number):
        raise ValueError("reference is not one")
    if what not in _STATUSES:
        raise ValueError(f"there is nothing called {what!r}")
    if not re.fullmatch(r"[0-9]{1,11}", when):
        raise ValueError("when is not a number of seconds")
    return News(number=number, status=_STATUSES[what], at=datetime.fromtimestamp(int(when), tz=UTC))
