"""The test of a source's connection, and what a source may be set to."""

import contextlib

import pytest
import sqlalchemy as sa
from django.utils import timezone

from core.errors import FieldError
from repairs import services
from repairs.clients import SourceFailed
from repairs.exceptions import BadMapping, UnknownSource
from repairs.states import FindingCode
from repairs.tests.factories import SourceFactory
from repairs.tests.mariadb import JOBS
from tests.ports import free_port


@pytest.fixture(autouse=True)
def quick(settings):
    settings.REPAIRS_TIMEOUT_SECONDS = 2


def check(table):
    return services.check_source(source_id=table.source.pk)


def codes(table):
    return [each.code for each in check(table)]


@pytest.mark.parametrize("name", ["sqlite_table", "client_table"])
def test_the_contracts_table_and_rights_are_all_that_is_needed(request, db, name):
    table = request.getfixturevalue(name)
    table.insert()
    rows = table.rows()

    assert check(table) == []
    assert table.rows() == rows
    table.source.refresh_from_db()
    assert table.source.findings == []


def test_what_was_found_is_kept_with_its_time(sqlite_table, monkeypatch):
    at = timezone.now()
    monkeypatch.setattr("core.clock.now", lambda: at)
    sqlite_table.execute("DROP TABLE Jobs")

    [found] = check(sqlite_table)

    source = sqlite_table.source
    source.refresh_from_db()
    assert found.code == FindingCode.MISSING_TABLE
    assert source.findings == [{"code": "missing_table", "detail": found.detail}]
    assert source.checked_at == at
    assert found.detail == (
        "There is no table Jobs: look at its name, of which capitals matter. (no such table: Jobs)"
    )


def test_a_source_that_the_settings_name_no_more_is_not_tested(db):
    source = SourceFactory.create(name="gone")

    with pytest.raises(UnknownSource):
        services.check_source(source_id=source.pk)
    source.refresh_from_db()
    assert source.checked_at is None


def test_an_address_that_cannot_be_understood_is_found(sqlite_table):
    sqlite_table.settings["url"] = "mysql+pymysql://duka:secret@host:port/shop"

    assert codes(sqlite_table) == [FindingCode.BAD_URL]


def test_a_server_that_is_not_there_is_found(client_table):
    url = sa.make_url(client_table.url).set(port=free_port())
    client_table.settings["url"] = url.render_as_string(hide_password=False)

    assert codes(client_table) == [FindingCode.UNREACHABLE]


def test_a_wrong_password_is_found(client_table):
    client_table.settings["url"] = client_table.server.url(
        user=client_table.user, password="wrong", database=client_table.database
    )

    assert codes(client_table) == [FindingCode.WRONG_PASSWORD]


@pytest.mark.parametrize("name", ["", "elsewhere"])
def test_a_database_that_is_not_there_is_found(client_table, name):
    client_table.settings["url"] = client_table.server.url(
        user=client_table.user, password=client_table.password, database=name
    )

    [found] = check(client_table)
    assert found.code == FindingCode.UNKNOWN_DATABASE
    assert f"There is no database {name or '(the address names none)'}" in found.detail


def test_a_table_in_other_capitals_is_found_and_the_right_one_named(client_table):
    client_table.settings["table"] = "jobs"

    [found] = check(client_table)
    assert (found.code, found.detail) == (
        FindingCode.MISSING_TABLE,
        (
            "There is no table jobs, or the account has no right to it. It may see: Jobs."
            " Capitals matter."
        ),
    )


def test_of_many_tables_some_are_named(client_table):
    for n in range(7):
        client_table.execute(f"CREATE TABLE other_{n} (id int)")
    client_table.execute(f"GRANT SELECT ON {client_table.database}.* TO {client_table.user}")
    client_table.settings["table"] = "missing"

    [found] = check(client_table)
    assert "It may see: Jobs, other_0, other_1, other_2, other_3 …." in found.detail


def test_a_table_that_was_dropped_is_found(client_table):
    client_table.execute("DROP TABLE Jobs")
    client_table.execute("CREATE TABLE Orders (id int)")
    client_table.execute(f"GRANT SELECT ON Orders TO {client_table.user}")

    [found] = check(client_table)
    assert found.code == FindingCode.MISSING_TABLE
    assert "It may see: Orders." in found.detail


def test_a_database_without_any_table_is_found(client_table):
    client_table.execute("DROP TABLE Jobs")

    [found] = check(client_table)
    assert found.code == FindingCode.MISSING_TABLE
    assert found.detail.startswith("There is no table Jobs: ")


