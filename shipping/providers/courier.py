"""The fictional courier of `contracts/shipping.md`: JSON, a bearer key, Standard Webhooks.

`docs/carriers.md` has what it is asked and what it answers, `demo/carrier.py` plays it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard
from urllib.parse import quote

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from standardwebhooks.webhooks import (
    EmptyWebhookSecretError,
    Webhook,
    WebhookVerificationError,
)

from core.errors import FieldError
from shipping.states import ShipmentStatus

from .base import (
    Accepted,
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
from .network import Answer, Bearer, ask, not_understood, of_refusal

# Characters of each of its words.
LIMIT = 35
_ADDRESS = {
    **dict.fromkeys(("recipient", "line_1", "line_2", "city", "postcode"), LIMIT),
    "country": 2,
}
_STATUSES = {
    "waiting-for-collection": ShipmentStatus.WAITING_FOR_COLLECTION,
    "in-transit": ShipmentStatus.IN_TRANSIT,
    "delivered": ShipmentStatus.DELIVERED,
    "failed-to-deliver": ShipmentStatus.FAILED_TO_DELIVER,
}


class Provider:
    name = "courier"
    label = "Courier"
    # The same `order_id` again is answered as the first time.
    repeats_safely = True
    looks_up = True
    cancels = False
    quotes = False

    def __init__(self) -> None:
        if not settings.COURIER_URL or not re.fullmatch(r"[!-~]+", settings.COURIER_API_KEY):
            raise ImproperlyConfigured("courier needs COURIER_URL and COURIER_API_KEY.")
        self._webhooks = [_webhook(secret) for secret in settings.COURIER_WEBHOOK_SECRETS]

    def check(self, consignment: Consignment) -> Sequence[FieldError]:
        return list(_problems(consignment))

    def send(self, consignment: Consignment) -> Outcome:
        address = consignment.address
        answer = self._ask(
            "POST",
            "/orders",
            json={
                "order_id": consignment.number,
                "delivery_service": str(consignment.service),
                "items": [
                    {"item_id": item.sku, "quantity": item.quantity, "weight": item.weight}
                    for item in consignment.items
                ],
                "delivery_address": {name: getattr(address, name) for name in _ADDRESS},
            },
        )
        if not isinstance(answer, Answer):
            return answer
        said = _object(answer)
        if not answer.is_success:
            return _of_refusal(answer, said)
        ident, url = said.get("id"), said.get("tracking_url")
        if said.get("order_id") != consignment.number or not _is_word(ident):
            return not_understood(answer)
        return Accepted(id=ident[:128], tracking_url=url[:500] if _is_link(url) else "")

    def cancel(self, number: str) -> Outcome:
        raise NotImplementedError("Nothing is called off that the courier has.")

    def quote(self, consignment: Consignment) -> Sequence[Quote] | Refused | Unclear:
        raise NotImplementedError("The courier says no prices.")

    def look_up(self, number: str) -> Sequence[News] | Refused | Unclear:
        answer = self._ask("GET", f"/orders/{quote(number, safe='')}")
        if not isinstance(answer, Answer):
            return answer
        said = _object(answer)
        if answer.status == 404 and said.get("code") == "unknown_order":
            # By its own word: any other 404 is of a wrong address.
            raise NotThere
        if not answer.is_success:
            return _of_refusal(answer, said)
        try:
            if said["order_id"] != number:
                return not_understood(answer)
            return [_news(event) for event in said["events"]]
        except (LookupError, TypeError, ValueError, OverflowError):
            return not_understood(answer)

    def authenticate(self, request: Request) -> str:
        """Check a webhook by each of the secrets that are good now."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        for webhook in self._webhooks:
            try:
                # What is signed and no JSON is the courier's all the same: `read` says so.
                webhook.verify(request.body, headers, json_parse=False)
            # Malformed headers and bodies end in binascii.Error and UnicodeDecodeError, which are
            # ValueErrors.
            except (WebhookVerificationError, ValueError, TypeError):
                continue
            if len(headers["webhook-id"]) > 128:
                break
            return headers["webhook-id"]
        raise Forged("Its signature is not the courier's.")

    def read(self, body: bytes, content_type: str) -> Sequence[News]:
        try:
            return [_news(json.loads(body))]
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
            raise Malformed(f"{type(error).__name__}: {error}"[:300]) from None

    def _ask(self, method: str, path: str, **more: Any) -> Answer | Refused | Unclear:
        auth = Bearer(settings.COURIER_API_KEY)
        return ask(method, f"{settings.COURIER_URL}{path}", auth=auth, **more)


def _webhook(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    except (ValueError, EmptyWebhookSecretError):
        raise ImproperlyConfigured(
            "COURIER_WEBHOOK_SECRETS must be secrets in base64, as whsec_MfKQ9r8GKYqrTwjUPD8ILPZI."
        ) from None


def _problems(consignment: Consignment) -> Iterator[FieldError]:
    if len(consignment.number) > LIMIT:
        yield _too_long("number")
    yield from consignment.address.beyond(_ADDRESS, by="The courier")
    for number, parcel in enumerate(consignment.parcels):
        for position, item in enumerate(parcel.items):
            if len(item.sku) > LIMIT:
                yield _too_long("parcels", number, "items", position, "sku")


def _too_long(*path: str | int) -> FieldError:
    detail = f"The courier takes at most {LIMIT} characters."
    return FieldError(path=path, code="max_length", detail=detail)


def _object(answer: Answer) -> Mapping[str, Any]:
    """Return what an answer says; of one that is no JSON object, nothing."""
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _of_refusal(answer: Answer, said: Mapping[str, Any]) -> Refused | Unclear:
    code, reason = said.get("code"), said.get("message")
    return of_refusal(
        answer,
        code=code[:64] if _is_word(code) else "",
        reason=reason[:300] if _is_word(reason) else "",
    )


def _news(event: Mapping[str, Any]) -> News:
    number = event["order_id"]
    if not _is_word(number) or len(number) > LIMIT:
        raise ValueError("order_id is not one")
    name = event["event_name"]
    if name not in _STATUSES:
        raise ValueError(f"there is no event {name!r}")
    # fromisoformat() also reads dates alone, week days, and what stands before a NUL.
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9:.Z+-]+", event["event_time"]):
        raise ValueError("event_time is not a time")
    at = datetime.fromisoformat(event["event_time"])
    return News(
        number=number,
        status=_STATUSES[name],
        at=(at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC),
    )


def _is_word(value: Any) -> TypeGuard[str]:
    """Tell whether it is a text that any column holds."""
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _is_link(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and re.fullmatch(r"https?://[!-~]+", value) is not None
