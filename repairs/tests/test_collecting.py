"""A round of collecting: what comes, what is told, what is left alone."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from core import jobs
from notifications.models import Message
from repairs import services, tasks
from repairs.clients import SourceFailed
from repairs.exceptions import LeaseLost, SourceBusy, UnknownSource
from repairs.models import Job, Source
from repairs.services import collecting, leasing
from repairs.services.storing import take_in
from repairs.states import FindingCode

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(sqlite_table):
    """A client's table whose baseline, which was empty, is over."""
    collect(sqlite_table)
    return sqlite_table


def collect(table, **how):
    done = services.collect(source_id=table.source.pk, **how)
    table.source.refresh_from_db()
    return done


def told():
    return sorted(Message.objects.filter(subject="repair").values_list("event", "reference"))


def words(job):
    return [(each["status"], each["by"]) for each in job.updates]


def test_a_new_job_is_opened_told_and_written_back(shop):
    shop.insert(job_id=123)

    done = collect(shop)

    assert (done.collected, done.followed, done.written, done.done) == (1, 0, 1, True)
    job = Job.objects.get()
    assert (job.key, job.status, job.client_status) == (123, "OPENED", "OPENED")
    assert words(job) == [("New", "client"), ("OPENED", "duka")]
    assert (job.phone, job.phone_error, job.baseline, job.write_due) == (
        "+447770123456",
        "",
        False,
        False,
    )
    assert (job.client_key, job.postcode_key, job.phone_key) == (
        "SMITH JOHN",
        "SG137TZ",
        "770123456",
    )
    assert shop.status(123) == "OPENED"
    message = Message.objects.get(subject="repair")
    assert (message.event, message.to, message.reference) == (
        "repair.opened",
        "+447770123456",
        "workshop:00123",
    )
    assert shop.source.collected == 1


def test_the_document_is_the_contracts(shop, monkeypatch, settings):
    settings.SHOP_TIME_ZONE = "Europe/London"
    at = timezone.datetime(2022, 3, 21, 10, tzinfo=timezone.get_fixed_timezone(0))
    monkeypatch.setattr("core.clock.now", lambda: at)
    shop.insert(job_id=123)

    collect(shop)

    assert services.document_of(Job.objects.get()) == {
        "job_id": "00123",
        "job_date": "2022-03-21",
        "job_type": "Repair",
        "job_status": "OPENED",
        "customer": {
            "client_firstname": "John",
            "client_lastname": "Smith",
            "client_postcode": "SG13 7TZ",
            "client_mobile": "+447770 123456",
        },
        "product": {"product_id": "123", "product_type": "spider catcher"},
        "updates": [
            {"timestamp": "2022-03-21 10:00:00", "status": "New"},
            {"timestamp": "2022-03-21 10:00:00", "status": "OPENED"},
        ],
    }


@pytest.mark.parametrize(
    ("word", "status", "went_through", "event"),
    [
        ("new", "OPENED", [("new", "client"), ("OPENED", "duka")], "repair.opened"),
        ("Opened", "OPENED", [("NEW", "client"), ("Opened", "client")], "repair.opened"),
        (
            "job_completed",
            "JOB COMPLETED",
            [("NEW", "client"), ("OPENED", "client"), ("job_completed", "client")],
            "repair.opened",
        ),
        (
            "Closed",
            "CLOSED",
            [
                ("NEW", "client"),
                ("OPENED", "client"),
                ("JOB COMPLETED", "client"),
                ("Closed", "client"),
            ],
            "repair.closed",
        ),
        ("Canceled", "CANCELLED", [("NEW", "client"), ("Canceled", "client")], "repair.cancelled"),
    ],
)
def test_a_job_is_taken_in_where_it_is_first_seen_with_one_message(
    shop, word, status, went_through, event
):
    shop.insert(job_id=7, job_status=word)

    collect(shop, thorough=True)

    job = Job.objects.get()
    assert (job.status, words(job)) == (status, went_through)
    assert told() == [(event, "workshop:00007")]


