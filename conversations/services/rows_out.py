"""Rows out of the database one by one, by COPY: all of one moment, none of them kept in memory."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import QuerySet

_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_MEANT = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def for_each_row(rows: QuerySet[Any, Any], do: Callable[[Sequence[bytes]], None]) -> int:
    """Do something with each row of `values_list`, its cells in PostgreSQL's text; "" is NULL, too.

    As one statement, so that what others write meanwhile is neither doubled nor missed.
    """
    writer = _Writer(do)
    statement, parameters = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        # COPY takes no parameters.
        query = cursor.mogrify(statement, parameters).decode()
        try:
            # Django does not translate the errors of this one by itself.
            with connection.wrap_database_errors:
                cursor.copy_expert(f"COPY ({query}) TO STDOUT", writer)
        except DatabaseError:
            if writer.failed is None:
                raise
    if writer.failed is not None:
        raise writer.failed
    return writer.count


class _Writer:
    """What psycopg2 writes rows to."""

    def __init__(self, do: Callable[[Sequence[bytes]], None]) -> None:
        self.do = do
        self.count = 0
        self.failed: BaseException | None = None

    def write(self, row: bytes) -> None:
        if self.failed:
            return
        try:
            self.do([_cell(cell) for cell in row[:-1].split(b"\t")])
        except BaseException as error:  # noqa: BLE001  raised again
            # Raised from here, it would leave the connection in the middle of COPY.
            self.failed = error
            connection.connection.cancel()
        self.count += 1


def _cell(cell: bytes) -> bytes:
    if b"\\" not in cell:
        return cell
    if cell == rb"\N":
        return b""
    return _ESCAPE.sub(lambda match: _MEANT.get(match[1], match[1]), cell)
