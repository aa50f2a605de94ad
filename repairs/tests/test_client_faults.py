"""What becomes of a client's database that is away, slow, locked, or not what it was."""

import contextlib
import sqlite3

import psycopg2
import pytest
import sqlalchemy as sa
from django.db import connection

from repairs.clients import ClientDatabase, Layout, SourceFailed, engines
from repairs.clients.reasons import failure
from repairs.services import layout_of
from repairs.states import FindingCode, JobStatus
from repairs.tests.standins import Proxy, Says
from tests.ports import free_port
from tests.processes import wait_until


@pytest.fixture(autouse=True)
def quick(settings):
    """Long enough for a machine that is busy, as a failure here is always due to what was done."""
    settings.REPAIRS_TIMEOUT_SECONDS = 2


def failed(layout, do=lambda client: client.new_rows(after=None, limit=5)):
    with pytest.raises(SourceFailed) as failed, ClientDatabase(layout) as client:
        do(client)
    return failed.value


def open_first(client):
    """Write the status of job 1."""
    return client.write_status(1, status=JobStatus.OPENED, expected="New")


@pytest.fixture
def layout(client_table):
    client_table.insert()
    return layout_of(client_table.source)


def test_a_server_that_was_killed_is_unreachable_until_it_is_back(client_table, layout):
    server = client_table.server
    with ClientDatabase(layout) as client:
        assert client.highest_key() == 1
        server.kill()
        try:
            with pytest.raises(SourceFailed) as lost:
                client.highest_key()
            refused = failed(layout)
        finally:
            server.start()
        # The same client goes on, as does the next.
        assert client.highest_key() == 1
    with ClientDatabase(layout) as client:
        assert client.highest_key() == 1
    assert lost.value.finding == refused.finding == FindingCode.UNREACHABLE
    assert refused.detail.startswith(
        f"127.0.0.1:{server.port} cannot be reached. Is the server up, and does its firewall let"
        " this machine in? ("
    )


def test_a_server_that_dies_after_the_last_statement_fails_nothing(client_table, layout):
    with ClientDatabase(layout) as client:
        assert client.highest_key() == 1
        client_table.server.kill()
    client_table.server.start()


def test_a_server_that_hangs_is_waited_for_no_longer_than_the_settings_say(client_table, layout):
    server = client_table.server
    with ClientDatabase(layout) as client:
        client.highest_key()
        server.pause()
        try:
            with pytest.raises(SourceFailed) as silent:
                client.highest_key()
            greeting = failed(layout)
        finally:
            server.resume()
        assert client.highest_key() == 1
    assert silent.value.finding == FindingCode.SLOW
    assert greeting.finding == FindingCode.UNREACHABLE
    assert greeting.detail.startswith(f"127.0.0.1:{server.port} does not answer in time.")


def test_an_answer_that_drips_is_cut_off(client_table, layout):
    for _ in range(20):
        client_table.insert()
    with Proxy(client_table.server.port) as proxy:
        url = sa.make_url(client_table.url).set(port=proxy.port)
        through = Layout(url=url.render_as_string(hide_password=False))
        with ClientDatabase(through) as client:
            assert client.highest_key() == 21
            proxy.dripping.set()
            with pytest.raises(SourceFailed) as dripped:
                client.rows(after=None, up_to=None, limit=50)
            proxy.dripping.clear()
            assert len(client.rows(after=None, up_to=None, limit=50)) == 21
    assert dripped.value.finding == FindingCode.SLOW


def test_a_greeting_that_drips_is_cut_off():
    with Says(b"\xe8\x03\x00\x00" + b"\x0a" * 1000, every=0.1) as server:
        url = f"mysql+pymysql://duka:secret@127.0.0.1:{server.port}/shop"
        error = failed(Layout(url=url))
    assert error.finding == FindingCode.UNREACHABLE
    assert error.detail.startswith(f"127.0.0.1:{server.port} does not answer in time.")


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9, b"\x00" * 64, b"\x02\x00\x00\x00\x0a\x00"]
)
def test_a_server_that_speaks_another_language_is_unreachable(data):
    with Says(data) as server:
        url = f"mysql+pymysql://duka:secret@127.0.0.1:{server.port}/shop"
        assert failed(Layout(url=url)).finding == FindingCode.UNREACHABLE


