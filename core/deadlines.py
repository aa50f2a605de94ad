"""How long the database may work at what somebody asks."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from psycopg2.errorcodes import QUERY_CANCELED
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from .errors import DomainError


@contextmanager
def deadline(seconds: float, *, error: DomainError) -> Iterator[None]:
    """Run a block in a transaction; none of its statements may take longer than this.

    PostgreSQL ends one that does: the block is undone and `error` is raised. The transaction has
    the limit, not the connection, so that it holds behind PgBouncer as well; a surrounding
    transaction goes on with its own. Inside another deadline the shorter one counts.
    """
    try:
        with transaction.atomic():
            before = _limit()
            limit = max(1, round(seconds * 1000))
            _set_limit(min(limit, before) if before else limit)
            yield
            # The end of a transaction takes the limit away; that of a savepoint does not.
            _set_limit(before)
    except OperationalError as failure:
        if getattr(failure.__cause__, "pgcode", None) == QUERY_CANCELED:
            raise error from failure
        raise


def _limit() -> int:
    """Return the present limit in milliseconds; 0 is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM current_setting('statement_timeout')::interval) * 1000"
        )
        return int(cursor.fetchone()[0])


def _set_limit(milliseconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])


def limit_statements() -> None:
    """Let no statement of this process take longer than `DATABASE_STATEMENT_SECONDS`.

    For web servers: somebody waits there, and gives up long before the database would.
    """
    if settings.DATABASE_STATEMENT_SECONDS:
        connection_created.connect(_limit_connection, dispatch_uid="core.deadlines")


def _limit_connection(*, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        milliseconds = round(settings.DATABASE_STATEMENT_SECONDS * 1000)
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = %s", [milliseconds])
    elif _limit_transaction not in connection.execute_wrappers:
        # Behind PgBouncer a connection is somebody else's after each transaction.
        connection.execute_wrappers.append(_limit_transaction)


def _limit_transaction(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Mapping[str, Any]
) -> Any:
    """Begin each transaction, and each statement that is one by itself, with the limit.

    Both go out at once: it costs no way to the database and back.
    """
    driver = context["connection"].connection
    if driver.info.transaction_status == TRANSACTION_STATUS_IDLE:
        milliseconds = round(settings.DATABASE_STATEMENT_SECONDS * 1000)
        sql = f"SET LOCAL statement_timeout = {milliseconds}; {sql}"
    return execute(sql, params, many, context)
