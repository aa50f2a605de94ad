import logging
import re
import threading

import pytest
from django.http import HttpResponse
from django.test import Client
from rest_framework.settings import api_settings

from core import request_id
from core.middleware import RequestIdMiddleware
from core.tests.probe import SECRET

pytestmark = [pytest.mark.django_db, pytest.mark.urls("core.tests.probe")]


@pytest.mark.parametrize("ident", ["abc", "a", "A-Z_0.9:/+=", "f" * 128])
def test_a_harmless_id_of_the_callers_is_echoed(anonymous, ident):
    assert anonymous.get("/healthz", headers={"X-Request-ID": ident})["X-Request-ID"] == ident


@pytest.mark.parametrize(
    "ident",
    [
        "",
        " ",
        "a b",
        "a\nb",
        "a\r\nSet-Cookie: x=1",
        "é",
        "a" * 129,
        '"',
        "<script>",
        "a\x00",
        "a\n",
    ],
)
def test_any_other_is_replaced_by_one_of_ours(anonymous, ident):
    response = anonymous.get("/healthz", headers={"X-Request-ID": ident})

    assert re.fullmatch("[0-9a-f]{32}", response["X-Request-ID"])


def test_every_answer_has_an_id_of_its_own(api, anonymous):
    paths = ["/healthz", "/nothing", "/api/v1/workers/", "/crash", "/static/no", "/admin/"]
    answers = [anonymous.get(path) for path in paths] + [api.post("/workers/", b"{")]

    assert [each.status_code for each in answers] == [200, 404, 401, 500, 404, 302, 400]
    assert len({each["X-Request-ID"] for each in answers}) == len(answers)


def test_each_request_is_one_log_line_of_json_with_its_id(api, shopkeeper, log):
    response = api.get("/workers/none/?phone=0722000000", x_request_id="asked")

    (line,) = log()
    assert response.status_code == 404
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", line.pop("time"))
    assert 0 < line.pop("ms") < 10_000
    assert line == {
        "level": "INFO",
        "logger": "duka.request",
        "message": "GET /api/v1/workers/none/ 404",
        "request_id": "asked",
        "method": "GET",
        "path": "/api/v1/workers/none/",
        "status": 404,
        "user": str(shopkeeper.subject),
    }


def test_a_log_line_names_whose_token_was_shown_and_nobody_else(anonymous, program, log):
    anonymous.get("/api/v1/workers/", headers=program.headers)
    anonymous.get("/api/v1/workers/")
    anonymous.get("/api/v1/workers/", headers={"Authorization": "Bearer wrong"})
    anonymous.get("/healthz")

    assert [line["user"] for line in log()] == [str(program.user.subject), None, None, None]


def test_no_user_is_looked_up_for_the_log(api, django_assert_num_queries):
    with django_assert_num_queries(0):
        api.client.get("/healthz")


def test_a_crash_is_logged_once_with_its_traceback_and_the_id_of_the_answer(api, log):
    response = api.get("/workers/crash/?phone=0722000000")

    crash, request = log()
    assert crash["level"] == "ERROR"
    assert crash["logger"] == "django.request"
    assert crash["message"] == "Internal Server Error: /api/v1/workers/crash/"
    assert crash["exc_info"].endswith(f"RuntimeError: {SECRET}")
    assert crash["request_id"] == request["request_id"] == response["X-Request-ID"]
    assert (request["status"], request["user"] is None) == (500, False)


def test_neither_queries_nor_credentials_nor_bodies_are_logged(api, anonymous, program, log):
    anonymous.cookies["sessionid"] = "cookie-secret"
    anonymous.get("/api/v1/workers/?token=query-secret", headers=program.headers)
    anonymous.get("/api/v1/orders/?search=query-secret", headers=program.headers)
    anonymous.get(
        "/api/v1/workers/?token=query-secret", headers={"Authorization": "x header-secret"}
    )
    anonymous.get("/crash?token=query-secret", headers={"Cookie": "a=cookie-secret"})
    anonymous.get("/api/v1/workers/", headers={"Host": "evil", "Authorization": "x header-secret"})
    anonymous.post("/accounts/login/?next=query-secret", {"login": "a", "password": "pass-secret"})
    api.post("/workers/", {"message": "body-secret"})
    api.post("/workers/", {"message": "crash", "code": "abc"})

    statuses = [line["status"] for line in log() if "status" in line]
    assert statuses == [400, 200, 401, 500, 400, 200, 400, 500]
    written = str(log())
    token = program.headers["Authorization"].split()[1]
    for secret in (
        token, "query-secret", "pass-secret", "header-secret", "cookie-secret", "body-secret",
    ):  # fmt: skip
        assert secret not in written


