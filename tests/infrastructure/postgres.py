"""A private PostgreSQL."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg2

from core.embedded_postgres.binaries import find_binaries
from core.embedded_postgres.system_user import run_as, server_user, uid_change

from .server import Server, running

SUPERUSER = "duka"
DATABASE = "duka"


class Postgres(Server):
    """A PostgreSQL that keeps what it committed, with one empty database."""

    name = "postgres"
    ends: Mapping[str, int] = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
    refuses_root = True

    def __init__(self, folder: Path, *, options: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        pg_bin = os.environ.get("PG_BIN")
        self._binaries = find_binaries(Path(pg_bin) if pg_bin else None)
        self.data = folder / "data"
        self.options = {
            "max_connections": "100",
            "shared_buffers": "64MB",
            "timezone": "UTC",
            "log_line_prefix": "%m [%p] %a ",
            **(options or {}),
        }
        self._make_data()

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgres://{SUPERUSER}@{self.host}:{self.port}/{database}"

    def connect(self, database: str = DATABASE) -> Any:
        return psycopg2.connect(self.url_of(database), connect_timeout=10)

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement, commit, and return its rows."""
        connection = self.connect()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def is_ready(self) -> bool:
        with contextlib.suppress(psycopg2.OperationalError):
            self.connect("postgres").close()
            return True
        return False

    def command(self) -> Sequence[str]:
        settings = {
            **self.options,
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": "",
        }
        pairs = [word for item in settings.items() for word in ("-c", "=".join(item))]
        return [str(self._binaries.postgres), "-D", str(self.data), *pairs]

    def start(self, seconds: float = 90) -> None:
        with self._guard:
            super().start(seconds)
            self._make_database()

    def _make_data(self) -> None:
        user = server_user(self.folder)
        self.data.mkdir(mode=0o700)
        if user.is_other:
            os.chown(self.data, user.uid, user.gid)
        prefix = run_as(user, needs=[self.folder, self._binaries.folder], end_signal="KILL")
        switch = uid_change(user, prefix)
        command = [
            *(str(self._binaries.initdb), "--pgdata", str(self.data), "--username", SUPERUSER),
            *("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"),
        ]
        if self._binaries.major >= 17:
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        else:
            command += ["--lc-ctype=C.UTF-8"]
        made = subprocess.run(
            [*prefix, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            user=switch.uid if switch else None,
            group=switch.gid if switch else None,
            extra_groups=[] if switch else None,
            check=False,
        )
        assert made.returncode == 0, made.stderr

    def _make_database(self) -> None:
        connection = self.connect("postgres")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if not cursor.fetchone():
                    cursor.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            connection.close()


def spawn_postgres(
    folder: Path, *, options: Mapping[str, str] | None = None
) -> contextlib.AbstractContextManager[Postgres]:
    """Run a PostgreSQL in an empty folder, made if missing."""
    return running(Postgres(folder, options=options))
