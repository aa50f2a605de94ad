"""A private MariaDB, such as a client may have, and a client's `Jobs` table in it or in a file.

It is installed by apt (.ci/run); nothing of an installed server's own data is touched.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import pymysql

from tests.ports import free_port
from tests.processes import wait_until

MARIADBD = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
INSTALL = shutil.which("mariadb-install-db")
MISSING = None if MARIADBD and INSTALL and shutil.which("setpriv") else "mariadb-server is missing"

# The contract's table.
JOBS = """
    CREATE TABLE {table} (
        job_id {key} PRIMARY KEY,
        job_type varchar(64), job_status varchar(32),
        client_firstname varchar(128), client_lastname varchar(128),
        client_postcode varchar(32), client_mobile varchar(32),
        product_sku varchar(64), product_type varchar(128)
    ) {options}
"""
JOB = {
    "job_type": "Repair",
    "job_status": "New",
    "client_firstname": "John",
    "client_lastname": "Smith",
    "client_postcode": "SG13 7TZ",
    "client_mobile": "+447770 123456",
    "product_sku": "123",
    "product_type": "spider catcher",
}


class MariaDB:
    """A server of one test run: small, on loopback alone, ending with the process that began it.

    `execute` is its administrator, through a socket that only this machine has. After `kill` or
    `stop`, `start` begins it anew with the same data at the same port.
    """

    def __init__(self) -> None:
        # Short: a socket's path has room for 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="duka-mariadb-", dir="/tmp"))
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._as: list[str] = []
        if os.geteuid() == 0:
            user = _system_user()
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def socket(self) -> Path:
        return self.folder / "socket"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self) -> None:
        """Begin it, and wait until it answers."""
        if not self.data.exists():
            self._run(
                INSTALL,
                "--no-defaults",
                f"--datadir={self.data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=8M",
            )
        for left in (4, 3, 2, 1, 0):
            port = self.port or free_port()
            self.process = self._popen(port)
            wait_until(lambda: self._answers() or self.process.poll() is not None)
            if self.process.poll() is None:
                self.port = port
                return
            # Another may have taken the port meanwhile.
            assert left, self.log.read_text()

    def stop(self) -> None:
        """Let it end in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it hang: it accepts connections, and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, and leave nothing behind."""
        if self.process:
            self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, database: str | None = None) -> pymysql.Connection:
        """Return an administrator's connection; the caller closes it."""
        return pymysql.connect(
            unix_socket=str(self.socket),
            user="root",
            database=database,
            charset="utf8mb4",
            autocommit=True,
        )

    def execute(self, sql: str, *args: object, database: str | None = None) -> list[tuple]:
        """Run a statement of the administrator's; return its rows."""
        with (
            contextlib.closing(self.connect(database)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql, args or None)
            return list(cursor.fetchall())

    def url(self, *, user: str, password: str, database: str = "") -> str:
        return (
            f"mysql+pymysql://{quote(user, safe='')}:{quote(password, safe='')}"
            f"@127.0.0.1:{self.port}/{quote(database, safe='')}"
        )

    def name(self) -> str:
        """Return a name that nothing else here has."""
        return f"t{os.getpid()}_{next(self._numbers)}"

    def _popen(self, port: int) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [
                    *self._before,
                    MARIADBD,
                    "--no-defaults",
                    f"--datadir={self.data}",
                    f"--socket={self.socket}",
                    f"--pid-file={self.folder / 'pid'}",
                    f"--tmpdir={self.folder}",
                    "--skip-networking=0",
                    "--bind-address=127.0.0.1",
                    f"--port={port}",
                    "--skip-name-resolve",
                    "--skip-log-bin",
                    "--character-set-server=utf8mb4",
                    "--innodb-buffer-pool-size=32M",
                    "--innodb-log-file-size=8M",
                    "--innodb-flush-log-at-trx-commit=2",
                    "--innodb-doublewrite=0",
                    "--key-buffer-size=1M",
                    "--aria-pagecache-buffer-size=8M",
                    "--performance-schema=0",
                    "--max-connections=100",
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def _before(self) -> list[str]:
        """What drops root, and lets it end with this process, however that ends."""
        return ["setpriv", "--pdeathsig=KILL", *self._as]

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            [*self._before, *command],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except pymysql.Error:
            return False
        return True

    def _end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.send_signal(signal.SIGCONT)
        self.process.wait(60)


def _system_user() -> pwd.struct_passwd:
    for name in ("mysql", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("There is neither a user mysql nor nobody to run it.")


class MariaDBTable:
    """A client's database with its `Jobs`; `url` is an account with the contract's rights alone:
    SELECT, and UPDATE of job_status.
    """

    table = "Jobs"

    def __init__(self, server: MariaDB, *, options: str = "CHARSET=utf8mb4") -> None:
        self.server = server
        self.database = self.user = server.name()
        self.password = "p@ss:w/rd of the tests"
        server.execute(f"CREATE DATABASE {self.database} CHARACTER SET utf8mb4")
        self.execute(JOBS.format(table="Jobs", key="int AUTO_INCREMENT", options=options))
        self.execute(f"CREATE USER {self.user} IDENTIFIED BY '{self.password}'")
        self.grant("SELECT, UPDATE (job_status)")

    @property
    def url(self) -> str:
        return self.server.url(user=self.user, password=self.password, database=self.database)

    def grant(self, rights: str) -> None:
        """Let the account have these rights to the table alone."""
        self.execute(f"GRANT {rights} ON {self.database}.{self.table} TO {self.user}")

    def revoke(self, rights: str) -> None:
        self.execute(f"REVOKE {rights} ON {self.database}.{self.table} FROM {self.user}")

    def connect(self) -> pymysql.Connection:
        """Return the client's own connection, which may do all; the caller closes it."""
        return self.server.connect(self.database)

    def execute(self, sql: str, *args: object) -> list[tuple]:
        """Run a statement as the client."""
        return self.server.execute(sql, *args, database=self.database)

    def insert(self, **columns: object) -> int:
        """Add a job as the contract's example is, but for these columns; return its key."""
        values = {**JOB, **columns}
        names = ", ".join(f"`{name}`" for name in values)
        marks = ", ".join(["%s"] * len(values))
        [(key,)] = self.execute(
            f"INSERT INTO {self.table} ({names}) VALUES ({marks}) RETURNING job_id",
            *values.values(),
        )
        return key

    def rows(self) -> list[dict[str, object]]:
        with (
            contextlib.closing(self.connect()) as connection,
            connection.cursor(pymysql.cursors.DictCursor) as cursor,
        ):
            cursor.execute(f"SELECT * FROM {self.table} ORDER BY job_id")
            return list(cursor.fetchall())

    def status(self, key: int) -> str:
        [(word,)] = self.execute(f"SELECT job_status FROM {self.table} WHERE job_id = %s", key)
        return word

    def set_status(self, key: int, word: str) -> None:
        self.execute(f"UPDATE {self.table} SET job_status = %s WHERE job_id = %s", word, key)

    def close(self) -> None:
        self.server.execute(f"DROP DATABASE IF EXISTS {self.database}")
        self.server.execute(f"DROP USER IF EXISTS {self.user}")


class SQLiteTable:
    """A client's `Jobs` in a file: as `MariaDBTable`, and cheap."""

    table = "Jobs"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.execute(JOBS.format(table="Jobs", key="integer", options=""))

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def connect(self) -> sqlite3.Connection:
        """Return the client's own connection; the caller closes it."""
        return sqlite3.connect(self.path, isolation_level=None, timeout=60)

    def execute(self, sql: str, *args: object) -> list[tuple]:
        """Run a statement as the client; its marks are ?."""
        with contextlib.closing(self.connect()) as connection:
            return connection.execute(sql, args).fetchall()

    def insert(self, **columns: object) -> int:
        """Add a job as the contract's example is, but for these columns; return its key."""
        values = {**JOB, **columns}
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join(["?"] * len(values))
        with contextlib.closing(self.connect()) as connection:
            return connection.execute(
                f"INSERT INTO {self.table} ({names}) VALUES ({marks})", tuple(values.values())
            ).lastrowid

    def rows(self) -> list[dict[str, object]]:
        with contextlib.closing(self.connect()) as connection:
            connection.row_factory = sqlite3.Row
            return [
                dict(row)
                for row in connection.execute(f"SELECT * FROM {self.table} ORDER BY job_id")
            ]

    def status(self, key: int) -> str:
        [(word,)] = self.execute(f"SELECT job_status FROM {self.table} WHERE job_id = ?", key)
        return word

    def set_status(self, key: int, word: str) -> None:
        self.execute(f"UPDATE {self.table} SET job_status = ? WHERE job_id = ?", word, key)