def test_each_missing_column_is_found(client_table):
    client_table.execute("ALTER TABLE Jobs RENAME COLUMN client_mobile TO phone")
    client_table.execute("ALTER TABLE Jobs DROP COLUMN product_sku")

    found = check(client_table)
    assert [each.code for each in found] == [FindingCode.MISSING_COLUMN] * 2
    assert "has no column client_mobile: " in found[0].detail
    assert "has no column product_sku: " in found[1].detail


def test_a_column_that_is_mapped_is_not_missing(client_table):
    client_table.execute("ALTER TABLE Jobs RENAME COLUMN client_mobile TO phone")
    services.update_source(source_id=client_table.source.pk, columns={"client_mobile": "phone"})

    assert check(client_table) == []


def test_a_lack_of_every_right_is_found(client_table):
    client_table.revoke("SELECT, UPDATE (job_status)")
    client_table.execute("CREATE TABLE Other (id int)")
    client_table.execute(f"GRANT INSERT ON Jobs TO {client_table.user}")

    [found] = check(client_table)
    assert found.code == FindingCode.MISSING_RIGHT
    assert found.detail.startswith(
        f"To the account {client_table.user} a right is missing: GRANT SELECT, and where the status"
        " is written back UPDATE (job_status), ON Jobs. Or the table is called otherwise: capitals"
        " matter. ("
    )


def test_a_lack_of_the_right_to_one_column_is_found(client_table):
    client_table.revoke("SELECT")
    readable = ", ".join(f"`{name}`" for name in client_table_columns() if name != "client_mobile")
    client_table.grant(f"SELECT ({readable})")

    [found] = check(client_table)
    assert found.code == FindingCode.MISSING_RIGHT
    assert "client_mobile" in found.detail


def client_table_columns():
    lines = JOBS.split("(", 1)[1]
    return [word.split()[0] for word in lines.replace("\n", ",").split(",") if "_" in word]


def test_an_account_that_may_only_read_is_found_where_the_status_is_written_back(client_table):
    client_table.revoke("UPDATE (job_status)")

    [found] = check(client_table)
    assert found.code == FindingCode.MISSING_RIGHT
    assert "UPDATE command denied" in found.detail


def test_an_account_that_may_only_read_is_enough_where_nothing_is_written(client_table):
    client_table.revoke("UPDATE (job_status)")
    services.update_source(source_id=client_table.source.pk, write_back=False)

    assert check(client_table) == []


@pytest.mark.parametrize("kind", ["varchar(20)", "decimal(10, 2)", "double"])
def test_keys_that_are_no_whole_numbers_are_found(client_table, kind):
    client_table.execute(f"ALTER TABLE Jobs MODIFY job_id {kind} NOT NULL")

    [found] = check(client_table)
    assert found.code == FindingCode.BAD_KEY_COLUMN
    assert found.detail.startswith(f"job_id is {kind.upper()}")


@pytest.mark.parametrize("kind", ["bigint unsigned", "smallint", "decimal(12, 0)"])
def test_other_whole_numbers_are_keys(client_table, kind):
    client_table.execute(f"ALTER TABLE Jobs MODIFY job_id {kind} NOT NULL")

    assert check(client_table) == []


def test_a_file_whose_keys_may_be_anything_is_found(sqlite_table):
    sqlite_table.execute("ALTER TABLE Jobs RENAME TO Old")
    sqlite_table.execute(
        "CREATE TABLE Jobs AS SELECT job_id || '' AS job_id, job_type, job_status, client_firstname, client_lastname, client_postcode, client_mobile, product_sku, product_type FROM Old"
    )

    assert codes(sqlite_table) == [FindingCode.BAD_KEY_COLUMN]


def test_keys_that_are_there_more_than_once_are_found(client_table):
    client_table.execute("ALTER TABLE Jobs MODIFY job_id int NOT NULL, DROP PRIMARY KEY")
    client_table.insert(job_id=7)
    client_table.insert(job_id=8)

    assert check(client_table) == []
    client_table.insert(job_id=7)
    [found] = check(client_table)
    assert (found.code, found.detail) == (
        FindingCode.BAD_KEY_COLUMN,
        "job_id is there more than once, as in 7: only one row of each becomes a job.",
    )


