"""ETags of single resources, and `If-Match` against lost updates, on verbs as well."""

import hashlib
from collections.abc import Callable

from django.http import HttpRequest
from django.utils.http import parse_etags
from rest_framework.renderers import JSONRenderer

from .errors import DomainError


class PreconditionFailed(DomainError):
    status = 412
    code = "precondition_failed"


def etag_of(representation: object, render: Callable[[object], bytes] | None = None) -> str:
    """Return the strong ETag of what a GET answers, quotes included.

    Args:
        render: how it is answered, where that is otherwise than JSON mostly is.
    """
    content = (render or JSONRenderer().render)(representation)
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def check_if_match(request: HttpRequest, etag: str) -> None:
    """Refuse a change of something else than what the caller saw.

    Call it with the row locked, or another change may slip in between.

    Raises:
        PreconditionFailed: `If-Match` is there and names other ETags.
    """
    header = request.headers.get("If-Match")
    if header is None:
        return
    wanted = parse_etags(header)
    if wanted != ["*"] and etag not in wanted:
        raise PreconditionFailed(
            "It has changed since you read it. Read it again and repeat the change."
        )


def matches_if_none_match(request: HttpRequest, etag: str) -> bool:
    """Tell whether the caller already has this (answer 304)."""
    wanted = parse_etags(request.headers.get("If-None-Match", ""))
    # A weak comparison, as RFC 9110 asks here: proxies weaken what they compress.
    return wanted == ["*"] or etag in [tag.removeprefix("W/") for tag in wanted]
