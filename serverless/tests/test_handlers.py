"""The handlers in this process: what they make of events, of time, and of what fails."""

import io
import json

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.urls import reverse
from PIL import Image

from accounts.tests.callers import bearer, keeper
from catalog.tests.factories import ProductFactory
from notifications.models import Message
from repairs.models import Job, Source
from repairs.tests.conftest import lead_to
from repairs.tests.factories import JobFactory
from repairs.tests.mariadb import SQLiteTable
from serverless import handlers
from serverless.tests.events import SCHEDULED, body_of, request


class Context:
    """A function's invocation, so many seconds before its end."""

    def __init__(self, seconds=120.0):
        self.seconds = seconds

    def get_remaining_time_in_millis(self):
        return int(self.seconds * 1000)


@pytest.fixture(autouse=True)
def connections(monkeypatch):
    """The test's own transaction lives on a connection that must not be closed."""
    closed = []
    monkeypatch.setattr(handlers, "close_old_connections", lambda: closed.append(1))
    # As Django's own test client does.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield closed
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def call(*args, **kwargs):
    return handlers.http(request(*args, **kwargs), Context())


@pytest.fixture
def token(db):
    return bearer(keeper().subject)


@pytest.fixture
def workshop(settings, tmp_path, db):
    table = lead_to(settings, SQLiteTable(tmp_path / "workshop.sqlite3"))
    Source.objects.update(baseline_to=0, baselined_at="2022-03-21T00:00:00Z")
    return table


def test_a_stranger_gets_a_problem_as_text(db):
    answer = call("GET", "/api/v1/repairs/")

    assert answer["statusCode"] == 401
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert answer["isBase64Encoded"] is False
    assert json.loads(answer["body"])["code"] == "not_authenticated"


def test_a_job_is_the_contract_s_document(token):
    JobFactory.create(key=123)

    answer = call("GET", "/api/v1/repairs/00123/", headers=token)

    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["job_id"] == "00123"


def test_a_head_has_no_body(db):
    answer = call("HEAD", "/healthz")

    assert (answer["statusCode"], answer["body"]) == (200, "")


def test_a_query_keeps_what_comes_twice_and_what_is_escaped(token):
    JobFactory.create(key=123, postcode="SG13 7TZ")
    JobFactory.create(key=124, postcode="AB1 1AB")

    answer = call("GET", "/api/v1/repairs/", query="postcode=SG13%207TZ", headers=token)

    assert [job["job_id"] for job in json.loads(answer["body"])["results"]] == ["00123"]


@pytest.mark.parametrize(
    ("stage", "path"),
    [("$default", "/healthz"), ("prod", "/prod/healthz"), ("prod", "/healthz")],
)
def test_a_stage_is_no_part_of_the_address(db, stage, path):
    assert call("GET", path, stage=stage)["statusCode"] == 200


def test_addresses_that_a_stage_s_answers_name_begin_with_it(db):
    answer = call("GET", "/prod/admin/", stage="prod")

    assert answer["statusCode"] == 302
    assert answer["headers"]["location"].startswith("/prod/admin/login/")


def test_a_name_that_only_begins_like_the_stage_is_none(db):
    assert call("GET", "/production/healthz", stage="prod")["statusCode"] == 404


@pytest.mark.parametrize("raw", ["/nowhere/ä€/", "/nowhere/%C3%A4%E2%82%AC/", "/nowhere/100%/"])
def test_a_path_is_understood_whether_it_was_decoded_or_not(db, raw):
    event = request("GET", "/")
    event["rawPath"] = raw

    assert handlers.http(event, Context())["statusCode"] == 404


def test_the_caller_s_address_is_the_one_that_aws_saw_and_cookies_come(monkeypatch):
    seen = []
    monkeypatch.setattr(handlers, "application", lambda environ, start: seen.append(environ) or [])

    call("GET", "/healthz", ip="198.51.100.4", cookies=["a=1", "b=2"])

    assert [(each["REMOTE_ADDR"], each["HTTP_COOKIE"]) for each in seen] == [
        ("198.51.100.4", "a=1;b=2")
    ]


def test_what_is_beyond_latin_1_comes_as_its_bytes_and_the_rest_as_it_is(monkeypatch):
    seen = []
    monkeypatch.setattr(handlers, "application", lambda environ, start: seen.append(environ) or [])

    call(
        "GET",
        "/healthz",
        query="x=€",
        headers={"user-agent": "€", "accept-language": "Zoë", "content-type": "text/€"},
        cookies=["name=J€"],
    )

    names = ["QUERY_STRING", "HTTP_USER_AGENT", "HTTP_ACCEPT_LANGUAGE", "CONTENT_TYPE"]
    euro = "â\x82¬"
    assert [seen[0][name] for name in names] == [f"x={euro}", euro, "Zoë", f"text/{euro}"]
    assert seen[0]["HTTP_COOKIE"] == f"name=J{euro}"


@pytest.mark.parametrize(
    "given",
    [
        {"query": "x=€"},
        {"cookies": ["name=J€"]},
        {"headers": {"user-agent": "€", "x-request-id": "€", "if-match": "€", "origin": "€"}},
        {"headers": {"authorization": "Bearer x€"}},
    ],
)
def test_no_sign_in_a_request_is_too_much(db, given):
    assert call("GET", "/api/v1/repairs/", **given)["statusCode"] == 401


def test_a_query_in_plain_signs_is_understood(token):
    JobFactory.create(key=123, lastname="Łukasz")
    JobFactory.create(key=124)

    answer = call("GET", "/api/v1/repairs/", query="client=Łukasz", headers=token)

    assert [job["job_id"] for job in json.loads(answer["body"])["results"]] == ["00123"]


