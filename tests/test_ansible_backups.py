"""Backups and restores on real Debian machines: by Ansible, pgBackRest and restic as in the shop."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest

from core.doctor import Level
from core.examining import examine_backups

from . import ansible, machines
from .ansible import Played, run_playbook
from .machines import Machine, spawn_machine
from .processes import PROJECT, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(machines.why_not() or ansible.why_not()),
        reason=machines.why_not() or ansible.why_not(),
    ),
]
PASSWORD = "kiti/kikubwa@duka"
PLAYBOOK = "- hosts: all\n  roles: [postgresql, backups]\n"
# Everything that a shop can have; the web server on another machine is the test itself.
VARIABLES: dict[str, Any] = {
    "duka_pgbouncer": True,
    "duka_postgresql_memory_mb": 1024,
    "duka_postgresql_listen": "*",
    "duka_postgresql_clients": ["10.213.0.0/16"],
    "duka_database_password": PASSWORD,
    "duka_backup_passphrase": "farasi sahihi betri",
}
PLACE = """
from customers.models import Customer
from orders.services import Wanted, place_order
for customer in Customer.objects.order_by("pk")[:5]:
    place_order(customer=customer, lines=[Wanted(sku="CHAI-250", quantity=1)], by=None)
"""


class Shop:
    """A machine with the shop's database, and the shop's own code, which runs here."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self.folder = folder
        # As the machine sees it, seen from here.
        self.root = folder / "root"

    def play(self, playbook: str, *, check: bool = True, **variables: Any) -> Played:
        return run_playbook(self.machine, playbook, check=check, **VARIABLES | variables)

    def manage(self, *args: str) -> None:
        var = self.folder / "var"
        var.mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, "manage.py", *args],
            cwd=PROJECT,
            env=os.environ
            | {
                "DJANGO_SETTINGS_MODULE": "config.settings.development",
                "DATABASE_URL": f"postgres://duka:{PASSWORD.replace('/', '%2F').replace('@', '%40')}"
                f"@{self.machine.address}:5432/duka?sslmode=require",
                "DUKA_VAR": str(var),
                "SECRET_KEY": "tests-only",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]

    def connect(self, **options: Any) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            **{
                "host": self.machine.address,
                "user": "duka",
                "password": PASSWORD,
                "dbname": "duka",
                "sslmode": "require",
            }
            | options
        )

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(question)
                return cursor.fetchall()
        finally:
            connection.close()

    def contents(self) -> dict[str, tuple[int, str]]:
        """Return of each table how many rows it has, and a checksum of all of them."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
                    " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
                )
                tables = [name for (name,) in cursor.fetchall()]
                found = {}
                for table in tables:
                    cursor.execute(
                        "SELECT count(*), coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '')"
                        f" FROM {table} t"
                    )
                    found[table] = cursor.fetchall()[0]
                return found
        finally:
            connection.close()

    def as_postgres(self, statement: str) -> str:
        return self.machine.run(
            f'cd / && runuser -u postgres -- psql --no-psqlrc -At -c "{statement}" postgres'
        ).strip()

    def archive(self) -> None:
        """Have the last change in the repository, as it is by itself within a minute."""
        name = self.as_postgres("SELECT pg_walfile_name(pg_switch_wal())")
        wait_until(
            lambda: self.as_postgres("SELECT last_archived_wal FROM pg_stat_archiver") >= name,
            every=0.3,
        )

    def status(self) -> dict[str, Any]:
        return json.loads((self.root / "var/lib/duka-backup/backup.json").read_text())


@pytest.fixture(scope="module", params=machines.RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shop(release: str, tmp_path: Path) -> Iterator[Shop]:
    folder = tmp_path / "shop"
    folder.mkdir()
    with spawn_machine(release, folder) as machine:
        yield Shop(machine, folder)


def _said_by_the_doctor(shop: Shop, settings: Any) -> list[tuple[Level, str]]:
    settings.BACKUP_STATUS_FILE = str(shop.root / "var/lib/duka-backup/backup.json")
    return [
        (finding.level, re.sub("ended .* ago", "ended … ago", finding.said))
        for finding in examine_backups()
    ]


def test_a_shop_comes_back_from_its_backups_as_it_was(shop, release, tmp_path, settings):
    playbook = tmp_path / "database.yml"
    playbook.write_text(PLAYBOOK)
    shop.play(str(playbook))
    assert shop.play(str(playbook)).changes == []
    _only_the_shop_itself_gets_in(shop)

    # A shop with its data.
    shop.manage("migrate", "--verbosity=0")
    shop.manage("load_demo")
    _write(shop, "var/lib/duka/media/products/1.jpg", "a picture")
    _write(shop, "var/lib/duka/identity.json", "the keys")
    _write(shop, "etc/duka/secrets/SECRET_KEY", "the secret")
    shop.machine.run("chown duka /var/lib/duka/identity.json")
    full = shop.play("backup.yml", duka_backup_kind="full")
    label = re.search(r"Backup (\d{8}-\d{6}F)\n", full.output)[1]
    assert (shop.status()["kind"], shop.status()["ok"]) == ("full", True)
    first = shop.contents()

    # A day later, and then only WAL.
    shop.manage("shell", "--verbosity=0", "--command", PLACE)
    diff = shop.play("backup.yml")
    assert re.search(rf"Backup {label}_\d{{8}}-\d{{6}}D\n", diff.output)
    shop.manage("shell", "--verbosity=0", "--command", PLACE)
    good = shop.contents()
    ((moment,),) = shop.ask("SELECT clock_timestamp()::text")
    shop.manage("shell", "--verbosity=0", "--command", PLACE)
    last = shop.contents()
    assert [each["public.orders_order"][0] - first["public.orders_order"][0]
            for each in (good, last)] == [10, 15]  # fmt: skip
    assert len(last) > 60
    shop.archive()

    _a_backup_that_fails_is_seen(shop, settings)

    # The database is destroyed, and a picture with it. Nobody meant it: nothing is done unasked.
    data = f"/var/lib/postgresql/{'15' if release == 'bookworm' else '17'}/main"
    shop.machine.run(f"rm -rf {data} /var/lib/duka/media")
    _write(shop, "var/lib/duka/identity.json", "newer keys")
    refused = shop.play("restore.yml", check=False)
    assert (refused.status, refused.changed) == (2, 0)
    assert "Nothing was done." in refused.output
    # A slip of the pen is said before anything is stopped.
    slip = shop.play(
        "restore.yml", check=False, duka_restore_confirm="yes", duka_restore_target="yesterday"
    )
    assert (slip.status, slip.changed) == (2, 0)
    assert "not 'yesterday'" in slip.output
    assert shop.machine.run("systemctl is-active duka-backup-files.timer").strip() == "active"
    shop.play("restore.yml", duka_restore_confirm="yes")
    assert shop.contents() == last
    assert _read(shop, "var/lib/duka/media/products/1.jpg") == "a picture"
    # Only what is missing comes back.
    assert _read(shop, "var/lib/duka/identity.json") == "newer keys"
    assert shop.machine.run(f"ls -d {data}.before-*", check=False) == ""

    # To the moment before something went wrong.
    shop.play("restore.yml", duka_restore_confirm="yes", duka_restore_target=moment)
    assert shop.contents() == good
    assert shop.machine.run(f"ls -d {data}.before-* | wc -l").strip() == "1"
    # It goes on from there, with backups.
    shop.manage("shell", "--verbosity=0", "--command", PLACE)
    shop.archive()
    after = shop.contents()
    assert _said_by_the_doctor(shop, settings) == [
        (Level.OK, "The last one (full backup by pgbackrest) ended … ago.")
    ]

    # The machine is lost. Its repository was copied away; the new machine is an empty one.
    folder = tmp_path / "new"
    folder.mkdir()
    with spawn_machine(release, folder) as machine:
        new = Shop(machine, folder)
        new.machine.run("mkdir -p /var/backups")
        subprocess.run(
            ["cp", "--archive", shop.root / "var/backups/duka", folder / "root/var/backups/duka"],
            check=True,
        )
        shop.machine.run("rm -rf /var/backups/duka")
        _write(new, "var/lib/duka/identity.json", "the new machine's own keys")
        # One Debian is set up before it is restored to, the other is empty.
        if release == "bookworm":
            _nothing_is_written_to_what_is_another_machines(new, str(playbook))
        new.play("restore.yml", duka_restore_confirm="yes", duka_restore_files="all")
        assert new.contents() == after
        # As they were last, whatever the machine has made for itself.
        assert _read(new, "var/lib/duka/identity.json") == "newer keys"
        assert _read(new, "etc/duka/secrets/SECRET_KEY") == "the secret"
        assert new.machine.run("stat -c %U /var/lib/duka/identity.json").strip() == "duka"
        assert new.machine.run("systemctl is-active duka-backup-files.timer").strip() == "active"
        assert (new.status()["kind"], new.status()["ok"]) == ("full", True)
        assert new.play(str(playbook)).changes == []
        # To the end of one backup, by its label.
        new.play("restore.yml", duka_restore_confirm="yes", duka_restore_target=label)
        assert new.contents() == first


def _write(shop: Shop, path: str, text: str) -> None:
    file = shop.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _read(shop: Shop, path: str) -> str:
    return (shop.root / path).read_text()


def _only_the_shop_itself_gets_in(shop: Shop) -> None:
    """Over the sockets, PostgreSQL's and PgBouncer's, by who asks; over the network by TLS."""
    shop.machine.run("useradd --system duka")
    for port in (5432, 6432):
        line = (
            "cd / && runuser -u {} -- psql -At --no-psqlrc -c 'SELECT current_user'"
            f" 'host=/var/run/postgresql port={port} user=duka dbname=duka'"
        )
        assert shop.machine.run(line.format("duka")).strip() == "duka"
        assert shop.machine.run(line.format("nobody"), check=False) == ""
    assert shop.ask("SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles"
                    " WHERE rolname = 'duka'") == [(False, False, False, False)]  # fmt: skip
    assert shop.ask("SHOW data_checksums") == [("on",)]
    for options in ({"sslmode": "disable"}, {"password": "other"}, {"dbname": "postgres"}):
        with pytest.raises(psycopg2.OperationalError):
            shop.connect(**options)


def _a_backup_that_fails_is_seen(shop: Shop, settings: Any) -> None:
    """Its repository cannot be written: by the unit, the playbook, the status and the doctor."""
    folder = shop.machine.run("ls -d /var/backups/duka/database/backup/duka").strip()
    shop.machine.run(f"chown root {folder} && chmod 0750 {folder}")
    failed = shop.play("backup.yml", check=False)
    assert failed.status == 2
    status = shop.status()
    assert (status["tool"], status["kind"], status["ok"]) == ("pgbackrest", "diff", False)
    assert "Permission denied" in status["error"]
    assert shop.machine.run(
        "systemctl is-failed duka-backup@diff.service", check=False
    ).strip() == "failed"  # fmt: skip
    ((level, said),) = _said_by_the_doctor(shop, settings)
    assert level is Level.PROBLEM
    assert "The last one (diff backup by pgbackrest) ended … ago and failed: " in said
    shop.machine.run(f"chown postgres {folder}")

    # Files alone that failed are forgotten when they are saved again; the database is not.
    shop.machine.run(
        "mv /etc/duka-backup/ours /tmp/ours; systemctl start duka-backup@files", check=False
    )
    assert (shop.status()["kind"], shop.status()["ok"]) == ("files", False)
    shop.machine.run("mv /tmp/ours /etc/duka-backup/ours && systemctl start duka-backup@files")
    assert shop.status() == status


def _nothing_is_written_to_what_is_another_machines(new: Shop, playbook: str) -> None:
    """Who sets up the new machine before it is restored loses nothing by it."""
    before = _files_saved(new)
    assert "this machine is NOT backed up" in new.play(playbook).output
    assert new.machine.run("systemctl is-active duka-backup-files.timer", check=False) != "active\n"
    new.machine.run("systemctl start duka-backup@files", check=False)
    assert new.status()["ok"] is False
    assert _files_saved(new) == before


def _files_saved(shop: Shop) -> list[str]:
    folder = shop.root / "var/backups/duka/files/snapshots"
    return sorted(path.name for path in folder.iterdir())