def test_a_path_cannot_break_out_of_its_log_line(anonymous, log):
    anonymous.get("/a%0A%7B%22level%22:%22INFO%22%7D%1B[31m")

    (line,) = log()
    assert line["path"] == '/a\n{"level":"INFO"}\x1b[31m'


def test_other_loggers_lines_have_the_id_of_the_request_and_none_outside_one(log):
    def outside():
        logging.getLogger("duka.anything").warning("outside")

    request_id.begin("of-this-thread")
    logging.getLogger("duka.anything").warning("inside %s", "it")
    thread = threading.Thread(target=outside)
    thread.start()
    thread.join()

    inside, outside = log()
    assert (inside["message"], inside["request_id"]) == ("inside it", "of-this-thread")
    assert (outside["message"], outside["request_id"]) == ("outside", None)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "remote", "address"),
    [
        (0, None, "192.0.2.7", "192.0.2.7"),
        (0, "203.0.113.9", "192.0.2.7", "192.0.2.7"),
        (1, "203.0.113.9", "192.0.2.7", "203.0.113.9"),
        (1, "198.51.100.1, 203.0.113.9", "192.0.2.7", "203.0.113.9"),
        (1, None, "192.0.2.7", "192.0.2.7"),
        (1, "unknown", "192.0.2.7", None),
        (0, None, "2001:db8::7", "2001:db8::7"),
        (0, None, "", None),
    ],
)
def test_the_address_of_a_request_is_what_our_own_proxies_say(
    rf, monkeypatch, *, proxies, forwarded, remote, address
):
    monkeypatch.setattr(api_settings, "NUM_PROXIES", proxies, raising=False)
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    seen = []

    def view(request):
        seen.append(request_id.address())
        return HttpResponse()

    RequestIdMiddleware(view)(rf.get("/", headers=headers, REMOTE_ADDR=remote))

    assert seen == [address]


def test_outside_a_request_there_is_no_address():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(request_id.address()))
    thread.start()
    thread.join()

    assert seen == [None]


def test_requests_of_two_threads_keep_their_ids_apart():
    barrier = threading.Barrier(2)
    answers = {}

    def ask(ident):
        client = Client(raise_request_exception=False)
        barrier.wait()
        for _ in range(20):
            answer = client.get("/nothing", headers={"X-Request-ID": ident, "Accept": "*/json"})
            answers.setdefault(ident, set()).add(
                (answer["X-Request-ID"], answer.json()["request_id"])
            )

    threads = [threading.Thread(target=ask, args=[ident]) for ident in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {"one": {("one", "one")}, "two": {("two", "two")}}


def test_what_a_task_says_has_the_id_of_its_request_and_tells_which_task_it_is(log):
    logger = logging.getLogger("duka.anything")
    request_id.begin("before", address="192.0.2.7")
    with request_id.of_task(path="orders.tasks.some", task_id="t1", request_id="asked"):
        logger.warning("inside")
        assert (request_id.current(), request_id.address()) == ("asked", None)
        # Of another one, which it says itself.
        logger.warning("about", extra={"task_id": "t2"})
    logger.warning("after")

    assert [(each["request_id"], each.get("task"), each.get("task_id")) for each in log()] == [
        ("asked", "orders.tasks.some", "t1"),
        ("asked", None, "t2"),
        ("before", None, None),
    ]
    assert request_id.address() == "192.0.2.7"


def test_a_task_that_comes_from_no_request_has_an_id_of_its_own():
    found = []
    for _ in range(2):
        with request_id.of_task(path="orders.tasks.some", task_id="t1", request_id=None):
            found.append(request_id.current())

    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in found)
    assert found[0] != found[1]
