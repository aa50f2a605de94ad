"""What customers hear and see of their repairs, and by which gateway."""

from contextlib import ExitStack

import pytest
from django.db import transaction

from core.sms import size_of
from core.status_pages import page_of
from customers.tests.factories import CustomerFactory
from notifications import services as notifications
from notifications.models import Message
from notifications.states import ConsentSource
from orders.tests.factories import OrderFactory
from repairs import services, signals
from repairs.services.telling import look_at_phone, read_phone
from repairs.states import JobStatus
from tests.processes import spawn_manage, wait_until
from tests.servers import spawn_gateway, spawn_vonage

from .factories import JobFactory, SourceFactory
from .messages import told

pytestmark = pytest.mark.django_db
PHONE = "+447770123456"
NO_PHONE = (
    "This is not a phone number. Write it as 0722 000 000 or with its country code,"
    " +254 722 000 000."
)


def tell(job, status="OPENED"):
    with transaction.atomic():
        look_at_phone(job)
        job.save()
        services.tell(job, JobStatus(status))
    return Message.objects.latest("pk")


# Words


@pytest.mark.parametrize("event", signals.REPAIR_EVENTS, ids=lambda event: event.code)
@pytest.mark.parametrize("language", ["en", "sw"])
def test_the_words_fit_one_sms(event, language):
    shortest = event.texts[language].format(**dict.fromkeys(event.variables, "x"))
    usual = event.texts[language].format(**event.variables)

    for body in (shortest, usual):
        size = size_of(body)
        assert (size.encoding, size.segments) == ("gsm-7", 1), body


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("OPENED", "Duka: John Smith, we have received your spider catcher, job 00123: LINK"),
        (
            "CLOSED",
            "Duka: John Smith, the work on your spider catcher, job 00123, is complete. LINK",
        ),
        ("CANCELLED", "Duka: John Smith, job 00123 for your spider catcher was cancelled. LINK"),
    ],
)
def test_a_message_names_the_person_the_thing_and_the_job(status, body):
    message = tell(JobFactory.create(key=123, firstname=" John ", lastname="Smith"), status)

    words = [
        "LINK" if word.startswith("http://127.0.0.1:8000/t/") else word
        for word in message.body.split()
    ]
    assert " ".join(words) == body
    assert (message.subject, message.reference) == ("repair", "workshop:00123")
    assert message.occurrence == "workshop:123"


@pytest.mark.parametrize(
    ("language", "begins"),
    [
        ("en", "Duka: customer, we have received your item, job 00123: "),
        ("sw", "Duka: mteja, tumepokea kifaa yako, kazi 00123: "),
    ],
)
def test_without_a_name_and_a_product_the_words_still_read(language, begins):
    CustomerFactory.create(phone=PHONE, language=language)

    message = tell(JobFactory.create(key=123, firstname=" ", lastname="", product_type=" \n"))

    assert message.body.startswith(begins)


def test_what_the_client_wrote_at_length_is_cut():
    job = JobFactory.create(firstname="J" * 500, product_type="spider\ncatcher " * 50)

    data = services.data_of_id(job.full_id)

    assert (data["customer"], len(data["product"])) == ("J" * 80, 60)
    assert data["product"].startswith("spider catcher spider")


@pytest.mark.parametrize(
    "link", ["http://evil.example", "HTTPS://evil.example/x", "www.evil.example", "evil.example/x"]
)
def test_a_link_that_the_client_wrote_is_not_sent_as_ours(link):
    message = tell(JobFactory.create(key=123, lastname=f"Smith {link}", product_type=f"TV {link}"))

    assert message.body.startswith("Duka: customer, we have received your item, job 00123: ")
    assert "evil" not in message.body


@pytest.mark.parametrize("words", ["St. John", "St.John", "TV 32.5in w/o stand", "a.b / c", "1/2"])
def test_words_that_are_no_link_are_sent_as_they_are(words):
    job = JobFactory.create(firstname="", lastname=words, product_type=words)

    data = services.data_of_id(job.full_id)

    assert (data["customer"], data["product"]) == (words, words)