def test_it_is_always_https(db, settings):
    settings.SECURE_SSL_REDIRECT = True

    assert call("GET", "/healthz", headers={"x-forwarded-proto": "http"})["statusCode"] == 200


def test_cookies_go_both_ways(db):
    answer = call("GET", reverse("account_login"), cookies=["a=1", "b=2"])

    assert any(cookie.startswith("csrftoken=") for cookie in answer["cookies"])
    assert "set-cookie" not in answer["headers"]


def test_bytes_come_in_in_base64(token, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    product = ProductFactory.create()
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(picture, "PNG")
    body = (
        b'--cut\r\nContent-Disposition: form-data; name="image"; filename="mug.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + picture.getvalue() + b"\r\n--cut--\r\n"
    )

    answer = call(
        "POST",
        f"/api/v1/products/{product.pk}/images/",
        body,
        headers={**token, "content-type": "multipart/form-data; boundary=cut"},
    )

    assert answer["statusCode"] == 201, answer["body"]
    assert (json.loads(answer["body"])["width"], json.loads(answer["body"])["height"]) == (40, 30)


def test_bytes_go_out_in_base64(db):
    answer = call("GET", "/static/drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png")

    assert answer["isBase64Encoded"] is True
    assert Image.open(io.BytesIO(body_of(answer))).size == (32, 32)


def test_an_answer_that_lambda_would_drop_is_said_to_be_too_large(db, monkeypatch):
    monkeypatch.setattr(handlers, "LARGEST_ANSWER", 10)

    answer = call("GET", "/healthz")

    assert answer["statusCode"] == 500
    said = json.loads(answer["body"])
    assert said["code"] == "answer_too_large"
    assert said["detail"] == "The answer has 22 bytes and AWS Lambda carries 6 MB: ask for less."


def test_another_kind_of_event_is_refused(db):
    with pytest.raises(ValueError, match=r"payload format 2\.0"):
        handlers.http(SCHEDULED, Context())


def test_a_schedule_collects_tells_and_looks_after_the_rest(workshop, connections):
    workshop.insert(job_id=123, job_status="NEW", client_mobile="+447770 123456")

    told = handlers.collect(SCHEDULED, Context())

    assert told == {
        "collected": {"workshop": "1 collected, 0 followed, 1 written back"},
        "messages": 1,
        "callbacks": 0,
        "documents": 0,
    }
    assert Job.objects.get().status == "OPENED"
    assert [message.event for message in Message.objects.all()] == ["repair.opened"]
    assert Message.objects.get().status == "sent"
    assert len(connections) == 2
    assert json.loads(json.dumps(told)) == told


def test_a_source_that_fails_is_named_and_holds_nothing_up(workshop, settings, tmp_path):
    settings.REPAIR_SOURCES = {
        "away": {**workshop.settings, "url": f"sqlite:///{tmp_path}/none.sqlite3"},
        **settings.REPAIR_SOURCES,
    }
    workshop.insert(job_id=123, job_status="NEW")

    told = handlers.collect(SCHEDULED, Context())["collected"]

    assert told["away"].startswith("failed: ")
    assert told["workshop"] == "1 collected, 0 followed, 1 written back"


def test_a_source_that_another_took_meanwhile_is_left_to_it(workshop, monkeypatch):
    # Both were given to one, and the other came first.
    monkeypatch.setattr(handlers.repairs, "sources_to_collect", lambda: [workshop.source.pk] * 2)
    monkeypatch.setattr(handlers.repairs, "sync_sources", lambda: None)
    Source.objects.update(
        fence="00000000-0000-4000-8000-000000000000", leased_until="2999-01-01T00:00:00Z"
    )

    told = handlers.collect(SCHEDULED, Context())["collected"]

    assert told == {"workshop": "skipped: Another collector is at workshop."}


def test_near_its_end_nothing_is_begun(workshop):
    workshop.insert(job_id=123, job_status="NEW")

    told = handlers.collect(SCHEDULED, Context(seconds=handlers.RESERVE - 1))

    assert told == {
        "collected": {"workshop": "no time was left"},
        "messages": 0,
        "callbacks": 0,
        "documents": 0,
    }
    assert not Job.objects.exists()


def test_what_is_not_done_is_said(workshop, monkeypatch):
    monkeypatch.setattr(
        handlers.repairs, "collect", lambda **_: handlers.repairs.Round(collected=2, done=False)
    )

    told = handlers.collect(SCHEDULED, Context())["collected"]

    assert told == {"workshop": "2 collected, 0 followed, 0 written back; there is more"}


def test_the_work_is_repeated_until_nothing_is_left():
    left = [3, 2, 0, 7]

    assert handlers._repeat(lambda: left.pop(0), float("inf")) == 5
    assert left == [7]


def test_a_fault_of_ours_with_one_source_is_named_and_holds_nothing_up(workshop, monkeypatch):
    monkeypatch.setattr(handlers.repairs, "collect", lambda **_: 1 // 0)
    monkeypatch.setattr(handlers.notifications, "deliver_due_messages", iter([2, 0]).__next__)

    told = handlers.collect(SCHEDULED, Context())

    assert told["collected"] == {"workshop": "failed: ZeroDivisionError"}
    assert told["messages"] == 2


def test_collecting_leaves_time_for_what_comes_after_it(workshop, monkeypatch):
    given = []

    def collect(*, source_id, seconds):
        given.append(seconds)
        return handlers.repairs.Round()

    monkeypatch.setattr(handlers.repairs, "collect", collect)

    handlers.collect(SCHEDULED, Context(seconds=handlers.RESERVE + 1000))

    assert [round(seconds, -1) for seconds in given] == [500]
