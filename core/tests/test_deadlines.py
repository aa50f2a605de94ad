"""How long a block may keep the database."""

import pytest
from django.db import OperationalError, ProgrammingError, connection
from django.db.backends.signals import connection_created

from core.deadlines import deadline, limit_statements
from core.errors import DomainError


class Late(DomainError):
    code = "late"


def limit() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return cursor.fetchone()[0]


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_takes_too_long_becomes_the_callers_error():
    error = Late("Ask for less.")

    with pytest.raises(Late) as raised, deadline(0.05, error=error):
        run("SELECT pg_sleep(60)")

    assert raised.value is error
    assert isinstance(raised.value.__cause__, OperationalError)
    assert limit() == "0"


@pytest.mark.django_db(transaction=True)
def test_the_limit_ends_with_the_block():
    with deadline(90, error=Late("")):
        assert limit() == "90s"

    assert limit() == "0"


@pytest.mark.django_db
def test_a_surrounding_transaction_goes_on_with_its_own_limit():
    run("SET LOCAL statement_timeout = '3min'")

    with deadline(90, error=Late("")):
        assert limit() == "90s"
    assert limit() == "3min"

    with pytest.raises(Late), deadline(0.05, error=Late("")):
        run("SELECT pg_sleep(60)")
    assert limit() == "3min"
    run("SELECT 1")


@pytest.mark.django_db
def test_the_shorter_of_two_limits_counts():
    with deadline(90, error=Late("")):
        with deadline(120, error=Late("")):
            assert limit() == "90s"
        with deadline(0.5, error=Late("")):
            assert limit() == "500ms"
        assert limit() == "90s"


@pytest.mark.django_db
def test_the_inner_error_is_the_one_that_is_raised_and_the_outer_block_goes_on():
    with deadline(90, error=Late("outer")):
        with pytest.raises(Late) as raised, deadline(0.05, error=Late("inner")):
            run("SELECT pg_sleep(60)")
        assert limit() == "90s"

    assert raised.value.detail == "inner"


@pytest.mark.django_db
def test_the_least_limit_is_one_millisecond_and_not_none():
    with pytest.raises(Late), deadline(0.0001, error=Late("")):
        run("SELECT pg_sleep(60)")


@pytest.mark.django_db(transaction=True)
def test_other_errors_stay_what_they_are():
    with pytest.raises(ProgrammingError), deadline(90, error=Late("")):
        run("SELECT nothing_of_this_name")
    with pytest.raises(OperationalError) as raised, deadline(90, error=Late("")):
        raise OperationalError("The server closed the connection.")

    assert raised.value.__cause__ is None
    assert limit() == "0"


@pytest.mark.django_db(transaction=True)
def test_what_the_block_wrote_is_undone_when_it_takes_too_long():
    run("CREATE TEMPORARY TABLE notes (text text)")
    try:
        with pytest.raises(Late), deadline(0.5, error=Late("")):
            run("INSERT INTO notes VALUES ('written')")
            run("SELECT pg_sleep(60)")

        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM notes")
            assert cursor.fetchone() == (0,)
    finally:
        run("DROP TABLE notes")


@pytest.fixture(params=["directly", "behind PgBouncer"])
def limited(request, settings):
    """A connection of a web server, which has a limit for each statement of its own."""
    settings.DATABASE_STATEMENT_SECONDS = 0.2
    web = connection.copy()
    web.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = request.param == "behind PgBouncer"
    limit_statements()
    try:
        yield web
    finally:
        connection_created.disconnect(dispatch_uid="core.deadlines")
        web.close()


def asked(web, statement, *parameters):
    with web.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall()


@pytest.mark.django_db(transaction=True)
class TestAWebServer:
    def test_no_statement_takes_longer_than_its_limit(self, limited):
        with pytest.raises(OperationalError, match="statement timeout"):
            asked(limited, "SELECT pg_sleep(%s)", 60)
        assert asked(limited, "SELECT %s || '%%'", "100") == [("100%",)]

        limited.set_autocommit(False)
        asked(limited, "SELECT 1")
        with pytest.raises(OperationalError, match="statement timeout"):
            asked(limited, "SELECT pg_sleep(60)")
        limited.rollback()
        assert asked(limited, "SHOW statement_timeout") == [("200ms",)]

    def test_a_limit_that_a_transaction_gives_itself_stays(self, limited):
        limited.set_autocommit(False)
        asked(limited, "SELECT set_config('statement_timeout', '90s', true)")
        assert asked(limited, "SHOW statement_timeout") == [("90s",)]
        limited.rollback()

        assert asked(limited, "SHOW statement_timeout") == [("200ms",)]

    def test_connecting_again_doubles_nothing(self, limited):
        for _ in range(2):
            limited.ensure_connection()
            limited.close()

        behind_pgbouncer = limited.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]
        assert len(limited.execute_wrappers) == behind_pgbouncer
        assert asked(limited, "SHOW statement_timeout") == [("200ms",)]

    def test_only_a_connection_that_is_nobody_elses_keeps_the_limit(self, limited):
        behind_pgbouncer = limited.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]
        asked(limited, "SELECT 1")

        with limited.connection.cursor() as as_another_client:
            as_another_client.execute("SHOW statement_timeout")
            assert as_another_client.fetchone() == ("0" if behind_pgbouncer else "200ms",)


@pytest.mark.django_db(transaction=True)
def test_a_process_without_a_limit_has_none(settings):
    settings.DATABASE_STATEMENT_SECONDS = 0
    limit_statements()
    other = connection.copy()
    try:
        assert asked(other, "SHOW statement_timeout") == [("0",)]
    finally:
        other.close()
