"""The id that ties an answer, its log lines and a customer's complaint together.

A task carries the id of the request that it came from; one that came from none has its own.
"""

import logging
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "X-Request-ID"
# What may stand in a log line and a header without doing harm there.
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)
_address: ContextVar[str | None] = ContextVar("request_address", default=None)
# Its path and its id.
_task: ContextVar[tuple[str, str] | None] = ContextVar("task", default=None)


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


def leave() -> None:
    """Forget the request that this thread served last."""
    _current.set(None)
    _address.set(None)


@contextmanager
def of_task(*, path: str, task_id: str, request_id: str | None) -> Iterator[None]:
    """Let the block run under the id of the request that a task came from, else under its own."""
    variables = (_current, request_id or uuid.uuid4().hex), (_address, None)
    marks = [(variable, variable.set(value)) for variable, value in variables]
    task = _task.set((path, task_id))
    try:
        yield
    finally:
        _task.reset(task)
        for variable, mark in marks:
            variable.reset(mark)


class RequestIdFilter(logging.Filter):
    """Add the request's id to a log line, and drop what could hold a caller's secrets.

    Of a worker's line also which task said it, but for a line that is about another one.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current()
        if (task := _task.get()) is not None and not hasattr(record, "task_id"):
            record.task, record.task_id = task
        # Django's own lines carry the whole request, with its query string.
        record.__dict__.pop("request", None)
        return True
