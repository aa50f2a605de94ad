"""Where a project may stand, and as whom it may run."""

import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

import pytest

from core.embedded_postgres import Cluster, EmbeddedPostgresError
from core.embedded_postgres.binaries import find_binaries
from core.embedded_postgres.system_user import ServerUser, run_as

from .conftest import PROJECT, postmaster, query

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as somebody else")


@pytest.mark.parametrize("name", ["my shop", "дука-café, it's"])
def test_a_folder_with_an_unusual_name_works(tmp_path, make_cluster, name):
    cluster = make_cluster(tmp_path / name / "pg")

    cluster.ensure_running()

    assert query(cluster, "SELECT 1") == 1


def test_a_short_folder_holds_its_own_socket(make_cluster):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        cluster = make_cluster(Path(folder) / "pg")
        assert cluster.socket_dir == cluster.root / "socket"


def test_a_very_long_path_works(tmp_path, make_cluster):
    cluster = make_cluster(tmp_path / ("long-" * 30) / ("longer-" * 20) / "pg")

    cluster.ensure_running()

    assert query(cluster, "SELECT 1") == 1
    assert len(bytes(cluster.socket_dir / ".s.PGSQL.5432.lock")) < 100
    assert stat.S_IMODE(cluster.socket_dir.stat().st_mode) == 0o700

    assert cluster.stop_when_unused() is True
    assert not cluster.socket_dir.exists()


@pytest.mark.parametrize("trap", ["open folder", "link"])
def test_a_socket_folder_that_somebody_else_laid_out_is_refused(tmp_path, make_cluster, trap):
    cluster = make_cluster(tmp_path / ("long-" * 30) / "pg")
    folder = cluster.socket_dir
    if trap == "link":
        folder.symlink_to(tmp_path)
    else:
        folder.mkdir()
        folder.chmod(0o777)
    try:
        with pytest.raises(EmbeddedPostgresError) as refusal:
            cluster.ensure_running()
    finally:
        folder.unlink() if trap == "link" else folder.rmdir()

    assert str(refusal.value).startswith(
        f"PostgreSQL is not started: its socket would be in {folder}, which exists and is not a "
        "folder private to "
    )


@needs_root
def test_root_runs_it_as_somebody_else_below_a_closed_folder(tmp_path, make_cluster):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    cluster = make_cluster(closed / "pg")

    cluster.ensure_running()

    status = Path(f"/proc/{postmaster(cluster)}/status").read_text()
    (uids,) = [line.split()[1:] for line in status.splitlines() if line.startswith("Uid:")]
    assert "0" not in uids
    query(cluster, "CREATE EXTENSION btree_gist")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


@needs_root
def test_root_runs_it_from_programs_below_a_closed_folder(tmp_path, make_cluster):
    def link_or_copy(source, target):
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    # As when the project, with its .venv, stands in /root.
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = find_binaries().folder.parents[1]
    for folder in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, closed / folder.name, copy_function=link_or_copy)
    programs = closed / "embedded_postgres" / "pginstall" / "bin"
    cluster = make_cluster(closed / "pg", pg_bin=programs)

    cluster.ensure_running()

    query(cluster, "CREATE EXTENSION btree_gist")
    assert query(cluster, "SELECT now() AT TIME ZONE 'Africa/Nairobi' > now() AT TIME ZONE 'UTC'")
    command = Path(f"/proc/{postmaster(cluster)}/cmdline").read_bytes()
    assert command.startswith(bytes(programs / "postgres"))
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@needs_root
def test_the_server_may_pass_closed_folders_only_when_it_must(tmp_path):
    nobody = ServerUser(uid=65534, gid=65534, name="nobody")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    assert "ambient" in " ".join(run_as(nobody, needs=[closed], end_signal="INT"))
    assert "ambient" not in " ".join(run_as(nobody, needs=[Path("/usr/bin")], end_signal="INT"))


@needs_root
def test_without_the_means_to_pass_a_closed_folder_the_way_out_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("core.embedded_postgres.system_user._setpriv", lambda: None)
    nobody = ServerUser(uid=65534, gid=65534, name="nobody")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(EmbeddedPostgresError) as refusal:
        run_as(nobody, needs=[closed], end_signal="INT")

    assert str(refusal.value) == (
        "PostgreSQL refuses to run as root, and the user nobody, who would run it, cannot enter "
        f"{closed}. Move the project to a folder that others may enter (such as /srv), or run "
        "Duka as an ordinary user, or set DATABASE_URL."
    )


@needs_root
def test_without_setpriv_root_still_runs_it_as_somebody_else(make_cluster, monkeypatch):
    monkeypatch.setattr("core.embedded_postgres.system_user._setpriv", lambda: None)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        cluster = make_cluster(Path(folder) / "pg")
        try:
            cluster.ensure_running()
        except EmbeddedPostgresError as error:
            # The project stands in a closed folder; then this is all there is.
            assert "cannot enter" in str(error)
            pytest.skip(str(error))
        server = postmaster(cluster)
        assert Path(f"/proc/{server}").stat().st_uid != 0
        assert query(cluster, "SELECT 1") == 1
        assert cluster.stop_when_unused() is True


@needs_root
def test_an_ordinary_user_runs_it_as_themselves(start_user):
    nobody = ServerUser(uid=65534, gid=65534, name="nobody")
    python = Path(sys.executable)
    needs = [PROJECT, python.parent, python.resolve().parent]
    prefix = run_as(nobody, needs=needs, end_signal="KILL")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chown(folder, 65534, 65534)
        user = start_user(Path(folder) / "pg", before=tuple(prefix))
        assert user.stdout.readline() == "ready\n"
        (data,) = Path(folder).glob("pg/data-*")
        assert data.stat().st_uid == 65534
        assert (Path(folder) / "pg").stat().st_mode & 0o777 == 0o700
        user.communicate("")
        assert Cluster(Path(folder) / "pg").stop_when_unused() is True