def test_a_second_round_takes_nothing_in_again_though_the_client_keeps_it_new(shop):
    shop.settings["write_back"] = False
    shop.insert(job_id=123)

    assert [collect(shop, thorough=True).collected for _ in range(3)] == [1, 0, 0]

    assert shop.status(123) == "New"
    assert Job.objects.get().write_due is False
    assert told() == [("repair.opened", "workshop:00123")]


def test_jobs_come_whatever_the_order_of_their_keys(shop):
    shop.insert(job_id=500)
    collect(shop)
    shop.insert(job_id=20)

    assert collect(shop).collected == 1

    assert told() == [("repair.opened", "workshop:00020"), ("repair.opened", "workshop:00500")]


def test_a_phone_that_cannot_be_right_is_kept_and_the_message_suppressed(shop):
    shop.insert(job_id=1, client_mobile="12")
    shop.insert(job_id=2, client_mobile=None)

    collect(shop)

    wrong, missing = Job.objects.order_by("key")
    assert (wrong.phone, wrong.status) == ("", "OPENED")
    assert wrong.phone_error.startswith("This is not a phone number.")
    assert (missing.phone, missing.phone_error) == ("", "There is no phone number.")
    assert list(Message.objects.values_list("status", flat=True)) == ["suppressed"] * 2


def test_cells_become_texts_that_can_be_stored(shop):
    shop.insert(
        job_id=1,
        job_type=None,
        client_firstname="A\x00na 😀",
        client_lastname=b"O\xc3\xa9",
        product_sku=1234,
        product_type=1.5,
    )

    collect(shop)

    job = Job.objects.get()
    assert (job.job_type, job.firstname, job.lastname, job.product_sku, job.product_type) == (
        "",
        "Ana 😀",
        "Oé",
        "1234",
        "1.5",
    )


def test_texts_without_end_are_cut(shop):
    shop.insert(job_id=1, product_sku="s" * 20_000, client_lastname="ü" * 20_000)

    collect(shop)

    job = Job.objects.get()
    assert (len(job.product_sku), len(job.lastname), len(job.client_key)) == (600, 10_000, 200)


def test_old_rows_that_stay_new_do_not_hide_new_ones(shop, monkeypatch):
    """They are looked at some pages a round; what is newest does not wait for its turn."""
    monkeypatch.setattr(collecting, "PAGE", 100)
    monkeypatch.setattr(collecting, "_IDLE_PAGES", 2)
    shop.settings["write_back"] = False
    shop.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
        " INSERT INTO Jobs SELECT i * 2, 'Repair', 'NEW', 'A', 'B', 'C', '', 'D', 'E' FROM n"
    )
    assert collect(shop, thorough=True).collected == 1000
    complete_at = shop.source.complete_at

    assert collect(shop).collected == 0
    begun_at = shop.source.tried_at
    assert (shop.source.scan_after, shop.source.complete_at) == (400, complete_at)
    assert shop.source.scan_begun_at == begun_at
    shop.insert(job_id=5001, job_status="NEW")
    assert collect(shop).collected == 1
    # One that was committed late, behind which the look is already.
    shop.insert(job_id=701, job_status="NEW")
    rounds = [collect(shop).collected for _ in range(4)]
    assert (rounds, shop.source.scan_after) == ([0, 0, 0, 0], None)
    # The whole table was looked at since the first of these rounds began.
    assert shop.source.complete_at == begun_at

    assert [collect(shop).collected for _ in range(2)] == [0, 1]


def test_complete_at_is_when_the_round_began(shop):
    before = shop.source.complete_at
    collect(shop)

    assert shop.source.complete_at == shop.source.tried_at > before
    assert shop.source.next_at >= shop.source.tried_at
    assert (shop.source.fence, shop.source.leased_until) == (None, None)


def test_another_collector_at_it_is_left_alone(shop):
    Source.objects.update(fence=uuid.uuid4(), leased_until=Now() + timedelta(minutes=1))
    shop.insert(job_id=1)

    with pytest.raises(SourceBusy, match=r"Another collector is at workshop\."):
        collect(shop)

    assert Job.objects.count() == 0


