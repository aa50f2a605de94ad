"""What every private server of a test has in common."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from core.embedded_postgres.system_user import run_as, server_user, uid_change
from core.supervisor import dies_with_parent
from tests.ports import free_port

S = TypeVar("S", bound="Server")


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
        self.port = port or free_port()
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


@contextlib.contextmanager
def running(server: S) -> Iterator[S]:
    """Start a server for a block."""
    try:
        server.start()
        yield server
    finally:
        server.kill()
