"""A private PgBouncer."""

import contextlib
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg2

from .postgres import DATABASE, SUPERUSER, Postgres
from .server import Server, program, running


class PgBouncer(Server):
    """PgBouncer in transaction mode before a PostgreSQL; any database of it by its name."""

    name = "pgbouncer"
    refuses_root = True
    # SIGINT waits for clients to go, as `systemctl stop` does not.
    ends: Mapping[str, int] = {"fast": signal.SIGTERM, "immediate": signal.SIGKILL}

    def __init__(
        self, folder: Path, database: Postgres, *, options: Mapping[str, str] | None = None
    ) -> None:
        self._program = program("pgbouncer")
        super().__init__(folder)
        self._database = database
        settings = {
            "listen_addr": self.host,
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "max_client_conn": "500",
            "default_pool_size": "20",
            "server_connect_timeout": "5",
            "server_login_retry": "1",
            "query_wait_timeout": "10",
            "ignore_startup_parameters": "extra_float_digits",
            "admin_users": SUPERUSER,
            **(options or {}),
        }
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={database.host} port={database.port} user={SUPERUSER}\n"
            f"[pgbouncer]\n{lines}"
        )

    @property
    def url(self) -> str:
        return f"postgres://{SUPERUSER}@{self.host}:{self.port}/{DATABASE}"

    def is_ready(self) -> bool:
        # Its own console: its readiness is not that of the database behind it.
        with contextlib.suppress(psycopg2.OperationalError):
            url = f"postgres://{SUPERUSER}@{self.host}:{self.port}/pgbouncer"
            psycopg2.connect(url, connect_timeout=5).close()
            return True
        return False

    def command(self) -> Sequence[str]:
        return [self._program, str(self.folder / "pgbouncer.ini")]


def spawn_pgbouncer(
    folder: Path, database: Postgres, *, options: Mapping[str, str] | None = None
) -> contextlib.AbstractContextManager[PgBouncer]:
    """Run PgBouncer in transaction mode before a PostgreSQL."""
    return running(PgBouncer(folder, database, options=options))
