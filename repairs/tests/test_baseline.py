"""First contact: what is there is taken in, whatever there is of it, and nobody is told."""

import contextlib
import threading
import uuid

import pytest
from django.db import connection

from notifications.models import Message
from repairs import services
from repairs.exceptions import LeaseLost
from repairs.models import Aside, DocumentWrite, Job, Source
from repairs.services import baseline, leasing
from repairs.services.baseline import take_baseline
from repairs.services.rounds import Run
from repairs.services.storing import take_in

pytestmark = pytest.mark.django_db


def collect(table, **how):
    done = services.collect(source_id=table.source.pk, **how)
    table.source.refresh_from_db()
    return done


def fill(table, count, *, step=1, word="CLOSED"):
    """Give the table so many jobs that are alike."""
    table.execute(
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
        " INSERT INTO Jobs SELECT"
        f" i * {step}, 'Repair', '{word}', 'A', 'B', 'C 1', '0722 000 000', 'D', 'E' FROM n"
    )


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(baseline, "PAGE", 100)


def test_what_was_there_comes_as_it_is_and_nobody_is_told(sqlite_table):
    sqlite_table.insert(job_id=5, job_status="New")
    sqlite_table.insert(job_id=6, job_status="Job_Completed", client_mobile=None)
    sqlite_table.insert(job_id=9, job_status="cancelled")

    assert collect(sqlite_table).collected == 3

    new, completed, cancelled = Job.objects.order_by("key")
    assert [(job.key, job.status, job.client_status) for job in (new, completed, cancelled)] == [
        (5, "NEW", "New"),
        (6, "JOB COMPLETED", "Job_Completed"),
        (9, "CANCELLED", "cancelled"),
    ]
    assert [(each["status"], each["by"]) for each in new.updates] == [("New", "client")]
    assert (new.baseline, new.write_due, new.phone, new.phone_error) == (True, False, None, "")
    assert (new.firstname, new.lastname, new.postcode, new.mobile, new.product_type) == (
        "John",
        "Smith",
        "SG13 7TZ",
        "+447770 123456",
        "spider catcher",
    )
    assert (new.client_key, new.postcode_key, new.phone_key) == (
        "SMITH JOHN",
        "SG137TZ",
        "770123456",
    )
    assert (completed.mobile, completed.phone_key) == ("", "")
    assert Message.objects.count() == 0
    assert sqlite_table.status(5) == "New"
    source = sqlite_table.source
    assert (source.baseline_to, source.baseline_after, source.collected) == (9, 9, 3)
    assert source.baselined_at is not None


def test_an_empty_table_is_a_baseline_and_its_first_job_is_told(sqlite_table):
    assert collect(sqlite_table).collected == 0
    sqlite_table.insert(job_id=1)

    collect(sqlite_table)

    assert Message.objects.get(subject="repair").event == "repair.opened"


def test_a_copied_job_is_as_one_that_came_alone(sqlite_table, monkeypatch):
    """Both ways of a row lead to the same job, odd letters and all."""
    odd = {
        "job_type": "a\tb\\N\r\n",
        "client_firstname": " Zoë 😀 ",
        "client_lastname": "O'Neil\\",
        "client_postcode": " sg13\u00a07tz ",
        "client_mobile": "(+44) 7770-123٤56",
        "product_sku": "\\N",
        "product_type": None,
    }
    sqlite_table.insert(job_id=1, job_status='"Closed', **odd)
    sqlite_table.settings["statuses"] = {'"closed': "CLOSED"}
    collect(sqlite_table)
    copied = Job.objects.get()
    with services.collecting.ClientDatabase(services.layout_of(sqlite_table.source)) as client:
        [row] = client.rows(after=None, up_to=None, limit=10)
    Aside.objects.create(source=sqlite_table.source, key="2", baseline=True)

    take_in(
        source=sqlite_table.source,
        layout=services.layout_of(sqlite_table.source),
        rows=[row._replace(job_id=2)],
    )

    alone = Job.objects.get(key=2)
    left_out = {"_state", "id", "key", "updates", "collected_at", "updated_at"}
    fields = [
        {name: value for name, value in vars(job).items() if name not in left_out}
        for job in (copied, alone)
    ]
    assert fields[0] == fields[1]
    assert [each["status"] for each in copied.updates] == ['"Closed']
    assert copied.job_type == "a\tb\\N\r\n"


