"""What becomes of repair jobs when a customer asks for their data, or leaves."""

import pytest
from django.db import connection

from accounts.services.people import delete_account
from accounts.tests.factories import UserFactory
from core.tests.races import at_once
from customers import services as customers
from customers.tests.factories import CustomerFactory
from notifications.models import Message, StatusLink
from repairs import services
from repairs.models import Aside, DocumentWrite, Job
from repairs.states import JobStatus

from .factories import JobFactory
from .messages import told
from .test_moving import TestCorrecting

pytestmark = pytest.mark.django_db
PHONE = "+447770123456"
# Digits that are not 0 to 9, and a second number behind the first.
ODDLY_WRITTEN = [
    "٠٧٢٢٠٠٠٠٠١",
    "\uff10\uff17\uff12\uff12\uff10\uff10\uff10\uff10\uff10\uff11",
    "0722000001" + " " * 45 + "0733111222",
]
# How a client may have written it, and the shop's own number.
WRITTEN = ["+447770 123456", "+44 (7770) 123-456", "+4407770123456"]
KENYAN = "+254722000001"
ROW = {
    "job_id": "twelve",
    "job_type": "Repair",
    "client_firstname": "John",
    "client_lastname": "Smith",
    "client_postcode": "SG13 7TZ",
    "client_mobile": "+447770 123456",
    "product_sku": "123",
}


@pytest.fixture
def shopper():
    return UserFactory.create()


@pytest.fixture
def customer(shopper):
    return CustomerFactory.create(user=shopper, phone=PHONE)


def aside(job, key, **row):
    return Aside.objects.create(
        source=job.source, key=key, reason="bad_key", detail="", row={**ROW, **row}
    )


class TestAsked:
    def test_their_jobs_are_given_the_newest_first_as_the_contract_has_them(
        self, shopper, customer
    ):
        first = JobFactory.create(key=123)
        JobFactory.create(key=124, mobile="0722 000 009", phone="+254722000009")
        second = JobFactory.create(key=125, phone=None)

        data = customers.personal_data(user=shopper)

        assert data["repairs"] == [
            {"source": "workshop", **services.document_of(job)} for job in (second, first)
        ]
        assert "repairs_set_aside" not in data

    def test_rows_that_could_not_become_a_job_are_given_too(self, shopper, customer):
        job = JobFactory.create(key=123, mobile="", phone="")
        theirs = aside(job, "twelve")
        aside(job, "thirteen", client_mobile="+447770 123457")
        aside(job, "fourteen", client_mobile=None)
        aside(job, "fifteen", client_mobile="1770123456")

        data = customers.personal_data(user=shopper)

        assert (data["repairs"], data["repairs_set_aside"]) == ([], [theirs.row])

    @pytest.mark.parametrize(
        "mobile", ["0722000001", "+254 722 000001", "(0722) 000-001", *ODDLY_WRITTEN]
    )
    @pytest.mark.parametrize("phone", [None, KENYAN])
    def test_however_it_is_written_it_is_the_same_number(self, shopper, mobile, phone):
        CustomerFactory.create(user=shopper, phone=KENYAN)
        JobFactory.create(mobile=mobile, phone=phone)

        assert len(customers.personal_data(user=shopper)["repairs"]) == 1

    def test_the_same_nine_digits_of_another_country_are_somebody_elses(self, shopper):
        CustomerFactory.create(user=shopper, phone=KENYAN)
        JobFactory.create(mobile="+255722000001", phone=None)

        assert customers.personal_data(user=shopper)["repairs"] == []

    def test_a_short_number_is_found_without_its_countrys(self, shopper, settings):
        settings.SHOP_REGION = "DK"
        CustomerFactory.create(user=shopper, phone="+4532123456")
        JobFactory.create(mobile="32 12 34 56", phone=None)

        assert len(customers.personal_data(user=shopper)["repairs"]) == 1

    def test_who_has_no_number_has_no_jobs(self, shopper):
        CustomerFactory.create(user=shopper, phone="", email="john@shop.example")
        job = JobFactory.create(mobile="", phone="")
        aside(job, "twelve", client_mobile="")

        assert customers.personal_data(user=shopper)["repairs"] == []


