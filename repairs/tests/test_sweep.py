"""All keys and statuses beside ours: what the look at the NEW ones cannot show."""

from datetime import timedelta

import pytest
from django.utils import timezone

from notifications.models import Message
from repairs import services
from repairs.clients import SourceFailed
from repairs.models import Job, Source
from repairs.services import collecting, sweeping

pytestmark = pytest.mark.django_db


def collect(table, **how):
    done = services.collect(source_id=table.source.pk, **how)
    table.source.refresh_from_db()
    return done


@pytest.fixture
def shop(sqlite_table):
    collect(sqlite_table)
    return sqlite_table


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(sweeping, "PAGE", 100)
    monkeypatch.setattr(sweeping, "ROWS", 30)


def fill(table, count, word="CLOSED"):
    table.execute(
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
        f" INSERT INTO Jobs SELECT i, 'Repair', '{word}', 'A', 'B', 'C', '', 'D', 'E' FROM n"
    )


def test_without_it_what_went_on_before_it_was_seen_would_be_missed(shop, monkeypatch):
    shop.insert(job_id=1, job_status="CANCELLED")
    monkeypatch.setattr(collecting, "sweep", lambda run: None)
    assert collect(shop).collected == 0
    monkeypatch.undo()

    assert collect(shop, thorough=True).collected == 1

    assert Message.objects.get(subject="repair").event == "repair.cancelled"


def test_the_clients_moves_are_followed_and_the_last_is_told(shop):
    shop.insert(job_id=1)
    collect(shop)
    shop.set_status(1, "Job Completed")
    assert collect(shop, thorough=True).followed == 1
    shop.set_status(1, "Closed")
    collect(shop, thorough=True)

    job = Job.objects.get()
    assert [each["status"] for each in job.updates] == [
        "New",
        "OPENED",
        "Job Completed",
        "Closed",
    ]
    assert (job.status, job.client_status, job.conflict) == ("CLOSED", "Closed", "")
    assert sorted(Message.objects.filter(subject="repair").values_list("event", flat=True)) == [
        "repair.closed",
        "repair.opened",
    ]


def test_a_word_nobody_knows_is_kept_for_a_person(shop):
    shop.insert(job_id=1)
    collect(shop)
    shop.set_status(1, "In the shop")

    assert collect(shop, thorough=True).followed == 1
    assert collect(shop, thorough=True).followed == 0

    job = Job.objects.get()
    assert (job.status, job.conflict) == ("OPENED", "In the shop")
    assert shop.status(1) == "In the shop"


def test_the_same_word_in_other_letters_is_no_news(shop):
    shop.insert(job_id=1)
    collect(shop)
    shop.set_status(1, "opened")
    collect(shop, thorough=True)

    job = Job.objects.get()
    assert [each["status"] for each in job.updates] == ["New", "OPENED"]
    assert (job.client_status, job.conflict) == ("opened", "")


def test_a_job_that_is_gone_there_stays_here(shop):
    shop.insert(job_id=1)
    collect(shop)
    shop.execute("DELETE FROM Jobs")

    assert collect(shop, thorough=True).followed == 0

    assert Job.objects.get().status == "OPENED"


def test_it_rests_longer_than_it_takes(shop, settings):
    settings.REPAIRS_SWEEP_SECONDS = 60
    first = shop.source.swept_at
    assert first is not None

    collect(shop)
    assert shop.source.swept_at == first

    Source.objects.update(swept_at=timezone.now() - timedelta(seconds=70), sweep_seconds=4)
    waiting = Source.objects.get().swept_at
    collect(shop)
    assert shop.source.swept_at == waiting

    Source.objects.update(swept_at=timezone.now() - timedelta(seconds=90))
    collect(shop)
    assert shop.source.swept_at > first
    assert shop.source.sweep_seconds < 4


def test_it_goes_on_where_its_time_was_up(shop, small_pages):
    fill(shop, 250)
    Source.objects.update(swept_at=None)

    rounds = []
    for _ in range(11):
        done = collect(shop, seconds=0)
        rounds.append((done.collected, done.done, shop.source.sweep_after))

    # By thirties, a page of a hundred at a time.
    assert rounds == [
        (30, False, None),
        (30, False, None),
        (30, False, None),
        (10, False, 100),
        (30, False, 100),
        (30, False, 100),
        (30, False, 100),
        (10, False, 200),
        (30, False, 200),
        (20, True, None),
        (0, True, None),
    ]
    assert Message.objects.filter(subject="repair", event="repair.closed").count() == 250


def test_many_changes_are_followed_as_far_as_the_time_goes(shop, small_pages):
    fill(shop, 4, "NEW")
    collect(shop)
    shop.execute("UPDATE Jobs SET job_status = 'JOB COMPLETED'")
    Source.objects.update(swept_at=None)

    rounds = [collect(shop, seconds=0) for _ in range(5)]

    assert [(each.followed, each.done) for each in rounds] == [
        (1, False),
        (1, False),
        (1, False),
        (1, True),
        (0, True),
    ]
    assert set(Job.objects.values_list("status", flat=True)) == {"JOB COMPLETED"}


def test_a_failure_in_the_middle_loses_no_page(shop, small_pages, monkeypatch):
    fill(shop, 150)
    Source.objects.update(swept_at=None)
    really = sweeping.take_in

    def then_lose_the_table(**kwargs):
        taken = really(**kwargs)
        if Job.objects.count() == 130:
            shop.execute("ALTER TABLE Jobs RENAME TO Gone")
        return taken

    monkeypatch.setattr(sweeping, "take_in", then_lose_the_table)
    with pytest.raises(SourceFailed):
        collect(shop)
    source = Source.objects.get()
    assert (source.sweep_after, source.error_code) == (100, "missing_table")
    monkeypatch.undo()
    shop.execute("ALTER TABLE Gone RENAME TO Jobs")

    assert collect(shop).collected == 20

    assert Message.objects.filter(subject="repair").count() == 150


@pytest.mark.parametrize("word", [None, "", " "])
def test_a_status_that_the_client_emptied_is_kept_for_a_person(shop, word):
    shop.insert(job_id=1)
    collect(shop)
    shop.set_status(1, word)

    assert collect(shop, thorough=True).followed == 1
    assert collect(shop, thorough=True).followed == 0

    job = Job.objects.get()
    assert (job.status, job.conflict) == ("OPENED", "(empty)")


def test_asked_for_by_a_person_it_begins_with_the_first_again(shop, small_pages):
    fill(shop, 250, word="OPENED")
    collect(shop, thorough=True)
    Source.objects.update(sweep_after=100, sweep_begun_at=timezone.now(), scan_after=200)
    shop.set_status(7, "JOB COMPLETED")
    shop.set_status(150, "NEW")

    assert collect(shop, thorough=True).followed == 2

    assert Job.objects.get(key=7).status == "JOB COMPLETED"
    assert Job.objects.get(key=150).conflict == "NEW"
