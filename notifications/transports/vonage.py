"""Vonage, by its Messages API, through its own SDK (vonage-messages, vonage-http-client).

What the gateway and the SDK really do was measured against a stand-in; the facts are repeated
beside the lines that need them, and in `notifications/tests/vonage_gateway.py`, which plays it.
"""

import hashlib
import hmac
import json
import re
import threading
import time
from decimal import Decimal, InvalidOperation
from typing import Any

import jwt
import requests
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from pydantic import ValidationError
from vonage_http_client.auth import Auth
from vonage_http_client.errors import HttpRequestError
from vonage_http_client.http_client import HttpClient, HttpClientOptions
from vonage_messages import Messages, Sms

from notifications.states import CallbackKind, MessageStatus

from .base import (
    Accepted,
    Forged,
    Inbound,
    Malformed,
    Outcome,
    Refused,
    Report,
    Request,
    Told,
    Unknown,
)
from .network import of_network_error

# Seconds, for connecting and for each wait; the SDK itself waits for ever.
TIMEOUT = 9
# A callback's token is taken for so many seconds.
FRESH = 300
# More is no price of a message, and no column holds it.
MOST_COST = Decimal(10**8)
_STATUSES = {
    "submitted": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.DELIVERED,
    "rejected": MessageStatus.FAILED,
    "undeliverable": MessageStatus.FAILED,
}


