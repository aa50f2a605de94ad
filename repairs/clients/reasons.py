"""Errors of the drivers, told as what is wrong and what is to be done about it."""

import re
import sqlite3
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from repairs.states import FindingCode as Code

from .errors import SourceFailed
from .layout import Layout

# Of MySQL and MariaDB: by number.
_MYSQL = {
    **dict.fromkeys((1045, 1130, 1251, 1698, 1820, 1862, 2059), Code.WRONG_PASSWORD),
    **dict.fromkeys((1044, 1046, 1049), Code.UNKNOWN_DATABASE),
    **dict.fromkeys((1051, 1146), Code.MISSING_TABLE),
    1054: Code.MISSING_COLUMN,
    **dict.fromkeys((1142, 1143, 1227, 1290, 1370, 1792, 1836), Code.MISSING_RIGHT),
    **dict.fromkeys((1205, 1213, 3572), Code.LOCKED),
    **dict.fromkeys((1317, 1969, 3024), Code.SLOW),
    **dict.fromkeys(
        (1040, 1053, 1129, 1203, 1226, 1927, 2002, 2003, 2005, 2006, 2013, 2026, 2055, 4031),
        Code.UNREACHABLE,
    ),
}
# Of PostgreSQL: by the first letters of SQLSTATE, the longest first.
_POSTGRESQL = {
    "28": Code.WRONG_PASSWORD,
    "3D": Code.UNKNOWN_DATABASE,
    "42P01": Code.MISSING_TABLE,
    "3F000": Code.MISSING_TABLE,
    "42703": Code.MISSING_COLUMN,
    "42501": Code.MISSING_RIGHT,
    "25006": Code.MISSING_RIGHT,
    "55P03": Code.LOCKED,
    "40": Code.LOCKED,
    "57014": Code.SLOW,
    "57P": Code.UNREACHABLE,
    "53": Code.UNREACHABLE,
    "08": Code.UNREACHABLE,
}
# Where there is no number: by what is said.
_SAID = (
    (r"password authentication failed|no password supplied|role .* does not", Code.WRONG_PASSWORD),
    (r"database .* does not exist|file is not a database", Code.UNKNOWN_DATABASE),
    (r"no such table", Code.MISSING_TABLE),
    (r"no such column", Code.MISSING_COLUMN),
    (r"readonly database", Code.MISSING_RIGHT),
    (r"is locked", Code.LOCKED),
    (r"interrupted", Code.SLOW),
    (r"unable to open database file", Code.UNREACHABLE),
)
_COLUMN_SAID = (
    r"Unknown column '(?:[^']*\.)?([^'.]+)'",
    r"no such column: (?:.*\.)?([^.\s]+)",
    r'column (?:"?[^"\s]+"?\.)?"?([^"\s]+)"? does not exist',
    r"denied to user .* for column '([^']+)'",
)
_SHORTEST_SECRET = 4


def unusable_address(url: str, error: Exception) -> SourceFailed:
    """Return what is wrong with an address that led to no engine. It is not repeated."""
    if isinstance(error, ImportError):
        return SourceFailed(
            Code.BAD_URL,
            f"The driver that its address names is not installed here ({error.name}).",
        )
    if isinstance(error, sa.exc.NoSuchModuleError):
        scheme = url.partition("://")[0]
        return SourceFailed(
            Code.BAD_URL,
            f"Its address names a kind of database that nobody knows: {scheme}. For MySQL and"
            " MariaDB it begins with mysql+pymysql://.",
        )
    return SourceFailed(
        Code.BAD_URL,
        "Its address cannot be understood. It has the form"
        " mysql+pymysql://user:password@host:3306/database; a sign such as @ or / in the password"
        " is written as %40 or %2F.",
    )


def failure(
    layout: Layout, error: Exception, *, connecting: bool = False, late: bool = False
) -> SourceFailed:
    """Return what an error of a driver's means.

    `connecting`: it came before the first statement. `late`: the statement's time in all was over.
    """
    original = getattr(error, "orig", None) or error
    said = _said(layout, original)
    if isinstance(original, UnicodeEncodeError) and original.encoding == "latin-1":
        # PyMySQL's, of the password alone.
        return SourceFailed(
            Code.BAD_URL,
            "The password in its address has a sign that the driver cannot send: give the account"
            f" one of the letters A to Z, digits and plain signs. ({said})",
        )
    if connecting and (late or _is_timeout(original)):
        return SourceFailed(
            Code.UNREACHABLE,
            f"{_host(layout)} does not answer in time. Is the server up, and does its firewall let"
            f" this machine in? ({said})",
        )
    code = Code.SLOW if late or _is_timeout(original) else _code(error, original, connecting)
    return SourceFailed(code, f"{_advice(layout, code, said)} ({said})")


