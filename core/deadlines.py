"""How long the database may work at what somebody asks."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from psycopg2.errorcodes import QUERY_CANCELED

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
