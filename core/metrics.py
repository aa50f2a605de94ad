"""`/metrics`: numbers of the shop for Prometheus.

What stands in the database is read by the apps when it is asked for, so that any number of web
processes say the same; what is counted where it happens is in `core.counting`. A part that fails
is left out and named in `duka_metrics_success`, and the others are there all the same.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .deadlines import deadline
from .errors import DomainError

logger = logging.getLogger("duka.metrics")

Reader = Callable[[], Iterator[Metric]]
# Prometheus waits 10 s for the whole. So long may all parts take together, and the database work at
# one statement: none begins that could end later.
ALL_SECONDS = 8
STATEMENT_SECONDS = 2
FAILED = "the part %s of the numbers could not be read"


@dataclass(frozen=True, kw_only=True)
class _Part:
    name: str
    read: Reader
    needs_database: bool


_parts: list[_Part] = []


def register(reader: Reader, *, part: str = "", needs_database: bool = True) -> None:
    """Let an app's numbers be read each time that somebody asks; from its `receivers.py`.

    Args:
        reader: asks the same number of statements however much there is.
        part: what to call it in `duka_metrics_success`; the name of the app, if not given.
    """
    if all(known.read is not reader for known in _parts):
        name = part or reader.__module__.partition(".")[0]
        _parts.append(_Part(name=name, read=reader, needs_database=needs_database))


class _AllParts(Collector):
    def collect(self) -> Iterator[Metric]:
        last = time.monotonic() + ALL_SECONDS - STATEMENT_SECONDS
        success = GaugeMetricFamily(
            "duka_metrics_success",
            "0: this part of the numbers could not be read.",
            labels=["part"],
        )
        read = {part.name: _read(part) for part in _parts if not part.needs_database}
        up = False
        try:
            # The time limit is the transaction's, so that it holds behind PgBouncer as well.
            with deadline(STATEMENT_SECONDS, error=DomainError("The database takes too long.")):
                for part in _parts:
                    if part.needs_database:
                        read[part.name] = _read_in_time(part, last)
            up = True
        except (DatabaseError, InterfaceError, DomainError):
            # It is not there, or it went away meanwhile.
            connection.close()
        for part in _parts:
            found = read.get(part.name)
            yield from found or ()
            success.add_metric([part.name], int(found is not None))
        yield GaugeMetricFamily("duka_database_up", "1: the database answers.", value=int(up))
        yield success


class _TooLateError(Exception):
    """There is no time left for another statement."""


def _read_in_time(part: _Part, last: float) -> list[Metric] | None:
    """Read a part from the database, unless a statement of it would begin after `last`.

    Raises:
        InterfaceError: the connection is lost, and so are all other parts.
    """
    try:
        # Around what is read alone: what undoes it must run, however late it is.
        with transaction.atomic(), connection.execute_wrapper(partial(_in_time, last)):
            _refuse_after(last)
            return list(part.read())
    except _TooLateError:
        logger.warning("no time was left for the part %s of the numbers", part.name)
    except Exception as error:
        logger.exception(FAILED, part.name)
        if not connection.is_usable():
            raise InterfaceError("The connection is lost.") from error
    return None


def _in_time(last: float, execute: Callable[..., Any], *statement: Any) -> Any:
    _refuse_after(last)
    return execute(*statement)


def _refuse_after(last: float) -> None:
    if time.monotonic() > last:
        raise _TooLateError


def _read(part: _Part) -> list[Metric] | None:
    try:
        return list(part.read())
    except Exception:
        # Whatever it is: an alert that is not sent for a fault in another number helps nobody.
        logger.exception(FAILED, part.name)
        return None


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer whoever shows METRICS_TOKEN. Where none is set there is nothing here."""
    if not settings.METRICS_TOKEN:
        raise Http404
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    known = constant_time_compare(token.strip(), settings.METRICS_TOKEN)
    if scheme.lower() != "bearer" or not known:
        return HttpResponse(
            "Show METRICS_TOKEN as a bearer token.\n",
            status=401,
            content_type="text/plain; charset=utf-8",
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
        )
    # Made anew each time: one that stays would ask the database as soon as it is made.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_AllParts())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