def test_a_view_can_be_a_source(client_table):
    client_table.insert()
    client_table.execute("CREATE VIEW OurJobs AS SELECT * FROM Jobs")
    client_table.execute(f"GRANT SELECT, UPDATE (job_status) ON OurJobs TO {client_table.user}")
    client_table.settings["table"] = "OurJobs"

    assert check(client_table) == []
    # With this right its columns are told as those of a table are.
    client_table.execute(f"GRANT SHOW VIEW ON OurJobs TO {client_table.user}")
    assert check(client_table) == []


def test_a_view_whose_keys_are_texts_is_found(client_table):
    client_table.insert()
    columns = ", ".join(client_table_columns()[1:])
    client_table.execute(
        f"CREATE VIEW OurJobs AS SELECT concat('A-', job_id) job_id, {columns} FROM Jobs"
    )
    client_table.execute(f"GRANT SELECT, UPDATE ON OurJobs TO {client_table.user}")
    client_table.settings["table"] = "OurJobs"

    [found] = check(client_table)
    assert found.code == FindingCode.BAD_KEY_COLUMN
    assert found.detail.startswith("job_id is no whole number: ")


def test_a_locked_table_is_found(client_table):
    with contextlib.closing(client_table.connect()) as theirs, theirs.cursor() as cursor:
        cursor.execute("LOCK TABLES Jobs WRITE")
        assert codes(client_table) == [FindingCode.LOCKED]
        cursor.execute("UNLOCK TABLES")
    assert check(client_table) == []


def test_a_slow_table_is_found(client_table):
    client_table.insert()
    client_table.execute(
        "CREATE VIEW slow AS SELECT * FROM Jobs WHERE (SELECT count(*) FROM seq_1_to_100000 a,"
        " seq_1_to_100000 b, seq_1_to_100 c WHERE a.seq + b.seq = c.seq) > 0"
    )
    client_table.execute(f"GRANT SELECT, UPDATE ON slow TO {client_table.user}")
    client_table.settings["table"] = "slow"

    assert codes(client_table) == [FindingCode.SLOW]


def test_a_source_is_set_to_what_is_given(sqlite_table):
    source = services.update_source(
        source_id=sqlite_table.source.pk,
        active=False,
        table="Repairs of 2022",
        columns={"client_mobile": "phone", "job_id": "id"},
        statuses={"In the shop": "OPENED", "Done": "JOB COMPLETED"},
        write_back=False,
    )
    source.refresh_from_db()
    assert (source.active, source.table, source.write_back) == (False, "Repairs of 2022", False)
    assert source.columns == {"client_mobile": "phone", "job_id": "id"}
    assert source.statuses == {"In the shop": "OPENED", "Done": "JOB COMPLETED"}

    source = services.update_source(source_id=source.pk, table="", write_back=None, columns={})
    assert (source.table, source.write_back, source.columns) == ("", None, {})


def refused(source, **changes):
    with pytest.raises(BadMapping) as refused:
        services.update_source(source_id=source.pk, **changes)
    assert all(each.code == "bad_mapping" for each in refused.value.errors)
    return [(".".join(each.path), each.detail) for each in refused.value.errors]


NO_NAME = "A table's name has up to 128 signs, without spaces."
NO_COLUMN = "The name of job_id has 1 to 128 signs, without spaces around them."
NO_WORD = "A word has 1 to 128 signs, without spaces around them."
STATUSES = "NEW, OPENED, JOB COMPLETED, CLOSED, CANCELLED"


@pytest.mark.parametrize(
    ("changes", "path", "detail"),
    [
        ({"active": "yes"}, "active", "This is true or false."),
        ({"write_back": 1}, "write_back", "This is true, false, or null."),
        ({"table": "x" * 129}, "table", NO_NAME),
        ({"table": " Jobs"}, "table", NO_NAME),
        ({"table": "Jo\x00bs"}, "table", NO_NAME),
        ({"table": None}, "table", NO_NAME),
        ({"columns": []}, "columns", "This is an object: a column and its name there."),
        ({"columns": {"job_id": ""}}, "columns.job_id", NO_COLUMN),
        ({"columns": {"job_id": 7}}, "columns.job_id", NO_COLUMN),
        (
            {"columns": {"job_id": "id", "job_type": "ID"}},
            "columns.job_type",
            "job_id and job_type would both be called ID.",
        ),
        (
            {"columns": {"job_id": "job_type"}},
            "columns.job_id",
            "job_id and job_type would both be called job_type.",
        ),
        ({"statuses": None}, "statuses", "This is an object: a word and what it means."),
        ({"statuses": {"Done": "DONE"}}, "statuses.Done", f"Done must lead to one of {STATUSES}."),
        ({"statuses": {"Done": []}}, "statuses.Done", f"Done must lead to one of {STATUSES}."),
        ({"statuses": {"": "NEW"}}, "statuses.", NO_WORD),
        (
            {"statuses": {"all done": "CLOSED", "ALL_DONE": "OPENED"}},
            "statuses.ALL_DONE",
            "ALL_DONE would mean two things: capitals do not matter.",
        ),
        (
            {"statuses": {f"word {n}": "NEW" for n in range(201)}},
            "statuses",
            "There may be 200 words.",
        ),
    ],
)
def test_a_source_is_not_set_to_what_cannot_be_meant(sqlite_table, changes, path, detail):
    assert refused(sqlite_table.source, **changes) == [(path, detail)]


