"""How each kind of database is connected to, so that none of them can hold us up.

Every statement has three limits: what the server may take for it, how long it may be silent, and
a deadline in all. The last is held by cutting the connection from another thread, as an answer
that drips would outlast any limit on silence.
"""

import contextlib
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Self

import pymysql
import sqlalchemy as sa
from pymysql.converters import through
from sqlalchemy import event

# No such variable; not known inside SET TRANSACTION.
_UNKNOWN_TO_THE_SERVER = {1193, 1064}


class Deadline:
    """A statement's time in all, after which its connection is cut."""

    def __init__(self, seconds: float, connection: Any = None) -> None:
        self.connection = connection
        self._passed = False
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> bool:
        """End it, and return whether the connection was cut: then it is of no more use."""
        self._timer.cancel()
        # It may be cutting at this moment.
        self._timer.join()
        return self._passed

    def _pass(self) -> None:
        self._passed = True
        # The connection may have been closed at the same moment.
        with contextlib.suppress(OSError, sqlite3.Error):
            _cut(self.connection)


_opening: ContextVar[Deadline] = ContextVar("opening")


@contextlib.contextmanager
def opening(seconds: float) -> Iterator[Deadline]:
    """Give what connects inside a deadline: a greeting may drip as any other answer."""
    with Deadline(seconds) as limit:
        token = _opening.set(limit)
        try:
            yield limit
        finally:
            _opening.reset(token)


def _cut(connection: Any) -> None:
    """End what a driver's connection is waiting for in another thread."""
    if isinstance(connection, sqlite3.Connection):
        connection.interrupt()
    elif isinstance(sock := getattr(connection, "_sock", None), socket.socket):
        # The plain socket's method: that of TLS would take the state from under its reader.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    elif hasattr(connection, "fileno"):
        with socket.socket(fileno=os.dup(connection.fileno())) as copy:
            copy.shutdown(socket.SHUT_RDWR)


@lru_cache(maxsize=64)
def engine_for(url: str, *, seconds: float, writable: bool) -> sa.Engine:
    """Return the engine of an address, which holds no connection and is kept for the next round.

    A statement may take `seconds` at the server, and half of that may be waiting for a lock.
    Raises what SQLAlchemy has against an address, `ImportError` where its driver is missing.
    """
    address = sa.make_url(url)
    engine = sa.create_engine(
        address.set(drivername=_DRIVERS.get(address.drivername, address.drivername)),
        poolclass=sa.NullPool,
        # Nothing is open when a connection is closed.
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
    )
    connect = _CONNECT.get(f"{engine.dialect.name}+{engine.dialect.driver}")
    if connect:

        @event.listens_for(engine, "do_connect")
        def open_it(dialect: sa.Dialect, record: Any, args: list[Any], kwargs: Any) -> Any:
            return connect(dialect, args, kwargs, seconds, writable)

    return engine


def silence_limit(seconds: float) -> float:
    """Return for how long a server may be silent: it tells by itself that its limit is over."""
    return seconds * 1.25


def deadline(seconds: float) -> float:
    """Return how long a statement may take, with all its rows: less than the shortest lease."""
    return seconds * 1.5


Connect = Callable[[sa.Dialect, list[Any], dict[str, Any], float, bool], Any]


def _pymysql(
    dialect: sa.Dialect, args: list[Any], kwargs: dict[str, Any], seconds: float, writable: bool
) -> Any:
    connection: Any = dialect.connect(
        *args,
        **{
            **kwargs,
            # The server turns whatever a table holds into it.
            "charset": "utf8mb4",
            "connect_timeout": seconds,
            "read_timeout": silence_limit(seconds),
            "write_timeout": silence_limit(seconds),
            # Else a server could ask for files of this machine.
            "local_infile": False,
            "defer_connect": True,
        },
    )
    _opening.get().connection = connection
    connection.connect()
    try:
        _limit(connection, seconds, writable=writable)
    except connection.Error:
        connection.close()
        raise
    return connection


def _limit(connection: Any, seconds: float, *, writable: bool) -> None:
    wait = max(1, int(seconds / 2))
    # Strict: without it a status that does not fit its column is cut off and kept.
    _tell(
        connection,
        f"SET SESSION lock_wait_timeout = {wait}, innodb_lock_wait_timeout = {wait},"
        " sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')",
    )
    # MariaDB's, in seconds; MySQL's, in milliseconds. Old servers have neither.
    if not _tell(connection, f"SET SESSION max_statement_time = {seconds:g}"):
        _tell(connection, f"SET SESSION max_execution_time = {seconds * 1000:.0f}")
    if not writable:
        _tell(connection, "SET SESSION TRANSACTION READ ONLY")


def _tell(connection: Any, statement: str) -> bool:
    """Set what a server may not have; return whether it does."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except connection.Error as error:
            if error.args[0] not in _UNKNOWN_TO_THE_SERVER:
                raise
            return False
    return True


def _sqlite(
    dialect: sa.Dialect, args: list[Any], kwargs: dict[str, Any], seconds: float, writable: bool
) -> Any:
    [name] = args
    if name != ":memory:" and not name.startswith("file:"):
        # SQLite would make a file that is not there.
        name = f"{Path(name).absolute().as_uri()}?mode={'rw' if writable else 'ro'}"
        kwargs = {**kwargs, "uri": True}
    connection: Any = dialect.connect(name, **{**kwargs, "timeout": seconds / 2})
    connection.text_factory = text_or_bytes
    return connection


def _psycopg2(
    dialect: sa.Dialect, args: list[Any], kwargs: dict[str, Any], seconds: float, writable: bool
) -> Any:
    milliseconds = round(seconds * 1000)
    options = (
        f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds // 2}"
        f" -c default_transaction_read_only={'off' if writable else 'on'}"
    )
    return dialect.connect(
        *args,
        **{
            **kwargs,
            # libpq takes 1 for 2.
            "connect_timeout": max(2, int(seconds)),
            "options": f"{kwargs.get('options', '')} {options}".strip(),
        },
    )


# Of the drivers there are for each, the one that Duka brings along.
_DRIVERS = {
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "postgresql": "postgresql+psycopg2",
}
_CONNECT: dict[str, Connect] = {
    "mysql+pymysql": _pymysql,
    "mariadb+pymysql": _pymysql,
    "sqlite+pysqlite": _sqlite,
    "postgresql+psycopg2": _psycopg2,
}


def text_or_bytes(data: bytes) -> str | bytes:
    """Return a cell as text; as it came, where it cannot be read as such."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def read_texts_as_bytes(connection: Any) -> Callable[[], None] | None:
    """Let PyMySQL give a connection's texts as bytes; return what ends that.

    None: the driver is another, and cannot. Numbers remain numbers.
    """
    if not isinstance(connection, pymysql.Connection):
        return None
    decoders = connection.decoders

    def end() -> None:
        connection.use_unicode = True
        connection.decoders = decoders

    connection.use_unicode = False
    connection.decoders = {
        kind: partial(_decode_ascii, decode)
        for kind, decode in decoders.items()
        if decode is not through
    }
    return end


def _decode_ascii(decode: Callable[[str], Any], data: bytes) -> Any:
    return decode(data.decode("ascii"))
