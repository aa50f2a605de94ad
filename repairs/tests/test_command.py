"""`manage.py collect_repairs`."""

import uuid
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from notifications.models import Message
from repairs import services
from repairs.models import Aside, Job, Source

pytestmark = pytest.mark.django_db


def run(capsys, *args):
    call_command("collect_repairs", "--source", "workshop", *args)
    return capsys.readouterr().out


@pytest.fixture
def shop(sqlite_table):
    """The baseline is over; a job is new, one cannot become one, one was completed."""
    sqlite_table.insert(job_id=1, job_status="Opened")
    services.collect(source_id=sqlite_table.source.pk)
    sqlite_table.set_status(1, "Job completed")
    sqlite_table.insert(job_id=2, job_status="In the shop")
    sqlite_table.insert(job_id=3)
    return sqlite_table


def test_a_round_says_what_it_did(shop, capsys):
    assert run(capsys) == (
        "workshop: 1 taken in, 1 followed, 1 written back, 1 set aside.\n"
        "2: job_status is 'In the shop': nobody knows what that means.\n"
    )
    assert shop.status(3) == "OPENED"


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(shop, capsys):
    before = Source.objects.values().get()

    said = run(capsys, "--dry-run")

    assert said == (
        "00001: followed: Opened → Job completed\n"
        "2: aside: job_status is 'In the shop': nobody knows what that means.\n"
        "00003: taken in: New\n"
        "workshop: 1 taken in, 0 of them as there before us, 1 followed, 1 set aside, if it were"
        " done.\n"
    )
    assert Source.objects.values().get() == before
    assert (Job.objects.count(), Aside.objects.count(), Message.objects.count()) == (1, 0, 0)
    assert [row["job_status"] for row in shop.rows()] == ["Job completed", "In the shop", "New"]


def test_a_dry_run_of_a_source_that_was_never_asked_counts_its_baseline(sqlite_table, capsys):
    Source.objects.all().delete()
    for key in (1, 2):
        sqlite_table.insert(job_id=key)

    assert run(capsys, "--dry-run") == (
        "workshop: 2 taken in, 2 of them as there before us, 0 followed, 0 set aside, if it were"
        " done.\n"
    )
    assert Source.objects.count() == 0


def test_a_dry_run_knows_what_came_while_the_baseline_is_under_way(sqlite_table, capsys):
    Source.objects.update(baseline_to=1)
    for key in (1, 2):
        sqlite_table.insert(job_id=key)

    assert run(capsys, "--dry-run") == (
        "00002: taken in: New\n"
        "workshop: 2 taken in, 1 of them as there before us, 0 followed, 0 set aside, if it were"
        " done.\n"
    )


def test_a_source_of_the_settings_gets_its_row(sqlite_table, capsys):
    Source.objects.all().delete()

    assert run(capsys) == "workshop: 0 taken in, 0 followed, 0 written back, 0 set aside.\n"

    assert Source.objects.get().baselined_at is not None


def test_an_unknown_name_is_answered_with_the_known_ones(sqlite_table):
    with pytest.raises(CommandError, match=r"^There is no source w\. Known: workshop\.$"):
        call_command("collect_repairs", "--source", "w")


def test_without_any_source_it_says_so(settings):
    settings.REPAIR_SOURCES = {}
    with pytest.raises(CommandError, match="Known: none, as REPAIR_SOURCES is empty"):
        call_command("collect_repairs", "--source", "w")


def test_another_collector_at_it_is_named(shop):
    Source.objects.update(fence=uuid.uuid4(), leased_until=Now() + timedelta(minutes=1))

    with pytest.raises(CommandError, match=r"Another collector is at workshop\."):
        call_command("collect_repairs", "--source", "workshop")


@pytest.mark.parametrize("args", [[], ["--dry-run"]])
def test_what_fails_there_is_the_error(shop, args):
    shop.execute("DROP TABLE Jobs")

    with pytest.raises(CommandError) as failed:
        call_command("collect_repairs", "--source", "workshop", *args)

    assert str(failed.value).endswith("(missing_table)")
    assert failed.value.returncode == 1


def test_a_dry_run_passes_over_what_is_here_already(shop, capsys, monkeypatch):
    # By pages, of which the last is empty.
    monkeypatch.setattr("repairs.services.previewing.PAGE", 3)
    services.collect(source_id=shop.source.pk, thorough=True)

    assert run(capsys, "--dry-run") == (
        "2: aside: job_status is 'In the shop': nobody knows what that means.\n"
        "workshop: 0 taken in, 0 of them as there before us, 0 followed, 1 set aside, if it were"
        " done.\n"
    )


def test_a_dry_run_counts_a_job_of_two_spellings_once(sqlite_table, capsys):
    sqlite_table.execute("DROP TABLE Jobs")
    sqlite_table.execute(
        "CREATE TABLE Jobs (job_id text PRIMARY KEY, job_type, job_status, client_firstname,"
        " client_lastname, client_postcode, client_mobile, product_sku, product_type)"
    )
    sqlite_table.insert(job_id="007")
    sqlite_table.insert(job_id="7")

    assert run(capsys, "--dry-run") == (
        "007: aside: job_id is '007', which is 7: so is that of another row, '7', which is the job"
        " of this number.\n"
        "workshop: 1 taken in, 1 of them as there before us, 0 followed, 1 set aside, if it were"
        " done.\n"
    )
