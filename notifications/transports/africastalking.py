"""Africa's Talking, through its own SDK 2.0.3.

What the gateway and the SDK really do was measured against a stand-in; the
facts are repeated beside the lines that need them, and in
`notifications/tests/gateway.py`, which plays the gateway.
"""

import json
from typing import Any

import requests
from africastalking.Service import AfricasTalkingException
from africastalking.SMS import SMSService
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from .base import Accepted, Outcome, Refused, Unknown

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
# 401 and 405 are the shopkeeper's to mend, the rest the gateway's.
_MAY_PASS = {
    401: "held for risk by the gateway",
    405: "insufficient balance",
    407: "could not be routed",
    500: "gateway error",
    501: "gateway error",
    502: "rejected by the gateway",
}


class _Gateway(SMSService):
    """One call's SDK service: another base URL, and the HTTP status that the SDK drops.

    The SDK raises `AfricasTalkingException(body)` for every answer that is
    not 2xx. Were its private hook renamed, `status` would stay None, and the
    outcome of such an answer would count as unknown: safe, if tedious.
    """

    status: int | None = None

    def _init_service(self) -> None:
        super()._init_service()
        if settings.AFRICASTALKING_URL:
            self._baseUrl = self._contentUrl = f"{settings.AFRICASTALKING_URL}/version1"

    def _Service__make_post_request(self, **kwargs: Any) -> requests.Response:  # noqa: N802
        response: requests.Response = SMSService._Service__make_post_request(**kwargs)
        self.status = response.status_code
        return response


class Transport:
    name = "africastalking"

    def __init__(self) -> None:
        if not settings.AFRICASTALKING_API_KEY:
            raise ImproperlyConfigured("SMS_TRANSPORT=africastalking needs AFRICASTALKING_API_KEY.")

    def send(self, *, to: str, body: str, reference: str) -> Outcome:
        # An instance for each call: it is cheap (the SDK holds no session), and
        # `africastalking.initialize()` would change globals under other threads.
        gateway = _Gateway(settings.AFRICASTALKING_USERNAME, settings.AFRICASTALKING_API_KEY)
        try:
            answer = gateway.send(
                body, [to], settings.AFRICASTALKING_SENDER_ID or None, timeout=TIMEOUT
            )
        except ValueError as error:
            # Also what `requests` raises for a 2xx whose JSON is broken: then it went out.
            if gateway.status is None and not isinstance(error, requests.RequestException):
                return Refused(code="invalid_number", reason=str(error), may_pass=False)
            return Unknown(reason=f"The gateway's answer is not JSON: {error}")
        except AfricasTalkingException as error:
            return _of_refusal(gateway.status, str(error))
        except requests.RequestException as error:
            return _of_network_error(error)
        return _of_answer(answer)


def _of_answer(answer: Any) -> Outcome:
    """Read a 2xx answer. With a charset in its Content-Type the SDK returns it as text."""
    if isinstance(answer, str):
        try:
            answer = json.loads(answer)
        except ValueError:
            return Unknown(reason=f"The gateway's answer is not JSON: {answer[:200]}")
    try:
        data = answer["SMSMessageData"]
        recipients = data["Recipients"]
        if not recipients:
            # A bad sender id gives no recipients, and says so in the message alone.
            return Refused(
                code=str(data["Message"])[:64], reason=str(data["Message"]), may_pass=False
            )
        first = recipients[0]
        code = int(first["statusCode"])
        if code in _ACCEPTED:
            return Accepted(id=str(first["messageId"]), cost=str(first.get("cost", "")))
        if code in _PERMANENT:
            return Refused(code=str(code), reason=_PERMANENT[code], may_pass=False)
        if code in _MAY_PASS:
            return Refused(code=str(code), reason=_MAY_PASS[code], may_pass=True)
    except (KeyError, TypeError, ValueError, IndexError):
        pass
    return Unknown(reason=f"The gateway's answer is not understood: {json.dumps(answer)[:200]}")


def _of_refusal(status: int | None, body: str) -> Outcome:
    """Read an answer that is not 2xx."""
    outcome = _of_answer(body)
    if not isinstance(outcome, Unknown):
        # Do-not-disturb can come as HTTP 409 with the usual JSON.
        return outcome
    reason = f"HTTP {status}: {body[:200]}"
    # Refused before anything was done: wrong key (401), no rights, too many, too busy.
    if status in {401, 403, 429, 503}:
        return Refused(code=f"http_{status}", reason=reason, may_pass=True)
    if status is not None and 400 <= status < 500 and status != requests.codes.request_timeout:
        return Refused(code=f"http_{status}", reason=reason, may_pass=False)
    return Unknown(reason=reason)


def _of_network_error(error: requests.RequestException) -> Outcome:
    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    if isinstance(error, requests.ConnectTimeout) or isinstance(
        cause, NewConnectionError | ConnectTimeoutError
    ):
        return Refused(code="unreachable", reason="The gateway cannot be reached.", may_pass=True)
    # Whatever happens once the request may be out: a hang, a dropped connection.
    return Unknown(reason=f"{type(error).__name__}: {error}"[:300])
