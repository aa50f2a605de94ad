"""The id that ties an answer, its log lines and a customer's complaint together."""

import logging
import re
import uuid
from contextvars import ContextVar

HEADER = "X-Request-ID"
# What may stand in a log line and a header without doing harm there.
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)
_address: ContextVar[str | None] = ContextVar("request_address", default=None)


def current() -> str | None:
    """Return the id of the request being served, or None outside one."""
    return _current.get()


def address() -> str | None:
    """Return the address that the request being served came from, or None outside one."""
    return _address.get()


def begin(proposed: str | None, *, address: str | None = None) -> str:
    """Adopt the caller's id if it is harmless, else make one; return it.

    It stays until the next request of this thread begins: Django logs a
    failed request after its last middleware.
    """
    request_id = proposed if proposed and _ACCEPTABLE.fullmatch(proposed) else uuid.uuid4().hex
    _current.set(request_id)
    _address.set(address)
    return request_id


class RequestIdFilter(logging.Filter):
    """Add the request's id to a log line, and drop what could hold a caller's secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current()
        # Django's own lines carry the whole request, with its query string.
        record.__dict__.pop("request", None)
        return True
