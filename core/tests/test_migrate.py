"""`manage.py migrate` beside a shop that is open."""

import importlib
import threading
import tomllib
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, migrations

from core.management.commands import migrate

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def another():
    """A second session, as another process has it."""
    session = connection.copy()
    yield session
    session.close()


@pytest.fixture
def one_to_apply():
    """Take the newest index of bookings back: a migration that is to be applied."""
    call_command("migrate", "notifications", "0005", verbosity=0)
    yield
    call_command("migrate", verbosity=0)


def applied() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM django_migrations WHERE app = 'notifications'"
            " AND name = '0006_recorded_by_default'"
        )
        return cursor.fetchone() == (1,)


def test_a_table_in_use_is_waited_for_again_and_again(one_to_apply, another, monkeypatch, capsys):
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.1)
    waits = []

    def let_go(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            another.rollback()

    monkeypatch.setattr(migrate.time, "sleep", let_go)
    another.set_autocommit(False)
    with another.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM notifications_inboundmessage")
    call_command("migrate", verbosity=0)
    assert waits == [1, 2]
    assert applied()
    assert capsys.readouterr().err == (
        "A table is in use; trying again in 1 s.\nA table is in use; trying again in 2 s.\n"
    )


def test_others_are_let_through_meanwhile(one_to_apply, another, monkeypatch):
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.5)
    monkeypatch.setattr(migrate, "WAITS", (0.2,) * 400)
    third = connection.copy()
    another.set_autocommit(False)
    with another.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM notifications_inboundmessage")
    migrating = threading.Thread(target=_migrate)
    migrating.start()
    try:
        # What stands in the queue behind the migration passes it at each of its rests.
        with third.cursor() as cursor:
            for _ in range(3):
                cursor.execute("UPDATE notifications_inboundmessage SET recorded = true")
        assert migrating.is_alive()
    finally:
        another.rollback()
        migrating.join(90)
        third.close()
    assert applied()


def _migrate() -> None:
    try:
        call_command("migrate", verbosity=0, stderr=StringIO())
    finally:
        connection.close()


def test_a_table_that_is_always_in_use_ends_it_with_what_to_do(one_to_apply, another, monkeypatch):
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.1)
    monkeypatch.setattr(migrate, "WAITS", (0,))
    another.set_autocommit(False)
    with another.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM notifications_inboundmessage")
    with pytest.raises(
        CommandError, match=r"A table is in use all the time: .*(?s:.)*pg_stat_activity"
    ):
        call_command("migrate", verbosity=0)
    assert not applied()
    another.rollback()


def test_other_failures_are_told_as_they_are(monkeypatch):
    def fail(*args, **options):
        raise OperationalError("the disk is full")

    monkeypatch.setattr(migrate.Migrate, "handle", fail)
    with pytest.raises(OperationalError, match="the disk is full"):
        call_command("migrate", verbosity=0)


def test_an_index_that_was_half_built_is_built_anew(another):
    call_command("migrate", "bookings", "0003", verbosity=0)
    another.set_autocommit(False)
    with another.cursor() as cursor:
        # Holds the build in its waiting, until its time is over: as if it had been killed.
        cursor.execute("LOCK bookings_booking IN ROW EXCLUSIVE MODE")
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '300ms'")
        with pytest.raises(OperationalError, match="statement timeout"):
            cursor.execute(
                "CREATE INDEX CONCURRENTLY booking_by_creation"
                " ON bookings_booking (customer_id, created_at DESC, id DESC)"
            )
        cursor.execute("RESET statement_timeout")
    another.rollback()
    assert validity("booking_by_creation") == [(False,)]
    # Whoever only asks changes nothing.
    call_command("migrate", plan=True, verbosity=0, stdout=StringIO())
    assert validity("booking_by_creation") == [(False,)]
    call_command("migrate", verbosity=0)
    assert validity("booking_by_creation") == [(True,)]


def validity(index: str) -> list:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [index]
        )
        return cursor.fetchall()


class Unsafe:
    """Migrations that the check must refuse, by what it says of them."""

    index = 'CREATE INDEX "x" ON "orders_order" ("note")'
    column = 'ALTER TABLE "orders_order" ADD COLUMN "x" integer NOT NULL'
    drop = 'ALTER TABLE "orders_order" DROP COLUMN "note"'
    rename = 'ALTER TABLE "orders_order" RENAME COLUMN "note" TO "remark"'


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        (Unsafe.index, "CREATE INDEX locks table"),
        (Unsafe.column, "NOT NULL constraint on columns"),
        (Unsafe.drop, "DROPPING columns"),
        (Unsafe.rename, "RENAMING columns"),
    ],
    ids=["an index", "a column that must be there", "a column gone", "a column renamed"],
)
def test_a_migration_that_would_stop_a_shop_is_refused(monkeypatch, capsys, sql, finding):
    made = "0006_recorded_by_default"
    module = importlib.import_module(f"notifications.migrations.{made}")
    monkeypatch.setattr(module.Migration, "operations", [migrations.RunSQL(sql)])
    with pytest.raises(SystemExit):
        call_command("lintmigrations", "notifications", made)
    assert finding in capsys.readouterr().out


def test_all_our_apps_are_looked_at():
    text = (settings.BASE_DIR / "pyproject.toml").read_text()
    options = tomllib.loads(text)["tool"]["django_migration_linter"]
    assert options["include_apps"] == settings.DUKA_APPS
