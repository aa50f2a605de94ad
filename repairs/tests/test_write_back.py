"""The client's database is told, once, and only over the word that we knew."""

from datetime import timedelta

import pytest
from django.utils import timezone

from repairs import services
from repairs.clients import ClientDatabase, SourceFailed
from repairs.models import Job, Source
from repairs.services import writing_back
from repairs.states import FindingCode, JobStatus

pytestmark = pytest.mark.django_db


def collect(table, **how):
    done = services.collect(source_id=table.source.pk, **how)
    table.source.refresh_from_db()
    return done


@pytest.fixture
def shop(sqlite_table):
    """A client's table with a job that we opened."""
    collect(sqlite_table)
    sqlite_table.insert(job_id=1)
    collect(sqlite_table)
    return sqlite_table


def move(status):
    return services.move_job(job_id=Job.objects.get().pk, to=JobStatus(status), by=None)


def test_a_move_of_ours_is_written(shop):
    move("JOB COMPLETED")

    assert collect(shop).written == 1

    job = Job.objects.get()
    assert (job.write_due, job.client_status) == (False, "JOB COMPLETED")
    assert shop.status(1) == "JOB COMPLETED"
    assert collect(shop, thorough=True).followed == 0


def test_the_clients_own_word_is_written(shop):
    shop.settings["statuses"] = {"Done": "JOB COMPLETED"}
    move("JOB COMPLETED")

    collect(shop)

    assert (shop.status(1), Job.objects.get().client_status) == ("Done", "Done")


def test_nothing_is_written_where_that_is_not_wanted(shop):
    shop.settings["write_back"] = False
    move("JOB COMPLETED")

    assert collect(shop).written == 0

    assert shop.status(1) == "OPENED"
    shop.settings["write_back"] = True
    assert collect(shop).written == 1


def test_another_word_there_is_followed_instead(shop):
    move("JOB COMPLETED")
    shop.set_status(1, "Closed")

    done = collect(shop)

    assert (done.written, shop.status(1)) == (0, "Closed")
    job = Job.objects.get()
    assert (job.status, job.write_due, job.conflict) == ("CLOSED", False, "")


def test_a_contradiction_is_left_for_a_person(shop):
    move("JOB COMPLETED")
    shop.set_status(1, "Cancelled")

    collect(shop)

    job = Job.objects.get()
    assert (job.status, job.conflict, job.write_due) == ("JOB COMPLETED", "Cancelled", False)
    assert shop.status(1) == "Cancelled"


def test_who_died_after_writing_is_found_to_have_written(shop):
    move("JOB COMPLETED")
    # What a collector did that was killed before it noted so.
    shop.set_status(1, "JOB COMPLETED")

    collect(shop)

    job = Job.objects.get()
    assert (job.write_due, job.client_status) == (False, "JOB COMPLETED")
    assert [each["status"] for each in job.updates] == ["New", "OPENED", "JOB COMPLETED"]


def test_a_job_that_is_gone_there_is_not_tried_for_ever(shop):
    shop.execute("DELETE FROM Jobs")
    move("JOB COMPLETED")

    assert collect(shop).written == 0

    assert Job.objects.get().write_due is False


def test_a_word_that_cannot_be_asked_for_is_left_for_a_person(shop):
    shop.execute("UPDATE Jobs SET job_status = 'Ope' || char(0) || 'ned'")
    collect(shop, thorough=True)
    assert Job.objects.get().client_status == "Opened"
    move("JOB COMPLETED")

    collect(shop)

    job = Job.objects.get()
    assert (job.write_due, job.conflict) == (False, "Opened")


def test_one_that_moved_on_meanwhile_is_written_again(shop, monkeypatch):
    move("JOB COMPLETED")
    really = ClientDatabase.write_status
    moved = []

    def move_on(self, key, **how):
        written = really(self, key, **how)
        if not moved:
            moved.append(move("CLOSED"))
        return written

    monkeypatch.setattr(ClientDatabase, "write_status", move_on)
    collect(shop, seconds=0)
    first = Job.objects.get()
    assert (first.client_status, first.write_due) == ("JOB COMPLETED", True)

    collect(shop, seconds=0)

    last = Job.objects.get()
    assert (last.client_status, last.write_due, shop.status(1)) == ("CLOSED", False, "CLOSED")


def test_one_that_was_followed_meanwhile_is_not_noted_as_written(shop, monkeypatch):
    move("JOB COMPLETED")
    really = ClientDatabase.write_status

    def follow_first(self, key, **how):
        written = really(self, key, **how)
        Job.objects.update(client_status="Opened again", write_due=True)
        return written

    monkeypatch.setattr(ClientDatabase, "write_status", follow_first)
    monkeypatch.setattr(services.collecting, "sweep", lambda run: None)

    collect(shop, seconds=0)

    job = Job.objects.get()
    assert (job.client_status, job.write_due) == ("Opened again", True)


def test_the_time_is_up_between_two_jobs_and_the_rest_follows(shop):
    for key in range(2, 6):
        shop.insert(job_id=key)

    rounds = [collect(shop, seconds=0).written for _ in range(4)]

    # Twice a round, before the comparison and after it.
    assert rounds == [2, 2, 0, 0]
    assert {row["job_status"] for row in shop.rows()} == {"OPENED"}
    assert shop.source.write_after is None