class Transport:
    name = "vonage"
    callbacks = (CallbackKind.REPORT, CallbackKind.INBOUND)

    def __init__(self) -> None:
        self._auth = _auth()
        if not settings.VONAGE_SENDER:
            raise ImproperlyConfigured("vonage needs VONAGE_SENDER, a number or a name.")
        if not re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?", settings.VONAGE_API_HOST):
            raise ImproperlyConfigured("VONAGE_API_HOST must be a host like api.nexmo.com.")
        self._here = threading.local()

    def send(self, *, to: str, body: str, reference: str) -> Outcome:
        try:
            message = Sms(
                to=to.removeprefix("+"),
                from_=settings.VONAGE_SENDER,
                text=body,
                client_ref=reference,
            )
        except ValidationError as error:
            # In its own words the error would repeat the text, which may be secret.
            wrong = "; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors())
            return Refused(code="invalid", reason=wrong[:300], may_pass=False)
        try:
            answer = self._messages().send(message)
        except HttpRequestError as error:
            return _of_refusal(error)
        except requests.RequestException as error:
            return of_network_error(error)
        except (ValidationError, TypeError, ValueError, RecursionError) as error:
            # An answer that says neither yes nor no.
            return Unknown(reason=f"The gateway's answer is not understood: {error}"[:300])
        return Accepted(id=answer.message_uuid)

    def _messages(self) -> Messages:
        """Return this thread's client: it keeps a request's headers in itself."""
        if not hasattr(self._here, "messages"):
            options = HttpClientOptions(
                api_host=settings.VONAGE_API_HOST,
                timeout=TIMEOUT,
                # With more, the SDK posts again on a dropped connection: ten times by default.
                pool_maxsize=1,
                max_retries=0,
            )
            client = HttpClient(self._auth, options)
            # One that took the message and points elsewhere has said neither yes nor no.
            client._session.max_redirects = 0
            self._here.messages = Messages(client)
        made: Messages = self._here.messages
        return made

    def authenticate(self, request: Request) -> str:
        """Check a callback's token as the contract orders: signature, body, time, whose it is.

        An unsigned one is answered by a 500, which makes Vonage send it again, signed.
        """
        secret = settings.VONAGE_SIGNATURE_SECRET
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not secret or scheme.lower() != "bearer" or not token:
            raise Forged("It is not signed.", status=500)
        try:
            claims = jwt.decode(
                token,
                secret,
                algorithms=["HS256"],
                options={
                    "require": ["iat", "jti", "payload_hash"],
                    "verify_aud": False,
                    # Below: PyJWT would refuse one of a clock that is a second ahead.
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError as error:
            raise Forged(f"Its token is not valid: {error}") from None
        digest = hashlib.sha256(request.body).hexdigest()
        if not hmac.compare_digest(str(claims["payload_hash"]).lower().encode(), digest.encode()):
            raise Forged("Its token is of another body.")
        issued = claims["iat"]
        now = time.time()
        if not isinstance(issued, int | float) or not now - FRESH <= issued <= now + FRESH:
            raise Forged("Its token is not of now.")
        ours = {settings.VONAGE_API_KEY, settings.VONAGE_APPLICATION_ID} - {""}
        theirs = {str(claims.get("api_key")), str(claims.get("application_id"))}
        if not ours & theirs:
            raise Forged("It is another account's.")
        return str(claims["jti"])

    def read(self, kind: CallbackKind, request: Request) -> Told:
        try:
            data = json.loads(request.body)
            ident = _word(data["message_uuid"])[:128]
            if kind == CallbackKind.INBOUND:
                return Inbound(
                    gateway_id=ident,
                    phone=_phone(data["from"]),
                    to=str(data.get("to", ""))[:32],
                    text=_word(data["text"]) if data.get("text") else "",
                )
            return _report(ident, data)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise Malformed(f"{type(error).__name__}: {error}"[:300]) from None


def _report(ident: str, data: dict[str, Any]) -> Report:
    said = _word(data["status"])[:40]
    wrong = data.get("error") or {}
    usage = data.get("usage") or {}
    try:
        # As the column has it.
        price = Decimal(str(usage["price"])).quantize(Decimal("0.000001"))
        amount = price if 0 <= price < MOST_COST else None
    except (KeyError, InvalidOperation):
        amount = None
    return Report(
        gateway_id=ident,
        status=_STATUSES.get(said),
        said=said,
        phone=_phone(data["to"]),
        reference=str(data.get("client_ref") or "")[:100],
        code=str(wrong.get("title", ""))[:64],
        reason=str(wrong.get("detail", ""))[:300],
        amount=amount,
        currency=str(usage.get("currency", ""))[:3],
    )


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not a word")
    return value


def _phone(value: Any) -> str:
    digits = str(value).removeprefix("+")
    if not re.fullmatch(r"[1-9][0-9]{5,14}", digits):
        raise ValueError(f"{value!r} is not a number")
    return f"+{digits}"


def _auth() -> Auth:
    """Return what the shop proves itself by: its application, else its key and secret."""
    if settings.VONAGE_APPLICATION_ID and settings.VONAGE_PRIVATE_KEY:
        try:
            auth = Auth(
                application_id=settings.VONAGE_APPLICATION_ID,
                private_key=settings.VONAGE_PRIVATE_KEY,
            )
            auth.generate_application_jwt()
        except Exception:  # noqa: BLE001  of the SDK, of PyJWT, of cryptography, of the file
            # Found here, or every message would end as unknown. Not with what the key says.
            raise ImproperlyConfigured(
                "VONAGE_PRIVATE_KEY must be an RSA key as PEM (BEGIN PRIVATE KEY), or the path of"
                " a file that holds one, with a name that ends like .pem."
            ) from None
        return auth
    if settings.VONAGE_API_KEY and settings.VONAGE_API_SECRET:
        return Auth(api_key=settings.VONAGE_API_KEY, api_secret=settings.VONAGE_API_SECRET)
    raise ImproperlyConfigured(
        "vonage needs VONAGE_API_KEY and VONAGE_API_SECRET, or VONAGE_APPLICATION_ID and"
        " VONAGE_PRIVATE_KEY."
    )


def _of_refusal(error: HttpRequestError) -> Outcome:
    status = error.response.status_code
    reason = f"HTTP {status}: {error.response.text[:200]}"
    # Refused before anything was done: what the shopkeeper is to mend, and too many.
    if status in {401, 402, 404, 405, 429, 503}:
        return Refused(code=f"http_{status}", reason=reason, may_pass=True, whole=True)
    if status == requests.codes.forbidden:
        # Perhaps of these words alone: a firewall before the gateway may dislike them.
        return Refused(code=f"http_{status}", reason=reason, may_pass=True)
    if 400 <= status < 500 and status != requests.codes.request_timeout:
        return Refused(code=f"http_{status}", reason=reason, may_pass=False)
    return Unknown(reason=reason)