def test_words_are_shown_on_a_real_job():
    for event in signals.REPAIR_EVENTS:
        assert event.data_of is services.data_of_id
    JobFactory.create(key=123)

    assert services.data_of_id("123") == {
        "customer": "John Smith",
        "number": "00123",
        "product": "spider catcher",
        "shop": "Duka",
    }
    assert services.data_of_id("124") is None


# Who is told


def test_a_stranger_is_known_by_their_number_and_told_in_the_shops_language():
    message = tell(JobFactory.create())

    assert (message.recipient, message.to, message.language) == (PHONE, PHONE, "en")


def test_a_customer_of_the_shop_is_told_as_that_in_their_language():
    customer = CustomerFactory.create(phone=PHONE, language="sw")

    message = tell(JobFactory.create(key=123))

    assert (message.recipient, message.to, message.language) == (customer.code, PHONE, "sw")
    assert message.body.startswith("Duka: John Smith, tumepokea spider catcher yako, kazi 00123: ")


@pytest.mark.parametrize(
    ("mobile", "error"),
    [
        ("", "There is no phone number."),
        (" \t", "There is no phone number."),
        ("07770 12", NO_PHONE),
    ],
)
def test_a_number_that_can_be_nobodys_is_shown_to_staff_and_the_message_is_kept(mobile, error):
    job = JobFactory.create(key=123, mobile=mobile, phone=None)

    message = tell(job)

    assert (job.phone, job.phone_error) == ("", error)
    assert job.attention == f"Nobody can be told: {error}"
    assert (message.status, message.error_code, message.to) == ("suppressed", "no_phone", "")
    assert message.recipient == "repair-workshop:00123"


def test_a_number_is_looked_at_once():
    job = JobFactory.create(mobile="12", phone="+254722000000")

    look_at_phone(job)

    assert (job.phone, job.phone_error) == ("+254722000000", "")


@pytest.mark.parametrize(
    ("mobile", "phone"),
    [
        ("+447770 123456", PHONE),
        ("0722 000 000", "+254722000000"),
        ("(0722) 000-000", "+254722000000"),
        ("00 44 7770 123456", ""),
        ("0722000000 x12", ""),
        ("1" * 5000, ""),
    ],
)
def test_a_number_is_read_as_people_write_it(mobile, phone):
    found, error = read_phone(mobile)

    assert (found, bool(error)) == (phone, not phone)


def test_the_same_is_told_once_of_each_job():
    job = JobFactory.create()
    tell(job)

    with pytest.raises(Exception, match="one_message_for_each_event"), transaction.atomic():
        services.tell(job, JobStatus.OPENED)

    tell(JobFactory.create(key=job.key, source=SourceFactory.create(name="garage")))
    assert Message.objects.count() == 2


def test_who_wrote_stop_is_not_told_and_is_again_once_they_write_start():
    def wish(opted_out):
        notifications.note_consent(
            phone=PHONE, opted_out=opted_out, source=ConsentSource.MESSAGE, detail="STOP"
        )

    wish(opted_out=True)
    stopped = JobFactory.create(statuses=("NEW", "OPENED", "JOB COMPLETED"))
    services.move_job(job_id=stopped.pk, to=JobStatus.CLOSED, by=None)
    wish(opted_out=False)
    tell(JobFactory.create())

    assert told(stopped) == [("repair.closed", "suppressed")]
    assert list(Message.objects.order_by("pk").values_list("status", "error_code")) == [
        ("suppressed", "opted_out"),
        ("queued", ""),
    ]


@pytest.mark.parametrize("called", ["00123", "123", "workshop:00123", "workshop:123"])
def test_messages_of_a_job_are_found_by_its_number(api, called):
    tell(JobFactory.create(key=123))
    tell(JobFactory.create(key=1230))
    OrderFactory.create(customer=CustomerFactory.create())

    [found] = api.get(f"/messages/?repair={called}").json()["results"]

    assert (found["event"], found["reference"]) == ("repair.opened", "workshop:00123")


