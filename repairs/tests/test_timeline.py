"""Repair jobs in the timeline of whose number they have."""

from datetime import UTC, date, datetime, timedelta

import pytest

from core.timeline import Entry, Mark, Window
from customers.tests.factories import CustomerFactory
from repairs import services
from repairs.models import Job

from .factories import JobFactory, SourceFactory

pytestmark = pytest.mark.django_db
PHONE = "+447770123456"


@pytest.fixture
def customer(db):
    return CustomerFactory.create(phone=PHONE)


def read(customer, **options):
    window = Window(kind="repair", **{"limit": 10, **options})
    return services.repairs_of(customer=customer, window=window)


def test_a_job_says_what_is_repaired_and_stands_where_it_was_collected(customer):
    job = JobFactory.create(key=123, statuses=("NEW", "OPENED", "JOB COMPLETED"))
    JobFactory.create(mobile="+447770999999", phone="+447770999999")

    assert read(customer) == [
        Entry(
            at=job.collected_at,
            kind="repair",
            key=job.pk,
            reference="workshop:00123",
            title="Repair 00123: spider catcher",
            status="JOB COMPLETED",
        )
    ]


def test_what_was_there_before_us_came_on_its_day(customer, settings):
    settings.SHOP_TIME_ZONE = "Europe/London"
    old = JobFactory.create(baseline=True, job_date=date(2021, 7, 5))
    to_come = JobFactory.create(baseline=True, job_date=date(2999, 1, 1))
    new = JobFactory.create(job_date=date(2020, 1, 1))

    assert [(each.key, each.at) for each in read(customer)] == [
        (new.pk, new.collected_at),
        (to_come.pk, to_come.collected_at),
        (old.pk, datetime(2021, 7, 4, 23, tzinfo=UTC)),
    ]


def test_a_job_of_which_little_is_known_has_a_title_too(customer):
    JobFactory.create(key=7, product_type="", product_sku="A-1", job_type="Inspection")
    JobFactory.create(key=8, product_type="", product_sku="", job_type="")

    assert [each.title for each in read(customer)] == [
        "Repair 00008: something",
        "Inspection 00007: A-1",
    ]


def test_a_window_cuts_them_in_both_directions(customer):
    jobs = [JobFactory.create() for _ in range(4)]
    moment = jobs[0].collected_at
    # Three of one moment, and one later.
    Job.objects.update(collected_at=moment)
    Job.objects.filter(pk=jobs[3].pk).update(collected_at=moment + timedelta(days=1))
    keys = [job.pk for job in jobs[::-1]]
    mark = Mark(at=moment, kind="repair", key=keys[2])

    assert [each.key for each in read(customer, limit=2)] == keys[:2]
    assert [each.key for each in read(customer, mark=mark)] == keys[3:]
    assert [each.key for each in read(customer, mark=mark, backwards=True)] == keys[:2]
    assert [each.key for each in read(customer, mark=mark, backwards=True, limit=1)] == [keys[1]]
    assert [each.key for each in read(customer, before=moment + timedelta(days=1))] == keys[1:]
    assert [each.key for each in read(customer, after=moment + timedelta(days=1))] == keys[:1]


@pytest.mark.parametrize(
    ("kind", "backwards", "there"), [("order", False, True), ("order", True, False),
                                     ("shipment", False, False), ("shipment", True, True)]
)  # fmt: skip
def test_of_the_moment_of_another_kind_those_are_there_whose_kind_is_beyond_it(
    customer, kind, backwards, there
):
    job = JobFactory.create()
    mark = Mark(at=job.collected_at, kind=kind, key=1)

    assert [each.key for each in read(customer, mark=mark, backwards=backwards)] == (
        [job.pk] if there else []
    )


def test_who_has_no_number_has_no_jobs(customer):
    JobFactory.create(source=SourceFactory.create(name="other"))

    assert read(CustomerFactory.create(phone="", email="a@example.com")) == []
    assert [each.reference for each in read(customer)] == [Job.objects.get().full_id]
