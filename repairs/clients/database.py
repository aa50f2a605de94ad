"""One client's database, by SQLAlchemy Core: short statements, each its own transaction.

Read at AUTOCOMMIT: a long transaction at REPEATABLE READ would see nothing new, and hold up the
client's own statements (contract, "Collecting without a miss or a double").
"""

from collections.abc import Callable, Collection, Sequence
from itertools import chain
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar, cast

import sqlalchemy as sa
from django.conf import settings

from repairs.states import FindingCode, JobStatus

from .engines import Deadline, deadline, engine_for, opening, read_texts_as_bytes, text_or_bytes
from .errors import SourceFailed
from .layout import COLUMNS, Layout
from .reasons import failure, unusable_address

T = TypeVar("T")


class Row(NamedTuple):
    """A row of the client's table, as it came.

    A cell is text, a number, None, or bytes where it cannot be read as text.
    """

    job_id: Any
    job_type: Any
    job_status: Any
    client_firstname: Any
    client_lastname: Any
    client_postcode: Any
    client_mobile: Any
    product_sku: Any
    product_type: Any


class KeyColumn(NamedTuple):
    """What a database says of the column of keys."""

    whole: bool
    unique: bool
    kind: str


class ClientDatabase:
    """A connection to a client's database. Each method may raise `SourceFailed`.

    After a failure it goes on with a new connection, where one can be had. Keys are given back
    as they came (`after=rows[-1].job_id`): where the client's are texts, the pages follow the
    order of texts.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.seconds: float = settings.REPAIRS_TIMEOUT_SECONDS
        self.table = sa.table(layout.table, *(sa.column(layout.column(name)) for name in COLUMNS))
        self.columns = [self.table.c[layout.column(name)] for name in COLUMNS]
        self._key = self.columns[0]
        self._status = self.columns[2]
        self._connection: sa.Connection | None = None
        self._keys_are_texts: bool | None = None

    def __enter__(self) -> Self:
        self._opened()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def new_rows(self, *, after: Any, limit: int) -> list[Row]:
        """Return rows that are NEW, by their keys, those above `after` alone.

        The word is compared as the client's database compares, so that an index on it serves:
        in MySQL capitals do not matter. What is spelt yet otherwise is found by `statuses`.
        """
        words = self.layout.words_for(JobStatus.NEW)
        return self._read_rows(self._status.in_(words), self._above(after), limit=limit)

    def rows(self, *, after: Any, up_to: Any, limit: int) -> list[Row]:
        """Return rows whatever their status, by their keys, in (after, up_to]."""
        within = sa.true() if up_to is None else self._key <= self._of_their_kind(up_to)
        return self._read_rows(within, self._above(after), limit=limit)

    def rows_by_key(self, keys: Collection[Any]) -> list[Row]:
        """Return the rows of these keys that are there."""
        if not keys:
            return []
        wanted = self._key.in_([self._of_their_kind(key) for key in keys])
        return self._read_rows(wanted, sa.true(), limit=None)

    def statuses(self, *, after: Any, limit: int) -> list[tuple[Any, Any]]:
        """Return (key, word) of all rows, by their keys, those above `after` alone."""
        statement = (
            sa.select(self._key, self._status)
            .where(self._above(after))
            .order_by(self._key)
            .limit(limit)
        )
        return [(key, word) for key, word in self.read(statement)]

    def highest_key(self) -> Any:
        """Return the highest key as it came; None: the table is empty."""
        [(key,)] = self.read(sa.select(sa.func.max(self._key)))
        return key

    def write_status(self, key: int | str, *, status: JobStatus, expected: str) -> bool:
        """Write a status where the word that we read last still stands; return whether it did.

        True as well where the status stood there already. `expected` "" is NULL as well.
        """
        stands = self._status == expected
        if self._opened().dialect.name in {"mysql", "mariadb"}:
            # Most collations hold "New" and "NEW" for equal. The plain comparison stays beside it,
            # as the table's own keys and indexes know that one alone.
            exactly = _in_utf8(self._status).collate("utf8mb4_bin")
            stands = sa.and_(stands, exactly == _in_utf8(sa.literal(expected)))
        if not expected:
            stands = sa.or_(stands, self._status.is_(None))
        statement = self.update_of(status).where(self._key == self._of_their_kind(key), stands)
        return self._guarded(lambda connection: connection.execute(statement).rowcount) == 1

    def update_of(self, status: JobStatus) -> sa.Update:
        """Return what writes a status, to be narrowed."""
        word = self.layout.words_for(status)[0]
        return sa.update(self.table).values({self._status: word})

    def read(self, statement: sa.Select[Any]) -> Sequence[Any]:
        """Return all rows of a statement, each cell as text as far as it can be."""
        try:
            rows: Sequence[Any] = self._fetched(statement)
        except _Unreadable as error:
            rows = self._fetched_as_bytes(statement, error)
        if bytes not in set(map(type, chain.from_iterable(rows))):
            return rows
        return [
            tuple(text_or_bytes(cell) if isinstance(cell, bytes) else cell for cell in row)
            for row in rows
        ]

    def run(self, statement: sa.Update) -> None:
        """Run what changes a row."""
        self._guarded(lambda connection: connection.execute(statement).close())

    def key_column(self) -> KeyColumn:
        """Return what the database says of the column of keys."""
        return self._guarded(lambda connection: _key_column(connection, self.table, self._key))

    def tables(self) -> list[str]:
        """Return the names of the tables that the account may see."""
        return self._guarded(lambda connection: sorted(sa.inspect(connection).get_table_names()))

    def _above(self, after: Any) -> sa.ColumnElement[bool]:
        """Return what narrows to the keys behind one. NULL is none: no page could end with it."""
        if after is None:
            return self._key.is_not(None)
        above: sa.ColumnElement[bool] = self._key > self._of_their_kind(after)
        return above

    def _of_their_kind(self, key: Any) -> Any:
        """Return a key as its column has it: a text compared with a number is in no order."""
        if isinstance(key, str):
            return key
        if self._keys_are_texts is None:
            found = self.read(sa.select(self._key).where(self._key.is_not(None)).limit(1))
            self._keys_are_texts = bool(found) and isinstance(found[0][0], str)
        return str(key) if self._keys_are_texts else key

    def _read_rows(self, *conditions: sa.ColumnElement[bool], limit: int | None) -> list[Row]:
        statement = sa.select(*self.columns).where(*conditions).order_by(self._key).limit(limit)
        return [Row._make(row) for row in self.read(statement)]

    def _fetched(self, statement: sa.Select[Any]) -> Sequence[Any]:
        return self._guarded(lambda connection: connection.execute(statement).fetchall())

    def _fetched_as_bytes(self, statement: sa.Select[Any], error: SourceFailed) -> Sequence[Any]:
        """Read again what held a cell that is no text, so that the others are not lost with it."""
        end = read_texts_as_bytes(_raw(self._opened()))
        if end is None:
            raise error
        try:
            return self._fetched(statement)
        finally:
            end()

    def _guarded(self, do: Callable[[sa.Connection], T]) -> T:
        """Do something that ends in time; turn what goes wrong into `SourceFailed`."""
        connection = self._opened()
        with Deadline(deadline(self.seconds), _raw(connection)) as limit:
            try:
                return do(connection)
            except UnicodeDecodeError as error:
                # The rest of the answer is still on its way.
                self._close()
                raise _Unreadable(
                    FindingCode.FAILED, "It answered with a text that cannot be read."
                ) from error
            except Exception as error:
                if not isinstance(error, sa.exc.DBAPIError) or error.connection_invalidated:
                    self._close()
                raise failure(self.layout, error, late=limit.stop()) from error
            finally:
                if limit.stop():
                    self._close()

    def _opened(self) -> sa.Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> sa.Connection:
        engine = _engine(self.layout.url, seconds=self.seconds, writable=self.layout.write_back)
        with opening(deadline(self.seconds)) as limit:
            try:
                return engine.connect()
            except Exception as error:
                raise failure(self.layout, error, connecting=True, late=limit.stop()) from error

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Before it is closed, so that nothing more is said over it: the server may be gone, or
            # still be sending, and there is nothing to be rolled back.
            connection.invalidate()
            connection.close()


def usable(url: str) -> str:
    """Return what is wrong with an address, without asking there; empty: nothing."""
    try:
        _engine(url, seconds=settings.REPAIRS_TIMEOUT_SECONDS, writable=True)
    except SourceFailed as error:
        return error.detail
    return ""


def _engine(url: str, *, seconds: float, writable: bool) -> sa.Engine:
    if url.partition("?")[0].count("@") > 1:
        # What follows the first, though it is of the password, would be taken for the host.
        raise unusable_address(url, ValueError())
    try:
        return engine_for(url, seconds=seconds, writable=writable)
    except (sa.exc.SQLAlchemyError, ImportError, ValueError, TypeError) as error:
        # Without its cause, in which the address may stand.
        raise unusable_address(url, error) from None


class _Unreadable(SourceFailed):
    """A cell is no text in the encoding that the server says."""


def _raw(connection: sa.Connection) -> Any:
    return connection.connection.dbapi_connection


def _in_utf8(text: sa.ColumnElement[Any]) -> sa.Function[str]:
    return sa.func.convert(text.op("USING")(sa.literal_column("utf8mb4")), type_=sa.String())


def _key_column(
    connection: sa.Connection, table: sa.TableClause, key: sa.ColumnClause[Any]
) -> KeyColumn:
    inspector = sa.inspect(connection)
    [kind] = [
        cast("Any", each["type"])
        for each in inspector.get_columns(table.name)
        if each["name"].lower() == key.name.lower()
    ]
    groups: list[Any] = [
        inspector.get_pk_constraint(table.name)["constrained_columns"],
        *(each["column_names"] for each in inspector.get_unique_constraints(table.name)),
        *(each["column_names"] for each in inspector.get_indexes(table.name) if each["unique"]),
    ]
    whole = isinstance(kind, sa.Integer) or (isinstance(kind, sa.Numeric) and kind.scale == 0)
    alone = any([str(name).lower() for name in group] == [key.name.lower()] for group in groups)
    return KeyColumn(whole=whole, unique=alone, kind=str(kind))
