"""Private servers of a test: PostgreSQL, PgBouncer, Redis, nginx, each a real one.

Each keeps the address that it had first, so that it can be killed and come back; each is gone when
the block ends. A program that is missing skips the test with its reason (CI fails on that).
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psycopg2
import pytest
import redis
import requests

from core.embedded_postgres.binaries import find_binaries
from core.embedded_postgres.system_user import run_as, server_user, uid_change
from core.supervisor import dies_with_parent

SUPERUSER = "duka"
DATABASE = "duka"
S = TypeVar("S", bound="Server")


def steady_port() -> int:
    """Return a port of loopback that stays ours while its server is away.

    Below those that the system gives to outgoing connections: one of them could take it, or a
    client that finds nobody there could end up connected to itself.
    """
    while True:
        # Not of the seed that the tests of all processes may share.
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def program(name: str) -> str:
    """Return where a program is, or skip the test."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


class Server:
    """A program that serves at one address; it can be stopped, killed and started again."""

    name = "server"
    # Signals that end it: how -> number.
    ends: Mapping[str, int] = {"fast": signal.SIGTERM, "immediate": signal.SIGKILL}
    # Whether it is started as somebody else where we are root.
    refuses_root = False

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or steady_port()
        self.host = "127.0.0.1"
        self.log_path = folder / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._guard = threading.RLock()

    @property
    def url(self) -> str:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} is not running"
        return self.process.pid

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self, seconds: float = 90) -> None:
        """Start it and wait until it serves.

        Again and again where it ends at once: what a killed one left (shared memory, a socket)
        may take a moment to go.
        """
        with self._guard:
            deadline = time.monotonic() + seconds
            while True:
                self._spawn()
                while self.process.poll() is None:
                    if self.is_ready():
                        return
                    self._hold(deadline)
                self._hold(deadline)

    def stop(self, how: str = "fast", seconds: float = 60) -> None:
        """End it in an orderly way; outright if that takes too long."""
        with self._guard:
            if self.process is None:
                return
            if self.process.poll() is None:
                self.process.send_signal(self.ends[how])
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self._end_rest()
                self.process.wait(15)
            self._end_rest()
            self.process = None

    def kill(self) -> None:
        """End it outright (SIGKILL)."""
        with self._guard:
            if self.process is not None:
                self._end_rest()
                self.process.wait(15)
                self.process = None

    def restart(self, how: str = "fast") -> None:
        with self._guard:
            self.stop(how)
            self.start()

    def is_ready(self) -> bool:
        raise NotImplementedError

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def _hold(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            self.kill()
            raise AssertionError(f"{self.name} did not start:\n{self.log()[-3000:]}")
        time.sleep(0.05)

    def _spawn(self) -> None:
        # Either way it is told to end when the thread ends that started it: a test that is killed
        # leaves none behind.
        prefix = dies_with_parent()
        switch = None
        if self.refuses_root:
            user = server_user(self.folder)
            prefix = run_as(user, needs=[self.folder], end_signal="INT")
            switch = uid_change(user, prefix)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                user=switch.uid if switch else None,
                group=switch.gid if switch else None,
                extra_groups=[] if switch else None,
                # A group of its own, so that its children can be ended with it.
                process_group=0,
            )

    def _end_rest(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


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


class Redis(Server):
    """A Redis that keeps nothing, unless `options` say so."""

    name = "redis"

    def __init__(self, folder: Path, *, options: Mapping[str, str] | None = None) -> None:
        self._program = program("redis-server")
        super().__init__(folder)
        self._options = {"save": "", "appendonly": "no", **(options or {})}

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    def is_ready(self) -> bool:
        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(self.url) as client:
            return bool(client.ping())
        return False

    def command(self) -> Sequence[str]:
        settings = {
            "bind": self.host,
            "port": str(self.port),
            "dir": str(self.folder),
            **self._options,
        }
        pairs = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return [self._program, *pairs]


class Nginx(Server):
    """An nginx before some web servers; it tries the next one as it does in production.

    A POST that a web server may have seen is never sent to another by nginx itself.
    """

    name = "nginx"
    ends: Mapping[str, int] = {"fast": signal.SIGTERM, "immediate": signal.SIGKILL}

    def __init__(
        self,
        folder: Path,
        upstreams: Sequence[str],
        *,
        more: str = "",
        forwarded_proto: str = "$scheme",
    ) -> None:
        self._program = program("nginx")
        super().__init__(folder)
        self._more = more
        self._forwarded_proto = forwarded_proto
        self.write(upstreams)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def write(self, upstreams: Sequence[str]) -> None:
        """Write its configuration. `upstreams`: `127.0.0.1:8001`, `unix:/path`."""
        servers = "".join(
            f"        server {each} max_fails=1 fail_timeout=1s;\n" for each in upstreams
        )
        (self.folder / "nginx.conf").write_text(
            f"""{"user root;" if os.geteuid() == 0 else ""}
daemon off;
worker_processes 2;
pid {self.folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {self.folder}/body;
    proxy_temp_path {self.folder}/proxy;
    fastcgi_temp_path {self.folder}/fastcgi;
    uwsgi_temp_path {self.folder}/uwsgi;
    scgi_temp_path {self.folder}/scgi;
    upstream duka {{
{servers}    }}
    server {{
        listen {self.host}:{self.port};
        client_max_body_size 60m;
        location / {{
            proxy_pass http://duka;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto {self._forwarded_proto};
            proxy_connect_timeout 2s;
            proxy_read_timeout 60s;
            proxy_next_upstream error timeout;
            proxy_next_upstream_tries 2;
        }}
        {self._more}
    }}
}}
"""
        )

    def reload(self) -> None:
        """Take up the configuration anew, as `nginx -s reload` does."""
        os.kill(self.pid, signal.SIGHUP)

    def is_ready(self) -> bool:
        # Its web servers may be away: any answer is nginx's.
        with contextlib.suppress(requests.RequestException):
            requests.get(self.url, timeout=5, allow_redirects=False)
            return True
        return False

    def command(self) -> Sequence[str]:
        conf = str(self.folder / "nginx.conf")
        return [self._program, "-p", str(self.folder), "-c", conf, "-e", "stderr"]


@contextlib.contextmanager
def _running(server: S) -> Iterator[S]:
    try:
        server.start()
        yield server
    finally:
        server.kill()


def spawn_postgres(
    folder: Path, *, options: Mapping[str, str] | None = None
) -> contextlib.AbstractContextManager[Postgres]:
    """Run a PostgreSQL in an empty folder, made if missing."""
    return _running(Postgres(folder, options=options))


def spawn_pgbouncer(
    folder: Path, database: Postgres, *, options: Mapping[str, str] | None = None
) -> contextlib.AbstractContextManager[PgBouncer]:
    """Run PgBouncer in transaction mode before a PostgreSQL."""
    return _running(PgBouncer(folder, database, options=options))


def spawn_redis(
    folder: Path, *, options: Mapping[str, str] | None = None
) -> contextlib.AbstractContextManager[Redis]:
    return _running(Redis(folder, options=options))


def spawn_nginx(
    folder: Path, upstreams: Sequence[str], *, more: str = "", forwarded_proto: str = "$scheme"
) -> contextlib.AbstractContextManager[Nginx]:
    """Run nginx before web servers.

    Args:
        more: lines for its `server` block.
        forwarded_proto: `https` plays the nginx that ends TLS.
    """
    return _running(Nginx(folder, upstreams, more=more, forwarded_proto=forwarded_proto))
