"""A job is moved, noted and mended by staff."""

import itertools
from collections import Counter

import pytest
from django.db import connection, transaction

from core.errors import InvalidInput
from core.phones import ImpossiblePhone
from core.tests.races import at_once
from notifications.models import Consent, Message
from repairs import services
from repairs.exceptions import MoveNotAllowed, NothingToSettle
from repairs.models import Job, JobNote
from repairs.services.moving import locked
from repairs.services.telling import look_at_phone
from repairs.states import JobStatus
from tests.processes import spawn_manage, wait_until

from .factories import JobFactory
from .messages import told, words_of

pytestmark = pytest.mark.django_db
WAY_TO = {
    "NEW": ("NEW",),
    "OPENED": ("NEW", "OPENED"),
    "JOB COMPLETED": ("NEW", "OPENED", "JOB COMPLETED"),
    "CLOSED": ("NEW", "OPENED", "JOB COMPLETED", "CLOSED"),
    "CANCELLED": ("NEW", "CANCELLED"),
}
OPENED, CLOSED = ("repair.opened", "queued"), ("repair.closed", "queued")


def move(job, to, by=None, **more):
    return services.move_job(job_id=job.pk, to=JobStatus(to), by=by, **more)


class TestMoving:
    @pytest.mark.parametrize(("before", "after"), list(itertools.product(JobStatus, repeat=2)))
    def test_of_every_pair_the_allowed_moves_are_made_and_the_others_refused(self, before, after):
        job = JobFactory.create(statuses=WAY_TO[before])

        if after in before.allowed:
            move(job, after)
            job.refresh_from_db()
            assert (job.status, job.write_due) == (after, True)
            assert words_of(job) == [*WAY_TO[before], after]
        else:
            with pytest.raises(MoveNotAllowed) as refused:
                move(job, after)
            assert refused.value.members == {
                "status_now": before.value,
                "allowed": sorted(each.value for each in before.allowed),
            }
            job.refresh_from_db()
            assert (words_of(job), job.write_due) == ([*WAY_TO[before]], False)
            assert told() == []

    def test_a_refusal_is_a_sentence(self):
        job = JobFactory.create(key=123)

        with pytest.raises(
            MoveNotAllowed, match=r"^Job 00123 is OPENED: it cannot become CLOSED\.$"
        ):
            move(job, "CLOSED")

    def test_each_move_says_when_and_by_whom(self, shopkeeper):
        job = JobFactory.create()

        move(job, "JOB COMPLETED", by=shopkeeper, note="The spring was broken.")
        move(job, "CLOSED")

        job.refresh_from_db()
        assert [each["by"] for each in job.updates[2:]] == [str(shopkeeper.pk), "duka"]
        assert job.updates[2]["at"] < job.updates[3]["at"]
        [note] = job.notes.all()
        assert (note.text, note.by) == ("The spring was broken.", shopkeeper)

    def test_the_customer_is_told_when_it_is_closed_and_not_before(self):
        job = JobFactory.create()

        move(job, "JOB COMPLETED")
        assert told(job) == []
        move(job, "CLOSED")
        assert told(job) == [CLOSED]

    def test_a_cancellation_tells_nobody(self):
        job = JobFactory.create()

        move(job, "CANCELLED")

        assert told(job) == []

    def test_of_what_was_there_before_us_nobody_is_told_until_it_is_closed(self):
        job = JobFactory.create(statuses=("NEW",), baseline=True, phone=None)

        for status in ("OPENED", "JOB COMPLETED"):
            move(job, status)
        assert told(job) == []
        move(job, "CLOSED")

        assert told(job) == [CLOSED]
        job.refresh_from_db()
        assert (job.phone, job.phone_error) == ("+447770123456", "")

    def test_a_number_of_the_baseline_that_can_be_nobodys_is_found_when_it_is_needed(self):
        job = JobFactory.create(
            statuses=WAY_TO["JOB COMPLETED"], baseline=True, phone=None, mobile=" "
        )

        move(job, "CLOSED")

        job.refresh_from_db()
        assert (job.phone, job.phone_error) == ("", "There is no phone number.")
        assert told(job) == [("repair.closed", "suppressed")]

    def test_while_the_client_contradicts_its_word_is_not_written_over(self):
        job = JobFactory.create(
            statuses=WAY_TO["JOB COMPLETED"], client_status="Cancelled", conflict="Cancelled"
        )

        move(job, "CLOSED")

        job.refresh_from_db()
        assert (job.status, job.conflict, job.write_due) == ("CLOSED", "Cancelled", False)


