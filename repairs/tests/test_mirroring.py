from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django_tasks_db.models import DBTaskResult

from repairs import services, tasks
from repairs.models import DocumentWrite, Job
from repairs.services import mirroring
from repairs.services.documents import documents_changed
from repairs.services.mirroring import CONFIRMING, MongoFailed, claim_documents, write_claimed
from repairs.states import JobStatus
from repairs.tests.factories import JobFactory
from repairs.tests.mongo import changed_jobs, expected, let_all_be_due, let_leases_pass

SAMPLE = {
    "job_id": "00123",
    "job_date": "2022-03-21",
    "job_type": "Repair",
    "job_status": "New",
    "customer": {
        "client_firstname": "John",
        "client_lastname": "Smith",
        "client_postcode": "SG13 7TZ",
        "client_mobile": "+447770 123456",
    },
    "product": {"product_id": "123", "product_type": "spider catcher"},
    "updates": [{"timestamp": "2022-03-21 10:00:00", "status": "New"}],
}


def test_the_document_is_the_contract_s(mongo):
    job = JobFactory.create(
        key=123,
        statuses=("NEW",),
        updates=[{"at": "2022-03-21T07:00:00+00:00", "status": "New", "by": "client"}],
    )
    documents_changed([job.pk])

    assert services.write_due_documents() == 1

    assert mongo.documents() == {"workshop:00123": SAMPLE}
    assert not DocumentWrite.objects.exists()


def test_a_move_comes_to_the_document(mongo):
    [job] = changed_jobs()
    services.write_due_documents()

    services.move_job(job_id=job.pk, to=JobStatus.JOB_COMPLETED, by=None)

    assert services.write_due_documents() == 1
    [document] = mongo.documents().values()
    assert document["job_status"] == "JOB COMPLETED"
    assert [each["status"] for each in document["updates"]] == ["NEW", "OPENED", "JOB COMPLETED"]


def test_what_is_erased_here_is_written_over_there(mongo):
    [job] = changed_jobs(lastname="Smith")
    services.write_due_documents()

    Job.objects.filter(pk=job.pk).update(lastname="", firstname="", mobile="", postcode="")
    documents_changed([job.pk])
    services.write_due_documents()

    [document] = mongo.documents().values()
    assert document["customer"] == {
        "client_firstname": "",
        "client_lastname": "",
        "client_postcode": "",
        "client_mobile": "",
    }


def test_without_an_address_nothing_is_noted_and_nothing_written(settings, db):
    settings.MONGO_URL = ""

    changed_jobs()

    assert not DocumentWrite.objects.exists()
    assert services.write_due_documents() == 0


def test_many_are_written_in_several_turns(mongo, monkeypatch):
    monkeypatch.setattr(mirroring, "WRITTEN_AT_ONCE", 3)
    jobs = changed_jobs(8)

    assert services.write_due_documents() == 8

    assert mongo.documents() == expected(jobs)


def test_a_worker_has_other_things_to_do_as_well(mongo):
    changed_jobs(2)

    assert services.write_due_documents(seconds=0) == 0

    assert services.documents_due()
    assert services.write_due_documents() == 2
    assert not services.documents_due()


def test_one_whose_job_is_gone_meanwhile_keeps_nobody(mongo):
    gone, stays = changed_jobs(2)
    claimed = claim_documents(limit=10)
    gone.delete()

    with services.open_documents() as documents:
        assert write_claimed(documents, claimed) == 1

    assert mongo.documents() == expected([stays])
    assert not DocumentWrite.objects.exists()


def test_where_all_their_jobs_are_gone_nothing_is_asked(mongo):
    [gone] = changed_jobs()
    claimed = claim_documents(limit=10)
    gone.delete()

    with services.open_documents() as documents:
        assert write_claimed(documents, claimed) == 0


