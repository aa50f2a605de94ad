"""`manage.py run`, started as a person starts it, in a var folder of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from core.embedded_postgres.keeper import servers_in
from demo.accounts import DEMO_ACCOUNTS

PROJECT = Path(__file__).resolve().parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(var, **changes):
    left_out = ("DATABASE_URL", "PORT", "PG_BIN", "DJANGO_SETTINGS_MODULE")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "DUKA_VAR": str(var), **changes}


def run_to_its_end(var, **changes):
    return subprocess.run(
        [sys.executable, "manage.py", "run"],
        cwd=PROJECT,
        env=environment(var, **changes),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def processes_of(var):
    """Every process that got `var` in its environment, or is a server on it."""
    marker = f"DUKA_VAR={var}\0".encode()
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            mine = marker in (path / "environ").read_bytes()
            named = f"{var}/postgres\0".encode() in (path / "cmdline").read_bytes()
            if (mine or named) and int(path.name) != os.getpid():
                found.add(int(path.name))
    for data in Path(var).glob("postgres/data-*"):
        found |= servers_in(data)
    return found


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.05)


class Shop:
    def __init__(self, var):
        self.var = var
        self.port = free_port()
        self.lines = []
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "run"],
            cwd=PROJECT,
            env=environment(var, PORT=str(self.port)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        self.lines.extend(self.process.stdout)  # So that a full pipe holds nobody up.

    @property
    def output(self):
        return "".join(self.lines)

    def wait_for_banner(self):
        wait_until(lambda: "Ctrl-C" in self.output or self.process.poll() is not None, 90)
        assert "Ctrl-C" in self.output, self.output

    def status(self, path):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return answer.status

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(40)
        self.reader.join(10)
        return code


@pytest.fixture
def var():
    # Short, so that the socket is in it.
    with tempfile.TemporaryDirectory(prefix="duka-run-", dir="/tmp") as folder:
        yield Path(folder)
        for pid in processes_of(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_run_opens_the_shop_and_ends_without_a_trace_and_a_second_run_finds_its_data(var):
    shop = Shop(var)
    shop.wait_for_banner()

    assert f"Duka is open at http://127.0.0.1:{shop.port}/" in shop.output
    assert f"http://127.0.0.1:{shop.port}/api/docs/" in shop.output
    assert f"http://127.0.0.1:{shop.port}/admin/" in shop.output
    for account in DEMO_ACCOUNTS:
        assert account.username in shop.output
        assert account.password in shop.output
    assert shop.status("/readyz") == 200
    assert shop.status("/admin/") == 200
    assert "Preparing the database (" in shop.output
    assert shop.stop() == 0
    assert shop.output.endswith("Duka has stopped.\n")
    assert processes_of(var) == set()

    started = time.monotonic()
    again = Shop(var)
    again.wait_for_banner()

    assert time.monotonic() - started < 20
    assert "Preparing the database" not in again.output
    assert again.status("/readyz") == 200
    assert again.stop(signal.SIGINT) == 0
    assert processes_of(var) == set()


def test_run_leaves_nothing_behind_when_it_is_killed(var):
    shop = Shop(var)
    shop.wait_for_banner()
    assert len(processes_of(var)) > 6  # Itself, web and its workers, worker, ticker, database.

    shop.process.kill()
    shop.process.wait()

    wait_until(lambda: processes_of(var) == set(), 30)


def test_a_busy_port_is_named_with_the_way_out(var):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        ended = run_to_its_end(var, PORT=str(port))

    assert ended.returncode == 1
    assert ended.stdout == ""
    other = port + 1 if port < 65535 else 8000
    assert ended.stderr == (f"Port {port} is busy. Choose another: PORT={other} make run\n")
    assert not (var / "postgres").exists()


@pytest.mark.parametrize("port", ["shop", "0", "65536", "-1", "80 "])
def test_a_port_that_is_none_is_refused(var, port):
    ended = run_to_its_end(var, PORT=port)

    assert ended.returncode == 1
    assert ended.stderr == f"PORT must be a number from 1 to 65535, not {port!r}.\n"


def test_a_database_that_cannot_be_reached_is_told_without_its_password(var):
    closed = free_port()

    ended = run_to_its_end(
        var,
        PORT=str(free_port()),
        DATABASE_URL=f"postgres://duka:verysecret@127.0.0.1:{closed}/shop",
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith(
        f"The database shop at 127.0.0.1:{closed} (DATABASE_URL) cannot be used: "
    )
    assert "Connection refused" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "verysecret" not in ended.stderr


def test_a_private_database_that_cannot_start_is_told_in_a_sentence(var):
    ended = run_to_its_end(var, PORT=str(free_port()), PG_BIN=str(var))

    assert ended.returncode == 1
    assert ended.stderr == (
        f"There is no working PostgreSQL in {var} (PG_BIN): it must hold the "
        "programs postgres and initdb.\n"
    )
