"""Bodies that are larger than most may be, for views that know who sends them."""

from contextlib import suppress
from io import BytesIO

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from rest_framework.exceptions import ParseError

# In a request's environment: what its chunks hold beyond the usual limit (`core.wsgi`).
REST_OF_BODY = "duka.rest_of_body"


def whole_body(request: HttpRequest, *, most: int) -> bytes:
    """Read a body of so many bytes at most; `request.body` has it from then on.

    Raises:
        RequestDataTooBig: it has more. No more than one byte beyond was read.
        ParseError: it ended before it was whole.
    """
    if hasattr(request, "_body"):
        return request.body
    said = _said_length(request)
    more = request.META.get(REST_OF_BODY)
    if said > most:
        raise RequestDataTooBig
    body = request.read(most + 1)
    if len(body) < said:
        raise ParseError("The body ended before its Content-Length.")
    if more is not None:
        body += more.read(most + 1 - len(body))
    if len(body) > most:
        raise RequestDataTooBig
    # As Django does: the parser, and whoever asks again, get the same.
    request._body = body
    request._stream = BytesIO(body)
    return body


def _said_length(request: HttpRequest) -> int:
    with suppress(ValueError):
        return int(request.META.get("CONTENT_LENGTH") or 0)
    return 0
