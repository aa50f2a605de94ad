"""Jobs by REST: the contract's document, what staff need beside it, and how a job is moved on."""

import pytest
from django.urls import reverse

from accounts.tests.factories import StaffFactory, UserFactory
from core.tests.rest import parameters, pointers, problem, problem_of, utc
from notifications.models import Message
from repairs.models import Job, JobNote
from repairs.states import JobStatus

from .factories import JobFactory, SourceFactory

pytestmark = pytest.mark.django_db
DOCUMENT = {
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


@pytest.fixture
def staff():
    return StaffFactory.create(
        first_name="Mama", last_name="Njeri", permissions=["repairs.handle_job"]
    )


@pytest.fixture
def rest(api_as, staff):
    return api_as(staff)


@pytest.fixture
def job(db):
    """The contract's, as it stood when it came."""
    return JobFactory.create(key=123, statuses=("New",), status=JobStatus.NEW)


@pytest.fixture
def opened(db):
    return JobFactory.create(key=123)


def moved(response):
    """Return where a job came to, by what the answer's document says."""
    assert response.status_code == 200, response.content
    body = response.json()
    assert list(body) == list(DOCUMENT)
    assert body["job_status"] == body["updates"][-1]["status"]
    return [each["status"] for each in body["updates"]]


# The document


@pytest.mark.parametrize("name", ["00123", "123", "0000000123", "workshop:00123", "workshop:123"])
def test_a_job_is_the_contracts_document_field_for_field(rest, job, name):
    response = rest.get(f"/repairs/{name}/")

    assert response.status_code == 200
    assert response.json() == DOCUMENT
    assert list(response.json()) == list(DOCUMENT)


@pytest.mark.parametrize(
    "name", ["124", "others:00123", "9" * 19, "18446744073709551739", "workshop:", "x", "-1", "²"]
)
def test_what_is_no_job_is_a_404(rest, job, name):
    response = rest.get(f"/repairs/{name}/")

    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


def test_a_number_of_several_sources_is_a_409_that_names_them(rest, job):
    other = JobFactory.create(key=123, source=SourceFactory.create(name="bikes"), firstname="Ann")

    for path in ("/repairs/123/", "/repairs/00123/handling/"):
        response = rest.get(path)
        assert response.status_code == 409
        assert response.json() == problem(
            response,
            code="ambiguous_job",
            detail="Several sources have a job 00123: name one of bikes:00123, workshop:00123.",
            ids=["bikes:00123", "workshop:00123"],
        )
    assert rest.post("/repairs/123/notes/", {"text": "?"}).status_code == 409
    assert rest.get("/repairs/workshop:123/").json() == DOCUMENT
    customer = rest.get("/repairs/bikes:123/").json()["customer"]
    assert customer["client_firstname"] == other.firstname == "Ann"


def test_a_document_that_is_known_already_is_not_sent_again(rest, job):
    etag = rest.get("/repairs/123/")["ETag"]

    assert rest.get("/repairs/123/", If_None_Match=etag).status_code == 304
    job.mobile = "1"
    job.save()
    assert rest.get("/repairs/123/", If_None_Match=etag).status_code == 200


# The list


def test_a_row_of_the_list_is_the_document_with_its_source_and_what_needs_a_look(rest, job):
    Job.objects.update(phone="", phone_error="Too short.")

    body = rest.get("/repairs/?count=true").json()

    assert body == {
        "next": None,
        "previous": None,
        "count": 1,
        "results": [
            {**DOCUMENT, "source": "workshop", "attention": "Nobody can be told: Too short."}
        ],
    }
    assert list(body["results"][0]) == [*DOCUMENT, "source", "attention"]


def test_the_list_goes_by_the_day_of_the_job_and_pages_show_each_once(rest):
    for key, day in enumerate([3, 1, 2, 2, 2], start=1):
        JobFactory.create(key=key, job_date=f"2022-03-0{day}")

    def numbers(path):
        found = []
        while path:
            body = rest.get(path.partition("/api/v1")[2] or path).json()
            found += [int(each["job_id"]) for each in body["results"]]
            path = body["next"]
        return found

    assert numbers("/repairs/?page_size=2") == [1, 5, 4, 3, 2]
    assert numbers("/repairs/?page_size=2&ordering=job_date") == [2, 3, 4, 5, 1]
    assert parameters(rest.get("/repairs/?ordering=key")) == [("ordering", "invalid")]


@pytest.mark.parametrize("rows", [1, 3])
def test_a_page_takes_the_same_statements_for_1_and_3_rows(api, rows, django_assert_num_queries):
    for number in range(rows):
        JobFactory.create(source=SourceFactory.create(name=f"w{number}"))

    # session, user, membership; jobs with their sources
    with django_assert_num_queries(4):
        body = api.get("/repairs/").json()

    assert len(body["results"]) == rows


# Moving on


@pytest.mark.parametrize("word", ["JOB COMPLETED", "Job completed", "job_completed", " Completed "])
def test_a_job_is_moved_on_by_its_status_in_any_case(rest, opened, staff, word):
    response = rest.post("/repairs/123/status/", {"job_status": word, "note": "A new spring."})

    assert moved(response) == ["NEW", "OPENED", "JOB COMPLETED"]
    opened.refresh_from_db()
    assert (opened.state, opened.updates[-1]["by"]) == (JobStatus.JOB_COMPLETED, str(staff.pk))
    assert list(opened.notes.values_list("text", "by")) == [("A new spring.", staff.pk)]
    assert response["ETag"] == rest.get("/repairs/123/")["ETag"]


def test_a_job_is_moved_on_by_patch_to_its_end_and_the_customer_is_told_once(rest, opened):
    assert moved(rest.patch("/repairs/123/", {"job_status": "JOB COMPLETED"})) == [
        "NEW",
        "OPENED",
        "JOB COMPLETED",
    ]
    assert Message.objects.count() == 0
    assert moved(rest.patch("/repairs/123/", {"job_status": "Closed"})) == [
        "NEW",
        "OPENED",
        "JOB COMPLETED",
        "CLOSED",
    ]
    assert list(Message.objects.values_list("event", "to")) == [("repair.closed", "+447770123456")]


@pytest.mark.parametrize(
    ("at", "to"),
    [(at, to) for at in JobStatus for to in JobStatus if to not in at.allowed],
)
def test_an_illegal_move_is_a_409_that_says_what_may_follow(rest, at, to):
    job = JobFactory.create(key=123, statuses=(at.value,))
    before = Job.objects.values().get()

    answers = [
        rest.post("/repairs/123/status/", {"job_status": to.value}),
        rest.patch("/repairs/123/", {"job_status": to.value}),
    ]

    for response in answers:
        assert response.status_code == 409
        assert response.json() == problem(
            response,
            code="illegal_move",
            detail=f"Job 00123 is {at.value}: it cannot become {to.value}.",
            status_now=at.value,
            allowed=sorted(at.allowed),
        )
    assert Job.objects.values().get() == before
    assert job.notes.count() == 0


@pytest.mark.parametrize(
    ("call", "body", "errors"),
    [
        ("POST status/", {"job_status": "LOST"}, [("/job_status", "invalid_choice")]),
        ("PATCH ", {"job_status": "LOST"}, [("/job_status", "invalid_choice")]),
        ("PATCH ", {"job_status": 3}, [("/job_status", "invalid_choice")]),
        ("PATCH ", {"job_status": ["OPENED"]}, [("/job_status", "invalid_choice")]),
        ("PATCH ", {"job_status": ""}, [("/job_status", "invalid_choice")]),
        ("PATCH ", {"job_status": None}, [("/job_status", "null")]),
        ("POST status/", {}, [("/job_status", "required")]),
        (
            "POST status/",
            {"status": "OPENED", "note": "x" * 4001},
            [
                ("/status", "unknown_field"),
                ("/job_status", "required"),
                ("/note", "max_length"),
            ],
        ),
        ("PATCH ", {"client_mobile": ""}, [("/client_mobile", "blank")]),
        ("PATCH ", {"customer": {}}, [("/customer", "unknown_field")]),
        ("POST notes/", {"text": " "}, [("/text", "blank")]),
        ("POST settle/", {"keep": "theirs"}, [("/keep", "invalid_choice")]),
    ],
)
def test_input_that_is_wrong_names_its_field(rest, opened, call, body, errors):
    method, _, path = call.partition(" ")
    before = Job.objects.values().get()

    assert pointers(rest._call(method, f"/repairs/123/{path}", body)) == errors
    assert Job.objects.values().get() == before


def test_a_status_that_is_wrong_is_told_which_there_are(rest, opened):
    [error] = rest.patch("/repairs/123/", {"job_status": "LOST"}).json()["errors"]

    assert error["detail"] == '"LOST" is not a valid choice.'


def test_what_was_read_can_be_sent_back_with_another_status(rest, opened):
    document = rest.get("/repairs/123/").json()
    document.pop("customer")

    response = rest.patch("/repairs/123/", {**document, "job_status": "CANCELLED"})

    assert moved(response) == ["NEW", "OPENED", "CANCELLED"]
    assert rest.patch("/repairs/123/", {}).status_code == 200


def test_a_move_of_what_changed_since_it_was_read_is_a_412(rest, opened):
    etag = rest.get("/repairs/123/")["ETag"]
    moved(rest.post("/repairs/123/status/", {"job_status": "JOB COMPLETED"}, If_Match=etag))

    for method, path, body in (
        ("POST", "status/", {"job_status": "CLOSED"}),
        ("PATCH", "", {"job_status": "CLOSED"}),
        ("POST", "notes/", {"text": "Late."}),
        ("POST", "settle/", {"keep": "ours"}),
    ):
        response = rest._call(method, f"/repairs/123/{path}", body, If_Match=etag)
        assert response.status_code == 412
        assert problem_of(response)["code"] == "precondition_failed"
    opened.refresh_from_db()
    assert opened.state == JobStatus.JOB_COMPLETED
    assert opened.notes.count() == 0


def test_a_move_sent_again_with_its_key_has_its_effect_once(rest, opened):
    body = {"job_status": "JOB COMPLETED", "note": "Done."}

    answers = [rest.post("/repairs/123/status/", body, Idempotency_Key="k") for _ in range(2)]

    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert answers[1]["Idempotent-Replayed"] == "true"
    assert JobNote.objects.count() == 1


# The customer's phone


def test_a_number_is_mended_before_the_move_that_is_told_to_it(rest):
    job = JobFactory.create(
        key=123, mobile="12", phone="", phone_error="Too short.",
        statuses=("NEW", "OPENED", "JOB COMPLETED"), baseline=True,
    )  # fmt: skip

    response = rest.patch(
        "/repairs/123/", {"job_status": "CLOSED", "client_mobile": "+44 7770 123456"}
    )

    assert moved(response)[-1] == "CLOSED"
    job.refresh_from_db()
    assert (job.phone, job.phone_error) == ("+447770123456", "")
    closed = Message.objects.get(event="repair.closed")
    assert closed.to == "+447770123456"


def test_a_number_that_can_be_nobodys_is_refused_at_its_field_and_nothing_moves(rest, opened):
    before = Job.objects.values().get()

    response = rest.patch("/repairs/123/", {"job_status": "JOB COMPLETED", "client_mobile": "12"})

    assert pointers(response) == [("/client_mobile", "impossible_phone")]
    assert Job.objects.values().get() == before


# Handling


def test_what_staff_need_beside_the_document_is_in_its_handling(rest, opened, staff):
    rest.post("/repairs/123/status/", {"job_status": "JOB COMPLETED", "note": "A new spring."})
    opened.refresh_from_db()
    done, note = opened.updates[-1], opened.notes.get()

    response = rest.get("/repairs/123/handling/")

    assert response.json() == {
        "id": "workshop:00123",
        "source": "workshop",
        "status": "JOB COMPLETED",
        "baseline": False,
        "allowed": ["CLOSED"],
        "attention": "",
        "conflict": "",
        "phone": "+447770123456",
        "phone_error": "",
        "client_status": "OPENED",
        "notes": [{"text": "A new spring.", "by": "Mama Njeri", "at": utc(note.at)}],
        "history": [
            {"status": "NEW", "by": "client", "at": "2022-03-21T07:00:00Z"},
            {"status": "OPENED", "by": "client", "at": "2022-03-21T07:01:00Z"},
            {
                "status": "JOB COMPLETED",
                "by": "Mama Njeri",
                "at": done["at"].replace("+00:00", "Z"),
            },
        ],
        "collected_at": utc(opened.collected_at),
    }


def test_who_is_here_no_more_has_no_name_in_the_handling(rest, opened):
    gone = UserFactory.create(first_name="Old", last_name="Hand")
    opened.updates[0]["by"], opened.updates[1]["by"] = "duka", str(gone.pk)
    opened.save()
    JobNote.objects.create(job=opened, text="Bye.", by=gone)
    path = "/repairs/123/handling/"

    def names():
        body = rest.get(path).json()
        return [each["by"] for each in body["history"] + body["notes"]]

    assert names() == ["duka", "Old Hand", "Old Hand"]
    gone.delete()
    assert names() == ["duka", None, None]


def test_a_job_of_the_baseline_has_no_phone_until_it_is_needed(rest):
    JobFactory.create(key=123, baseline=True, phone=None)

    body = rest.get("/repairs/123/handling/").json()

    assert (body["baseline"], body["phone"], body["phone_error"]) == (True, "", "")


@pytest.mark.parametrize("rows", [1, 3])
def test_a_handling_takes_the_same_statements_for_1_and_3_notes(
    api, opened, rows, django_assert_num_queries
):
    people = UserFactory.create_batch(rows)
    opened.updates = [
        {"at": "2022-03-21T07:00:00+00:00", "status": "NEW", "by": str(each.pk)} for each in people
    ]
    opened.save()
    for each in people:
        JobNote.objects.create(job=opened, text="Hm.", by=each)

    # session, user, membership; the job, its notes, their authors, who moved it
    with django_assert_num_queries(7):
        body = api.get("/repairs/123/handling/").json()

    assert len(body["notes"]) == len(body["history"]) == rows


def test_a_note_is_kept_with_its_author_and_says_nothing_to_the_customer(rest, opened):
    response = rest.post("/repairs/00123/notes/", {"text": "They call on Monday."})

    note = JobNote.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "text": "They call on Monday.",
        "by": "Mama Njeri",
        "at": utc(note.at),
    }
    assert note.job == opened
    assert Message.objects.count() == 0
    assert "They call" not in rest.get("/repairs/123/").content.decode()