class TestSettling:
    def test_ours_is_kept_and_written_back(self, shopkeeper):
        job = JobFactory.create(
            statuses=WAY_TO["CLOSED"], client_status="Opened", conflict="Opened"
        )

        services.settle_conflict(job_id=job.pk, keep="ours", by=shopkeeper)

        job.refresh_from_db()
        assert (job.status, job.conflict, job.write_due) == ("CLOSED", "", True)
        assert words_of(job) == [*WAY_TO["CLOSED"]]
        assert told() == []

    def test_the_clients_is_kept_and_said_to_be_settled(self, shopkeeper):
        job = JobFactory.create(
            statuses=WAY_TO["CLOSED"], client_status="Opened", conflict="Opened", write_due=True
        )

        services.settle_conflict(job_id=job.pk, keep="client", by=shopkeeper)

        job.refresh_from_db()
        assert (job.status, job.conflict, job.write_due) == ("OPENED", "", False)
        assert words_of(job) == [*WAY_TO["CLOSED"], "Opened"]
        last = job.updates[-1]
        assert (last["by"], last["settled"]) == (str(shopkeeper.pk), True)
        # It was received once.
        assert told() == []

    def test_led_back_it_is_told_again_when_it_is_closed_again(self, settings):
        settings.REPAIR_SOURCES = {}
        job = JobFactory.create(statuses=WAY_TO["JOB COMPLETED"])
        meaning = services.meaning_in(job.source)
        for word in ("Closed", "opened"):
            services.follow_client(job_id=job.pk, word=word, meaning_of=meaning)
        services.settle_conflict(job_id=job.pk, keep="client", by=None)
        move(job, "JOB COMPLETED")

        move(job, "CLOSED")

        assert told(job) == [CLOSED, CLOSED]
        occurrences = Message.objects.order_by("pk").values_list("occurrence", flat=True)
        assert list(occurrences) == [f"workshop:{job.key}", f"workshop:{job.key}:1"]

    def test_who_heard_that_it_was_cancelled_hears_that_it_was_received_after_all(self):
        job = JobFactory.create(
            statuses=WAY_TO["CANCELLED"], client_status="Opened", conflict="Opened"
        )

        services.settle_conflict(job_id=job.pk, keep="client", by=None)

        assert told(job) == [OPENED]

    def test_to_keep_a_closing_tells_of_it(self):
        job = JobFactory.create(
            statuses=WAY_TO["CANCELLED"], client_status="CLOSED", conflict="CLOSED"
        )

        services.settle_conflict(job_id=job.pk, keep="client", by=None)

        assert told(job) == [CLOSED]

    def test_a_word_that_nobody_knows_cannot_be_kept_until_it_is_said_what_it_means(self):
        job = JobFactory.create(client_status="Fixed", conflict="Fixed")

        with pytest.raises(NothingToSettle) as refused:
            services.settle_conflict(job_id=job.pk, keep="client", by=None)
        assert refused.value.detail == (
            "Nobody knows what 'Fixed' means: say it in the source's statuses, or keep ours."
        )

        job.source.statuses = {"Fixed": "JOB COMPLETED"}
        job.source.save()
        services.settle_conflict(job_id=job.pk, keep="client", by=None)
        job.refresh_from_db()
        assert (job.status, job.conflict) == ("JOB COMPLETED", "")

    def test_a_word_that_means_ours_by_now_is_no_new_step(self):
        job = JobFactory.create(client_status="Fixed", conflict="Fixed")
        job.source.statuses = {"Fixed": "OPENED"}
        job.source.save()

        services.settle_conflict(job_id=job.pk, keep="client", by=None)

        job.refresh_from_db()
        assert (words_of(job), job.conflict) == (["NEW", "OPENED"], "")

    @pytest.mark.parametrize("keep", ["ours", "client"])
    def test_where_nothing_contradicts_there_is_nothing_to_settle(self, keep):
        job = JobFactory.create(key=123)

        with pytest.raises(NothingToSettle) as refused:
            services.settle_conflict(job_id=job.pk, keep=keep, by=None)

        assert refused.value.detail == "The client's database does not contradict job 00123."

    def test_who_keeps_neither_is_told_what_there_is(self):
        job = JobFactory.create(conflict="New", client_status="New")

        with pytest.raises(InvalidInput) as refused:
            services.settle_conflict(job_id=job.pk, keep="both", by=None)

        [error] = refused.value.errors
        assert (error.path, error.detail) == (("keep",), "Must be ours or client.")


