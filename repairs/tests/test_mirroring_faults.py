import threading
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from pymongo.errors import BulkWriteError, OperationFailure

from repairs import services
from repairs.models import DocumentWrite
from repairs.services import mirroring
from repairs.services.documents import documents_changed
from repairs.services.mirroring import CONFIRMING, MongoFailed, claim_documents, write_claimed
from repairs.states import JobStatus
from repairs.tests.factories import JobFactory
from repairs.tests.mongo import changed_jobs, expected, let_all_be_due, let_leases_pass
from tests.ports import free_port
from tests.processes import spawn_manage, wait_until


def test_one_that_is_too_large_keeps_its_error_and_the_others_go_on(mongo):
    # A message to MongoDB has 48,000,000 bytes at most.
    huge = JobFactory.create(lastname="x" * 48_000_000)
    documents_changed([huge.pk])
    jobs = changed_jobs(4)

    assert services.write_due_documents() == 4

    assert mongo.documents() == expected(jobs)
    row = DocumentWrite.objects.get()
    assert (row.job_id, row.attempts, row.fence) == (huge.pk, 1, None)
    assert "too large" in row.error
    assert not services.documents_due()


def test_one_that_is_refused_waits_longer_each_time_until_it_is_changed(mongo):
    with mongo.client() as client:
        client.get_default_database()["repairs"].create_index("job_id", unique=True)
    mongo.put({"_id": "another's", "job_id": "00501"})
    refused, taken = JobFactory.create(key=501), JobFactory.create(key=502)
    documents_changed([refused.pk, taken.pk])

    def clock():
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            return cursor.fetchone()[0]

    for wait in (10, 60, 300, 1800, 7200, 7200, 7200):
        before = clock()
        written = services.write_due_documents()
        row = DocumentWrite.objects.get()
        assert written == (1 if wait == 10 else 0)
        assert before <= row.due_at - timedelta(seconds=wait) <= clock()
        let_all_be_due()

    assert row.attempts == 7
    assert row.job_id == refused.pk
    assert "code 11000" in row.error
    with mongo.client() as client:
        client.get_default_database()["repairs"].delete_one({"_id": "another's"})
    documents_changed([refused.pk])
    assert services.write_due_documents() == 1
    assert not DocumentWrite.objects.exists()


def test_a_refused_one_that_changed_meanwhile_is_offered_again_at_once(mongo):
    [job] = changed_jobs()
    claimed = claim_documents(limit=10)
    documents_changed([job.pk])

    mirroring.settle_documents(written=[], refused=[(claimed[0], "No.")])

    row = DocumentWrite.objects.get()
    assert (row.attempts, row.error, row.fence) == (1, "No.", None)
    assert services.documents_due()


def test_a_refusal_of_a_worker_that_lost_its_claim_is_no_news(mongo):
    changed_jobs()
    lost = claim_documents(limit=10)
    let_leases_pass()
    claim_documents(limit=10)

    mirroring.settle_documents(written=[], refused=[(lost[0], "No.")])

    assert DocumentWrite.objects.get().error == ""


def test_what_was_taken_but_perhaps_not_for_good_is_written_again(mongo):
    # No server here can be made to say so.
    class Forgetful:
        def bulk_write(self, writes, *, ordered):
            raise BulkWriteError(
                {"writeErrors": [], "writeConcernErrors": [{"errmsg": "waiting timed out"}]}
            )

    changed_jobs()
    claimed = claim_documents(limit=10)

    with pytest.raises(MongoFailed) as raised:
        write_claimed(Forgetful(), claimed)

    assert raised.value.detail == "MongoDB refuses: waiting timed out"
    row = DocumentWrite.objects.get()
    assert (row.fence, row.error) == (claimed[0].fence, raised.value.detail)
    assert services.documents_due()


def test_a_server_that_is_away_costs_no_document_a_try_and_is_asked_seldom(settings, db, soon):
    settings.MONGO_URL = f"mongodb://duka:s3cr%2Ft@127.0.0.1:{free_port()}/shop"
    cache.clear()
    changed_jobs(3)

    assert services.write_due_documents() == 0

    rows = list(DocumentWrite.objects.all())
    assert {(row.attempts, row.fence) for row in rows} == {(0, None)}
    [error] = [row.error for row in rows if row.error]
    assert error.startswith("MongoDB cannot be reached: ")
    assert "s3cr" not in error
    assert DocumentWrite.objects.due().count() == 3
    # It is left in peace.
    assert not services.documents_due()
    DocumentWrite.objects.update(error="")
    assert services.write_due_documents() == 0
    assert not DocumentWrite.objects.exclude(error="").exists()
    cache.clear()


def test_pauses_grow_and_end_with_the_first_success(own, soon, monkeypatch):
    jobs = changed_jobs(2)
    own.kill()
    pauses = []
    monkeypatch.setattr(
        mirroring.logger, "warning", lambda text, seconds, detail: pauses.append(seconds)
    )
    for _ in range(6):
        services.write_due_documents()
        cache.delete(mirroring.PAUSED)
    own.start()

    assert services.write_due_documents() == 2

    assert pauses == [5, 10, 30, 60, 300, 300]
    assert cache.get(mirroring.DOWN) is None
    assert own.documents() == expected(jobs)
    assert not DocumentWrite.objects.exists()