def answering(monkeypatch, finding, *, on=None):
    """Let the client's database refuse to write (these jobs)."""
    asked = []
    really = ClientDatabase.write_status

    def write_status(self, key, **how):
        asked.append(key)
        if on is None or key in on:
            raise SourceFailed(finding, f"It says {finding.value}.")
        return really(self, key, **how)

    monkeypatch.setattr(ClientDatabase, "write_status", write_status)
    return asked


def test_rows_that_others_hold_do_not_hold_up_the_rest(shop, monkeypatch):
    for key in range(2, 8):
        shop.insert(job_id=key)
    asked = answering(monkeypatch, FindingCode.LOCKED, on={2, 3, 4})

    done = collect(shop)

    # Three were locked, which is enough; behind them it goes on.
    assert asked == [2, 3, 4, 5, 6, 7]
    assert done.written == 3
    assert sorted(Job.objects.filter(write_due=True).values_list("key", flat=True)) == [2, 3, 4]
    assert (shop.source.failures, shop.source.error) == (0, "")


def test_an_error_while_writing_is_the_sources(shop, monkeypatch):
    move("JOB COMPLETED")
    answering(monkeypatch, FindingCode.UNREACHABLE)

    with pytest.raises(SourceFailed):
        collect(shop)

    assert Source.objects.get().error_code == "unreachable"
    assert Job.objects.get().write_due is True


def test_a_missing_right_holds_nothing_up_and_is_tried_seldom(client_table):
    collect(client_table)
    client_table.revoke("UPDATE (job_status)")
    key = client_table.insert()

    done = collect(client_table)

    source = client_table.source
    assert (done.collected, done.written, source.failures) == (1, 0, 0)
    assert source.error_code == "missing_right"
    assert source.failing_since is None
    assert source.complete_at == source.tried_at
    found = source.error
    waits = source.write_next_at - timezone.now()
    assert timedelta(minutes=4) < waits <= timedelta(minutes=5)

    client_table.grant("UPDATE (job_status)")
    assert collect(client_table).written == 0
    assert (client_table.source.error, client_table.source.error_code) == (found, "missing_right")

    assert collect(client_table, thorough=True).written == 1
    assert (client_table.source.error, client_table.source.error_code) == ("", "")
    assert client_table.status(key) == "OPENED"


def test_a_row_that_the_client_holds_is_written_later(client_table, settings):
    settings.REPAIRS_TIMEOUT_SECONDS = 1
    collect(client_table)
    held = client_table.insert()
    free = client_table.insert()
    with client_table.connect() as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE Jobs SET product_sku = 'x' WHERE job_id = %s", (held,))
        collect(client_table)
        assert (client_table.status(held), client_table.status(free)) == ("New", "OPENED")
        cursor.execute("COMMIT")

    collect(client_table)

    assert client_table.status(held) == "OPENED"
    assert Job.objects.filter(write_due=True).count() == 0


def test_it_is_asked_by_pages(shop, monkeypatch):
    monkeypatch.setattr(writing_back, "PAGE", 2)
    for key in range(2, 7):
        shop.insert(job_id=key)

    assert collect(shop).written == 5


def test_one_that_is_as_it_was_by_the_time_we_look_is_tried_again(shop, monkeypatch):
    move("JOB COMPLETED")
    # It was another for the moment in which we wrote.
    monkeypatch.setattr(ClientDatabase, "write_status", lambda self, key, **how: False)
    assert collect(shop).written == 0
    assert Job.objects.get().write_due is True
    monkeypatch.undo()

    assert collect(shop).written == 1


REFUSING = {
    "a trigger": "CREATE TRIGGER no BEFORE UPDATE ON Jobs FOR EACH ROW IF OLD.job_id = 1 THEN"
    " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'frozen'; END IF",
    "a list of words": "ALTER TABLE Jobs MODIFY job_status ENUM('New', 'OPENED', 'Closed')",
    "a short column": "ALTER TABLE Jobs MODIFY job_status varchar(6)",
}