# Contradictions


def test_a_contradiction_is_settled_for_ours_or_for_the_clients(rest):
    for key, keep, word in ((123, "ours", "OPENED"), (124, "client", "CLOSED")):
        JobFactory.create(key=key, conflict="CLOSED", client_status="CLOSED")

        response = rest.post(f"/repairs/{key}/settle/", {"keep": keep})

        assert response.status_code == 200
        assert response.json()["job_status"] == word
        handling = rest.get(f"/repairs/{key}/handling/").json()
        assert (handling["conflict"], handling["attention"]) == ("", "")


def test_without_a_contradiction_there_is_nothing_to_settle(rest, opened):
    response = rest.post("/repairs/123/settle/", {"keep": "ours"})

    assert response.status_code == 409
    assert response.json()["code"] == "nothing_to_settle"


# Counts


def test_the_jobs_are_counted_in_each_status_with_zeros_too(rest):
    for statuses in (("NEW",), ("NEW", "OPENED"), ("NEW", "OPENED"), ("NEW", "CANCELLED")):
        JobFactory.create(statuses=statuses)
    JobFactory.create(conflict="CLOSED", postcode="EC1A 1BB")

    assert rest.get("/repairs/counts/").json() == {
        "by_status": {
            "NEW": 1,
            "OPENED": 3,
            "JOB COMPLETED": 0,
            "CLOSED": 0,
            "CANCELLED": 1,
        },
        "total": 5,
        "attention": 1,
    }
    of_one = rest.get("/repairs/counts/?postcode=ec1a").json()
    assert (of_one["by_status"]["OPENED"], of_one["total"], of_one["attention"]) == (1, 1, 1)
    assert parameters(rest.get("/repairs/counts/?colour=red")) == [("colour", "invalid")]


def test_the_addresses_are_those_of_the_contract():
    assert reverse("repair-detail", args=["00123"]) == "/api/v1/repairs/00123/"
    assert reverse("repair-status", args=["w:00123"]) == "/api/v1/repairs/w:00123/status/"
