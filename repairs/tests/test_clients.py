"""What is read from clients' databases of each kind, and written to them."""

import contextlib
import uuid
from decimal import Decimal

import psycopg2
import pytest
from django.db import connection

from repairs.clients import ClientDatabase, Layout, Row, SourceFailed
from repairs.services import layout_of
from repairs.states import FindingCode, JobStatus
from repairs.tests.mariadb import JOBS, MariaDBTable
from tests.processes import test_database_url

ROW = Row(
    *(1, "Repair", "New", "John", "Smith", "SG13 7TZ", "+447770 123456", "123", "spider catcher")
)


@pytest.fixture(params=["sqlite_table", "client_table"])
def table(request, db):
    """The same in a file and in a MariaDB."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def client(table):
    with ClientDatabase(layout_of(table.source)) as client:
        yield client


@pytest.fixture
def postgresql_table(db):
    """The contract's table in the tests' own PostgreSQL, in a schema of its own: its address."""
    schema = f"client_{uuid.uuid4().hex}"
    parameters = connection.get_connection_params()
    own = {
        key: parameters[key]
        for key in ("user", "host", "port", "password", "dbname")
        if key in parameters
    }
    with contextlib.closing(psycopg2.connect(**own)) as theirs:
        theirs.autocommit = True
        with theirs.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {schema}")
            cursor.execute(f"SET search_path = {schema}")
            cursor.execute(JOBS.format(table='"Jobs"', key="serial", options=""))
            try:
                yield f"{_psycopg2_url()}options=-csearch_path%3D{schema}", cursor
            finally:
                cursor.execute(f"DROP SCHEMA {schema} CASCADE")


def _psycopg2_url():
    url = test_database_url().replace("postgres://", "postgresql+psycopg2://", 1)
    return f"{url}&" if "?" in url else f"{url}?"


def keys(rows):
    return [row.job_id for row in rows]


def test_new_rows_are_read_as_they_stand_there(table, client):
    table.insert()

    assert client.new_rows(after=None, limit=10) == [ROW]


def test_new_rows_are_those_whose_word_means_new(table, client):
    for word in ("NEW", "OPENED", "New", "new", "CLOSED", "Brand new"):
        table.insert(job_status=word)

    assert keys(client.new_rows(after=None, limit=10)) == [1, 3, 4]


def test_new_rows_are_found_by_the_clients_own_words(table):
    table.settings["statuses"] = {"Brand new": "NEW"}
    for word in ("NEW", "Brand new", "Old"):
        table.insert(job_status=word)

    with ClientDatabase(layout_of(table.source)) as client:
        assert keys(client.new_rows(after=None, limit=10)) == [1, 2]


def test_rows_come_in_pages_by_their_keys(table, client):
    for key in (5, 3, 9, 1, 7):
        table.insert(job_id=key, job_status="New" if key < 8 else "CLOSED")

    assert keys(client.rows(after=None, up_to=None, limit=3)) == [1, 3, 5]
    assert keys(client.rows(after=5, up_to=None, limit=3)) == [7, 9]
    assert keys(client.rows(after=1, up_to=7, limit=9)) == [3, 5, 7]
    assert keys(client.new_rows(after=3, limit=9)) == [5, 7]
    assert client.statuses(after=5, limit=9) == [(7, "New"), (9, "CLOSED")]
    assert client.statuses(after=None, limit=1) == [(1, "New")]
    assert client.highest_key() == 9


def test_rows_are_read_by_their_keys_where_they_are_there(table, client):
    for key in (1, 2, 3):
        table.insert(job_id=key)

    assert keys(client.rows_by_key([3, 1, 8])) == [1, 3]
    assert client.rows_by_key([]) == []


def test_an_empty_table_has_no_rows_and_no_highest_key(client):
    assert client.highest_key() is None
    assert client.rows(after=None, up_to=None, limit=5) == []
    assert client.rows(after=7, up_to=9, limit=5) == []


def test_nothing_and_emoji_come_as_they_are(table, client):
    table.insert(client_firstname="Zoë 👩‍🔧", client_mobile=None, product_sku=None)

    [row] = client.rows(after=None, up_to=None, limit=5)
    assert (row.client_firstname, row.client_mobile, row.product_sku) == ("Zoë 👩‍🔧", None, None)


def test_what_was_committed_between_two_pages_is_read(table, client):
    table.insert()
    client.rows(after=None, up_to=None, limit=1)
    table.insert()

    assert keys(client.rows(after=1, up_to=None, limit=5)) == [2]


def test_a_status_is_written_where_the_word_that_was_read_still_stands(table, client):
    key = table.insert(job_status="New")

    assert client.write_status(key, status=JobStatus.OPENED, expected="New") is True
    assert table.status(key) == "OPENED"


def test_a_status_is_not_written_over_what_the_client_wrote_meanwhile(table, client):
    key = table.insert(job_status="CANCELLED")

    assert client.write_status(key, status=JobStatus.OPENED, expected="New") is False
    assert client.write_status(99, status=JobStatus.OPENED, expected="New") is False
    assert table.status(key) == "CANCELLED"


def test_a_word_in_other_capitals_is_another_word(table, client):
    key = table.insert(job_status="NEW")

    assert client.write_status(key, status=JobStatus.OPENED, expected="New") is False
    assert table.status(key) == "NEW"


def test_a_status_that_stands_there_already_counts_as_written(table, client):
    key = table.insert(job_status="OPENED")

    assert client.write_status(key, status=JobStatus.OPENED, expected="OPENED") is True


def test_a_status_is_written_in_the_clients_own_word(table):
    table.settings["statuses"] = {"In the shop": "OPENED"}
    key = table.insert()

    with ClientDatabase(layout_of(table.source)) as client:
        assert client.write_status(key, status=JobStatus.OPENED, expected="New") is True
    assert table.status(key) == "In the shop"


def test_tables_and_columns_of_other_names_are_read_and_written(table):
    table.execute(
        "CREATE TABLE `old jobs` (`select` int PRIMARY KEY, `the: status` varchar(20), `100% type` varchar(20))"
    )
    table.execute("INSERT INTO `old jobs` VALUES (4, 'New', 'Repair')")
    names = (
        "client_firstname",
        "client_lastname",
        "client_postcode",
        "client_mobile",
        "product_sku",
        "product_type",
    )
    for name in names:
        table.execute(f"ALTER TABLE `old jobs` ADD {name} varchar(9)")
    if isinstance(table, MariaDBTable):
        table.execute(f"GRANT SELECT, UPDATE ON {table.database}.* TO {table.user}")
    layout = Layout(
        url=table.url,
        table="old jobs",
        columns={"job_id": "select", "job_status": "the: status", "job_type": "100% type"},
    )

    with ClientDatabase(layout) as client:
        assert client.new_rows(after=3, limit=5) == [Row(4, "Repair", "New", *[None] * 6)]
        assert client.write_status(4, status=JobStatus.CLOSED, expected="New") is True
        assert client.statuses(after=None, limit=5) == [(4, "CLOSED")]


def test_keys_that_are_texts_are_read_in_the_order_of_texts(table):
    table.execute("CREATE TABLE Texts (job_id varchar(20) PRIMARY KEY)")
    for name in list(ROW._fields)[1:]:
        table.execute(f"ALTER TABLE Texts ADD {name} varchar(20)")
    if isinstance(table, MariaDBTable):
        table.execute(f"GRANT SELECT ON {table.database}.* TO {table.user}")
    for key in ("9", "10", "A-7", "100", "2"):
        table.execute(f"INSERT INTO Texts (job_id, job_status) VALUES ('{key}', 'New')")

    with ClientDatabase(Layout(url=table.url, table="Texts")) as client:
        assert keys(client.rows(after=None, up_to=None, limit=2)) == ["10", "100"]
        assert keys(client.rows(after="100", up_to=None, limit=2)) == ["2", "9"]
        # Compared with a number, all above it in that order would be lost.
        assert keys(client.rows(after=100, up_to=None, limit=2)) == ["2", "9"]
        assert keys(client.rows_by_key([9, "A-7"])) == ["9", "A-7"]
        assert client.highest_key() == "A-7"


def test_numbers_of_mariadb_come_as_numbers(client_table):
    client_table.execute(
        "ALTER TABLE Jobs MODIFY job_id bigint unsigned, MODIFY product_sku decimal(20, 0)"
    )
    client_table.insert(job_id=2**64 - 1, product_sku="123")

    with ClientDatabase(layout_of(client_table.source)) as client:
        [row] = client.new_rows(after=None, limit=5)
        assert client.highest_key() == 2**64 - 1
    assert (row.job_id, row.product_sku) == (2**64 - 1, Decimal(123))


def test_old_encodings_of_mariadb_are_turned_into_text(client_table):
    client_table.execute("ALTER TABLE Jobs CONVERT TO CHARACTER SET latin1")
    client_table.execute("GRANT SELECT, UPDATE (job_status) ON Jobs TO " + client_table.user)
    key = client_table.insert(client_lastname="Müller €", job_status="Néw")

    with ClientDatabase(layout_of(client_table.source)) as client:
        assert client.rows(after=None, up_to=None, limit=5)[0].client_lastname == "Müller €"
        # Not the same letter, which the table's collation would take it for.
        assert client.write_status(key, status=JobStatus.OPENED, expected="New") is False
        assert client.write_status(key, status=JobStatus.OPENED, expected="Néw") is True


def test_a_cell_that_is_no_text_does_not_lose_its_page(client_table):
    for lastname in ("Smith", "Müller 😀"):
        client_table.insert(client_lastname=lastname)
    # MariaDB takes one half of a pair of UTF-16 in its utf8mb4.
    client_table.execute(
        "INSERT INTO Jobs (job_status, client_firstname, client_lastname)"
        " VALUES ('New', 'Zoë', x'41EDA080')"
    )
    client_table.insert(client_lastname="After")

    with ClientDatabase(layout_of(client_table.source)) as client:
        rows = client.new_rows(after=None, limit=5)
        again = client.rows(after=3, up_to=None, limit=5)
    assert keys(rows) == [1, 2, 3, 4]
    assert [row.client_lastname for row in rows] == [
        "Smith",
        "Müller 😀",
        b"A\xed\xa0\x80",
        "After",
    ]
    assert rows[2].client_firstname == "Zoë"
    assert rows[0] == ROW
    assert again == [Row._make((4, *ROW[1:]))._replace(client_lastname="After")]


def test_a_status_that_is_no_text_does_not_lose_the_others(client_table):
    client_table.insert()
    client_table.execute("INSERT INTO Jobs (job_status) VALUES (x'EDA080')")

    with ClientDatabase(layout_of(client_table.source)) as client:
        assert client.statuses(after=None, limit=5) == [(1, "New"), (2, b"\xed\xa0\x80")]


def test_numbers_beside_a_cell_that_is_no_text_remain_numbers(client_table):
    client_table.execute("ALTER TABLE Jobs MODIFY product_sku decimal(20, 2)")
    client_table.execute("INSERT INTO Jobs (client_lastname, product_sku) VALUES (x'EDA080', 1.5)")

    with ClientDatabase(layout_of(client_table.source)) as client:
        [row] = client.rows(after=None, up_to=None, limit=5)
    assert (row.job_id, row.product_sku) == (1, Decimal("1.50"))


def test_binary_columns_are_read_as_text_where_they_can_be(client_table):
    client_table.execute("ALTER TABLE Jobs MODIFY client_lastname varbinary(100)")
    client_table.insert(client_lastname="Müller".encode())
    client_table.insert(client_lastname="Müller".encode("latin1"))

    with ClientDatabase(layout_of(client_table.source)) as client:
        rows = client.rows(after=None, up_to=None, limit=5)
    assert [row.client_lastname for row in rows] == ["Müller", b"M\xfcller"]


def test_a_cell_of_a_file_that_is_no_text_comes_as_it_is(sqlite_table):
    sqlite_table.insert()
    sqlite_table.execute(
        "INSERT INTO Jobs (job_id, client_lastname) VALUES (2, CAST(x'4DFC' AS TEXT))"
    )

    with ClientDatabase(layout_of(sqlite_table.source)) as client:
        rows = client.rows(after=None, up_to=None, limit=5)
    assert [row.client_lastname for row in rows] == ["Smith", b"M\xfc"]


def test_nothing_is_held_at_the_clients_between_two_statements(client_table):
    for _ in range(3):
        client_table.insert()

    with ClientDatabase(layout_of(client_table.source)) as client:
        client.rows(after=None, up_to=None, limit=1)
        client.write_status(1, status=JobStatus.OPENED, expected="New")
        # A statement of somebody else's transaction waits for neither rows nor the table's form.
        assert client_table.execute("SELECT count(*) FROM information_schema.innodb_trx") == [(0,)]
        client_table.execute("SET STATEMENT lock_wait_timeout=1 FOR ALTER TABLE Jobs ADD extra int")
        client_table.set_status(1, "CANCELLED")
        assert client.statuses(after=None, limit=1) == [(1, "CANCELLED")]


def test_a_session_has_the_limits_of_the_settings(client_table, settings):
    settings.REPAIRS_TIMEOUT_SECONDS = 6.5

    with ClientDatabase(layout_of(client_table.source)) as client:
        raw = client._connection.connection.dbapi_connection
        with raw.cursor() as cursor:
            cursor.execute(
                "SELECT @@max_statement_time, @@lock_wait_timeout, @@innodb_lock_wait_timeout,"
                " @@autocommit, @@tx_read_only, @@sql_mode LIKE '%%STRICT_ALL_TABLES%%'"
            )
            assert cursor.fetchall() == ((6.5, 3, 3, 1, 0, 1),)
        assert (raw.connect_timeout, raw._read_timeout, raw._write_timeout) == (6.5, 8.125, 8.125)
        assert raw._local_infile is False


@pytest.mark.parametrize("name", ["sqlite_table", "client_table"])
def test_a_source_that_is_only_read_refuses_to_be_written(request, db, name):
    table = request.getfixturevalue(name)
    table.settings["write_back"] = False
    key = table.insert()

    with ClientDatabase(layout_of(table.source)) as client:
        assert keys(client.new_rows(after=None, limit=5)) == [key]
        with pytest.raises(SourceFailed) as failed:
            client.write_status(key, status=JobStatus.OPENED, expected="New")
    assert failed.value.finding == FindingCode.MISSING_RIGHT
    assert table.status(key) == "New"


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    path = tmp_path / "nothing.sqlite3"

    with pytest.raises(SourceFailed) as failed, ClientDatabase(Layout(url=f"sqlite:///{path}")):
        pass
    assert failed.value.finding == FindingCode.UNREACHABLE
    assert failed.value.detail.startswith(f"{path} cannot be reached.")
    assert not path.exists()


def test_postgresql_is_read_and_written_by_its_own_driver(postgresql_table):
    url, cursor = postgresql_table
    for key, word in ((1, "New"), (2, "CLOSED"), (3, "New")):
        cursor.execute(
            'INSERT INTO "Jobs" (job_id, job_status, client_lastname) VALUES (%s, %s, %s)',
            [key, word, "Zoë 😀"],
        )

    with ClientDatabase(Layout(url=url)) as client:
        assert keys(client.new_rows(after=1, limit=5)) == [3]
        assert client.rows(after=None, up_to=1, limit=5)[0].client_lastname == "Zoë 😀"
        assert client.highest_key() == 3
        assert client.write_status(3, status=JobStatus.OPENED, expected="New") is True
        assert client.write_status(2, status=JobStatus.OPENED, expected="New") is False
        assert client.statuses(after=2, limit=5) == [(3, "OPENED")]
    with ClientDatabase(Layout(url=url, write_back=False)) as client:
        with pytest.raises(SourceFailed) as failed:
            client.write_status(1, status=JobStatus.OPENED, expected="New")
        assert keys(client.new_rows(after=None, limit=5)) == [1]
    assert failed.value.finding == FindingCode.MISSING_RIGHT


def test_failures_of_postgresql_are_named(postgresql_table, settings):
    settings.REPAIRS_TIMEOUT_SECONDS = 2
    url, cursor = postgresql_table
    cursor.execute('INSERT INTO "Jobs" (job_id, job_status) VALUES (1, %s)', ["New"])

    def finding(layout, then=lambda client: client.new_rows(after=None, limit=5)):
        with pytest.raises(SourceFailed) as failed, ClientDatabase(layout) as client:
            then(client)
        return failed.value.finding

    assert finding(Layout(url=url, table="jobs")) == FindingCode.MISSING_TABLE
    gone = Layout(url=url, columns={"client_mobile": "phone"})
    assert finding(gone) == FindingCode.MISSING_COLUMN
    name = connection.settings_dict["NAME"]
    assert finding(Layout(url=url.replace(name, "gone"))) == FindingCode.UNKNOWN_DATABASE
    cursor.execute('BEGIN; SELECT * FROM "Jobs" FOR UPDATE')
    locked = finding(
        Layout(url=url),
        lambda client: client.write_status(1, status=JobStatus.OPENED, expected="New"),
    )
    cursor.execute("ROLLBACK")
    assert locked == FindingCode.LOCKED
    cursor.execute('CREATE VIEW slow AS SELECT *, pg_sleep(60)::text AS nap FROM "Jobs"')
    slow = finding(Layout(url=url, table="slow", columns={"product_type": "nap"}))
    assert slow == FindingCode.SLOW
