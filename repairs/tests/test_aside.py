"""Rows that cannot become jobs: kept with the reason, and they hold nothing up."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from notifications.models import Message
from repairs import services
from repairs.clients import ClientDatabase, Layout, Row
from repairs.models import Aside, Job, Source
from repairs.services import collecting, storing, sweeping
from repairs.services.reading import Reader, kept_key, text_of, whole_number, word_of
from repairs.services.storing import take_in
from repairs.tests.mariadb import JOBS

pytestmark = pytest.mark.django_db


def collect(table, **how):
    done = services.collect(source_id=table.source.pk, **how)
    table.source.refresh_from_db()
    return done


@pytest.fixture
def shop(sqlite_table):
    collect(sqlite_table)
    return sqlite_table


def open_rows():
    return sorted(Aside.objects.open().values_list("key", "reason"))


def test_an_unknown_status_is_set_aside_and_the_others_go_on(shop):
    shop.insert(job_id=1, job_status="In the shop", client_lastname="O" * 1000)
    shop.insert(job_id=2)
    shop.insert(job_id=3, job_status=None)

    collect(shop, thorough=True)

    assert Job.objects.get().key == 2
    unknown, blank = Aside.objects.order_by("key")
    assert unknown.detail == "job_status is 'In the shop': nobody knows what that means."
    assert blank.detail == "job_status is '': nobody knows what that means."
    assert (unknown.reason, unknown.baseline, unknown.resolved_at) == (
        "unknown_status",
        False,
        None,
    )
    assert unknown.row == {
        "job_id": "1",
        "job_type": "Repair",
        "job_status": "In the shop",
        "client_firstname": "John",
        "client_lastname": "O" * 200,
        "client_postcode": "SG13 7TZ",
        "client_mobile": "+447770 123456",
        "product_sku": "123",
        "product_type": "spider catcher",
    }


def test_it_comes_once_its_status_is_mended_by_the_client(shop):
    shop.insert(job_id=1, job_status="In the shop")
    collect(shop, thorough=True)
    shop.set_status(1, "New")

    assert collect(shop).collected == 1

    assert open_rows() == []
    assert Aside.objects.get().resolved_at is not None
    assert Message.objects.get(subject="repair").event == "repair.opened"


def test_it_comes_once_its_word_is_mapped(shop):
    shop.insert(job_id=1, job_status="In the shop")
    collect(shop, thorough=True)
    Source.objects.update(statuses={"In the Shop": "OPENED"})

    assert collect(shop, thorough=True).collected == 1

    assert (Job.objects.get().status, open_rows()) == ("OPENED", [])


def test_one_that_is_gone_is_set_aside_no_longer(shop):
    shop.insert(job_id=1, job_status="In the shop")
    collect(shop, thorough=True)
    shop.execute("DELETE FROM Jobs")

    collect(shop, thorough=True)

    assert open_rows() == []
    shop.insert(job_id=1, job_status="Lost")
    collect(shop, thorough=True)
    row = Aside.objects.get()
    assert (row.row["job_status"], row.resolved_at) == ("Lost", None)


def test_a_key_that_is_no_whole_number_is_set_aside(shop):
    shop.execute("DROP TABLE Jobs")
    shop.execute(
        "CREATE TABLE Jobs (job_id, job_type, job_status, client_firstname, client_lastname,"
        " client_postcode, client_mobile, product_sku, product_type)"
    )
    for key in (None, "12x", -1, 1.5, 2**62, "00123"):
        shop.insert(job_id=key)

    assert collect(shop, thorough=True).collected == 2

    assert sorted(Job.objects.values_list("key", flat=True)) == [123, 2**62]
    # One without a key is none that can be asked for.
    assert open_rows() == [
        ("-1", "bad_key"),
        ("1.5", "bad_key"),
        ("12x", "bad_key"),
    ]
    row = Aside.objects.get(key="12x")
    assert row.detail == (
        "job_id is '12x': it must be a whole number that is not below 0, nor above"
        " 9223372036854775807."
    )

    shop.execute("UPDATE Jobs SET job_id = 12 WHERE job_id = '12x'")
    assert collect(shop, thorough=True).collected == 1
    assert ("12x", "bad_key") not in open_rows()


def test_bytes_that_are_no_text_are_set_aside_until_they_are_mended(shop):
    shop.insert(job_id=1, client_lastname=b"M\xfcller", product_type=b"\xff")

    collect(shop)

    row = Aside.objects.get()
    assert (row.reason, row.detail) == (
        "unreadable",
        "client_lastname, product_type: this is no text.",
    )
    assert row.row["client_lastname"] == "b'M\\xfcller'"
    shop.execute("UPDATE Jobs SET client_lastname = 'Müller', product_type = ''")
    assert collect(shop).collected == 1
    assert Job.objects.get().lastname == "Müller"


def test_what_stays_aside_is_noted_now_and_then(shop, monkeypatch):
    monkeypatch.setattr(storing, "_NOTED_EVERY", timedelta(hours=1))
    shop.insert(job_id=1, client_lastname=b"\xff")
    collect(shop)
    first = Aside.objects.get()

    collect(shop)
    assert Aside.objects.get().last_seen_at == first.last_seen_at

    Aside.objects.update(last_seen_at=timezone.now() - timedelta(hours=2))
    collect(shop)
    again = Aside.objects.get()
    assert again.last_seen_at > first.last_seen_at
    assert again.first_seen_at == first.first_seen_at

    shop.execute("UPDATE Jobs SET product_sku = '77'")
    collect(shop)
    assert Aside.objects.get().row["product_sku"] == "77"


def test_hopeless_rows_are_not_read_whole_again(shop, monkeypatch):
    for key in range(1, 21):
        shop.insert(job_id=key, job_status="In the shop")
    collect(shop, thorough=True)
    asked = []
    really = ClientDatabase.rows_by_key
    monkeypatch.setattr(
        ClientDatabase,
        "rows_by_key",
        lambda self, keys: asked.append(list(keys)) or really(self, keys),
    )
    shop.set_status(7, "Lost")

    collect(shop, thorough=True)

    assert asked == [[7]]
    assert len(open_rows()) == 20
    assert Aside.objects.get(key="7").row["job_status"] == "Lost"


def test_a_word_that_is_no_text_is_kept_for_a_person(shop):
    shop.insert(job_id=1)
    collect(shop)
    shop.set_status(1, b"\xff\x00")
    collect(shop, thorough=True)

    job = Job.objects.get()
    assert job.conflict == "b'\\xff\\x00'"
    assert collect(shop, thorough=True).followed == 0


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        (0, 0),
        ("00123", 123),
        (" 7 ", 7),
        (b"12", 12),
        (Decimal("12.00"), 12),
        (12.0, 12),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (-1, None),
        (1.5, None),
        (float("inf"), None),
        (Decimal("NaN"), None),
        ("1e3", None),
        ("7\x00", None),
        (b" 7", 7),
        ("٣", None),
        ("", None),
        (b"\xff", None),
        (None, None),
        ("9" * 5000, None),
    ],
)
def test_a_key_is_a_whole_number(cell, number):
    assert whole_number(cell) == number


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (5, "5"),
        (Decimal("1E+2"), "100"),
        (b"O\xc3\xa9", "Oé"),
        (bytearray(b"a"), "a"),
        (memoryview(b"\xff"), None),
        ("a\x00b\ud83d", "ab?"),
    ],
)
def test_a_cell_becomes_a_text(cell, text):
    assert text_of(cell) == text


def test_a_word_is_never_without_end():
    assert len(word_of("x" * 100_000)) == 10_000
    assert word_of(b"\xff" * 1000) == ("b'" + "\\xff" * 200)[:200]


@pytest.mark.parametrize(
    ("key", "kept"),
    [(5, 5), (Decimal(5), 5), (1.5, None), ("a", "a"), ("a\x00", None), (b"a", None)],
)
def test_a_key_is_kept_as_json_can_hold_it(key, kept):
    assert kept_key(key) == kept


def test_a_row_that_comes_twice_in_a_page_counts_once(shop):
    row = Row(7, "Repair", "New", "John", "Smith", "", "", "", "")
    good, bad = Reader(Layout(url="sqlite://")).read_all([row, row, row._replace(job_id="x")] * 2)
    assert ([each.key for each in good], [each.key_text for each in bad]) == ([7], ["x"])

    assert take_in(source=shop.source, layout=Layout(url="sqlite://"), rows=[row, row]) == 1


def test_a_second_row_of_a_number_is_set_aside_and_the_job_is_the_first_rows(shop):
    shop.execute("DROP TABLE Jobs")
    shop.execute(JOBS.format(table="Jobs", key="varchar(20)", options=""))
    shop.insert(job_id="7", client_firstname="Ann")
    collect(shop)
    shop.insert(job_id="007", client_firstname="Bob", job_status="Cancelled")
    shop.insert(job_id=" 9", client_firstname="Cleo")

    rounds = [collect(shop, thorough=True) for _ in range(3)]

    assert [(each.collected, each.followed) for each in rounds] == [(1, 0), (0, 0), (0, 0)]
    assert list(Job.objects.order_by("key").values_list("key_text", "firstname", "status")) == [
        ("", "Ann", "OPENED"),
        (" 9", "Cleo", "OPENED"),
    ]
    row = Aside.objects.get()
    assert (row.key, row.reason, row.resolved_at, row.row["client_firstname"]) == (
        "007",
        "bad_key",
        None,
        "Bob",
    )
    assert row.detail == (
        "job_id is '007', which is 7: so is that of another row, '7', which is the job of this"
        " number."
    )
    assert [foreseen.key for foreseen in services.preview(source=shop.source)] == ["007"]
    shop.set_status("7", "Closed")
    assert collect(shop, thorough=True).followed == 1
    assert Job.objects.get(key=7).status == "CLOSED"


def test_of_two_new_rows_of_a_number_one_becomes_a_job(shop):
    shop.settings["write_back"] = False
    shop.execute("DROP TABLE Jobs")
    shop.execute(JOBS.format(table="Jobs", key="varchar(20)", options=""))
    shop.insert(job_id="7")
    shop.insert(job_id="007")

    rounds = [collect(shop, thorough=True).collected for _ in range(2)]

    assert (rounds, Job.objects.get().key_text, open_rows()) == ([1, 0], "", [("007", "bad_key")])


def test_a_number_that_became_one_of_another_kind_is_still_the_job(shop):
    shop.execute("DROP TABLE Jobs")
    shop.execute(JOBS.format(table="Jobs", key="varchar(20)", options=""))
    shop.insert(job_id="007")
    collect(shop)
    shop.execute("DROP TABLE Jobs")
    shop.execute(JOBS.format(table="Jobs", key="integer", options=""))
    shop.insert(job_id=7, job_status="Closed")

    assert collect(shop, thorough=True).followed == 1
    assert open_rows() == []


def test_a_number_that_is_given_out_again_is_told_though_the_first_was_of_the_baseline(
    sqlite_table,
):
    sqlite_table.insert(job_id=10, job_status="Waiting")
    collect(sqlite_table)
    assert Aside.objects.get().baseline is True
    sqlite_table.execute("DELETE FROM Jobs")
    collect(sqlite_table, thorough=True)
    assert Aside.objects.get().baseline is False

    sqlite_table.insert(job_id=10)
    collect(sqlite_table)

    assert Job.objects.get().baseline is False
    assert Message.objects.get(subject="repair").event == "repair.opened"


def test_rows_without_a_key_hide_none_that_has_one(shop, monkeypatch):
    monkeypatch.setattr(collecting, "PAGE", 100)
    monkeypatch.setattr(sweeping, "PAGE", 100)
    shop.execute("DROP TABLE Jobs")
    shop.execute(JOBS.format(table="Jobs", key="integer", options="").replace(" PRIMARY KEY", ""))
    shop.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)"
        " INSERT INTO Jobs (job_status) SELECT 'New' FROM n"
    )
    shop.insert(job_id=7)
    shop.insert(job_id=8, job_status="Closed")

    assert collect(shop).collected == 1
    assert collect(shop, thorough=True).collected == 1
    assert sorted(Job.objects.values_list("key", flat=True)) == [7, 8]
    assert open_rows() == []