class TestForgotten:
    def test_nothing_of_who_they_were_is_kept_of_their_jobs(self, shopper, customer, settings):
        settings.MONGO_URL = "mongodb://127.0.0.1:1/duka"
        job = JobFactory.create(key=123)
        unread = JobFactory.create(key=124, phone=None, mobile=WRITTEN[1])
        services.add_note(job_id=job.pk, text="Mr Smith is deaf.", by=None)
        updates = job.updates

        delete_account(user=shopper)

        for each in (job, unread):
            each.refresh_from_db()
            assert (each.firstname, each.lastname, each.postcode, each.mobile) == ("",) * 4
            assert (each.client_key, each.postcode_key, each.phone_key) == ("",) * 3
            assert (each.phone, each.phone_error, each.attention) == ("", "", "")
        assert (job.status, job.updates, job.product_type) == ("OPENED", updates, "spider catcher")
        assert [note.text for note in job.notes.all()] == [""]
        assert set(DocumentWrite.objects.values_list("job", flat=True)) == {job.pk, unread.pk}
        assert services.document_of(job)["customer"] == {
            "client_firstname": "",
            "client_lastname": "",
            "client_postcode": "",
            "client_mobile": "",
        }

    def test_the_work_goes_on_and_nobody_is_told_of_it(self, shopper, customer):
        job = JobFactory.create(statuses=("NEW", "OPENED", "JOB COMPLETED"))
        delete_account(user=shopper)

        services.move_job(job_id=job.pk, to=JobStatus.CLOSED, by=None)

        assert told(job) == [("repair.closed", "suppressed")]
        assert "Smith" not in Message.objects.get().body

    def test_a_number_that_is_given_anew_tells_nothing_of_before(self, shopper, customer):
        job = JobFactory.create()
        delete_account(user=shopper)

        services.correct_phone(job_id=job.pk, mobile="0722 000 009", by=None)

        assert told(job) == []

    def test_what_they_were_told_is_forgotten_whether_or_not_it_could_be_sent(
        self, shopper, customer
    ):
        job = TestCorrecting().untold()
        services.correct_phone(job_id=job.pk, mobile=PHONE, by=None)
        assert sum("Smith" in each.body for each in Message.objects.all()) == 2

        delete_account(user=shopper)

        kept = Message.objects.order_by("pk").values_list("recipient", "to", "body", "data")
        assert list(kept) == [(customer.code, "", "", {})] * 2
        assert not StatusLink.objects.filter(revoked_at=None).exists()

    def test_of_what_they_were_told_as_a_stranger_nothing_is_kept_either(self, shopper):
        job = JobFactory.create(statuses=("NEW", "OPENED", "JOB COMPLETED"))
        services.move_job(job_id=job.pk, to=JobStatus.CLOSED, by=None)
        CustomerFactory.create(user=shopper, phone=PHONE)

        assert len(customers.personal_data(user=shopper)["messages"]) == 1
        delete_account(user=shopper)

        assert list(Message.objects.values_list("to", "body")) == [("", "")]

    def test_rows_set_aside_lose_what_tells_who_they_are_of(self, shopper, customer):
        job = JobFactory.create(mobile="0722 000 009", phone="+254722000009")
        theirs, another = aside(job, "twelve"), aside(job, "x", client_mobile="+447770 123457")

        delete_account(user=shopper)

        theirs.refresh_from_db()
        assert theirs.row == {
            **ROW,
            "client_firstname": "",
            "client_lastname": "",
            "client_postcode": "",
            "client_mobile": "",
        }
        another.refresh_from_db()
        assert another.row["client_lastname"] == "Smith"

    @pytest.mark.parametrize("mobile", ODDLY_WRITTEN)
    def test_however_oddly_a_number_was_written_it_is_forgotten(self, shopper, mobile):
        CustomerFactory.create(user=shopper, phone=KENYAN)
        unread = JobFactory.create(key=123, mobile=mobile, phone=None)
        job = JobFactory.create(key=124, mobile=mobile, phone=KENYAN)
        theirs = aside(job, "twelve", client_mobile=mobile)
        another = aside(job, "thirteen", client_mobile="٠٧٢٢٠٠٠٠٠٢")

        assert customers.personal_data(user=shopper)["repairs_set_aside"] == [theirs.row]
        delete_account(user=shopper)

        for each in (unread, job, theirs, another):
            each.refresh_from_db()
        assert [(each.lastname, each.mobile) for each in (unread, job)] == [("", "")] * 2
        assert (theirs.row["client_lastname"], theirs.row["client_mobile"]) == ("", "")
        assert (another.row["client_lastname"], another.row["client_mobile"]) == (
            "Smith",
            "٠٧٢٢٠٠٠٠٠٢",
        )

    def test_others_jobs_stay_as_they_are(self, shopper, customer):
        job = JobFactory.create(mobile="+447770 123457", phone="+447770123457")
        before = Job.objects.values().get(pk=job.pk)

        delete_account(user=shopper)

        assert Job.objects.values().get(pk=job.pk) == before

    def test_a_number_that_another_customer_has_as_well_is_not_theirs_alone(
        self, shopper, customer
    ):
        CustomerFactory.create(phone=PHONE)
        job = JobFactory.create()

        delete_account(user=shopper)

        job.refresh_from_db()
        assert (job.lastname, job.phone) == ("Smith", PHONE)

    def test_who_never_gave_a_number_has_nothing_to_forget(self, shopper):
        CustomerFactory.create(user=shopper, phone="", email="john@shop.example")
        job = JobFactory.create(mobile="", phone="")

        delete_account(user=shopper)

        job.refresh_from_db()
        assert job.lastname == "Smith"


@pytest.mark.django_db(transaction=True)
def test_who_is_forgotten_while_their_job_is_closed_is_named_nowhere():
    for _ in range(6):
        shopper = UserFactory.create()
        CustomerFactory.create(user=shopper, phone=PHONE)
        job = JobFactory.create(statuses=("NEW", "OPENED", "JOB COMPLETED"))

        outcomes = at_once(
            [
                lambda shopper=shopper: delete_account(user=shopper),
                lambda job=job: services.move_job(job_id=job.pk, to=JobStatus.CLOSED, by=None),
            ]
        )

        assert [each for each in outcomes if isinstance(each, Exception)] == []
        assert list(Message.objects.filter(body__contains="Smith")) == []
        job.refresh_from_db()
        assert (job.status, job.lastname) == ("CLOSED", "")


def test_jobs_of_a_number_are_found_by_the_index():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT id FROM repairs_job WHERE phone_key IN ('770123456', '722000001')"
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "job_by_phone" in plan
