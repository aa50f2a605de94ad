"""The client's word changes: what is followed, what contradicts, what only comes after us."""

from itertools import pairwise

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Conflict
from notifications.models import Message
from repairs import services
from repairs.models import Job
from repairs.states import JobStatus, status_meant
from tests.fuzz import TIMES, fuzzing

from .factories import JobFactory
from .messages import told, words_of
from .test_moving import CLOSED, WAY_TO

pytestmark = pytest.mark.django_db

# For what ours is and what the client's word was, what becomes of each word that it may be now:
#   =  the same in other letters: nothing       .  they agree: nothing is to be written any more
#   >  followed, step by step                   x  followed into CANCELLED
#   ~  comes after us: ours is still to be written
#   !  contradicts: kept for a person, and nothing is written
NOW = ("New", "Opened", "Job completed", "Closed", "Cancelled", "In a drawer")
TABLE = {
    "NEW": {
        "NEW": "=>>>x!", "OPENED": ".=>>x!", "JOB COMPLETED": ".>=>x!", "CLOSED": ".>>=x!",
        "CANCELLED": ".>>>=!", "LOST": ".>>>x!",
    },
    "OPENED": {
        "NEW": "=.>>x!", "OPENED": "!=>>x!", "JOB COMPLETED": "!.=>x!", "CLOSED": "!.>=x!",
        "CANCELLED": "!.>>=!", "LOST": "!.>>x!",
    },
    "JOB COMPLETED": {
        "NEW": "=~.>!!", "OPENED": "!=.>!!", "JOB COMPLETED": "!!=>!!", "CLOSED": "!!.=!!",
        "CANCELLED": "!!.>=!", "LOST": "!!.>!!",
    },
    "CLOSED": {
        "NEW": "=~~.!!", "OPENED": "!=~.!!", "JOB COMPLETED": "!!=.!!", "CLOSED": "!!!=!!",
        "CANCELLED": "!!!.=!", "LOST": "!!!.!!",
    },
    "CANCELLED": {
        "NEW": "=!!!.!", "OPENED": "!=!!.!", "JOB COMPLETED": "!!=!.!", "CLOSED": "!!!=.!",
        "CANCELLED": "!!!!=!", "LOST": "!!!!.!",
    },
}  # fmt: skip
WAY = ["NEW", "OPENED", "JOB COMPLETED", "CLOSED"]


def follow(job, word, **more):
    counts = services.follow_client(job_id=job.pk, word=word, meaning_of=status_meant, **more)
    job.refresh_from_db()
    return counts


@pytest.mark.parametrize("base", TABLE["NEW"])
@pytest.mark.parametrize("ours", TABLE)
def test_of_each_word_becomes_what_the_table_says(ours, base):
    for word, what in zip(NOW, TABLE[ours][base], strict=True):
        meant = word.upper()
        job = JobFactory.create(
            statuses=WAY_TO[ours], client_status=base, baseline=True, write_due=True
        )

        assert follow(job, word) is True

        added = []
        if what == ">":
            steps = WAY[WAY.index(ours) + 1 : WAY.index(meant) + 1]
            added = [*steps[:-1], word]
        elif what == "x":
            added = [word]
        assert words_of(job) == [*WAY_TO[ours], *added], word
        assert job.status == (meant if added else ours), word
        assert {each["by"] for each in job.updates[len(WAY_TO[ours]) :]} <= {"client"}
        assert job.conflict == (word if what == "!" else ""), word
        assert job.write_due == (what in "=~"), word
        assert job.client_status == word


def test_the_same_word_is_nothing_new():
    job = JobFactory.create(client_status="Opened")
    before = Job.objects.values().get()

    assert follow(job, "Opened") is False
    assert Job.objects.values().get() == before


def test_a_word_that_was_read_before_ours_was_written_is_passed_over():
    job = JobFactory.create(client_status="OPENED")

    assert follow(job, "New", base="New") is False
    assert (job.client_status, job.conflict) == ("OPENED", "")
    assert follow(job, "Closed", base="OPENED") is True
    assert job.status == "CLOSED"


def test_what_goes_on_after_a_contradiction_is_one_until_both_agree():
    job = JobFactory.create(statuses=WAY_TO["CLOSED"])

    for word in ("New", "Opened", "OPENED", "Job completed"):
        assert follow(job, word) is True
        assert (job.status, job.conflict, job.write_due) == ("CLOSED", word, False)
    follow(job, "Closed")
    assert (job.status, job.conflict) == ("CLOSED", "")