class TestCorrecting:
    def untold(self, **fields):
        """A job whose customer could not be told that it came, as it was taken in."""
        job = JobFactory.create(mobile="07770 12", phone=None, **fields)
        with transaction.atomic():
            job = locked(job.pk)
            look_at_phone(job)
            job.save()
            services.tell(job, JobStatus.OPENED)
        assert told(job) == [("repair.opened", "suppressed")]
        return job

    def test_who_could_not_be_told_that_it_came_is_told_now_and_once(self, shopkeeper):
        job = self.untold()

        for mobile in ("+44 7770 123456", "+44 7770 123456", "+44 7770 123457"):
            services.correct_phone(job_id=job.pk, mobile=mobile, by=shopkeeper)

        assert told(job) == [("repair.opened", "suppressed"), OPENED]
        message = Message.objects.get(status="queued")
        assert (message.to, message.recipient) == ("+447770123456", "+447770123456")
        assert message.body.startswith("Duka: John Smith, we have received your spider catcher, ")
        job.refresh_from_db()
        assert (job.mobile, job.phone, job.phone_error) == ("+44 7770 123457", "+447770123457", "")
        assert (job.phone_key, job.attention) == ("770123457", "")
        notes = job.notes.values_list("text", "by")
        assert list(notes) == [
            ("The phone number was '07770 12'.", shopkeeper.pk),
            ("The phone number was '+44 7770 123456'.", shopkeeper.pk),
        ]

    def test_who_heard_of_it_under_a_wrong_number_is_not_told_again(self):
        job = JobFactory.create()

        services.correct_phone(job_id=job.pk, mobile="+44 7770 123457", by=None)

        assert told(job) == []
        move(job, "JOB COMPLETED")
        move(job, "CLOSED")
        assert Message.objects.get().to == "+447770123457"

    @pytest.mark.parametrize("status", ["CLOSED", "CANCELLED"])
    def test_of_what_is_over_nobody_is_told(self, status):
        job = self.untold(statuses=WAY_TO[status])

        services.correct_phone(job_id=job.pk, mobile="0722 000 000", by=None)

        assert told(job) == [("repair.opened", "suppressed")]

    def test_of_what_was_there_before_us_nobody_is_told(self):
        job = JobFactory.create(mobile="", phone="", phone_error="None.", baseline=True)

        services.correct_phone(job_id=job.pk, mobile="0722 000 000", by=None)

        assert told(job) == []
        job.refresh_from_db()
        assert (job.phone, job.mobile) == ("+254722000000", "0722 000 000")
        assert job.notes.get().text == "There was no phone number."

    def test_whoever_wants_to_hear_nothing_is_not_told_either(self):
        job = self.untold()
        Consent.objects.create(phone="+447770123456", opted_out=True)

        services.correct_phone(job_id=job.pk, mobile="+447770123456", by=None)

        assert told(job) == [("repair.opened", "suppressed")] * 2
        assert Message.objects.latest("pk").error_code == "opted_out"

    @pytest.mark.parametrize(
        "mobile", ["", " ", "12", "0722 000 000 000 000", "CALL ME", "x" * 999]
    )
    def test_a_number_that_can_be_nobodys_is_refused_and_named(self, mobile):
        job = self.untold()

        with pytest.raises(ImpossiblePhone) as refused:
            services.correct_phone(job_id=job.pk, mobile=mobile, by=None)

        assert [each.path for each in refused.value.errors] == [("client_mobile",)]
        job.refresh_from_db()
        assert (job.mobile, job.phone) == ("07770 12", "")
        assert not job.notes.exists()