def test_a_server_that_hangs_is_given_up_and_what_it_took_late_is_written_again(own, soon):
    [job] = changed_jobs()
    claimed = claim_documents(limit=10)
    with services.open_documents() as documents:
        own.pause()
        with pytest.raises(MongoFailed, match="MongoDB gave no answer: ") as raised:
            write_claimed(documents, claimed)
    assert raised.value.unclear
    row = DocumentWrite.objects.get()
    assert (row.fence, row.error, row.attempts) == (claimed[0].fence, raised.value.detail, 0)
    services.move_job(job_id=job.pk, to=JobStatus.JOB_COMPLETED, by=None)
    # It hangs before it lets anybody in, too.
    assert services.write_due_documents() == 0
    cache.clear()
    own.resume()

    assert services.write_due_documents() == 1

    assert DocumentWrite.objects.get().fence == CONFIRMING
    let_all_be_due()
    assert services.write_due_documents() == 1
    assert own.documents() == expected([job])


def test_a_server_that_dies_under_the_write_is_given_up(own, soon):
    jobs = changed_jobs(2)
    claimed = claim_documents(limit=10)
    with services.open_documents() as documents:
        own.kill()
        with pytest.raises(MongoFailed):
            write_claimed(documents, claimed)
    own.start()

    assert services.write_due_documents() == 2
    assert own.documents() == expected(jobs)


def test_one_who_is_not_let_in_is_told_so_without_the_password(settings, db):
    # nx-27017 lets everybody in.
    class Closed:
        def bulk_write(self, writes, *, ordered):
            raise OperationFailure("not authorized: duka, s3cr/t", code=13)

    settings.MONGO_URL = "mongodb://duka:s3cr%2Ft@host/shop"
    changed_jobs()
    claimed = claim_documents(limit=10)

    with pytest.raises(MongoFailed) as raised:
        write_claimed(Closed(), claimed)

    assert raised.value.detail == "MongoDB refuses: not authorized: duka, …"
    row = DocumentWrite.objects.get()
    assert (row.error, row.attempts) == (raised.value.detail, 0)


@pytest.mark.parametrize("url", ["mongodb://duka:s3cr/t@host/shop", "mongodb://duka:s3@cr@host/x"])
def test_an_address_that_cannot_be_understood_is_not_quoted(settings, url):
    settings.MONGO_URL = url

    with pytest.raises(MongoFailed) as raised, services.open_documents():
        pass

    assert raised.value.detail == (
        "MONGO_URL cannot be understood: special characters in the user's name or the password"
        " are written as %2F, %40, …."
    )


def test_a_password_in_an_error_is_taken_out(settings):
    settings.MONGO_URL = "mongodb://duka:s3cr%2Ft@host/shop"

    assert mirroring._told("s3cr%2Ft is s3cr/t") == "… is …"


def test_a_password_is_taken_out_as_pymongo_reads_it_and_before_the_rest_is_cut(settings):
    settings.MONGO_URL = "mongodb://duka:two++words@host/shop"

    assert mirroring._told("x" * 495 + "two  words") == "x" * 495 + "…"


def test_a_file_of_the_address_that_is_not_there_is_told_and_the_rest_waits(settings, db, tmp_path):
    settings.MONGO_URL = (
        f"mongodb://duka:s3cr@127.0.0.1:{free_port()}/shop?tls=true&tlsCAFile={tmp_path}/none.pem"
    )
    cache.clear()
    changed_jobs(2)

    assert services.write_due_documents() == 0

    rows = list(DocumentWrite.objects.order_by("due_at", "job"))
    assert [(row.attempts, row.fence) for row in rows] == [(0, None)] * 2
    assert [row.error for row in rows] == [rows[0].error, ""]
    assert rows[0].error == (
        "MongoDB cannot be reached. Can the files be read that MONGO_URL names?"
        f" ([Errno 2] No such file or directory: '{tmp_path}/none.pem')"
    )
    # It is left in peace for a while.
    assert not services.documents_due()


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_between_write_and_settle_leaves_the_row(mongo):
    [job] = changed_jobs()
    code = (
        "import time; from repairs.services import mirroring;"
        "mirroring.settle_documents = lambda **_: time.sleep(600);"
        "mirroring.write_due_documents()"
    )
    with spawn_manage("shell", "--no-imports", "-c", code, env={"MONGO_URL": mongo.url}) as worker:
        wait_until(lambda: mongo.documents() or worker.process.poll() is not None)
        worker.kill()
    assert mongo.documents() == expected([job])
    services.move_job(job_id=job.pk, to=JobStatus.JOB_COMPLETED, by=None)
    let_leases_pass()

    assert services.write_due_documents() == 1

    assert DocumentWrite.objects.get().fence == CONFIRMING
    assert mongo.documents() == expected([job])


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_leave_the_newest_while_all_changes(mongo, monkeypatch):
    monkeypatch.setattr(mirroring, "WRITTEN_AT_ONCE", 7)
    jobs = changed_jobs(60)
    failures = []

    def ended(work):
        try:
            work()
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            connection.close()

    def change():
        for to in (JobStatus.JOB_COMPLETED, JobStatus.CLOSED):
            for job in jobs:
                services.move_job(job_id=job.pk, to=to, by=None)

    changer = threading.Thread(target=ended, args=(change,))

    def write():
        while changer.is_alive():
            services.write_due_documents()

    workers = [threading.Thread(target=ended, args=(write,)) for _ in range(3)]
    for thread in (changer, *workers):
        thread.start()
    for thread in (changer, *workers):
        thread.join()
    services.write_due_documents()

    assert failures == []
    assert not DocumentWrite.objects.exists()
    assert mongo.documents() == expected(jobs)
    assert {each["job_status"] for each in mongo.documents().values()} == {"CLOSED"}