def test_a_lease_that_passed_is_taken_over_and_its_owner_writes_nothing_more(shop):
    first = leasing.claim(source_id=shop.source.pk)
    Source.objects.update(leased_until=Now() - timedelta(seconds=1))
    second = leasing.claim(source_id=shop.source.pk)
    shop.insert(job_id=1)
    layout = services.layout_of(first)
    with collecting.ClientDatabase(layout) as client:
        rows = client.new_rows(after=None, limit=10)

    with pytest.raises(LeaseLost):
        take_in(source=first, layout=layout, rows=rows)
    assert Job.objects.count() == 0

    assert take_in(source=second, layout=layout, rows=rows) == 1
    leasing.release(first)
    assert Source.objects.get().fence == second.fence


def test_a_collector_that_loses_its_source_says_so(shop, monkeypatch):
    def lose(run):
        Source.objects.update(fence=uuid.uuid4())
        leasing.hold(run.source)

    monkeypatch.setattr(collecting, "sweep", lose)

    with pytest.raises(SourceBusy, match=r"Another collector took over workshop\."):
        collect(shop)


def test_an_error_of_ours_gives_the_source_back(shop, monkeypatch):
    def fail(run):
        raise ZeroDivisionError

    monkeypatch.setattr(collecting, "sweep", fail)

    with pytest.raises(ZeroDivisionError):
        collect(shop)

    shop.source.refresh_from_db()
    assert (shop.source.fence, shop.source.failures) == (None, 0)


def test_a_source_that_is_no_longer_configured_is_given_back(shop, settings):
    settings.REPAIR_SOURCES = {}

    with pytest.raises(UnknownSource):
        collect(shop)

    assert Source.objects.get().fence is None


def test_failures_are_named_and_the_waits_grow_until_it_answers_again(shop, caplog):
    shop.execute("ALTER TABLE Jobs RENAME TO Gone")
    waits = []
    for _ in range(8):
        with pytest.raises(SourceFailed) as failed:
            collect(shop)
        source = Source.objects.get()
        waits.append(round((source.next_at - source.tried_at).total_seconds()))

    assert failed.value.finding == FindingCode.MISSING_TABLE
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    assert (source.failures, source.error_code) == (8, "missing_table")
    assert source.error == failed.value.detail
    assert source.failing_since <= source.tried_at
    assert source.fence is None

    shop.execute("ALTER TABLE Gone RENAME TO Jobs")
    shop.insert(job_id=1)
    assert collect(shop).collected == 1

    source = shop.source
    assert (source.failures, source.failing_since, source.error_code, source.error) == (
        0,
        None,
        "",
        "",
    )
    assert [
        record.message.split(":")[0] for record in caplog.records if record.name == "duka.repairs"
    ] == ["workshop fails", "workshop answers again"]


def test_away_for_an_hour_and_all_is_there_afterwards(shop):
    shop.insert(job_id=1)
    collect(shop)
    shop.path.rename(shop.path.with_suffix(".away"))
    with pytest.raises(SourceFailed):
        collect(shop)
    hour_ago = timezone.now() - timedelta(hours=1)
    Source.objects.update(failing_since=hour_ago)
    with pytest.raises(SourceFailed) as failed:
        collect(shop)
    source = Source.objects.get()
    assert (source.error_code, source.failing_since) == (FindingCode.UNREACHABLE, hour_ago)
    assert source.error == failed.value.detail

    shop.path.with_suffix(".away").rename(shop.path)
    for key in range(2, 52):
        shop.insert(job_id=key, job_status="New" if key % 10 else "Cancelled")
    Source.objects.update(swept_at=hour_ago)
    collect(shop)

    assert Job.objects.count() == Message.objects.filter(subject="repair").count() == 51
    assert (shop.source.failing_since, shop.source.error) == (None, "")