def column_named(said: str) -> str | None:
    """Return the column that an error is about."""
    found = (re.search(pattern, said) for pattern in _COLUMN_SAID)
    return next((match.group(1) for match in found if match), None)


def _code(error: Exception, original: Any, connecting: bool) -> Code:
    text = str(original)
    # psycopg2 has both, but no SQLSTATE for what came before the server spoke.
    state = getattr(original, "pgcode", None)
    if state:
        return next(
            (code for start, code in _POSTGRESQL.items() if state.startswith(start)), Code.FAILED
        )
    number = original.args[0] if original.args else None
    if isinstance(number, int) and number in _MYSQL:
        return _MYSQL[number]
    for pattern, code in _SAID:
        if re.search(pattern, text):
            return code
    broken = isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated
    return Code.UNREACHABLE if connecting or broken else Code.FAILED


def _is_timeout(original: Any) -> bool:
    """Tell whether it is about silence. PyMySQL says so in its text alone."""
    if isinstance(original, sqlite3.Error):
        return False
    return "timed out" in str(original) or "timeout expired" in str(original)


def _advice(layout: Layout, code: Code, said: str) -> str:
    host, account, column = _host(layout), _account(layout), column_named(said)
    status = layout.column("job_status")
    return {
        Code.UNREACHABLE: f"{host} cannot be reached. Is the server up, and does its firewall let"
        " this machine in?",
        Code.WRONG_PASSWORD: f"It refuses {account}: is the password in the address right, and may"
        " the account come from this machine?",
        Code.UNKNOWN_DATABASE: f"There is no database {_database(layout)}, or {account} may not"
        " see it: look at its name in the address.",
        Code.MISSING_TABLE: f"There is no table {layout.table}: look at its name, of which"
        " capitals matter.",
        Code.MISSING_COLUMN: f"Its table {layout.table} has no column"
        f" {column or 'of that name'}: where it is called otherwise, say so in the columns of this"
        f' source: {{"{_contract_name(layout, column)}": "its name"}}.',
        Code.MISSING_RIGHT: f"To {account} a right is missing: GRANT SELECT, and where the status"
        f" is written back UPDATE ({status}), ON {layout.table}. Or the table is called"
        " otherwise: capitals matter.",
        Code.LOCKED: "Others hold what was asked for locked for too long. It is tried again; where"
        " it remains so, ask who works there in long transactions.",
        Code.SLOW: f"It took too long. An index on {status} helps, or more"
        " REPAIRS_TIMEOUT_SECONDS here.",
    }.get(code, "It answered with an error.")


def _contract_name(layout: Layout, column: str | None) -> str:
    for ours, theirs in layout.columns.items():
        if theirs == column:
            return ours
    return column or "client_mobile"


def _said(layout: Layout, original: BaseException) -> str:
    """Return the first line of what a driver said, without the password."""
    if isinstance(original, UnicodeError):
        # It has all of what could not be sent, or read, and of a password every form of it.
        return type(original).__name__
    text = ": ".join(map(str, original.args))
    # Before anything else, by which it would no longer be found.
    for secret in _secrets(layout):
        text = text.replace(secret, "***")
    text = " ".join(text.split())[:300]
    if not isinstance(original, sqlite3.Error) and not _is_of_driver(original):
        # Of a server that does not keep to its protocol.
        text = f"{type(original).__name__}: {text}"
    return text


def _is_of_driver(original: BaseException) -> bool:
    return any(kind.__name__ == "DatabaseError" for kind in type(original).__mro__)


def _url(layout: Layout) -> sa.URL:
    return sa.make_url(layout.url)


def _secrets(layout: Layout) -> list[str]:
    password = _url(layout).password or ""
    # A shorter one stands in many words, which would be shown by what is left out of them.
    hidden = len(password) >= _SHORTEST_SECRET
    known = {layout.url, *([password, quote(password, safe="")] if hidden else [])}
    return sorted(known, key=len, reverse=True)


def _host(layout: Layout) -> str:
    url = _url(layout)
    if not url.host:
        return url.database or "The database"
    return f"{url.host}:{url.port}" if url.port else url.host


def _account(layout: Layout) -> str:
    return f"the account {_url(layout).username or 'of its address'}"


def _database(layout: Layout) -> str:
    return _url(layout).database or "(the address names none)"