def test_many_pages_come_exactly_once(sqlite_table, small_pages):
    fill(sqlite_table, 1050, step=3)

    assert collect(sqlite_table).collected == 1050

    assert list(Job.objects.order_by("key").values_list("key", flat=True)) == list(
        range(3, 3151, 3)
    )
    assert sqlite_table.source.collected == 1050


def test_a_page_that_ends_with_the_table_is_followed_by_an_empty_one(sqlite_table, small_pages):
    fill(sqlite_table, 200)

    assert collect(sqlite_table).collected == 200

    assert sqlite_table.source.baselined_at is not None


def test_it_goes_on_where_its_time_was_up(sqlite_table, small_pages):
    fill(sqlite_table, 250)

    rounds = [collect(sqlite_table, seconds=0) for _ in range(4)]

    assert [(each.collected, each.done) for each in rounds] == [
        (100, False),
        (100, False),
        (50, True),
        (0, True),
    ]
    assert Job.objects.count() == 250


def test_what_comes_meanwhile_does_not_wait_for_it_and_is_told(sqlite_table, small_pages):
    fill(sqlite_table, 250)
    collect(sqlite_table, seconds=0)
    sqlite_table.insert(job_id=1000)

    assert collect(sqlite_table, seconds=0).collected == 101

    assert Message.objects.get(subject="repair").reference == "workshop:01000"
    collect(sqlite_table)
    assert Job.objects.filter(baseline=True).count() == 250
    assert Message.objects.filter(subject="repair").count() == 1
    assert sqlite_table.status(1000) == "OPENED"


def test_one_committed_late_with_a_low_key_is_new_and_told(sqlite_table, small_pages):
    fill(sqlite_table, 150, step=2)
    collect(sqlite_table, seconds=0)
    # Behind the page that was taken in, and no longer NEW when it is found.
    sqlite_table.insert(job_id=7, job_status="Opened")
    collect(sqlite_table)

    assert Message.objects.get(subject="repair").reference == "workshop:00007"
    assert Job.objects.filter(baseline=True).count() == 150


def test_bad_rows_are_set_aside_and_nobody_is_told_once_they_are_mended(sqlite_table):
    sqlite_table.insert(job_id=1, job_status="In the shop")
    sqlite_table.insert(job_id=2, client_firstname=b"\xff\xfe")
    sqlite_table.insert(job_id=3)

    assert collect(sqlite_table).collected == 1

    rows = Aside.objects.order_by("key").values_list("key", "reason", "baseline", "resolved_at")
    assert list(rows) == [("1", "unknown_status", True, None), ("2", "unreadable", True, None)]

    sqlite_table.settings["statuses"] = {"in the shop": "OPENED"}
    sqlite_table.execute("UPDATE Jobs SET client_firstname = 'Ana' WHERE job_id = 2")
    assert collect(sqlite_table, thorough=True).collected == 2

    assert Job.objects.filter(baseline=True, status__in=["OPENED", "NEW"]).count() == 3
    assert Aside.objects.open().count() == 0
    assert Message.objects.count() == 0


