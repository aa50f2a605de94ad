"""Rows of interactions into their table, by COPY: the fastest way that PostgreSQL has."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from django.db import IntegrityError, OperationalError, connection, transaction
from psycopg2.extras import execute_values

# Sent at once, in characters; a document that is longer goes by itself.
_CHUNK = 256 * 1024
_DEADLOCK = "40P01"
# So often a batch gives way in deadlocks before it gives up.
_MOST_DEADLOCKS = 5
# Who is told no by one of these met somebody who stored the same meanwhile.
_RACES = {"conversations_interaction_pkey", "interaction_of_a_source_is_one"}


class Row(NamedTuple):
    """A row of the table, its columns in this order."""

    id: str
    client_id: str
    engagement_id: str
    source_id: str
    interaction_date: str
    agent_name: str
    sentiment: str
    customer_id: int | None
    order_id: int | None
    document: str
    custom: str


_COLUMNS = ", ".join(Row._fields)
_COPY = f"COPY conversations_interaction ({_COLUMNS}) FROM STDIN"
_INSERT = (
    f"INSERT INTO conversations_interaction ({_COLUMNS}) VALUES %s"  # noqa: S608  names from above
    " ON CONFLICT DO NOTHING RETURNING id"
)


def copy(rows: Sequence[Row]) -> set[str]:
    """Store rows; return their ids, or none of them where somebody stored one of them meanwhile."""

    def run(cursor: Any) -> None:
        cursor.copy_expert(_COPY, _Chunks(_in_order(rows)))

    return {row.id for row in rows} if _unless_raced(run) else set()


def insert(rows: Sequence[Row]) -> set[str]:
    """Store those rows that nobody has stored meanwhile; return their ids. Slower than `copy`."""
    stored: list[tuple[str]] = []

    def run(cursor: Any) -> None:
        stored[:] = execute_values(cursor, _INSERT, _in_order(rows), page_size=50, fetch=True)

    # Rows that name each other's crosswise may wait for each other more than once.
    for _ in range(_MOST_DEADLOCKS):
        if _unless_raced(run):
            break
    else:
        with connection.cursor() as cursor:
            run(cursor)
    return {key for (key,) in stored}


def _in_order(rows: Sequence[Row]) -> list[Row]:
    """Return rows in an order in which two that store the same wait for one another.

    Those of a source have most often been given their ids just now, so that those tell nothing.
    """
    return sorted(
        rows, key=lambda row: (not row.source_id, row.engagement_id, row.source_id, row.id)
    )


def _unless_raced(run: Callable[[Any], None]) -> bool:
    """Run a statement in a savepoint; tell whether it went, or lost a race and left nothing."""
    try:
        # Django does not translate COPY's errors by itself.
        with (
            transaction.atomic(),
            connection.cursor() as cursor,
            connection.wrap_database_errors,
        ):
            run(cursor)
    except (IntegrityError, OperationalError) as error:
        if not _is_race(error):
            raise
        return False
    return True


def _is_race(error: Exception) -> bool:
    cause: Any = error.__cause__
    # Two batches that name the same by id and by source may still wait for each other. Not raised
    # by the first who is told so: it lets go of all rows that the other waits for.
    return (
        getattr(cause, "pgcode", None) == _DEADLOCK
        or getattr(getattr(cause, "diag", None), "constraint_name", None) in _RACES
    )


class _Chunks:
    """Rows as a file that COPY reads, of which no more is there than what is sent next."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._chunks = _chunks(rows)

    def read(self, _: int = -1) -> str:
        return next(self._chunks, "")


def _chunks(rows: Sequence[Row]) -> Iterator[str]:
    lines: list[str] = []
    size = 0
    for row in rows:
        line = "\t".join([r"\N" if cell is None else _escaped(str(cell)) for cell in row])
        lines.append(line)
        size += len(line)
        if size >= _CHUNK:
            yield "\n".join([*lines, ""])
            lines, size = [], 0
    if lines:
        yield "\n".join([*lines, ""])


def _escaped(cell: str) -> str:
    """Return a cell in COPY's text format, which knows NULL by a backslash and ends lines."""
    if "\\" in cell:
        cell = cell.replace("\\", "\\\\")
    if "\n" in cell:
        cell = cell.replace("\n", "\\n")
    if "\r" in cell:
        cell = cell.replace("\r", "\\r")
    if "\t" in cell:
        cell = cell.replace("\t", "\\t")
    return cell