def test_a_port_at_which_nobody_listens_is_unreachable():
    url = f"mysql+pymysql://duka:secret@127.0.0.1:{free_port()}/shop"
    assert failed(Layout(url=url)).finding == FindingCode.UNREACHABLE


def test_a_host_that_nobody_knows_is_unreachable():
    error = failed(Layout(url="mysql+pymysql://duka:secret@nobody.invalid/shop"))
    assert error.finding == FindingCode.UNREACHABLE
    assert error.detail.startswith("nobody.invalid cannot be reached.")


def test_a_statement_that_takes_too_long_is_ended_at_the_server(client_table, layout):
    client_table.execute(
        "CREATE VIEW slow AS SELECT * FROM Jobs WHERE (SELECT count(*) FROM seq_1_to_100000 a,"
        " seq_1_to_100000 b, seq_1_to_100 c WHERE a.seq + b.seq = c.seq) > 0"
    )
    client_table.execute(f"GRANT SELECT ON slow TO {client_table.user}")

    with ClientDatabase(Layout(url=client_table.url, table="slow")) as client:
        with pytest.raises(SourceFailed) as slow:
            client.highest_key()
        # The connection is as good as before.
        before = client._connection
        with pytest.raises(SourceFailed):
            client.highest_key()
        assert client._connection is before
    assert slow.value.finding == FindingCode.SLOW
    assert "max_statement_time" in slow.value.detail
    assert slow.value.detail.startswith("It took too long. An index on job_status helps")


def test_a_statement_of_a_file_that_takes_too_long_is_ended(sqlite_table):
    sqlite_table.insert()
    sqlite_table.execute(
        "CREATE VIEW slow AS SELECT * FROM Jobs WHERE (WITH RECURSIVE n(i) AS"
        " (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n) > 0"
    )

    assert failed(Layout(url=sqlite_table.url, table="slow")).finding == FindingCode.SLOW


def test_a_locked_table_is_named_as_such(client_table, layout):
    with contextlib.closing(client_table.connect()) as theirs, theirs.cursor() as cursor:
        cursor.execute("LOCK TABLES Jobs WRITE")
        with ClientDatabase(layout) as client:
            with pytest.raises(SourceFailed) as locked:
                client.new_rows(after=None, limit=5)
            cursor.execute("UNLOCK TABLES")
            assert len(client.new_rows(after=None, limit=5)) == 1
    assert locked.value.finding == FindingCode.LOCKED
    assert locked.value.detail.startswith("Others hold what was asked for locked for too long.")


def test_a_locked_row_is_read_but_not_written(client_table, layout):
    with contextlib.closing(client_table.connect()) as theirs, theirs.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE Jobs SET job_type = 'Else' WHERE job_id = 1")
        with ClientDatabase(layout) as client:
            assert client.new_rows(after=None, limit=5)[0].job_type == "Repair"
            with pytest.raises(SourceFailed) as locked:
                open_first(client)
            cursor.execute("ROLLBACK")
            assert open_first(client) is True
    assert locked.value.finding == FindingCode.LOCKED


def test_a_locked_file_is_named_as_such(sqlite_table):
    sqlite_table.insert()
    with contextlib.closing(sqlite_table.connect()) as theirs:
        theirs.execute("BEGIN EXCLUSIVE")
        locked = failed(layout_of(sqlite_table.source))
        theirs.execute("ROLLBACK")
    assert locked.finding == FindingCode.LOCKED


def test_a_column_that_was_renamed_is_named(client_table, layout):
    with ClientDatabase(layout) as client:
        client.new_rows(after=None, limit=5)
        client_table.execute("ALTER TABLE Jobs RENAME COLUMN client_mobile TO phone")
        with pytest.raises(SourceFailed) as missing:
            client.new_rows(after=None, limit=5)
    assert missing.value.finding == FindingCode.MISSING_COLUMN
    assert missing.value.detail.startswith(
        "Its table Jobs has no column client_mobile: where it is called otherwise, say so in the"
        ' columns of this source: {"client_mobile": "its name"}. ('
    )


