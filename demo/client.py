"""A client's old system of repair jobs: a small database file, and what people do in it.

All that it knows is in the file, so that it may be killed and started at any time. Each step is a
short transaction; in WAL mode whoever reads meanwhile waits for nobody.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

SOURCE = "workshop"
# Where it is, if the demo plays it.
CLIENT_FILE = "FAKE_CLIENT_FILE"

_TABLE = """
CREATE TABLE IF NOT EXISTS Jobs (
    job_id INTEGER PRIMARY KEY,
    job_type VARCHAR(40),
    job_status VARCHAR(40),
    client_firstname VARCHAR(80),
    client_lastname VARCHAR(80),
    client_postcode VARCHAR(20),
    client_mobile VARCHAR(40),
    product_sku VARCHAR(40),
    product_type VARCHAR(80)
)
"""
# Those that were there before the shop asked for the first time are 101 to 122.
FIRST_OLD, FIRST_NEW = 101, 123
# A row that the shop sets aside, as it does not know the word.
UNKNOWN_WORD_AT, UNKNOWN_WORD = 110, "Waiting for parts"
_OLD_WORDS = ("CLOSED", "CLOSED", "Closed", "JOB COMPLETED", "CANCELLED", "CLOSED", "OPENED")

_PEOPLE = [
    *(("Wanjiru", "Kamau"), ("Otieno", "Odhiambo"), ("Amina", "Hassan"), ("Kiprono", "Chebet")),
    *(("Njeri", "Mwangi"), ("Mwikali", "Mutua"), ("Baraka", "Wekesa"), ("Achieng", "Ouma")),
    *(("Juma", "Said"), ("Nekesa", "Barasa"), ("Kevin", "Kariuki")),
]
_GOODS = [
    *(("KTL-2", "kettle"), ("RAD-7", "radio"), ("LMP-4", "solar lamp"), ("IRN-1", "iron")),
    *(("BIC-3", "bicycle pump"), ("PHN-9", "phone"), ("JUA-5", "jua kali stove")),
]
_POSTCODES = ("00100", "80100", "40100", "20100", "30100")

Job = tuple[int, str, str, str, str, str, str, str, str]


def job(key: int, word: str) -> Job:
    """Return the job of a key: always the same; 123 is the contract's sample."""
    if key == FIRST_NEW:
        return (
            *(key, "Repair", word, "John", "Smith", "SG13 7TZ", "+447770 123456"),
            *("123", "spider catcher"),
        )
    first, last = _PEOPLE[key % len(_PEOPLE)]
    sku, product = _GOODS[key % len(_GOODS)]
    # Now and then somebody leaves out a few digits.
    mobile = "0722 00" if key % 9 == 1 else f"0722 000 {key % 1000:03}"
    postcode = _POSTCODES[key % len(_POSTCODES)]
    return (key, "Repair", word, first, last, postcode, mobile, sku, product)


def played() -> "FakeClient | None":
    """Return the client that `make run` plays; None where the shop follows others, or nobody."""
    file = os.environ.get(CLIENT_FILE)
    return FakeClient(Path(file)) if file else None


class FakeClient:
    """The client's people at work in the file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def url(self) -> str:
        """The address by which the shop reads it."""
        return f"sqlite:///{self.file.absolute()}"

    def prepare(self) -> None:
        """Make the file with its old jobs, if it is not there."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self._at_work():
            """Whoever begins to work finds it made."""

    def bring(self) -> Job:
        """Let somebody bring something to be repaired."""
        with self._at_work() as connection:
            [(highest,)] = connection.execute("SELECT max(job_id) FROM Jobs")
            return _add(connection, job(max(highest + 1, FIRST_NEW), "NEW"))

    def go_on(self) -> tuple[int, str] | None:
        """Move one job on, the oldest of those that the client moves itself; None: there is none.

        Of four jobs the client completes one and closes it, completes a second, and leaves two to
        the shop; one of ten is cancelled before that.
        """
        with self._at_work() as connection:
            moves: tuple[int, str] | None = connection.execute(
                "SELECT job_id, CASE"
                " WHEN nth % 10 = 7 THEN 'CANCELLED'"
                " WHEN job_status = 'OPENED' THEN 'JOB COMPLETED' ELSE 'CLOSED' END AS word"
                " FROM (SELECT *, job_id - ? AS nth FROM Jobs WHERE job_id > ?)"
                " WHERE job_status = 'OPENED' AND (nth % 10 = 7 OR nth % 4 IN (1, 2))"
                " OR job_status = 'JOB COMPLETED' AND nth % 4 = 1"
                " ORDER BY job_id LIMIT 1",
                (FIRST_NEW, FIRST_NEW),
            ).fetchone()
            if moves is not None:
                key, word = moves
                connection.execute("UPDATE Jobs SET job_status = ? WHERE job_id = ?", (word, key))
            return moves

    def words(self) -> dict[int, str]:
        """Return the status of each job."""
        with self._at_work() as connection:
            return dict(connection.execute("SELECT job_id, job_status FROM Jobs"))

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.file, timeout=30, isolation_level=None)
        with contextlib.closing(connection):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            _begin(connection)
            yield connection
            # Not reached where something failed: closing undoes what was not committed.
            connection.execute("COMMIT")


def _begin(connection: sqlite3.Connection) -> None:
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'Jobs'").fetchone()
    if there:
        return
    connection.execute(_TABLE)
    for key in range(FIRST_OLD, FIRST_NEW):
        word = UNKNOWN_WORD if key == UNKNOWN_WORD_AT else _OLD_WORDS[key % len(_OLD_WORDS)]
        _add(connection, job(key, word))


def _add(connection: sqlite3.Connection, row: Job) -> Job:
    connection.execute(f"INSERT INTO Jobs VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
    return row