@pytest.mark.parametrize(
    ("refusing", "said"),
    [
        ("a trigger", "(1644: frozen)"),
        ("a list of words", "(1265: Data truncated for column 'job_status' at row 1)"),
        ("a short column", "(1406: Data too long for column 'job_status' at row 1)"),
    ],
)
def test_a_job_that_is_refused_holds_up_no_other_and_is_tried_seldom(client_table, refusing, said):
    collect(client_table)
    for key in (1, 2, 3):
        client_table.insert(job_id=key)
    collect(client_table)
    client_table.execute(REFUSING[refusing])
    for key, status in ((1, "CANCELLED"), (2, "OPENED")):
        Job.objects.filter(key=key).update(status=status, write_due=True)
    client_table.set_status(2, "OPENED")
    client_table.set_status(3, "Closed")

    done = collect(client_table, thorough=True)

    source = client_table.source
    assert (done.written, done.followed, client_table.status(1)) == (1, 1, "OPENED")
    assert list(Job.objects.order_by("key").values_list("status", "write_due")) == [
        ("CANCELLED", True),
        ("OPENED", False),
        ("CLOSED", False),
    ]
    assert (source.failures, source.failing_since, source.error_code) == (0, None, "failed")
    assert source.error == (
        f"The status of job 00001 cannot be written back: It answered with an error. {said}"
    )
    waits = Job.objects.get(key=1).write_next_at - timezone.now()
    assert timedelta(minutes=4) < waits <= timedelta(minutes=5)

    client_table.execute("DROP TRIGGER IF EXISTS no")
    client_table.execute("ALTER TABLE Jobs MODIFY job_status varchar(32)")
    assert collect(client_table).written == 0
    assert client_table.source.error_code == "failed"
    Job.objects.filter(key=1).update(write_next_at=timezone.now())
    assert collect(client_table).written == 1
    assert (client_table.status(1), client_table.source.error) == ("CANCELLED", "")
    assert Job.objects.get(key=1).write_next_at is None


def test_what_was_refused_is_tried_at_once_where_the_source_is_changed(shop, monkeypatch):
    move("CANCELLED")
    asked = answering(monkeypatch, FindingCode.FAILED)
    collect(shop)
    collect(shop)
    assert asked == [1]

    services.update_source(source_id=shop.source.pk, statuses={"Gone": "CANCELLED"})
    monkeypatch.undo()

    assert collect(shop).written == 1
    assert (shop.status(1), shop.source.error) == ("Gone", "")


def test_a_failure_that_is_over_is_not_shown_though_a_job_is_refused(shop, monkeypatch):
    move("CANCELLED")
    answering(monkeypatch, FindingCode.FAILED)
    collect(shop)
    monkeypatch.undo()
    Source.objects.update(failing_since=timezone.now(), failures=1, error="It was down.")

    collect(shop)

    assert (shop.source.error, shop.source.error_code) == ("", "")


def test_the_comparison_does_not_wait_for_what_may_not_be_written(shop, monkeypatch):
    move("JOB COMPLETED")
    shop.insert(job_id=2, job_status="CLOSED")
    answering(monkeypatch, FindingCode.UNREACHABLE)
    Source.objects.update(swept_at=None)

    with pytest.raises(SourceFailed):
        collect(shop)

    assert Job.objects.get(key=2).status == "CLOSED"
    assert Source.objects.get().swept_at is not None


def test_a_status_that_is_null_there_is_written_over_where_a_person_keeps_ours(client_table):
    collect(client_table)
    key = client_table.insert()
    collect(client_table)
    client_table.set_status(key, None)
    collect(client_table, thorough=True)
    assert Job.objects.get().conflict == "(empty)"

    services.settle_conflict(job_id=Job.objects.get().pk, keep="ours", by=None)

    assert collect(client_table).written == 1
    job = Job.objects.get()
    assert (client_table.status(key), job.client_status, job.write_due, job.conflict) == (
        "OPENED",
        "OPENED",
        False,
        "",
    )


def test_a_word_with_a_sign_that_we_cannot_keep_is_left_for_a_person(client_table):
    collect(client_table)
    key = client_table.insert(job_status="New\0")

    collect(client_table, thorough=True)

    job = Job.objects.get()
    assert (job.status, job.conflict, job.write_due) == ("OPENED", "New", False)
    assert client_table.status(key) == "New\0"
    services.settle_conflict(job_id=job.pk, keep="ours", by=None)
    collect(client_table)
    assert Job.objects.get().conflict == "New"


def test_a_key_with_zeros_before_it_is_written_back_as_it_stands_there(client_table):
    client_table.execute("ALTER TABLE Jobs MODIFY job_id varchar(10)")
    client_table.insert(job_id="00007", job_status="OPENED")
    collect(client_table)
    client_table.insert(job_id="00123")

    assert collect(client_table).written == 1

    assert client_table.status("00123") == "OPENED"
    old, new = Job.objects.order_by("key")
    assert [(job.key, job.key_text, job.baseline) for job in (old, new)] == [
        (7, "00007", True),
        (123, "00123", False),
    ]
    for job in (old, new):
        services.move_job(job_id=job.pk, to=JobStatus.CANCELLED, by=None)
    assert collect(client_table, thorough=True).written == 2
    assert [row["job_status"] for row in client_table.rows()] == ["CANCELLED", "CANCELLED"]


def test_bytes_that_are_no_text_are_left_for_a_person_again(client_table):
    collect(client_table)
    client_table.execute("ALTER TABLE Jobs MODIFY job_status varbinary(40)")
    key = client_table.insert()
    collect(client_table)
    client_table.execute("UPDATE Jobs SET job_status = X'FF'")
    collect(client_table, thorough=True)
    job = Job.objects.get()
    assert job.conflict == "b'\\xff'"
    services.settle_conflict(job_id=job.pk, keep="ours", by=None)

    collect(client_table)

    job.refresh_from_db()
    assert (job.conflict, job.write_due) == ("b'\\xff'", False)
    assert client_table.rows()[0]["job_id"] == key
