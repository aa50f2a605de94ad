"""The test of a client's database: everything that is wrong with it, and nothing changed there."""

import sqlalchemy as sa

from repairs.states import FindingCode as Code
from repairs.states import JobStatus

from .database import ClientDatabase, KeyColumn
from .errors import Finding, SourceFailed
from .layout import Layout

# Names of tables that a finding gives.
_SHOWN = 5
_DOUBLES = 3
# Keys by which the kind of a column is told that says nothing of itself.
_LOOKED_AT = 100


def inspect(layout: Layout) -> list[Finding]:
    """Return what is wrong with a client's database for us; nothing: all can be collected."""
    try:
        with ClientDatabase(layout) as client:
            return _columns(client) or [*_key(client), *_reading(client), *_writing(client)]
    except SourceFailed as error:
        return [Finding(error.finding, error.detail)]


def _columns(client: ClientDatabase) -> list[Finding]:
    """Look whether the table and each of its columns is there and may be read."""
    try:
        client.read(sa.select(*client.columns).where(sa.false()))
    except SourceFailed as error:
        if error.finding not in {Code.MISSING_COLUMN, Code.MISSING_RIGHT, Code.MISSING_TABLE}:
            raise
        if error.finding != Code.MISSING_COLUMN and (others := _table_missing(client)):
            return [Finding(Code.MISSING_TABLE, others)]
        if error.finding == Code.MISSING_TABLE:
            raise
        found = {each.detail: each for column in client.columns for each in _column(client, column)}
        return list(found.values()) or [Finding(error.finding, error.detail)]
    return []


def _table_missing(client: ClientDatabase) -> str:
    """Return what is there instead of the table; empty: it is there, or none may be seen.

    An account with rights to some tables alone is told of a lack of rights for any other name.
    """
    tables = client.tables()
    name = client.layout.table
    if not tables or name in tables:
        return ""
    shown = ", ".join(tables[:_SHOWN]) + (" …" if len(tables) > _SHOWN else "")
    return (
        f"There is no table {name}, or the account has no right to it. It may see: {shown}."
        " Capitals matter."
    )


def _column(client: ClientDatabase, column: sa.ColumnClause[object]) -> list[Finding]:
    try:
        client.read(sa.select(column).where(sa.false()))
    except SourceFailed as error:
        return [Finding(error.finding, error.detail)]
    return []


def _key(client: ClientDatabase) -> list[Finding]:
    """Look whether a key is a whole number and there once."""
    key = client.columns[0]
    told = _told_of_key(client)
    if not told.whole:
        return [
            Finding(
                Code.BAD_KEY_COLUMN,
                f"{key.name} is {told.kind}: jobs are known by whole numbers. Rows with another"
                " key are set aside.",
            )
        ]
    if client.read(sa.select(key).where(key.is_(None)).limit(1)):
        return [
            Finding(
                Code.BAD_KEY_COLUMN,
                f"{key.name} is empty in some rows: they cannot become jobs, and are passed over.",
            )
        ]
    if told.unique:
        return []
    # Nothing promises it, as in a view: its rows are looked at.
    doubled = client.read(
        sa.select(key).group_by(key).having(sa.func.count() > 1).order_by(key).limit(_DOUBLES)
    )
    if not doubled:
        return []
    return [
        Finding(
            Code.BAD_KEY_COLUMN,
            f"{key.name} is there more than once, as in {', '.join(str(row[0]) for row in doubled)}"
            ": only one row of each becomes a job.",
        )
    ]


def _told_of_key(client: ClientDatabase) -> KeyColumn:
    try:
        return client.key_column()
    except SourceFailed as error:
        if error.finding != Code.MISSING_RIGHT:
            raise
    # How a view is made may be shown to its owner alone.
    rows = client.read(sa.select(client.columns[0]).limit(_LOOKED_AT))
    return KeyColumn(
        whole=all(isinstance(key, int) for (key,) in rows), unique=False, kind="no whole number"
    )


def _reading(client: ClientDatabase) -> list[Finding]:
    """Look for new jobs as each round does: that must not take too long."""
    client.new_rows(after=None, limit=1)
    return []


def _writing(client: ClientDatabase) -> list[Finding]:
    """Look whether the status may be written, without writing it."""
    if client.layout.write_back:
        client.run(client.update_of(JobStatus.OPENED).where(sa.false()))
    return []
