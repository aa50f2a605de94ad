import os
import signal
import subprocess

import pytest

from core.embedded_postgres import EmbeddedPostgresError
from core.embedded_postgres.binaries import find_binaries
from core.embedded_postgres.keeper import servers_in
from core.embedded_postgres.locks import is_locked
from core.embedded_postgres.system_user import run_as, server_user

from .conftest import data_dir, is_alive, keeper_of, kill, postmaster, query, wait_until


@pytest.fixture
def filled(cluster):
    cluster.ensure_running()
    query(cluster, "CREATE TABLE kept AS SELECT 42 AS n")
    return cluster


def kill_everything(cluster):
    data = data_dir(cluster)
    server = postmaster(cluster)
    # The keeper first, so that it can restart nothing.
    kill(keeper_of(server), *servers_in(data))
    wait_until(lambda: not servers_in(data))
    assert (data / "postmaster.pid").exists()


def name_in_lock_files(cluster, pid):
    """Write `pid` where PostgreSQL looks for a server that is still there."""
    for path in (data_dir(cluster) / "postmaster.pid", cluster.socket_dir / ".s.PGSQL.5432.lock"):
        lines = path.read_text().split("\n")
        path.write_text("\n".join([str(pid), *lines[1:]]))


def test_a_killed_server_comes_back_with_its_data(filled):
    server = postmaster(filled)

    kill(server)
    wait_until(lambda: not is_alive(server))
    filled.ensure_running()

    assert query(filled, "SELECT n FROM kept") == 42
    assert postmaster(filled) != server
    assert "was killed by signal 9. Starting it again." in (filled.root / "keeper.log").read_text()


def test_a_killed_keeper_takes_its_server_along_and_the_next_start_works(filled):
    server = postmaster(filled)
    keeper = keeper_of(server)

    kill(keeper)
    wait_until(lambda: not is_alive(server))
    filled.ensure_running()

    assert query(filled, "SELECT n FROM kept") == 42
    assert keeper_of(postmaster(filled)) != keeper


def test_a_start_right_after_the_keeper_was_killed_meets_the_new_server(filled):
    server = postmaster(filled)
    keeper = keeper_of(server)
    os.kill(server, signal.SIGSTOP)  # It cannot act on the kernel's notice ...

    kill(keeper)
    wait_until(lambda: not is_locked(filled.root / "keeper.lock"))
    waiting = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -CONT {server}"])
    filled.ensure_running()  # ... so this has to wait.

    assert waiting.wait() == 0
    assert not is_alive(server)
    assert query(filled, "SELECT n FROM kept") == 42


def test_where_nothing_tells_an_orphan_the_next_start_does(tmp_path, make_cluster, monkeypatch):
    def run_as_without_notice(*arguments, **keywords):
        return [word for word in run_as(*arguments, **keywords) if "pdeathsig" not in word]

    monkeypatch.setattr("core.embedded_postgres.cluster.run_as", run_as_without_notice)
    cluster = make_cluster(tmp_path / "pg")
    cluster.ensure_running()
    server = postmaster(cluster)
    keeper = keeper_of(server)
    kill(keeper)
    wait_until(lambda: not is_locked(cluster.root / "keeper.lock"))
    assert is_alive(server)

    cluster.ensure_running()

    assert not is_alive(server)
    assert is_alive(postmaster(cluster))


def test_after_a_power_cut_a_reused_process_number_does_not_stop_the_start(filled, bystander):
    kill_everything(filled)
    name_in_lock_files(filled, bystander.pid)

    filled.ensure_running()

    assert query(filled, "SELECT n FROM kept") == 42
    assert is_alive(bystander.pid)


def test_after_a_power_cut_a_zombies_process_number_does_not_stop_the_start(filled, zombie):
    kill_everything(filled)
    name_in_lock_files(filled, zombie)

    filled.ensure_running()

    assert query(filled, "SELECT n FROM kept") == 42


def test_a_server_started_by_hand_is_left_alone_and_named(filled):
    data = data_dir(filled)
    assert filled.stop_when_unused() is True
    user = server_user(filled.root)
    binaries = find_binaries()
    prefix = run_as(user, needs=[filled.root, binaries.folder], end_signal="INT")
    by_hand = subprocess.Popen(
        [
            *(*prefix, binaries.postgres, "-D", data, "-c", "listen_addresses="),
            *("-c", "unix_socket_directories=.", "-p", "5433"),
        ],
        cwd="/",
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until((data / ".s.PGSQL.5433").exists)

        with pytest.raises(EmbeddedPostgresError) as refusal:
            filled.ensure_running()

        assert str(refusal.value).startswith(
            "The private PostgreSQL did not start: Another PostgreSQL, which Duka did not "
            f"start, uses {data} (process {by_hand.pid}). End it first. Its logs are "
        )
        assert by_hand.poll() is None
    finally:
        by_hand.send_signal(signal.SIGINT)
        by_hand.wait(15)


def test_a_broken_data_folder_is_told_in_a_sentence(filled):
    assert filled.stop_when_unused() is True
    control = data_dir(filled) / "global" / "pg_control"
    control.rename(control.with_name("away"))

    with pytest.raises(EmbeddedPostgresError) as refusal:
        filled.ensure_running()

    message = str(refusal.value)
    assert message.startswith(
        "The private PostgreSQL did not start: PostgreSQL ended with status 2; it last said: "
    )
    assert "pg_control" in message
    assert message.endswith(
        f"Its logs are {filled.root}/keeper.log and {filled.root}/postgres.log."
    )


def test_what_a_killed_first_start_left_is_cleared_away(cluster):
    leftover = cluster.root / "new-18-killed" / "base"
    leftover.mkdir(parents=True)
    (leftover / "1").write_text("half")
    cluster.root.joinpath("new-18-killed").rename(
        cluster.root / f"new-{find_binaries().major}-killed"
    )

    cluster.ensure_running()

    assert query(cluster, "SELECT 1") == 1
    assert list(cluster.root.glob("new-*")) == []