def test_a_note_says_who_wrote_it_and_changes_nothing_else(shopkeeper):
    job = JobFactory.create()
    before = Job.objects.values().get()

    note = services.add_note(job_id=job.pk, text="Call before noon.", by=shopkeeper)

    assert list(JobNote.objects.values_list("pk", "job", "text", "by")) == [
        (note.pk, job.pk, "Call before noon.", shopkeeper.pk)
    ]
    assert Job.objects.values().get() == before


# Races


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_close_a_job_one_does_and_its_customer_is_told_once():
    job = JobFactory.create(statuses=WAY_TO["JOB COMPLETED"])

    outcomes = Counter(type(each).__name__ for each in at_once([lambda: move(job, "CLOSED")] * 8))

    assert outcomes == {"Job": 1, "MoveNotAllowed": 7}
    job.refresh_from_db()
    assert words_of(job) == [*WAY_TO["CLOSED"]]
    assert told(job) == [CLOSED]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_move_a_job_apart_one_wins():
    for _ in range(10):
        job = JobFactory.create()

        outcomes = at_once(
            [lambda job=job: move(job, "JOB COMPLETED"), lambda job=job: move(job, "CANCELLED")]
        )

        kinds = sorted(type(each).__name__ for each in outcomes)
        assert kinds == ["Job", "MoveNotAllowed"]
        job.refresh_from_db()
        won = "JOB COMPLETED" if isinstance(outcomes[0], Job) else "CANCELLED"
        assert words_of(job) == ["NEW", "OPENED", won]


@pytest.mark.django_db(transaction=True)
def test_staff_and_the_client_who_close_a_job_at_once_close_it_once():
    for _ in range(10):
        job = JobFactory.create(statuses=WAY_TO["JOB COMPLETED"])
        follow = {
            "job_id": job.pk,
            "word": "Closed",
            "meaning_of": services.meaning_in(job.source),
        }

        moved, followed = at_once(
            [
                lambda job=job: move(job, "CLOSED"),
                lambda follow=follow: services.follow_client(**follow),
            ]
        )

        assert followed is True
        job.refresh_from_db()
        first = "CLOSED" if isinstance(moved, Job) else "Closed"
        assert words_of(job) == [*WAY_TO["JOB COMPLETED"], first]
        assert (job.client_status, job.conflict, job.write_due) == ("Closed", "", False)
        assert told(job) == [CLOSED]


@pytest.mark.django_db(transaction=True)
def test_who_correct_a_number_at_once_tell_its_customer_once():
    job = TestCorrecting().untold()

    outcomes = at_once(
        [
            lambda number=number: services.correct_phone(
                job_id=job.pk, mobile=f"072200000{number}", by=None
            )
            for number in range(8)
        ]
    )

    assert [each for each in outcomes if isinstance(each, Exception)] == []
    assert told(job) == [("repair.opened", "suppressed"), OPENED]


KILLED_BEFORE_COMMIT = """
import sys, time
from django.db import connection, transaction
from repairs.services import move_job
from repairs.states import JobStatus
with transaction.atomic():
    move_job(job_id={job}, to=JobStatus.CLOSED, by=None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid(), count(*) FROM notifications_message")
        print("moved", *cursor.fetchone(), flush=True)
    time.sleep(600)
"""


@pytest.mark.django_db(transaction=True)
def test_killed_before_the_commit_a_move_leaves_neither_status_nor_message():
    job = JobFactory.create(statuses=WAY_TO["JOB COMPLETED"])

    with spawn_manage("shell", "-c", KILLED_BEFORE_COMMIT.format(job=job.pk)) as process:
        wait_until(lambda: "moved" in process.log() or process.process.poll() is not None)
        [said] = [line for line in process.log().splitlines() if line.startswith("moved")]
        backend, messages = map(int, said.split()[1:])
        assert messages == 1
        process.kill()

    def is_gone():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [backend])
            return cursor.fetchone() is None

    wait_until(is_gone)
    job.refresh_from_db()
    assert (job.status, words_of(job)) == ("JOB COMPLETED", [*WAY_TO["JOB COMPLETED"]])
    assert told() == []
    move(job, "CLOSED")
    assert told(job) == [CLOSED]
