"""One request to a carrier, and what it says of the shipment when there is no clear answer."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from core.network import never_went_out

from .base import Refused, Unclear

# Seconds to connect and between two bytes of the answer.
TIMEOUT = (3.05, 9.05)
# Seconds until no more of an answer is read. Headers that drip are not counted; no shipment comes
# twice by them, as it is asked about, or repeated safely.
LONGEST = 20
# How much of it is read: ours are short.
MOST_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Bearer(requests.auth.AuthBase):
    """An API key. As a header alone, a password in the machine's netrc would take its place."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def ask(
    method: str,
    url: str,
    *,
    auth: requests.auth.AuthBase,
    params: Mapping[str, str] | None = None,
    json: Any = None,
    data: Any = None,
) -> Answer | Refused | Unclear:
    """Make one request and return the answer, or what having none says.

    Redirects are not followed: a carrier that took it and points elsewhere said neither yes nor no.
    """
    ends = time.monotonic() + LONGEST
    try:
        with requests.request(
            method,
            url,
            auth=auth,
            params=params,
            json=json,
            data=data,
            timeout=TIMEOUT,
            allow_redirects=False,
            stream=True,
        ) as response:
            body = bytearray()
            # Byte by byte: more at once would wait for all of them, however slowly they come.
            for byte in response.iter_content(1):
                body += byte
                if len(body) > MOST_BYTES or time.monotonic() > ends:
                    return Unclear(reason=f"HTTP {response.status_code}, and no end of it.")
            return Answer(status=response.status_code, body=bytes(body))
    except requests.RequestException as error:
        if failure := never_went_out(error):
            return Refused(
                code=failure.code,
                reason=f"The carrier cannot be {failure.said}",
                may_pass=True,
                whole=True,
            )
        # Whatever happens once the request may be out: a hang, a dropped connection.
        return Unclear(reason=f"{type(error).__name__}: {error}"[:300])


def not_understood(answer: Answer) -> Unclear:
    """Return what an answer that says neither yes nor no means."""
    return Unclear(
        reason=f"The carrier's answer (HTTP {answer.status}) is not understood: {text_of(answer)}"
    )


def of_refusal(answer: Answer, *, code: str = "", reason: str = "") -> Refused | Unclear:
    """Return what an answer that is not 2xx means, in the carrier's own words where it has some."""
    status = answer.status
    code = code or f"http_{status}"
    reason = reason or f"HTTP {status}: {text_of(answer)}"
    # Refused before anything was done: wrong key (401), not paid (402), a wrong address (404, 405),
    # which are the shopkeeper's to mend; too many. Not a 503: a proxy says so, too, when what is
    # behind it ended with the request in hand.
    if status in {401, 402, 404, 405, 429}:
        return Refused(code=code, reason=reason, may_pass=True, whole=True)
    if status == requests.codes.forbidden:
        # Perhaps of these words alone: a firewall before the carrier may dislike them.
        return Refused(code=code, reason=reason, may_pass=True)
    if 400 <= status < 500 and status != requests.codes.request_timeout:
        return Refused(code=code, reason=reason, may_pass=False)
    return Unclear(reason=reason)


def text_of(answer: Answer) -> str:
    return answer.body[:200].decode(errors="replace").replace("\x00", "")
