"""The contract's form of a job, and what MongoDB is to have anew."""

import pytest
from django.db import transaction

from repairs import services
from repairs.models import DocumentWrite
from repairs.states import JobStatus

from .factories import JobFactory

pytestmark = pytest.mark.django_db


def test_a_document_is_the_contracts_field_for_field(settings):
    settings.SHOP_TIME_ZONE = "Africa/Nairobi"
    at = "2022-03-21T07:00:00+00:00"
    job = JobFactory.create(
        key=123, statuses=("NEW",), updates=[{"at": at, "status": "New", "by": "client"}]
    )

    assert services.document_of(job) == {
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


def test_updates_grow_by_one_for_each_status_and_the_last_is_the_status_shown():
    job = JobFactory.create()

    for status in (JobStatus.JOB_COMPLETED, JobStatus.CLOSED):
        job = services.move_job(job_id=job.pk, to=status, by=None)

    document = services.document_of(job)
    assert [each["status"] for each in document["updates"]] == [
        "NEW",
        "OPENED",
        "JOB COMPLETED",
        "CLOSED",
    ]
    assert document["job_status"] == "CLOSED"
    assert {tuple(each) for each in document["updates"]} == {("timestamp", "status")}


def test_a_word_that_is_the_clients_own_stands_in_the_updates_alone():
    job = JobFactory.create(
        status=JobStatus.OPENED,
        updates=[{"at": "2022-03-21T07:00:00+00:00", "status": "In the shop", "by": "client"}],
    )

    document = services.document_of(job)

    assert document["job_status"] == "OPENED"
    assert [each["status"] for each in document["updates"]] == ["In the shop"]


def test_a_job_without_updates_shows_its_status():
    assert services.document_of(JobFactory.create(updates=[]))["job_status"] == "OPENED"


class TestOutbox:
    @pytest.fixture(autouse=True)
    def mongo(self, settings):
        settings.MONGO_URL = "mongodb://127.0.0.1:1/duka"

    def test_without_a_mongodb_nothing_is_noted(self, settings):
        settings.MONGO_URL = ""

        services.move_job(job_id=JobFactory.create().pk, to=JobStatus.CANCELLED, by=None)

        assert not DocumentWrite.objects.exists()

    def test_each_change_of_a_job_is_noted_in_its_transaction(self, shopkeeper):
        job = JobFactory.create(mobile="12", phone="", phone_error="No.")
        meaning = services.meaning_in(job.source)
        changes = [
            lambda: services.correct_phone(job_id=job.pk, mobile="+447770 123456", by=shopkeeper),
            lambda: services.move_job(job_id=job.pk, to=JobStatus.JOB_COMPLETED, by=None),
            lambda: services.follow_client(job_id=job.pk, word="New", meaning_of=meaning),
            lambda: services.settle_conflict(job_id=job.pk, keep="ours", by=None),
        ]

        for number, change in enumerate(changes, 1):
            change()
            assert DocumentWrite.objects.get().revision == number

    def test_what_is_rolled_back_is_not_noted(self):
        job = JobFactory.create()

        with transaction.atomic():
            services.move_job(job_id=job.pk, to=JobStatus.CANCELLED, by=None)
            transaction.set_rollback(True)

        assert not DocumentWrite.objects.exists()

    def test_a_note_is_no_part_of_the_document(self):
        services.add_note(job_id=JobFactory.create().pk, text="Broken twice.", by=None)

        assert not DocumentWrite.objects.exists()