def test_a_column_of_the_mapping_that_is_not_there_is_named_by_both_names(client_table):
    layout = Layout(url=client_table.url, columns={"client_mobile": "phone"})

    detail = failed(layout).detail
    assert "has no column phone: " in detail
    assert '{"client_mobile": "its name"}' in detail


def test_a_column_that_is_missing_in_a_file_is_named(sqlite_table):
    sqlite_table.execute("ALTER TABLE Jobs RENAME COLUMN product_type TO kind")

    missing = failed(layout_of(sqlite_table.source))
    assert missing.finding == FindingCode.MISSING_COLUMN
    assert "has no column product_type: " in missing.detail


def test_a_status_that_does_not_fit_its_column_is_not_cut_off(client_table, layout):
    client_table.server.execute("SET GLOBAL sql_mode = ''")
    try:
        client_table.execute("ALTER TABLE Jobs MODIFY job_status varchar(4)")
        error = failed(layout, open_first)
    finally:
        client_table.server.execute("SET GLOBAL sql_mode = DEFAULT")
    assert error.finding == FindingCode.FAILED
    assert "Data too long for column 'job_status'" in error.detail
    assert client_table.status(1) == "New"


def test_a_server_that_takes_no_changes_lacks_a_right(client_table, layout):
    client_table.server.execute("SET GLOBAL read_only = 1")
    try:
        error = failed(layout, open_first)
    finally:
        client_table.server.execute("SET GLOBAL read_only = 0")
    assert error.finding == FindingCode.MISSING_RIGHT
    assert "read-only" in error.detail


def test_a_server_without_a_connection_left_is_unreachable(client_table, layout):
    client_table.execute(f"ALTER USER {client_table.user} WITH MAX_USER_CONNECTIONS 1")
    with ClientDatabase(layout):
        error = failed(layout)
    assert error.finding == FindingCode.UNREACHABLE


def test_a_server_that_refuses_the_limits_is_left_alone(client_table, layout):
    client_table.execute(f"ALTER USER {client_table.user} WITH MAX_QUERIES_PER_HOUR 2")

    error = failed(layout)
    assert error.finding == FindingCode.UNREACHABLE
    assert "max_queries_per_hour" in error.detail


def test_a_limit_that_a_server_does_not_know_is_left_out(client_table):
    with contextlib.closing(client_table.connect()) as connection:
        # MySQL's; MariaDB has another.
        assert engines._tell(connection, "SET SESSION max_execution_time = 1000") is False
        assert engines._tell(connection, "SET SESSION max_statement_time = 1") is True


def test_a_connection_to_postgresql_is_cut_at_its_deadline(db):
    given = connection.get_connection_params()
    own = {
        key: given[key] for key in ("user", "host", "port", "password", "dbname") if key in given
    }
    with contextlib.closing(psycopg2.connect(**own)) as theirs, theirs.cursor() as cursor:
        pid = theirs.info.backend_pid
        with engines.Deadline(0.5, theirs) as limit, pytest.raises(psycopg2.OperationalError):
            cursor.execute("SELECT pg_sleep(600)")
        assert limit.stop() is True
    # There it would sleep on; the statements of a source end by their own limit.
    with connection.cursor() as ours:
        ours.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_until(lambda: not _is_there(ours, pid))


def _is_there(cursor, pid):
    # What a transaction has once seen of it is kept.
    cursor.execute("SELECT pg_stat_clear_snapshot()")
    cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid])
    return cursor.fetchone()


def test_a_statement_that_ends_in_time_is_not_cut():
    with contextlib.closing(sqlite3.connect(":memory:")) as theirs:
        with engines.Deadline(60, theirs) as limit:
            assert theirs.execute("SELECT 7").fetchall() == [(7,)]
        assert limit.stop() is False


def test_only_pymysql_can_read_again_what_is_no_text():
    with contextlib.closing(sqlite3.connect(":memory:")) as theirs:
        assert engines.read_texts_as_bytes(theirs) is None


def test_a_database_in_memory_has_no_table():
    assert failed(Layout(url="sqlite://")).finding == FindingCode.MISSING_TABLE