def test_after_a_contradiction_was_settled_the_same_word_in_other_letters_is_none_anew():
    job = JobFactory.create(statuses=WAY_TO["JOB COMPLETED"])
    follow(job, "Cancelled")
    services.settle_conflict(job_id=job.pk, keep="ours", by=None)

    follow(job, "CANCELED")

    assert (job.status, job.conflict, job.write_due) == ("JOB COMPLETED", "", True)


def test_a_word_of_bytes_that_no_column_takes_is_kept_without_them():
    job = JobFactory.create()

    assert follow(job, "Job\x00 completed") is True
    assert (job.status, job.client_status) == ("JOB COMPLETED", "Job completed")
    assert follow(job, "Job\x00 completed") is False


def test_customers_are_told_that_it_is_closed_and_of_nothing_else():
    closed, finished, cancelled = JobFactory.create_batch(3)

    for job, word in ((closed, "Closed"), (finished, "Job completed"), (cancelled, "Cancelled")):
        follow(job, word)

    assert told(closed) == [CLOSED]
    assert told(finished) == told(cancelled) == []


def test_of_what_was_there_before_us_nobody_is_told_until_the_client_closes_it():
    job = JobFactory.create(statuses=("NEW",), baseline=True, phone=None)

    follow(job, "Job completed")
    assert (told(job), job.phone) == ([], None)
    follow(job, "Closed")

    assert (told(job), job.phone) == ([CLOSED], "+447770123456")


def test_words_of_the_clients_own_are_followed_and_shown_as_it_wrote_them(settings):
    settings.REPAIR_SOURCES = {
        "workshop": {
            "url": "sqlite://",
            "table": "Jobs",
            "columns": {},
            "statuses": {"Mended": "JOB COMPLETED", "Shelf": "CLOSED"},
            "write_back": True,
        }
    }
    job = JobFactory.create()
    job.source.statuses = {"Fetched": "CLOSED"}
    job.source.save()

    for word in ("mended", "Fetched"):
        services.follow_client(job_id=job.pk, word=word, meaning_of=services.meaning_in(job.source))

    job.refresh_from_db()
    assert (words_of(job), job.status) == (["NEW", "OPENED", "mended", "Fetched"], "CLOSED")


# Any sequence

VERBS = st.one_of(
    st.tuples(st.just("move"), st.sampled_from(JobStatus.values)),
    st.tuples(st.just("follow"), st.sampled_from([*NOW, *WAY])),
    st.tuples(st.just("follow"), st.sampled_from([*NOW, *WAY])),
    st.tuples(st.just("settle"), st.sampled_from(["ours", "client"])),
)


def do(job, verb, detail):
    if verb == "move":
        services.move_job(job_id=job.pk, to=JobStatus(detail), by=None)
    elif verb == "follow":
        services.follow_client(job_id=job.pk, word=detail, meaning_of=status_meant)
    else:
        services.settle_conflict(job_id=job.pk, keep=detail, by=None)


def test_no_sequence_makes_updates_anything_but_a_way_that_is_allowed_or_settled():
    met = set()

    @fuzzing(examples=60 * TIMES)
    @given(
        start=st.sampled_from(JobStatus.values),
        baseline=st.booleans(),
        steps=st.lists(VERBS, min_size=5, max_size=25),
    )
    def run(start, baseline, steps):
        with transaction.atomic():
            job = JobFactory.create(statuses=WAY_TO[start], baseline=baseline)
            begun = len(job.updates)
            for verb, detail in steps:
                before = job.updates
                try:
                    do(job, verb, detail)
                    refusal = None
                except Conflict as error:
                    refusal = type(error).__name__
                met.add((verb, refusal))
                job.refresh_from_db()
                # What was is never changed, and what was refused had no effect.
                assert job.updates[: len(before)] == before
                assert refusal is None or job.updates == before
                assert not (job.conflict and job.write_due)
                if job.conflict:
                    assert job.conflict == job.client_status
            for one, other in pairwise(job.updates):
                meant = [status_meant(each["status"]) for each in (one, other)]
                assert meant[1] in meant[0].allowed or other.get("settled") is True
            assert status_meant(job.updates[-1]["status"]) == job.status
            came = [status_meant(each["status"]) for each in job.updates[begun:]]
            first = WAY_TO[start]
            events = [event for event, _ in told(job)]
            assert events.count("repair.closed") == came.count(JobStatus.CLOSED)
            received = "OPENED" in came and "OPENED" not in first and not baseline
            assert events.count("repair.opened") == received
            assert len(events) == Message.objects.count()
            transaction.set_rollback(True)

    run()

    assert met == {
        ("move", None),
        ("move", "MoveNotAllowed"),
        ("follow", None),
        ("settle", None),
        ("settle", "NothingToSettle"),
    }
