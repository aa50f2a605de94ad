from pathlib import Path

import pytest
from django.db import ConnectionHandler, OperationalError

from core.embedded_postgres import embedded_database

from .conftest import UNSAFE_BUT_QUICK, is_alive, kill, postmaster, wait_until


@pytest.fixture
def database(tmp_path):
    return embedded_database(tmp_path / "pg", options=UNSAFE_BUT_QUICK)


@pytest.fixture
def connection(database, make_cluster, django_db_blocker):
    """A connection apart from the tests' own database."""
    wrapper = ConnectionHandler({"default": database})["default"]
    make_cluster(Path(database["EMBEDDED"]["root"]))  # So that it is ended.
    with django_db_blocker.unblock():
        yield wrapper
    wrapper.close()


def select(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def test_the_first_query_starts_the_server(connection):
    assert not connection.cluster.root.exists()

    assert select(connection, "SELECT current_database()") == "duka"


def test_a_cluster_starts_for_the_maintenance_database_too(connection):
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT current_database()")
        assert cursor.fetchone() == ("postgres",)


def test_a_test_database_is_made_and_dropped(connection):
    assert connection.creation._create_test_db(verbosity=0, autoclobber=True) == "test_duka"
    assert select(connection, "SELECT count(*) FROM pg_database WHERE datname = 'test_duka'") == 1

    connection.creation._destroy_test_db("test_duka", verbosity=0)

    assert select(connection, "SELECT count(*) FROM pg_database WHERE datname = 'test_duka'") == 0


def test_a_new_connection_after_a_crash_finds_the_new_server(connection):
    select(connection, "SELECT 1")
    server = postmaster(connection.cluster)
    connection.close()

    kill(server)
    wait_until(lambda: not is_alive(server))

    assert select(connection, "SELECT 2") == 2


def test_a_server_that_does_not_start_is_an_operational_error(connection, tmp_path):
    connection.settings_dict["EMBEDDED"]["pg_bin"] = str(tmp_path)

    with pytest.raises(OperationalError, match="There is no working PostgreSQL in"):
        connection.ensure_connection()


def test_settings_hold_no_password_and_name_the_socket(database, tmp_path):
    root = tmp_path / "pg"
    assert database["ENGINE"] == "core.embedded_postgres.backend"
    assert (database["NAME"], database["USER"], database["PORT"]) == ("duka", "duka", "")
    assert database["HOST"].startswith("/")
    assert (database["CONN_HEALTH_CHECKS"], database["CONN_MAX_AGE"]) == (True, 600)
    assert database["EMBEDDED"] == {
        "root": str(root),
        "pg_bin": None,
        "options": UNSAFE_BUT_QUICK,
        "name": "duka",
    }