def test_numbers_in_columns_of_texts_are_texts(sqlite_table):
    sqlite_table.execute("DROP TABLE Jobs")
    sqlite_table.execute(
        "CREATE TABLE Jobs (job_id integer PRIMARY KEY, job_type, job_status, client_firstname,"
        " client_lastname, client_postcode, client_mobile, product_sku, product_type)"
    )
    for key in (1, 2):
        sqlite_table.insert(
            job_id=key,
            client_postcode=100,
            client_mobile=722000000,
            product_sku=None,
            product_type=12.5 if key == 2 else "pump",
        )

    collect(sqlite_table)

    jobs = Job.objects.order_by("key")
    assert list(jobs.values_list("postcode", "mobile", "product_sku", "product_type")) == [
        ("100", "722000000", "", "pump"),
        ("100", "722000000", "", "12.5"),
    ]


def test_keys_that_are_texts_come_too_and_what_is_no_number_is_set_aside(sqlite_table, monkeypatch):
    monkeypatch.setattr(baseline, "PAGE", 100)
    sqlite_table.execute("DROP TABLE Jobs")
    sqlite_table.execute(
        "CREATE TABLE Jobs (job_id text PRIMARY KEY, job_type, job_status, client_firstname,"
        " client_lastname, client_postcode, client_mobile, product_sku, product_type)"
    )
    fill(sqlite_table, 250)
    sqlite_table.insert(job_id="x7")
    sqlite_table.insert(job_id="-3")
    # The same job as 12: it comes once, and as 12 is of the same page, by that.
    sqlite_table.insert(job_id="0012", job_status="CLOSED")
    while not (done := collect(sqlite_table, seconds=0)).done:
        pass

    assert done.done
    assert sorted(Job.objects.values_list("key", flat=True)) == list(range(1, 251))
    assert sorted(Aside.objects.open().values_list("key", "reason")) == [
        ("-3", "bad_key"),
        ("0012", "bad_key"),
        ("x7", "bad_key"),
    ]
    assert sqlite_table.source.baselined_at is not None

    sqlite_table.insert(job_id="0300")
    collect(sqlite_table, thorough=True)
    assert Message.objects.get(subject="repair").reference == "workshop:00300"
    assert sqlite_table.status("0300") == "OPENED"
    assert Job.objects.get(key=300).write_due is False


def test_what_another_took_in_meanwhile_is_left_out(sqlite_table):
    fill(sqlite_table, 20)
    source = Source.objects.get()
    layout = services.layout_of(source)
    with services.collecting.ClientDatabase(layout) as client:
        take_in(source=source, layout=layout, rows=client.rows(after=4, up_to=9, limit=100))

    assert collect(sqlite_table).collected == 15

    assert Job.objects.count() == 20
    assert Job.objects.filter(baseline=True).count() == 15


@contextlib.contextmanager
def running(table, source):
    layout = services.layout_of(source)
    with services.collecting.ClientDatabase(layout) as client:
        yield Run(
            source=source, layout=layout, client=client, is_over=lambda: False, thorough=False
        )


def test_two_baselines_at_once_double_nothing(transactional_db, sqlite_table, monkeypatch):
    """Without a lease: each page of the one meets what the other took in."""
    monkeypatch.setattr(baseline, "PAGE", 100)
    fill(sqlite_table, 2000)
    together, taken = threading.Barrier(2), []

    def work():
        try:
            with running(sqlite_table, Source.objects.get()) as run:
                together.wait(60)
                assert take_baseline(run)
                taken.append(run.result.collected)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert sum(taken) == Job.objects.count() == Source.objects.get().collected == 2000


def test_who_lost_the_source_copies_nothing_more(sqlite_table, small_pages):
    fill(sqlite_table, 250)
    source = leasing.claim(source_id=sqlite_table.source.pk)
    with running(sqlite_table, source) as run:
        run.is_over = lambda: Source.objects.update(fence=uuid.uuid4()) is None
        with pytest.raises(leasing.LeaseLost):
            take_baseline(run)

    assert Job.objects.count() == 100


def test_mongodb_is_to_have_each_job_of_it(sqlite_table, settings, small_pages):
    settings.MONGO_URL = "mongodb://127.0.0.1/duka"
    fill(sqlite_table, 250)

    collect(sqlite_table)

    assert DocumentWrite.objects.filter(revision=1).count() == 250


