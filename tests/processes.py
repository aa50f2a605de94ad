"""Real `manage.py` processes on the database of the test that is running.

The test must commit what they are to see: `@pytest.mark.django_db(transaction=True)`.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from django.db import connection

PROJECT = Path(__file__).resolve().parents[1]


def wait_until(
    condition: Callable[[], object], seconds: float = 90, *, every: float = 0.02
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(every)


def test_database_url(name: str = "") -> str:
    """Return a DATABASE_URL of the running test's own database, or of another beside it."""
    database = connection.settings_dict | ({"NAME": name} if name else {})
    user = quote(database["USER"], safe="")
    if database["PASSWORD"]:
        user += ":" + quote(database["PASSWORD"], safe="")
    host = database["HOST"] or database["OPTIONS"].get("host", "")
    if host.startswith("/"):
        return f"postgres://{user}@/{database['NAME']}?host={quote(host, safe='')}"
    return f"postgres://{user}@{host}:{database['PORT'] or 5432}/{database['NAME']}"


test_database_url.__test__ = False


class Managed:
    """A `manage.py` process; its log lines are read from the file that it writes them to."""

    def __init__(self, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self.process = process
        self.pid = process.pid
        self._log_path = log_path

    def log(self) -> str:
        return self._log_path.read_text()

    def log_lines(self) -> list[dict]:
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def said(self, text: str) -> bool:
        return any(text in line["message"] for line in self.log_lines())

    def wait_until_said(self, text: str, seconds: float = 90) -> None:
        wait_until(lambda: self.said(text) or self.process.poll() is not None, seconds)
        assert self.said(text), f"it did not say {text!r} but:\n{self.log()}"

    def stop(self, number: int = signal.SIGTERM, seconds: float = 60) -> int:
        """Ask it to end, wait until it has, and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(15)


def spawn_manage(
    *args: str, env: dict[str, str] | None = None
) -> contextlib.AbstractContextManager[Managed]:
    """Run `manage.py ARGS`; see `spawn`."""
    return spawn(sys.executable, "manage.py", *args, env=env)


@contextlib.contextmanager
def spawn(
    *command: str, env: dict[str, str] | None = None, cwd: Path = PROJECT
) -> Iterator[Managed]:
    """Run a command on the test's database until the block ends, then kill what is left.

    Its settings are those of development with quick leases; `env` adds to them.
    """
    with tempfile.TemporaryDirectory(prefix="duka-manage-") as folder:
        log_path = Path(folder) / "log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env={
                    **os.environ,
                    "DJANGO_SETTINGS_MODULE": "config.settings.development",
                    "DATABASE_URL": test_database_url(),
                    "DUKA_VAR": folder,
                    "SECRET_KEY": "tests-only",
                    "WORKER_LEASE_SECONDS": "2",
                    "WORKER_POLL_SECONDS": "0.1",
                    **(env or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield Managed(process, log_path)
        finally:
            process.kill()
            process.wait(15)
