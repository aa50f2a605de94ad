"""Real servers in folders of their own, ended by process number whatever a test did."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from core.embedded_postgres import Cluster
from core.embedded_postgres.keeper import read_pid, servers_in
from core.embedded_postgres.system_user import server_user

PROJECT = Path(__file__).resolve().parents[3]
# Commits stay synchronous: what a killed server had acknowledged is what these tests look for.
UNSAFE_BUT_QUICK = {"fsync": "off", "full_page_writes": "off"}

USER_PROGRAM = """
import sys
from pathlib import Path
from core.embedded_postgres import Cluster
cluster = Cluster(Path(sys.argv[1]), options={"fsync": "off"})
cluster.ensure_running()
print("ready", flush=True)
sys.stdin.read()
"""


def query(cluster: Cluster, statement: str) -> object:
    connection = psycopg2.connect(host=str(cluster.socket_dir), user="duka", dbname="duka")
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None
    finally:
        connection.close()


def data_dir(cluster: Cluster) -> Path:
    (found,) = cluster.root.glob("data-*")
    return found


def postmaster(cluster: Cluster) -> int:
    return read_pid(data_dir(cluster) / "postmaster.pid")


def keeper_of(postmaster_pid: int) -> int:
    return int(Path(f"/proc/{postmaster_pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_until(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.02)


def kill(*pids: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def make_cluster() -> Iterator[Callable[..., Cluster]]:
    made: list[Cluster] = []

    def make(root: Path, **arguments: object) -> Cluster:
        cluster = Cluster(root, **{"options": UNSAFE_BUT_QUICK, **arguments})
        made.append(cluster)
        return cluster

    yield make
    for cluster in made:
        if not cluster.stop_when_unused(timeout=15):
            for data in cluster.root.glob("data-*"):
                pid = read_pid(data / "postmaster.pid")
                if pid in servers_in(data):
                    keeper = keeper_of(pid)
                    # Of an orphan the parent is the system's first process.
                    if b"keeper.py" in Path(f"/proc/{keeper}/cmdline").read_bytes():
                        kill(keeper)
                    kill(*servers_in(data))
            pytest.fail(f"the server in {cluster.root} did not end by itself")


@pytest.fixture
def cluster(tmp_path: Path, make_cluster: Callable[..., Cluster]) -> Cluster:
    return make_cluster(tmp_path / "pg")


@pytest.fixture
def start_user(make_cluster) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start another process that uses a cluster until its stdin closes."""
    started: list[subprocess.Popen[str]] = []

    def start(root: Path, *, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*before, sys.executable, "-c", USER_PROGRAM, str(root)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def bystander(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A live process of the server's user that is not PostgreSQL."""
    user = server_user(tmp_path)
    switch = {"user": user.uid, "group": user.gid, "extra_groups": []} if user.is_other else {}
    process = subprocess.Popen(["sleep", "300"], cwd="/", **switch)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def zombie() -> Iterator[int]:
    process = subprocess.Popen(["true"])
    wait_until(lambda: not is_alive(process.pid))
    yield process.pid
    process.wait()