def test_a_column_that_is_none_of_the_contract_is_refused(sqlite_table):
    [(path, detail)] = refused(sqlite_table.source, columns={"phone": "client_mobile"})
    assert path == "columns.phone"
    assert detail.startswith("phone is no column: there are job_id, job_type, ")


def test_all_that_is_wrong_is_said_at_once(sqlite_table):
    source = sqlite_table.source
    paths = [path for path, _ in refused(source, active=None, table=" ", statuses={"a": "b"})]

    assert paths == ["active", "table", "statuses.a"]
    source.refresh_from_db()
    assert source.active is True


def test_a_columns_name_is_compared_with_those_of_the_settings(sqlite_table):
    sqlite_table.settings["columns"] = {"client_mobile": "phone"}

    assert refused(sqlite_table.source, columns={"product_sku": "phone"}) == [
        ("columns.product_sku", "client_mobile and product_sku would both be called phone.")
    ]


def test_a_source_that_the_settings_name_no_more_can_be_set(db):
    source = services.update_source(source_id=SourceFactory.create(name="gone").pk, active=False)
    assert source.active is False


def test_what_no_person_may_set_is_a_mistake_of_the_caller(sqlite_table):
    with pytest.raises(TypeError, match="A source has no fence, name to be"):
        services.update_source(source_id=sqlite_table.source.pk, name="else", fence=None)


def test_an_error_leads_to_its_field():
    error = FieldError(path=("columns", "job_id"), code="bad_mapping", detail=NO_COLUMN)
    with pytest.raises(BadMapping) as raised:
        services.sources.checked_changes({"columns": {"job_id": ""}}, beside={})
    assert raised.value.errors == (error,)


def test_rows_without_a_key_are_found(client_table):
    client_table.execute("ALTER TABLE Jobs MODIFY job_id int NOT NULL, DROP PRIMARY KEY")
    client_table.execute("ALTER TABLE Jobs MODIFY job_id int NULL UNIQUE")
    client_table.insert(job_id=7)
    assert check(client_table) == []

    client_table.insert(job_id=None)

    [found] = check(client_table)
    assert (found.code, found.detail) == (
        FindingCode.BAD_KEY_COLUMN,
        "job_id is empty in some rows: they cannot become jobs, and are passed over.",
    )


def test_a_source_that_is_changed_is_tried_at_once(sqlite_table):
    sqlite_table.execute("ALTER TABLE Jobs RENAME COLUMN client_mobile TO phone")
    for _ in range(3):
        with pytest.raises(SourceFailed):
            services.collect(source_id=sqlite_table.source.pk)
    assert services.sources_to_collect() == []

    source = services.update_source(
        source_id=sqlite_table.source.pk, columns={"client_mobile": "phone"}
    )

    assert source.failures == 0
    assert services.sources_to_collect() == [source.pk]
    services.collect(source_id=source.pk)
    source.refresh_from_db()
    assert (source.error, source.failing_since) == ("", None)


def test_what_is_wrong_by_the_settings_does_not_keep_a_source_from_being_stopped(sqlite_table):
    sqlite_table.settings["columns"] = {"client_mobile": "job_type"}

    source = services.update_source(source_id=sqlite_table.source.pk, active=False)

    assert source.active is False


def test_a_word_of_the_source_goes_before_that_of_the_settings_however_it_is_spelt(sqlite_table):
    sqlite_table.settings["statuses"] = {"In the shop": "NEW", "Away": "CLOSED"}
    source = sqlite_table.source
    source.statuses = {"IN THE SHOP": "OPENED"}

    layout = services.layout_of(source)

    assert layout.meaning("In the shop") == "OPENED"
    assert layout.statuses == {"IN THE SHOP": "OPENED", "Away": "CLOSED"}
