"""Africa's Talking, through its own SDK 2.0.3.

What the gateway and the SDK really do was measured against a stand-in; the
facts are repeated beside the lines that need them, and in
`notifications/tests/gateway.py`, which plays the gateway.
"""

import hmac
import json
import re
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import requests
from africastalking.Service import AfricasTalkingException, validate_phone
from africastalking.SMS import SMSService
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from notifications.states import CallbackKind, MessageStatus

from .base import (
    Accepted,
    Forged,
    Inbound,
    Malformed,
    OptOut,
    Outcome,
    Refused,
    Report,
    Request,
    Told,
    Unknown,
)
from .network import of_network_error

# Seconds to connect and between two bytes of the answer.
TIMEOUT = (3.05, 9.05)

_ACCEPTED = {100, 101, 102}  # processed, sent, queued
_PERMANENT = {
    402: "invalid sender id",
    403: "invalid phone number",
    404: "unsupported number type",
    406: "the number is on the gateway's blacklist",
    409: "the number is on its operator's do-not-disturb list",
}
_MAY_PASS = {
    401: "held for risk by the gateway",
    405: "insufficient balance",
    407: "could not be routed",
    500: "gateway error",
    501: "gateway error",
    502: "rejected by the gateway",
}
# The shopkeeper's to mend; until then it takes nothing.
_WHOLE = {401, 405}


class _Gateway(SMSService):
    """One call's SDK service: another base URL, and the HTTP status that the SDK drops.

    The SDK raises `AfricasTalkingException(body)` for every answer that is
    not 2xx. Were its private hook renamed, `status` would stay None, and the
    outcome of such an answer would count as unknown: safe, if tedious.
    """

    status: int | None = None

    def _init_service(self) -> None:
        super()._init_service()
        if url := settings.AFRICASTALKING_URL.rstrip("/"):
            self._baseUrl = self._contentUrl = f"{url}/version1"

    def _Service__make_post_request(  # noqa: N802  the SDK's own, mangled
        self, *, timeout: tuple[float, float], **kwargs: Any
    ) -> requests.Response:
        # The SDK's own follows redirects. A gateway that took the message and then points to
        # an address that can't be reached would look as if it had never been asked.
        response = requests.post(**kwargs, timeout=timeout, allow_redirects=False)
        self.status = response.status_code
        return response


# What reports say; the rest settles nothing yet.
_STATUSES = {
    "Sent": MessageStatus.SENT,
    "Submitted": MessageStatus.SENT,
    "Buffered": MessageStatus.SENT,
    "Success": MessageStatus.DELIVERED,
    "Rejected": MessageStatus.FAILED,
    "Failed": MessageStatus.FAILED,
}


class Transport:
    name = "africastalking"
    callbacks = (CallbackKind.REPORT, CallbackKind.INBOUND, CallbackKind.OPT_OUT)

    def __init__(self) -> None:
        if not settings.AFRICASTALKING_API_KEY:
            raise ImproperlyConfigured("SMS_TRANSPORT=africastalking needs AFRICASTALKING_API_KEY.")
        # Found here, before any message is touched, rather than once for each message.
        if not re.fullmatch(r"[!-~]+", settings.AFRICASTALKING_API_KEY):
            raise ImproperlyConfigured(
                "AFRICASTALKING_API_KEY has spaces or characters that no key has."
            )
        if not re.fullmatch(r"(https?://[!-.0-~]+(/[!-~]*)?)?", settings.AFRICASTALKING_URL):
            raise ImproperlyConfigured(
                "AFRICASTALKING_URL must be an address like https://sms.example.com."
            )

    def send(self, *, to: str, body: str, reference: str) -> Outcome:
        if not validate_phone(to):
            # What the SDK says with a ValueError, which could come of other things as well.
            return Refused(code="invalid_number", reason=f"Invalid number: {to}", may_pass=False)
        # An instance for each call: it is cheap (the SDK holds no session), and
        # `africastalking.initialize()` would change globals under other threads.
        gateway = _Gateway(settings.AFRICASTALKING_USERNAME, settings.AFRICASTALKING_API_KEY)
        try:
            answer = gateway.send(
                body, [to], settings.AFRICASTALKING_SENDER_ID or None, timeout=TIMEOUT
            )
        except (requests.JSONDecodeError, RecursionError) as error:
            return Unknown(reason=f"The gateway's answer is not JSON: {error}"[:300])
        except AfricasTalkingException as error:
            return _of_refusal(gateway.status, str(error))
        except requests.RequestException as error:
            return of_network_error(error)
        return _of_answer(answer)

    def authenticate(self, request: Request) -> str:
        """Compare the key in the address: the gateway signs nothing."""
        expected = settings.AFRICASTALKING_CALLBACK_KEY
        if not expected or not hmac.compare_digest(request.key.encode(), expected.encode()):
            raise Forged("Its address does not have the key.")
        return ""

    def read(self, kind: CallbackKind, request: Request) -> Told:
        try:
            text = request.body.decode()
            pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
            form = dict(pairs)
            if len(form) != len(pairs):
                raise ValueError("a field is there twice")  # noqa: TRY301  like all that is wrong
            if kind == CallbackKind.OPT_OUT:
                return OptOut(phone=_phone(form["phoneNumber"]))
            ident = form["id"][:128]
            if kind == CallbackKind.INBOUND:
                return Inbound(
                    gateway_id=ident,
                    phone=_phone(form["from"]),
                    to=form.get("to", "")[:32],
                    text=form.get("text", ""),
                )
            said = form["status"][:40]
            if not ident or not said:
                raise ValueError("id or status is empty")  # noqa: TRY301  like all that is wrong
            return Report(
                gateway_id=ident,
                status=_STATUSES.get(said),
                said=said,
                phone=_phone(form["phoneNumber"]),
                code=form.get("failureReason", "")[:64],
                reason=form.get("failureReason", "")[:300],
            )
        except (ValueError, LookupError) as error:
            raise Malformed(f"{type(error).__name__}: {error}"[:300]) from None


