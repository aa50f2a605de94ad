"""A whole shop on servers of its own: PostgreSQL, PgBouncer, Redis, nginx, and what runs Duka.

What dies is started again, as systemd's Restart=always does, and by nothing else.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import requests

from core.supervisor import dies_with_parent

from .drill import HOST, Caller, Journal
from .infrastructure import (
    Nginx,
    PgBouncer,
    Postgres,
    Redis,
    spawn_nginx,
    spawn_pgbouncer,
    spawn_postgres,
    spawn_redis,
)
from .ports import free_port
from .processes import PROJECT, wait_until
from .servers import RemoteGateway, spawn_gateway

PAUSE_SECONDS = 0.3
SKUS = 5
CUSTOMERS = 20
STOCK = 1_000_000
_GUNICORN = ("-m", "gunicorn", "--config", "python:config.gunicorn", "config.wsgi:application")


class Kept:
    """A program that is started again whenever it ends, with nothing left of the one before."""

    def __init__(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.log_path = folder / f"{name}.log"
        self.starts = 0
        self._command = command
        self._env = env
        self._stopping = threading.Event()
        self._start()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """End its first process outright; the rest of it is ended as systemd ends a unit's."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        self._stopping.set()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        self._thread.join(45)
        self._end_rest()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def _start(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*dies_with_parent(), *self._command],
                cwd=PROJECT,
                env=dict(self._env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        self.starts += 1

    def _keep(self) -> None:
        while True:
            self._process.wait()
            self._end_rest()
            if self._stopping.is_set() or self._stopping.wait(PAUSE_SECONDS):
                return
            self._start()

    def _end_rest(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


class LiveShop:
    """All of it, as a test talks to it."""

    postgres: Postgres
    pgbouncer: PgBouncer
    redis: Redis
    nginx: Nginx
    gateway: RemoteGateway

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.webs: list[Kept] = []
        self.workers: list[Kept] = []
        self.tickers: list[Kept] = []
        self.client: tuple[str, str] = ("", "")

    @property
    def kept(self) -> list[Kept]:
        return [*self.webs, *self.workers, *self.tickers]

    def env(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {
            **inherited,
            **self.gateway.env,
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
            "DUKA_VAR": str(self.folder),
            "SECRET_KEY": "of-the-drill-" + "0123456789abcdef" * 4,
            "SHOP_URL": f"https://{HOST}",
            "BEHIND_PROXY": "true",
            "EMAIL_URL": "consolemail://",
            "IDENTITY_FILE": str(self.folder / "identity.json"),
            "STATIC_ROOT": str(self.folder / "static"),
            "MEDIA_ROOT": str(self.folder / "media"),
            "DATABASE_URL": self.pgbouncer.url,
            "DATABASE_PGBOUNCER": "true",
            "CACHE_URL": self.redis.url,
            # High, so that each request asks the cache and none is refused.
            "THROTTLE_USER": "1000000/min",
            # Short, so that the drill can wait for them. Longer than a call to the gateway.
            "WORKER_LEASE_SECONDS": "6",
            "MESSAGE_LEASE_SECONDS": "14",
            "MESSAGE_RETRY_SECONDS": "1,1,2,2,5,5,5,5",
        }

    def run(self, *arguments: str) -> str:
        """Run Python to its end, straight on the database as migrations are run."""
        env = self.env() | {"DATABASE_URL": self.postgres.url, "DATABASE_PGBOUNCER": "false"}
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=PROJECT, env=env, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def caller(self, journal: Journal | None = None) -> Caller:
        """Return a program that may order, signed in."""
        client, secret = self.client
        caller = Caller(self.nginx.url, client=client, secret=secret, journal=journal)
        caller.sign_in()
        return caller

    def readyz(self) -> requests.Response:
        return requests.get(f"{self.nginx.url}/readyz", headers={"Host": HOST}, timeout=40)

    def is_ready(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return self.readyz().status_code == 200
        return False

    def log(self) -> list[dict]:
        """Return all log lines of Duka's processes; a line that is no JSON has its text alone."""
        found = []
        for each in self.kept:
            for line in each.log().splitlines():
                entry = {"message": line}
                if line.startswith("{"):
                    with contextlib.suppress(ValueError):
                        entry = json.loads(line)
                found.append({"of": each.name, **entry})
        return found


@contextlib.contextmanager
def spawn_live_shop(
    folder: Path,
    *,
    webs: int = 2,
    workers: int = 3,
    tickers: int = 2,
    celery: bool = False,
    env: Mapping[str, str] | None = None,
) -> Iterator[LiveShop]:
    """Run a shop with something to sell and somebody who buys; it is ready when it is given.

    Args:
        celery: its tasks go through Celery, by the Redis that is its cache too.
        env: further settings of its processes.
    """
    shop = LiveShop(folder)
    (folder / "static").mkdir()
    with contextlib.ExitStack() as stack:
        shop.postgres = stack.enter_context(spawn_postgres(folder / "postgres"))
        shop.pgbouncer = stack.enter_context(spawn_pgbouncer(folder / "pgbouncer", shop.postgres))
        shop.redis = stack.enter_context(spawn_redis(folder / "redis"))
        shop.gateway = stack.enter_context(spawn_gateway(folder))
        shop.run("manage.py", "migrate", "--verbosity=0")
        shop.run("manage.py", "prepare_identity")
        client_id, secret = json.loads(shop.run("-m", "tests.drill", "machine"))
        shop.client = client_id, secret
        settings = shop.env()
        if celery:
            settings["TASKS_BACKEND"] = "core.celery.CeleryBackend"
            settings["CELERY_BROKER_URL"] = shop.redis.url
        settings |= env or {}
        ports = [free_port() for _ in range(webs)]

        def keep(group: list[Kept], name: str, *command: str, **more: str) -> None:
            kept = Kept(name, [sys.executable, *command], env=settings | more, folder=folder)
            stack.callback(kept.stop)
            group.append(kept)

        for n, port in enumerate(ports):
            address = f"127.0.0.1:{port}"
            keep(shop.webs, f"web-{n}", *_GUNICORN, WEB_BIND=address, WEB_WORKERS="2")
        for n in range(workers):
            keep(shop.workers, f"worker-{n}", "manage.py", "worker")
        for n in range(tickers):
            keep(shop.tickers, f"ticker-{n}", "manage.py", "ticker")
        upstreams = [f"127.0.0.1:{port}" for port in ports]
        shop.nginx = stack.enter_context(
            spawn_nginx(folder / "nginx", upstreams, forwarded_proto="https")
        )
        try:
            wait_until(shop.is_ready, 120, every=0.2)
        except AssertionError as error:
            error.add_note("\n".join(f"{each.name}: {each.log()[-1500:]}" for each in shop.kept))
            raise
        _furnish(shop.caller())
        yield shop


def _furnish(caller: Caller) -> None:
    for n in range(SKUS):
        product = {"name": f"Tea {n}", "sku": f"TEA-{n}", "price": "10.00", "stock": STOCK}
        _made(caller, "/products/", product)
    for n in range(CUSTOMERS):
        customer = {"name": f"Buyer {n}", "phone": f"+2547220001{n:02}", "code": f"C{n}"}
        _made(caller, "/customers/", customer)


def _made(caller: Caller, path: str, body: dict) -> None:
    status, answer = caller.insist(path, body, key=f"make-{path}-{body['name']}".replace(" ", "-"),
                                   what="make")  # fmt: skip
    assert status == 201, answer
