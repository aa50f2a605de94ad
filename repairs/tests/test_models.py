"""What the database itself keeps of jobs, and what they are called."""

import pytest
from django.db import IntegrityError

from repairs.exceptions import AmbiguousJob
from repairs.models import Aside, DocumentWrite, Job, JobNote, looked_for, phone_key
from repairs.services import find_job

from .factories import JobFactory, SourceFactory

pytestmark = pytest.mark.django_db


def test_a_row_of_the_clients_becomes_one_job():
    JobFactory.create(key=123)
    JobFactory.create(key=123, source=SourceFactory.create(name="garage"))

    with pytest.raises(IntegrityError, match="job_comes_once"):
        JobFactory.create(key=123)


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [({"key": -1}, "job_key_is_not_negative"), ({"status": "Lost"}, "job_status_is_known")],
)
def test_the_database_refuses_what_no_job_can_be(fields, constraint):
    with pytest.raises(IntegrityError, match=constraint):
        JobFactory.create(**fields)


def test_a_row_is_set_aside_once():
    source = SourceFactory.create()
    Aside.objects.create(source=source, key="x", reason="bad_key", detail="")

    with pytest.raises(IntegrityError, match="aside_holds_a_row_once"):
        Aside.objects.create(source=source, key="x", reason="unreadable", detail="")


@pytest.mark.parametrize(
    ("key", "job_id"), [(0, "00000"), (123, "00123"), (99999, "99999"), (1234567, "1234567")]
)
def test_a_number_is_padded_to_five_digits_or_more(key, job_id):
    job = JobFactory.create(key=key)

    assert (job.job_id, str(job), job.full_id) == (job_id, job_id, f"workshop:{job_id}")


@pytest.mark.parametrize("called", ["00123", "123", "0000123", "workshop:123", "workshop:00123"])
def test_a_job_is_found_by_its_number(called):
    job = JobFactory.create(key=123)

    assert find_job(called) == job


@pytest.mark.parametrize(
    "called",
    [
        "",
        "124",
        "x",
        "garage:123",
        "workshop:",
        ":123",
        "workshop:x",
        "²",
        "9" * 19,
        "1" * 20,
        "-1",
    ],
)
def test_what_is_called_otherwise_is_no_job(called):
    JobFactory.create(key=123)

    assert find_job(called) is None


def test_a_number_that_several_sources_have_is_to_be_said_in_full():
    ours = JobFactory.create(key=123)
    JobFactory.create(key=123, source=SourceFactory.create(name="garage"))

    with pytest.raises(AmbiguousJob) as refused:
        find_job("00123")

    assert refused.value.detail == (
        "Several sources have a job 00123: name one of garage:00123, workshop:00123."
    )
    assert refused.value.members == {"ids": ["garage:00123", "workshop:00123"]}
    assert find_job("workshop:00123") == ours
    assert find_job("123", Job.objects.filter(source__name="workshop")) == ours


def test_what_needs_a_persons_eye_is_said_and_found():
    JobFactory.create()
    nobody = JobFactory.create(phone="", phone_error="There is no phone number.")
    JobFactory.create(
        phone="", phone_error="There is no phone number.", statuses=("NEW", "CANCELLED")
    )
    against = JobFactory.create(conflict="New", statuses=("NEW", "OPENED", "JOB COMPLETED"))

    assert set(Job.objects.needing_attention()) == {nobody, against}
    assert nobody.attention == "Nobody can be told: There is no phone number."
    assert against.attention == "The client's database says New, here it is JOB COMPLETED."
    assert JobFactory.create().attention == ""


def test_a_job_is_looked_for_by_name_postcode_and_the_end_of_its_number():
    assert looked_for(
        firstname=" John  Paul", lastname="Smith ", postcode="sg13 7tz", mobile="+447770 123456"
    ) == {"client_key": "SMITH JOHN PAUL", "postcode_key": "SG137TZ", "phone_key": "770123456"}


@pytest.mark.parametrize(
    ("mobile", "key"),
    [
        ("0722000123", "722000123"),
        ("+254 (722) 000-123", "722000123"),
        ("٠٧٢٢٠٠٠١٢٣", "722000123"),
        ("\uff10\uff17\uff12\uff12 000123", "722000123"),
        ("0722000123²", "722000123"),
        ("0722000123" + " " * 40 + "0733111222", "722000123"),
        ("0722000123" + " " * 38 + "0733111222", "200012307"),
        ("", ""),
    ],
)
def test_the_end_of_a_number_is_that_of_the_number_which_is_read(mobile, key):
    assert phone_key(mobile) == key


def test_rows_say_what_they_are_of():
    job = JobFactory.create(key=123)

    assert str(job.source) == "workshop"
    assert str(JobNote(job=job, text="x" * 60)) == "x" * 50
    assert str(Aside(key="twelve")) == "twelve"
    assert str(DocumentWrite(job=job)) == str(job.pk)