def test_two_that_collect_at_once_without_a_lease_double_nothing(
    transactional_db, sqlite_table, settings
):
    services.collect(source_id=sqlite_table.source.pk)
    for key in range(1, 301):
        sqlite_table.insert(job_id=key, client_mobile="")
    layout = services.layout_of(sqlite_table.source)
    with collecting.ClientDatabase(layout) as client:
        rows = client.new_rows(after=None, limit=1000)
    taken, together = [], threading.Barrier(3)

    def work(backwards):
        try:
            source = Source.objects.get()
            together.wait(60)
            taken.append(
                take_in(source=source, layout=layout, rows=rows[::-1] if backwards else rows)
            )
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(n % 2,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert sum(taken) == 300
    assert Job.objects.count() == 300
    assert Source.objects.get().collected == 300
    assert Message.objects.filter(subject="repair").count() == 300


def test_mongodb_is_to_have_each_job_once(shop, settings):
    settings.MONGO_URL = "mongodb://127.0.0.1/duka"
    shop.insert(job_id=1)
    collect(shop)
    job = Job.objects.get()

    assert job.document_write.revision == 1


# The tasks


def test_a_task_takes_each_source_that_is_due_and_each_once(shop, settings):
    settings.REPAIR_SOURCES["other"] = settings.REPAIR_SOURCES["workshop"] | {"url": "sqlite:///x"}
    settings.REPAIR_SOURCES["idle"] = settings.REPAIR_SOURCES["other"]
    tasks.sync_repair_sources.func()
    Source.objects.filter(name="idle").update(active=False)
    Source.objects.create(name="gone")

    assert [tasks.collect_repairs.func(), tasks.collect_repairs.func()] == [2, 0]

    assert {
        (each.task_path, each.args_kwargs["kwargs"]["source_id"])
        for each in DBTaskResult.objects.exclude(task_path__startswith="notifications.")
    } == {
        ("repairs.tasks.collect_source", Source.objects.get(name=name).pk)
        for name in ("workshop", "other")
    }


def test_a_source_with_a_collector_at_it_is_not_due(shop):
    Source.objects.update(fence=uuid.uuid4(), leased_until=Now() + timedelta(minutes=1))

    assert tasks.collect_repairs.func() == 0


def test_a_task_collects_and_a_failure_is_no_failure_of_the_task(shop):
    shop.insert(job_id=1)
    tasks.collect_source.func(shop.source.pk)
    assert Job.objects.count() == 1

    shop.execute("DROP TABLE Jobs")
    tasks.collect_source.func(shop.source.pk)
    assert Source.objects.get().error_code == "missing_table"


@pytest.mark.parametrize("stopping", [False, True])
def test_a_task_goes_on_later_where_its_time_was_too_short(shop, monkeypatch, stopping):
    monkeypatch.setattr(tasks, "SLICE", timedelta(0))
    monkeypatch.setattr(collecting, "PAGE", 100)
    monkeypatch.setattr(jobs, "stopping", lambda: stopping)
    for key in range(1, 251):
        shop.insert(job_id=key)

    tasks.collect_source.func(shop.source.pk)

    assert Job.objects.count() == 100
    assert DBTaskResult.objects.filter(task_path="repairs.tasks.collect_source").count() == (
        0 if stopping else 1
    )


def test_what_a_task_goes_on_with_is_given_to_no_other(shop, monkeypatch):
    shop.settings["write_back"] = False
    monkeypatch.setattr(tasks, "SLICE", timedelta(0))
    monkeypatch.setattr(collecting, "PAGE", 100)
    for key in range(1, 251):
        shop.insert(job_id=key)
    queued = DBTaskResult.objects.filter(task_path="repairs.tasks.collect_source")

    assert tasks.collect_repairs.func() == 1
    for _ in range(2):
        tasks.collect_source.func(shop.source.pk)
        assert tasks.collect_repairs.func() == 0

    assert queued.count() == 3
    tasks.collect_source.func(shop.source.pk)
    assert (queued.count(), Job.objects.count()) == (3, 250)
    assert tasks.collect_repairs.func() == 1


def test_who_goes_on_by_nobody_leaves_the_rest_to_be_begun_at_once(shop, monkeypatch):
    monkeypatch.setattr(collecting, "PAGE", 100)
    for key in range(1, 151):
        shop.insert(job_id=key)

    assert collect(shop, seconds=0).done is False
    assert services.sources_to_collect() == [shop.source.pk]


def test_a_task_leaves_a_source_alone_that_was_turned_off_meanwhile(shop):
    shop.insert(job_id=1)
    services.update_source(source_id=shop.source.pk, active=False)

    tasks.collect_source.func(shop.source.pk)

    assert Job.objects.count() == 0
    assert collect(shop).collected == 1