def test_after_failures_pages_are_smaller(sqlite_table):
    Source.objects.update(failures=5)
    with running(sqlite_table, Source.objects.get()) as run:
        assert (run.page(10_000), run.page(1000)) == (312, 100)
        Source.objects.update(failures=60)
        run.source.refresh_from_db()
        assert run.page(10_000) == 100


def test_an_end_that_cannot_be_kept_lets_no_old_job_be_new(client_table, small_pages):
    client_table.execute("ALTER TABLE Jobs MODIFY job_id decimal(12, 2)")
    client_table.execute(
        "INSERT INTO Jobs (job_id, job_status, client_mobile)"
        " SELECT seq, 'New', '0722 000 000' FROM seq_1_to_250"
    )
    client_table.insert(job_id="900.50")

    assert collect(client_table, seconds=0).collected == 100
    assert client_table.source.baseline_to is None
    while not collect(client_table, seconds=0).done:
        pass

    assert Job.objects.filter(baseline=True).count() == Job.objects.count() == 250
    assert Message.objects.count() == 0
    assert Aside.objects.get().key == "900.50"
    client_table.insert(job_id=251)
    assert collect(client_table).collected == 1
    assert Message.objects.get(subject="repair").reference == "workshop:00251"


def copy_as(table, name, key="job_id"):
    """Give the client another table with the same columns, in which old jobs are."""
    table.execute(f"CREATE TABLE {name} AS SELECT *, job_id + 100 AS number FROM Jobs WHERE 0")
    for n, word in enumerate(("CLOSED", "NEW", "CANCELLED", "JOB COMPLETED"), start=1):
        table.execute(f"INSERT INTO {name} ({key}, job_status) VALUES ({n}, '{word}')")


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"table": "RealJobs"}, "job_id"),
        ({"table": "RealJobs", "columns": {"job_id": "number"}}, "number"),
    ],
)
def test_another_table_is_a_first_contact_and_nobody_is_told(sqlite_table, changes, key):
    sqlite_table.insert(job_id=2, job_status="CLOSED")
    collect(sqlite_table)
    copy_as(sqlite_table, "RealJobs", key)

    services.update_source(source_id=sqlite_table.source.pk, **changes)

    assert collect(sqlite_table).collected == 3
    assert sorted(Job.objects.values_list("key", "baseline")) == [(n, True) for n in (1, 2, 3, 4)]
    assert Message.objects.count() == 0
    assert sqlite_table.source.baseline_to == 4
    sqlite_table.execute(f"INSERT INTO RealJobs ({key}, job_status) VALUES (5, 'NEW')")
    collect(sqlite_table)
    assert Message.objects.get(subject="repair").reference == "workshop:00005"


def test_another_column_of_keys_is_a_first_contact(sqlite_table):
    sqlite_table.execute("ALTER TABLE Jobs ADD COLUMN number")
    collect(sqlite_table)
    sqlite_table.execute("INSERT INTO Jobs (job_id, number, job_status) VALUES (1, 41, 'NEW')")
    before = leasing.claim(source_id=sqlite_table.source.pk)

    services.update_source(source_id=sqlite_table.source.pk, columns={"job_id": "number"})

    # Who is at it by the old name comes no further.
    with pytest.raises(LeaseLost):
        leasing.hold(before)
    collect(sqlite_table)
    assert [(job.key, job.baseline) for job in Job.objects.all()] == [(41, True)]


def test_other_changes_are_no_first_contact(sqlite_table):
    collect(sqlite_table)
    at = sqlite_table.source.baselined_at

    services.update_source(
        source_id=sqlite_table.source.pk, table="Jobs", columns={"job_id": "job_id"}, active=True
    )

    sqlite_table.source.refresh_from_db()
    assert sqlite_table.source.baselined_at == at