def test_a_wrong_password_is_refused_without_being_said(client_table):
    url = client_table.server.url(
        user=client_table.user, password="not: the/right@one", database=client_table.database
    )
    error = failed(Layout(url=url))
    assert error.finding == FindingCode.WRONG_PASSWORD
    assert f"It refuses the account {client_table.user}:" in error.detail
    assert "right@one" not in error.detail
    assert "right%40one" not in error.detail


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "Its address cannot be understood."),
        ("mysql+pymysql://duka:secret@host:port:9/shop", "Its address cannot be understood."),
        ("gopher://duka:secret@host/shop", "nobody knows: gopher."),
        ("mysql+mysqldb://duka:secret@host/shop", "is not installed here (MySQLdb)."),
    ],
)
def test_an_address_that_cannot_be_used_is_not_repeated(url, said):
    error = failed(Layout(url=url))

    assert error.finding == FindingCode.BAD_URL
    assert said in error.detail
    assert "secret" not in error.detail
    assert error.__cause__ is None


def test_a_password_in_what_a_driver_says_is_not_repeated():
    layout = Layout(url="mysql+pymysql://duka:p%40ss@host/shop")
    error = failure(
        layout, RuntimeError("p@ss and p%40ss at mysql+pymysql://duka:p%40ss@host/shop")
    )

    assert error.finding == FindingCode.FAILED
    assert error.detail == "It answered with an error. (RuntimeError: *** and *** at ***)"


@pytest.mark.parametrize("space", ["  ", "\t"])
def test_a_password_is_taken_out_before_spaces_are_and_the_rest_is_cut(space):
    password = f"two{space}words"
    url = sa.URL.create("mysql+pymysql", "duka", password, "host", database="shop")
    layout = Layout(url=url.render_as_string(hide_password=False))
    before = "x" * 290

    error = failure(layout, sqlite3.OperationalError(f"{before} {password} {password}"))

    assert error.detail == f"It answered with an error. ({before} *** ***)"


@pytest.mark.parametrize(
    "password",
    ["s3cr€t", "s3cr  €t", "s3\tcr€t", "%€'s3cr", "x" * 280 + "s3cr€t" + "y" * 100, "€" * 400],
)
def test_a_password_that_the_driver_cannot_send_is_said_to_be_so_and_not_shown(password):
    url = sa.URL.create("mysql+pymysql", "duka", password, "127.0.0.1", free_port(), "shop")

    error = failed(Layout(url=url.render_as_string(hide_password=False)))

    assert error.finding == FindingCode.BAD_URL
    assert error.detail == (
        "The password in its address has a sign that the driver cannot send: give the account one"
        " of the letters A to Z, digits and plain signs. (UnicodeEncodeError)"
    )


def test_of_what_can_otherwise_not_be_sent_nothing_is_shown():
    url = f"mysql+pymysql://duka:secret@{'a' * 300}/shop"

    error = failed(Layout(url=url))

    assert error.finding == FindingCode.UNREACHABLE
    assert error.detail.endswith("does its firewall let this machine in? (UnicodeError)")


@pytest.mark.parametrize(
    ("original", "finding"),
    [
        (sqlite3.OperationalError("disk I/O error"), FindingCode.FAILED),
        (sqlite3.DatabaseError("file is not a database"), FindingCode.UNKNOWN_DATABASE),
        (sqlite3.OperationalError(), FindingCode.FAILED),
    ],
)
def test_what_a_file_answers_is_named(original, finding):
    assert failure(Layout(url="sqlite:////tmp/a.sqlite3"), original).finding == finding


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir, " * 500)

    error = failed(Layout(url=f"sqlite:///{path}"))
    assert error.finding == FindingCode.UNKNOWN_DATABASE
    assert path.read_text() == "Dear Sir, " * 500


def test_rows_as_wide_as_the_server_allows_are_read(client_table, layout):
    for name in ("client_firstname", "client_lastname", "product_type"):
        client_table.execute(f"ALTER TABLE Jobs MODIFY {name} mediumtext")
    wide = "ö😀" * 500_000
    client_table.insert(client_lastname=wide)

    with ClientDatabase(layout) as client:
        rows = client.rows(after=None, up_to=None, limit=5)
    assert [row.client_lastname for row in rows] == ["Smith", wide]