def test_a_change_while_it_is_written_is_not_forgotten(mongo):
    [job] = changed_jobs()
    claimed = claim_documents(limit=10)
    with services.open_documents() as documents:
        before = mirroring.upsert_of(job)
        services.move_job(job_id=job.pk, to=JobStatus.JOB_COMPLETED, by=None)

        # Nobody else has it while it is in somebody's hands.
        assert claim_documents(limit=10) == []
        documents.bulk_write([before])
        mirroring.settle_documents(written=claimed)

    row = DocumentWrite.objects.get()
    assert (row.fence, row.revision, row.attempts) == (None, 2, 0)
    assert services.write_due_documents() == 1
    assert mongo.documents() == expected([job])


def test_what_a_dead_worker_had_is_written_and_once_more_later(mongo):
    [job] = changed_jobs()
    claim_documents(limit=10)
    assert services.write_due_documents() == 0
    let_leases_pass()

    assert services.write_due_documents() == 1

    row = DocumentWrite.objects.get()
    assert row.fence == CONFIRMING
    assert DocumentWrite.objects.filter(due_at__gt=Now() + timedelta(seconds=50)).exists()
    assert services.write_due_documents() == 0
    let_all_be_due()
    assert services.write_due_documents() == 1
    assert not DocumentWrite.objects.exists()
    assert mongo.documents() == expected([job])


def test_a_change_does_not_shorten_the_wait_of_one_that_is_written_once_more(mongo):
    [job] = changed_jobs()
    claim_documents(limit=10)
    let_leases_pass()
    services.write_due_documents()

    documents_changed([job.pk])

    assert services.write_due_documents() == 0
    let_all_be_due()
    assert services.write_due_documents() == 1
    assert not DocumentWrite.objects.exists()


def test_one_that_is_doubtful_stays_so_where_it_changed_while_it_was_written(mongo):
    [job] = changed_jobs()
    claim_documents(limit=10)
    let_leases_pass()
    claimed = claim_documents(limit=10)
    documents_changed([job.pk])
    with services.open_documents() as documents:
        write_claimed(documents, claimed)

    assert services.write_due_documents() == 1

    assert DocumentWrite.objects.get().fence == CONFIRMING


def test_a_late_write_of_a_worker_that_was_held_up_is_put_right(mongo):
    [job] = changed_jobs()
    held_up = claim_documents(limit=10)
    older = mirroring.upsert_of(job)
    let_leases_pass()
    services.move_job(job_id=job.pk, to=JobStatus.JOB_COMPLETED, by=None)
    services.write_due_documents()
    let_all_be_due()
    services.write_due_documents()
    assert not DocumentWrite.objects.exists()

    with services.open_documents() as documents:
        documents.bulk_write([older])
    [document] = mongo.documents().values()
    assert document["job_status"] == "OPENED"
    mirroring.settle_documents(written=held_up)

    assert services.write_due_documents() == 1
    assert mongo.documents() == expected([job])
    assert not DocumentWrite.objects.exists()


def test_a_worker_whose_claim_ran_out_writes_nothing(mongo, monkeypatch):
    [job] = changed_jobs()
    claimed = claim_documents(limit=10)
    late = claimed[0].until + 1
    monkeypatch.setattr(mirroring.time, "time", lambda: late)

    with services.open_documents() as documents, pytest.raises(MongoFailed, match="ran out"):
        write_claimed(documents, claimed)

    assert mongo.documents() == {}
    assert DocumentWrite.objects.get().job_id == job.pk


def test_the_task_comes_back_while_there_is_more(mongo, monkeypatch):
    monkeypatch.setattr(mirroring, "WRITTEN_AT_ONCE", 1)
    monkeypatch.setattr(mirroring.jobs, "stopping", lambda: len(mongo.documents()) == 1)
    changed_jobs(2)

    assert tasks.write_documents.call() == 1
    assert not DBTaskResult.objects.exists()
    monkeypatch.setattr(tasks.services, "write_due_documents", lambda: 1)
    monkeypatch.setattr(mirroring.jobs, "stopping", lambda: False)
    assert tasks.write_documents.call() == 1
    assert [each.task_path for each in DBTaskResult.objects.all()] == [
        "repairs.tasks.write_documents"
    ]
