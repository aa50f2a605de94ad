"""The keeper's own steps, taken in a thread of this process: one start in each test.

The other tests watch it from outside, as the separate program that it is.
"""

import fcntl
import os
import subprocess
import threading

import psycopg2
import pytest

from core.embedded_postgres import Cluster, EmbeddedPostgresError
from core.embedded_postgres import cluster as cluster_module
from core.embedded_postgres import keeper as keeper_module
from core.embedded_postgres.keeper import Keeper

from .conftest import UNSAFE_BUT_QUICK, data_dir, is_alive, kill, postmaster, query, wait_until


@pytest.fixture
def left():
    """What the last server left in its `postmaster.pid`."""
    return []


@pytest.fixture
def keepers(tmp_path, monkeypatch, left):
    """Run the keeper that a cluster starts as a thread; give (thread, what it returned)."""
    before = Cluster(tmp_path / "pg", options=UNSAFE_BUT_QUICK)
    before.ensure_running()
    left.append((data_dir(before) / "postmaster.pid").read_text())
    assert before.stop_when_unused()
    started = []
    run_program = subprocess.run

    def run(argv, **kwargs):
        script = next((i for i, arg in enumerate(argv) if str(arg).endswith("keeper.py")), None)
        if script is None:
            return run_program(argv, **kwargs)
        arguments = argv[script + 1 :]
        # As the program inherits it: the lock lives as long as the keeper does.
        held = os.dup(int(arguments[3]))
        keeper = Keeper.from_arguments(arguments)
        log = kwargs["stdout"]
        monkeypatch.setattr(
            keeper_module, "say", lambda sentence: os.write(log_fd, f"20 {sentence}\n".encode())
        )
        log_fd = os.dup(log.fileno())
        ended = []

        def keep():
            ended.append(keeper.run())
            os.close(held)

        thread = threading.Thread(target=keep)
        thread.start()
        started.append((thread, ended))
        return subprocess.CompletedProcess(argv, 0)

    monkeypatch.setattr(cluster_module.subprocess, "run", run)
    yield started
    for thread, _ in started:
        thread.join(timeout=90)
        assert not thread.is_alive()


def test_it_starts_the_server_and_ends_with_its_last_user(keepers, cluster):
    cluster.ensure_running()
    server = postmaster(cluster)
    assert query(cluster, "SELECT 1") == 1

    assert cluster.stop_when_unused() is True

    ((thread, ended),) = keepers
    thread.join(timeout=90)
    assert ended == [0]
    assert not is_alive(server)
    assert "Nobody uses the server any more" in (cluster.root / "keeper.log").read_text()


def test_it_starts_a_killed_server_again(keepers, cluster):
    cluster.ensure_running()
    query(cluster, "CREATE TABLE kept AS SELECT 42 AS n")
    first = postmaster(cluster)

    kill(first)

    def answers():
        try:
            return query(cluster, "SELECT n FROM kept") == 42
        except psycopg2.OperationalError:
            return False

    wait_until(answers)
    assert postmaster(cluster) != first
    log = (cluster.root / "keeper.log").read_text()
    assert "PostgreSQL was killed by signal 9. Starting it again." in log


def test_it_clears_away_what_a_dead_server_left(keepers, cluster, left):
    pid_file = data_dir(cluster) / "postmaster.pid"
    pid_file.write_text(left[0])

    cluster.ensure_running()

    assert query(cluster, "SELECT 1") == 1
    assert pid_file.read_text() != left[0]


def test_it_gives_up_on_a_server_that_keeps_ending_and_says_its_last_words(keepers, cluster):
    (data_dir(cluster) / "PG_VERSION").write_text("9")

    with pytest.raises(EmbeddedPostgresError, match=r"ended with status 1; it last said: .*FATAL"):
        cluster.ensure_running()

    assert keepers[0][1] == [1]


def test_a_long_log_of_the_server_is_put_aside(keepers, cluster, monkeypatch):
    monkeypatch.setattr(keeper_module, "LOG_BYTES", 10)

    cluster.ensure_running()

    assert "database system is shut down" in (cluster.root / "postgres.log.1").read_text()


def test_it_gives_up_on_a_folder_that_another_server_does_not_leave(keepers, cluster, monkeypatch):
    monkeypatch.setattr(keeper_module, "ORPHANS_SECONDS", 0.2)
    lock = os.open(cluster.root / "server.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)

    with pytest.raises(EmbeddedPostgresError, match=r"still uses .* and does not end"):
        cluster.ensure_running()

    os.close(lock)
