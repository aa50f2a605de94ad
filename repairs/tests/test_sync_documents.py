from io import StringIO

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command

from repairs.management.commands import sync_documents
from repairs.models import DocumentWrite, Job
from repairs.services import mirroring, rebuilding
from repairs.services.documents import document_of, documents_changed
from repairs.tests.factories import JobFactory, SourceFactory
from tests.ports import free_port


def sync(*args):
    out, err = StringIO(), StringIO()
    call_command("sync_documents", *args, stdout=out, stderr=err)
    return out.getvalue() + err.getvalue()


def expected():
    return {job.full_id: document_of(job) for job in Job.objects.select_related("source")}


def test_what_is_missing_or_differs_is_written(mongo):
    right, other, _ = JobFactory.create_batch(3)
    mongo.put(
        {"_id": right.full_id, **document_of(right), "of_others": 1},
        {"_id": other.full_id, **document_of(other), "job_status": "CLOSED"},
    )

    assert sync() == "3 jobs: looked at, 2 written as they differed.\n"

    found = mongo.documents()
    assert found[right.full_id].pop("of_others") == 1
    assert found == expected()
    assert not DocumentWrite.objects.exists()


def test_all_are_written_anew_by_pages(mongo, monkeypatch):
    monkeypatch.setattr(rebuilding, "PAGE", 2)
    monkeypatch.setattr(sync_documents, "TELL_EACH", 4)
    jobs = JobFactory.create_batch(5)

    assert sync("--all") == (f"4 jobs, 4 to write; at {jobs[3].full_id}…\n5 jobs: written.\n")
    assert mongo.documents() == expected()


def test_those_of_one_source_alone(mongo):
    JobFactory.create()
    hall = JobFactory.create(source=SourceFactory.create(name="hall"))
    mongo.put({"_id": "workshop:99999"}, {"_id": "hall:99999"})

    assert sync("--source", "hall", "--prune") == (
        "1 jobs: looked at, 1 written as they differed.\n"
        "1 documents have no job: hall:99999; removed.\n"
    )
    assert sorted(mongo.documents()) == [hall.full_id, "workshop:99999"]


def test_documents_without_a_job_are_named_and_stay_until_they_are_to_go(mongo, monkeypatch):
    monkeypatch.setattr(rebuilding, "PAGE", 2)
    monkeypatch.setattr(rebuilding, "NAMED", 2)
    JobFactory.create(key=123)
    mongo.put(
        # Another number of digits than a job of this number has; a key that no job can have.
        {"_id": "workshop:000123"},
        {"_id": "workshop:00124"},
        {"_id": "nowhere:00123"},
        {"_id": "something else"},
        {"_id": f"workshop:{2**63}"},
    )

    assert sync() == (
        "1 jobs: looked at, 1 written as they differed.\n"
        "3 documents have no job: nowhere:00123, workshop:000123, …; kept; --prune removes them.\n"
        "2 documents are no jobs' and were left alone.\n"
    )
    assert len(mongo.documents()) == 6
    assert "3 documents have no job: nowhere:00123, workshop:000123, …; removed.\n" in sync(
        "--prune"
    )
    assert sorted(mongo.documents()) == [
        "something else",
        "workshop:00123",
        f"workshop:{2**63}",
    ]


def test_what_is_refused_is_said(mongo):
    with mongo.client() as client:
        client.get_default_database()["repairs"].create_index("job_id", unique=True)
    mongo.put({"_id": "another's", "job_id": "00501"})
    JobFactory.create(key=501)
    JobFactory.create(key=502)

    said = sync()

    assert (
        "1 documents are refused and are offered again from time to time; that of job 00501:"
        in said
    )
    assert sorted(mongo.documents()) == ["another's", "workshop:00502"]


def test_it_takes_along_what_waits_after_an_outage(mongo):
    job = JobFactory.create()
    documents_changed([job.pk])
    cache.set(mirroring.PAUSED, value=True)

    sync()

    assert mongo.documents() == expected()


def test_without_an_address_it_says_so(settings, db):
    settings.MONGO_URL = ""

    with pytest.raises(CommandError, match=r"^MONGO_URL is not set: no documents are kept"):
        sync()


def test_an_unknown_source_is_said_with_those_that_are_known(settings, db):
    settings.MONGO_URL = "mongodb://127.0.0.1:9/shop"
    with pytest.raises(CommandError, match=r"^There is no source 'hall'\. Known: none\.$"):
        sync("--source", "hall")
    SourceFactory.create()

    with pytest.raises(CommandError, match=r"^There is no source 'hall'\. Known: workshop\.$"):
        sync("--source", "hall")


def test_a_server_that_is_away_is_said(settings, db, monkeypatch):
    monkeypatch.setattr(mirroring, "FINDING_SECONDS", 1)
    settings.MONGO_URL = f"mongodb://127.0.0.1:{free_port()}/shop"

    with pytest.raises(
        CommandError, match=r"^MongoDB cannot be reached: .*Nothing was compared yet"
    ):
        sync()


def test_where_it_is_stopped_what_was_noted_is_left_to_the_worker(mongo, monkeypatch):
    monkeypatch.setattr(rebuilding, "PAGE", 2)
    jobs = JobFactory.create_batch(5)
    written = []

    def stopped(documents):
        written.append(1)
        if len(written) == 2:
            raise KeyboardInterrupt
        return work_off(documents)

    work_off = rebuilding._work_off
    monkeypatch.setattr(rebuilding, "_work_off", stopped)

    with pytest.raises(
        CommandError, match=f"^Stopped. It came as far as {jobs[1].full_id};"
    ) as end:
        sync("--all")

    assert end.value.returncode == 130
    assert sorted(mongo.documents()) == [job.full_id for job in jobs[:2]]
    assert mirroring.write_due_documents() == 2
    monkeypatch.setattr(rebuilding, "_work_off", work_off)
    assert sync() == "5 jobs: looked at, 1 written as they differed.\n"
    assert mongo.documents() == expected()
