"""What is counted where it happens: requests, errors, tasks.

Each process counts for itself, or all of a machine together in METRICS_DIR. No label is a caller's
to choose: neither a path, nor a method that nobody knows, makes a new series.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.signals import got_request_exception
from django.dispatch import receiver
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_tasks import TaskResult
from django_tasks.signals import task_finished
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from .counted_files import settled

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# Files there are written as memory: on a full disk that raises nothing, but ends the process (by
# SIGBUS). The last megabyte is for adding up.
_ROOM = 1024**2
_counted = CollectorRegistry()

REQUESTS = Counter(
    "duka_http_requests",
    "Requests that were answered, by the name of their route.",
    ("method", "route", "status"),
    registry=_counted,
)
REQUEST_SECONDS = Histogram(
    "duka_http_request_duration_seconds",
    "How long it took to answer them.",
    ("method", "route"),
    buckets=_SECONDS,
    registry=_counted,
)
EXCEPTIONS = Counter(
    "duka_http_exceptions",
    "Requests that ended in an error of ours.",
    ("route", "exception"),
    registry=_counted,
)
LOGGED_ERRORS = Counter(
    "duka_logged_errors",
    "Lines of the log at ERROR and above, of whichever process.",
    ("logger",),
    registry=_counted,
)
TASKS = Counter(
    "duka_tasks",
    "Background tasks that ended, where workers share METRICS_DIR.",
    ("task", "status"),
    registry=_counted,
)
TASK_SECONDS = Histogram(
    "duka_task_duration_seconds",
    "How long they ran.",
    ("task",),
    buckets=(*_SECONDS, 60, 300, 900),
    registry=_counted,
)


def counted() -> Iterator[Metric]:
    """Yield what was counted: in METRICS_DIR by all processes, else by this one."""
    if not settings.METRICS_DIR:
        yield from _counted.collect()
        return
    with settled(Path(settings.METRICS_DIR)):
        # Without types.
        collector: Any = MultiProcessCollector
        yield from list(collector(None, settings.METRICS_DIR).collect())


def has_room(folder: str) -> bool:
    """Return whether so much is free that counting there cannot meet a full disk."""
    disk = os.statvfs(folder)
    # One in memory without a limit says that it has none at all.
    return not disk.f_blocks or disk.f_bavail * disk.f_frsize >= _ROOM


def _safely(count: Callable[[], None]) -> None:
    """Count, unless the folder is nearly full, damaged or cannot be made.

    No request fails for a number, whatever prometheus_client raises. `manage.py doctor` says so
    where nothing is counted.
    """
    try:
        _count(count)
    except Exception:  # noqa: BLE001  its files raise struct.error, RuntimeError, ValueError too
        try:
            Path(settings.METRICS_DIR).mkdir(parents=True, exist_ok=True)
            _count(count)
        except Exception:  # noqa: BLE001  the same: whatever its files raise
            return


def _count(count: Callable[[], None]) -> None:
    if not settings.METRICS_DIR or has_room(settings.METRICS_DIR):
        count()


def route_of(request: HttpRequest | None) -> str:
    """Return the name of the route that serves a request: one of those in the code."""
    match = getattr(request, "resolver_match", None)
    return match.view_name if match is not None else "none"


class CountingMiddleware:
    """Count each request and how long it took. First of all, so that it sees them as they are."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - started
        method = request.method if request.method in _METHODS else "other"
        route = route_of(request)

        def count() -> None:
            REQUESTS.labels(method, route, response.status_code).inc()
            REQUEST_SECONDS.labels(method, route).observe(seconds)

        _safely(count)
        return response


@receiver(got_request_exception, dispatch_uid="core.counting")
def on_exception(*, request: HttpRequest | None = None, **_: Any) -> None:
    name = type(sys.exc_info()[1]).__name__
    _safely(lambda: EXCEPTIONS.labels(route_of(request), name).inc())


@receiver(task_finished, dispatch_uid="core.counting")
def on_task_finished(*, task_result: TaskResult[Any], **_: Any) -> None:
    task, status = task_result.task.module_path, str(task_result.status).lower()
    began, ended = task_result.started_at, task_result.finished_at

    def count() -> None:
        TASKS.labels(task, status).inc()
        if began is not None and ended is not None:
            TASK_SECONDS.labels(task).observe((ended - began).total_seconds())

    _safely(count)


class CountingHandler(logging.Handler):
    """Count a line of the log. Loggers are named in the code, so that there are not many."""

    def emit(self, record: logging.LogRecord) -> None:
        _safely(lambda: LOGGED_ERRORS.labels(record.name).inc())