def _phone(value: str) -> str:
    # A plus that was not encoded arrives as a space.
    digits = value.strip().removeprefix("+")
    if not re.fullmatch(r"[1-9][0-9]{5,14}", digits):
        raise ValueError(f"{value!r} is not a number")
    return f"+{digits}"


def _cost(text: str) -> dict[str, Any]:
    """Read "KES 0.8000"; what is not understood is kept as text alone."""
    match = re.fullmatch(r"([A-Z]{3}) ([0-9]{1,8}(?:\.[0-9]{1,6})?)", text)
    return {"currency": match[1], "amount": Decimal(match[2])} if match else {}


def _of_answer(answer: Any) -> Outcome:
    """Read a 2xx answer. With a charset in its Content-Type the SDK returns it as text."""
    if isinstance(answer, str):
        try:
            answer = json.loads(answer)
        except (ValueError, RecursionError):
            return Unknown(reason=f"The gateway's answer is not JSON: {answer[:200]}")
    try:
        data = answer["SMSMessageData"]
        recipients = data["Recipients"]
        if not recipients and data["Message"] == "InvalidSenderId":
            # A bad sender id gives no recipients, and says so in the message alone.
            return Refused(code="InvalidSenderId", reason=_PERMANENT[402], may_pass=False)
        first = recipients[0]
        code = int(first["statusCode"])
        if code in _ACCEPTED:
            cost = str(first.get("cost", ""))
            return Accepted(id=str(first["messageId"]), cost=cost, **_cost(cost))
        if code in _PERMANENT:
            return Refused(code=str(code), reason=_PERMANENT[code], may_pass=False)
        if code in _MAY_PASS:
            whole = code in _WHOLE
            return Refused(code=str(code), reason=_MAY_PASS[code], may_pass=True, whole=whole)
    except (LookupError, TypeError, ValueError, OverflowError):
        pass
    return Unknown(reason=f"The gateway's answer is not understood: {json.dumps(answer)[:200]}")


def _of_refusal(status: int | None, body: str) -> Outcome:
    """Read an answer that is not 2xx."""
    outcome = _of_answer(body)
    if not isinstance(outcome, Unknown):
        # Do-not-disturb can come as HTTP 409 with the usual JSON.
        return outcome
    reason = f"HTTP {status}: {body[:200]}"
    # Refused before anything was done: wrong key (401), no rights, a wrong address (404, 405),
    # which are the shopkeeper's to mend; too many, too busy.
    if status in {401, 404, 405, 429, 503}:
        return Refused(code=f"http_{status}", reason=reason, may_pass=True, whole=True)
    if status == requests.codes.forbidden:
        # Perhaps of these words alone: a firewall before the gateway may dislike them.
        return Refused(code=f"http_{status}", reason=reason, may_pass=True)
    if status is not None and 400 <= status < 500 and status != requests.codes.request_timeout:
        return Refused(code=f"http_{status}", reason=reason, may_pass=False)
    return Unknown(reason=reason)
