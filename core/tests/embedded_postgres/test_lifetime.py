import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from core.embedded_postgres import EmbeddedPostgresError
from core.embedded_postgres.locks import is_locked, try_lock

from .conftest import is_alive, keeper_of, postmaster, query, wait_until


def test_a_cold_start_answers_queries(cluster):
    cluster.ensure_running()

    assert query(cluster, "SELECT 1") == 1
    assert query(cluster, "SELECT current_database() || ' ' || current_user") == "duka duka"
    assert query(cluster, "SHOW server_encoding") == "UTF8"
    assert query(cluster, "SHOW listen_addresses") == ""
    assert query(cluster, "SHOW fsync") == "off"
    assert query(cluster, "SHOW max_connections") == "100"


def test_nothing_starts_before_it_is_asked_for(cluster):
    assert cluster.socket_dir.name

    assert not cluster.root.exists()
    assert cluster.in_use is False


def test_text_sorts_by_code_point_and_all_letters_have_a_case(cluster):
    cluster.ensure_running()

    words = "SELECT string_agg(w, ' ' ORDER BY w) FROM unnest(ARRAY['é', 'b', 'B', 'a']) w"
    assert query(cluster, words) == "B a b é"
    if query(cluster, "SHOW server_version_num") >= "170000":
        assert query(cluster, "SELECT upper('ngũgĩ')") == "NGŨGĨ"


def test_the_extensions_that_duka_needs_are_there(cluster):
    cluster.ensure_running()

    for name in ("btree_gist", "pg_trgm", "unaccent", "citext"):
        query(cluster, f"CREATE EXTENSION {name}")


def test_a_second_cluster_and_a_second_process_find_the_same_server(
    cluster, make_cluster, start_user
):
    cluster.ensure_running()
    first = postmaster(cluster)

    make_cluster(cluster.root).ensure_running()
    user = start_user(cluster.root)

    assert user.stdout.readline() == "ready\n"
    assert postmaster(cluster) == first


def test_the_server_ends_with_its_last_user(cluster, start_user):
    cluster.ensure_running()
    server = postmaster(cluster)
    keeper = keeper_of(server)
    user = start_user(cluster.root)
    assert user.stdout.readline() == "ready\n"

    assert cluster.stop_when_unused() is False
    assert is_alive(server)
    user.communicate("")

    wait_until(lambda: not is_alive(server) and not is_alive(keeper))
    assert cluster.stop_when_unused() is True


def test_a_keeper_that_ends_between_two_looks_is_no_user(cluster, monkeypatch):
    cluster.root.mkdir()
    held = [try_lock(cluster.root / name, fcntl.LOCK_EX) for name in ("keeper.lock", "users.lock")]

    def look(path):
        if path.name == "users.lock":
            while held:
                os.close(held.pop())
        return is_locked(path)

    monkeypatch.setattr("core.embedded_postgres.cluster.is_locked", look)

    assert cluster.stop_when_unused() is True
    assert held == []


def test_the_server_ends_when_its_last_user_is_killed(cluster, start_user):
    user = start_user(cluster.root)
    assert user.stdout.readline() == "ready\n"
    server = postmaster(cluster)
    keeper = keeper_of(server)

    user.kill()

    wait_until(lambda: not is_alive(server) and not is_alive(keeper))


def test_data_outlives_the_server(cluster):
    cluster.ensure_running()
    query(cluster, "CREATE TABLE kept AS SELECT 42 AS n")
    server = postmaster(cluster)
    assert cluster.stop_when_unused() is True
    assert not is_alive(server)

    cluster.ensure_running()

    assert query(cluster, "SELECT n FROM kept") == 42
    assert postmaster(cluster) != server


def test_a_newcomer_during_the_shutdown_gets_a_new_server(cluster, start_user):
    cluster.ensure_running()
    for _ in range(5):
        cluster.release()
        cluster.ensure_running()

        assert query(cluster, "SELECT 1") == 1


def test_four_processes_at_once_on_a_fresh_folder_share_one_server(cluster, start_user):
    users = [start_user(cluster.root) for _ in range(4)]

    assert [user.stdout.readline() for user in users] == ["ready\n"] * 4
    log = (cluster.root / "postgres.log").read_text()
    assert log.count("ready to accept connections") == 1
    assert [path.name for path in cluster.root.glob("new-*")] == []


def test_a_forked_child_stays_a_user(cluster):
    cluster.ensure_running()
    server = postmaster(cluster)
    ready, go_on = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go_on)
        os.read(ready, 1)
        os._exit(0)
    os.close(ready)
    try:
        assert cluster.stop_when_unused() is False
        assert is_alive(server)
    finally:
        os.close(go_on)
        os.waitpid(child, 0)
    assert cluster.stop_when_unused() is True
    assert not is_alive(server)


def test_a_program_that_a_user_starts_is_no_user(cluster):
    cluster.ensure_running()
    bystander = subprocess.Popen(["sleep", "300"], close_fds=False)
    try:
        assert cluster.stop_when_unused() is True
    finally:
        bystander.kill()
        bystander.wait()


def test_no_password_of_the_user_reaches_the_server(cluster, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "hidden")
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=1MB")
    cluster.ensure_running()
    server = postmaster(cluster)

    for pid in (server, keeper_of(server)):
        assert b"hidden" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_data_of_another_version_is_not_passed_over_for_an_empty_one(tmp_path, make_cluster):
    cluster = make_cluster(tmp_path / "pg")
    (cluster.root / "data-9").mkdir(parents=True)

    with pytest.raises(EmbeddedPostgresError, match=r"data-9 was made by another version.*PG_BIN"):
        cluster.ensure_running()

    assert [path.name for path in cluster.root.glob("data-*")] == ["data-9"]