def test_of_several_sources_all_messages_of_a_number_are_found(api):
    for name in ("workshop", "garage"):
        tell(JobFactory.create(key=123, source=SourceFactory.create(name=name)))

    assert len(api.get("/messages/?repair=00123").json()["results"]) == 2
    assert len(api.get("/messages/?repair=garage:00123").json()["results"]) == 1
    assert api.get("/messages/?repair=124").json()["results"] == []


# The page of a status link


@pytest.mark.parametrize(
    ("language", "title", "state", "steps"),
    [
        ("en", "Repair 00123", "The work is done", ["Noted", "Received", "The work is done"]),
        (
            "sw",
            "Matengenezo 00123",
            "Kazi imefanyika",
            ["Imeandikwa", "Imepokelewa", "Kazi imefanyika"],
        ),
        ("fr", "Repair 00123", "The work is done", ["Noted", "Received", "The work is done"]),
    ],
)
def test_the_page_shows_how_it_stands_and_how_it_came_there(language, title, state, steps):
    JobFactory.create(key=123, statuses=("New", "OPENED", "JOB COMPLETED"))

    page = page_of("repair", "workshop:00123", language)

    assert (page.title, page.state) == (title, state)
    assert [step.label for step in page.steps] == steps
    assert str(page.steps[1].at) == "2022-03-21 07:01:00+00:00"


def test_a_word_of_the_clients_that_means_nothing_any_more_is_not_shown():
    updates = [
        {"at": "2022-03-21T07:00:00+00:00", "status": word, "by": "client"}
        for word in ("NEW", "Smith is angry", "OPENED")
    ]
    JobFactory.create(key=123, updates=updates)

    page = page_of("repair", "workshop:00123", "en")

    assert [step.label for step in page.steps] == ["Noted", "Received"]


def test_of_what_is_not_there_nothing_is_shown():
    assert page_of("repair", "workshop:00123", "en") is None


def test_the_link_of_a_message_opens_the_page_and_names_nobody(client):
    message = tell(JobFactory.create(key=123))
    link = message.body.split()[-1]

    page = client.get(link.removeprefix("http://127.0.0.1:8000"))

    assert page.status_code == 200
    content = page.content.decode()
    assert "Repair 00123" in content
    assert [word for word in ("Smith", "John", "spider", "SG13", "7770") if word in content] == []


# The gateway


@pytest.mark.django_db(transaction=True)
def test_repairs_are_told_by_vonage_and_orders_by_the_gateway_of_all(tmp_path):
    customer = CustomerFactory.create(phone="+254722000001")
    OrderFactory.create(customer=customer)
    job = JobFactory.create(key=123, statuses=("NEW", "OPENED", "JOB COMPLETED"))
    services.move_job(job_id=job.pk, to=JobStatus.CLOSED, by=None)
    deliver = "from notifications import tasks; print('sent', tasks.deliver_messages.call())"

    with ExitStack() as stack:
        vonage = stack.enter_context(spawn_vonage(tmp_path))
        usual = stack.enter_context(spawn_gateway(tmp_path))
        # Both accounts, one for all, and no rule.
        env = {**vonage.env, **usual.env, "SMS_ROUTES": "", "SHOP_URL": "https://shop.example"}
        process = stack.enter_context(spawn_manage("shell", "-c", deliver, env=env))
        wait_until(lambda: process.process.poll() is not None)

        assert "sent 2" in process.log().splitlines()
        assert usual.numbers() == ["+254722000001"]
        [entry] = vonage.book()
        assert entry["to"] == PHONE
        assert entry["message"] == Message.objects.get(event="repair.closed").body
        assert entry["message"].startswith("Duka: John Smith, the work on your spider catcher, ")
        assert "/t/" in entry["message"].split()[-1]
    sent = Message.objects.order_by("pk").values_list("event", "status", "transport")
    assert list(sent) == [
        ("order.placed", "sent", "africastalking"),
        ("repair.closed", "sent", "vonage"),
    ]
