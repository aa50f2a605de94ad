import json

import pytest
from django.test import Client
from rest_framework.permissions import AllowAny
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle

from accounts.tests.factories import browser_of
from core.tests.probe import SECRET, WorkerViewSet
from core.tests.rest import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("core.tests.probe")]

BAD_REQUEST = "Bad Request"


def malformed(detail):
    return {"title": BAD_REQUEST, "detail": detail, "code": "malformed", "errors": []}


def invalid(*errors):
    return {
        "title": BAD_REQUEST,
        "detail": "The input has errors.",
        "code": "invalid",
        "errors": [
            {"pointer": pointer, "code": code, "detail": detail} for pointer, code, detail in errors
        ],
    }


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "JSON parse error - Expecting property name enclosed in double quotes: line 1"),
        (b"", None),
        (b'{"message": "a"} x', "JSON parse error - Extra data: line 1 column 18 (char 17)."),
        (b'{"message": NaN}', "JSON parse error - a number is out of range."),
        (b'{"message": -Infinity}', "JSON parse error - a number is out of range."),
        (b'{"message": 1e400}', "JSON parse error - a number is out of range."),
        (b'{"message": 1' + b"0" * 5000 + b"}", "JSON parse error - a number is out of range."),
        (b"[" * 100_000, "JSON parse error - nested too deeply."),
        (b'{"a":' * 50_000, "JSON parse error - nested too deeply."),
        (b'{"message": "\xff"}', "JSON parse error - not UTF-8."),
        (b'{"message": "\xed\xa0\x80"}', "JSON parse error - not UTF-8."),
        (b'{"message": "\\ud800"}', "JSON parse error - half of a surrogate pair."),
        (b'{"\\uDFFF": 1}', "JSON parse error - half of a surrogate pair."),
    ],
)
def test_a_body_that_is_not_json_is_refused_with_400(api, body, detail):
    response = api.post("/workers/", body)

    assert response.status_code == 400
    if detail is None:  # No body at all is the empty object.
        assert problem_of(response) == invalid(("/message", "required", "This field is required."))
    else:
        body = problem_of(response)
        assert body["detail"].startswith(detail)
        assert body == malformed(body["detail"])


def test_a_whole_surrogate_pair_is_text_as_any_other(api):
    response = api.post(
        "/customers/", b'{"name": "\\ud83d\\ude00 \xe2\x80\xa8 \\\\ud800", "phone": "0722000000"}'
    )

    assert response.status_code == 201
    assert response.json()["name"] == "😀 \u2028 \\ud800"


def test_a_charset_in_the_content_type_does_not_change_that_json_is_utf_8(api):
    response = api.client.generic(
        "POST",
        "/api/v1/customers/",
        '{"name": "é", "phone": "0722000000"}'.encode(),
        content_type="application/json; charset=utf-16",
    )

    assert response.status_code == 201
    assert response.json()["name"] == "é"


def test_all_failures_of_a_form_come_at_once_with_pointers_into_it(api):
    response = api.post(
        "/workers/",
        {
            "id": "may be sent back",
            "nonsense": 1,
            "a/b~c": 2,
            "message": "longer than ten",
            "code": ["a"],
            "lines": [
                {"sku": "a", "price": "1.00"},
                {"price": "-1", "weight": 3},
                {"sku": "toolong", "price": "x"},
            ],
            "words": ["abc", "abcd", None, "efgh"],
            "matrix": [[1, 2], [3, "x"], "y"],
            "extra": {"a": 1, "b/c": "x"},
        },
    )

    assert response.status_code == 400
    assert problem_of(response) == invalid(
        ("/nonsense", "unknown_field", "There is no such field."),
        ("/a~1b~0c", "unknown_field", "There is no such field."),
        ("/message", "max_length", "Ensure this field has no more than 10 characters."),
        ("/code", "invalid", "Not a valid string."),
        ("/lines/1/weight", "unknown_field", "There is no such field."),
        ("/lines/1/sku", "required", "This field is required."),
        ("/lines/1/price", "min_value", "Ensure this value is greater than or equal to 0."),
        ("/lines/2/sku", "max_length", "Ensure this field has no more than 5 characters."),
        ("/lines/2/price", "invalid", "A valid number is required."),
        ("/words/1", "max_length", "Ensure this field has no more than 3 characters."),
        ("/words/2", "null", "This field may not be null."),
        ("/words/3", "max_length", "Ensure this field has no more than 3 characters."),
        ("/matrix/1/1", "invalid", "A valid integer is required."),
        ("/matrix/2", "not_a_list", 'Expected a list of items but got type "str".'),
        ("/extra/b~1c", "invalid", "A valid integer is required."),
    )


def test_errors_of_fields_called_message_and_code_are_told_apart_from_one_error(api):
    response = api.post("/workers/", {"message": "", "code": "long"})

    assert problem_of(response) == invalid(
        ("/message", "blank", "This field may not be blank."),
        ("/code", "max_length", "Ensure this field has no more than 3 characters."),
    )


def test_an_error_of_a_whole_object_points_to_that_object(api):
    whole = api.post("/workers/", {"message": "both"})
    line = api.post(
        "/workers/",
        {"message": "a", "lines": [{"sku": "a", "price": "1"}, {"sku": "never", "price": "1"}]},
    )
    not_an_object = api.post("/workers/", [1])
    too_many = api.post("/workers/", {"message": "a", "lines": [{"sku": "a", "price": "1"}] * 4})

    assert problem_of(whole) == invalid(("", "both", "One or the other."))
    assert problem_of(line) == invalid(("/lines/1", "never", "Not this one."))
    assert problem_of(not_an_object) == invalid(
        ("", "invalid", "Invalid data. Expected a dictionary, but got list.")
    )
    assert problem_of(too_many) == invalid(
        ("/lines", "max_length", "Ensure this field has no more than 3 elements.")
    )


def test_a_domain_error_keeps_its_code_its_sentence_and_its_fields(api):
    response = api.post("/workers/", {"message": "refuse"})

    assert response.status_code == 400
    assert problem_of(response) == {
        "title": BAD_REQUEST,
        "detail": "Refused.",
        "code": "invalid",
        "errors": [{"pointer": "/a~1b/0/c~0d", "code": "no", "detail": "Refused."}],
    }


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({}, "Authentication credentials were not provided."),
        ({"Authorization": "Bearer"}, "This is not a signed token."),
        ({"Authorization": "Bearer abc"}, "This is not a signed token."),
        ({"Authorization": "Bearer a.b\x00.c"}, "This is not a signed token."),
        ({"Authorization": "Basic c2hvcDpwdw=="}, "Only bearer tokens are taken here."),
        ({"Authorization": "Digest abc"}, "Only bearer tokens are taken here."),
    ],
)
def test_no_or_bad_credentials_are_a_401_that_says_how_to_sign_in(anonymous, headers, detail):
    response = anonymous.get("/api/v1/workers/", headers=headers)

    assert response.status_code == 401
    wrong = ', error="invalid_token"' if "Bearer" in headers.get("Authorization", "") else ""
    assert response["WWW-Authenticate"] == f'Bearer realm="api"{wrong}'
    assert problem_of(response) == {
        "title": "Unauthorized",
        "detail": detail,
        "code": "not_authenticated",
        "errors": [],
    }


def test_somebody_without_the_right_gets_a_403(anonymous, program):
    orders = anonymous.post("/api/v1/orders/", headers=program.headers)
    customers = anonymous.get("/api/v1/customers/", headers=program.headers)

    for response in (orders, customers):
        assert response.status_code == 403
        assert "WWW-Authenticate" not in response
        assert problem_of(response) == {
            "title": "Forbidden",
            "detail": "You do not have permission to perform this action.",
            "code": "permission_denied",
            "errors": [],
        }


def test_a_refusal_of_djangos_own_is_a_403_with_its_sentence_if_it_has_one(api):
    closed, locked = api.get("/workers/closed/"), api.get("/workers/locked/")

    assert closed.status_code == locked.status_code == 403
    assert problem_of(closed) == {
        "title": "Forbidden",
        "detail": "The shop is closed on Sundays.",
        "code": "permission_denied",
        "errors": [],
    }
    assert problem_of(locked)["detail"] == "Forbidden."


def test_a_session_without_a_csrf_token_may_read_but_not_write(shopkeeper):
    browser = browser_of(shopkeeper, enforce_csrf_checks=True)

    assert browser.get("/api/v1/workers/").status_code == 200
    response = browser.post("/api/v1/workers/", {"message": "a"}, content_type="application/json")

    assert response.status_code == 403
    assert problem_of(response) == {
        "title": "Forbidden",
        "detail": "CSRF Failed: CSRF cookie not set.",
        "code": "permission_denied",
        "errors": [],
    }


def test_a_bearer_token_needs_no_csrf_token(program):
    response = Client(enforce_csrf_checks=True).post(
        "/api/v1/workers/",
        {"message": "a"},
        content_type="application/json",
        headers=program.headers,
    )

    assert response.status_code == 201


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/workers/none/",
        "/api/v1/workers/%00/",
        "/api/v1/workers/%ED%A0%80/",
        "/api/v1/workers/" + "9" * 65 + "/",
        "/api/v1/orders/99999999999999999999999999/",
        "/api/v1/products/99999999999999999999999999/",
        "/api/v1/products/abc/",
        "/api/v1/products/1.5/",
        "/api/v1/nothing/",
        "/api/v1/%00",
        "/api/v2/orders/",
        "/api/",
    ],
)
def test_what_is_not_there_is_a_404_under_the_api(api, path):
    response = api.client.get(path)

    assert response.status_code == 404
    assert problem_of(response) == {
        "title": "Not Found",
        "detail": "There is nothing at this address, or you may not see it.",
        "code": "not_found",
        "errors": [],
    }


def test_a_browser_elsewhere_gets_a_page_and_a_program_gets_a_problem(anonymous):
    page = anonymous.get("/nothing", headers={"Accept": "text/html,*/*"})
    problem = anonymous.get("/nothing", headers={"Accept": "application/json"})

    assert page.status_code == problem.status_code == 404
    assert page["Content-Type"] == "text/html; charset=utf-8"
    assert b"<h1>There is nothing here</h1>" in page.content
    assert problem_of(problem)["code"] == "not_found"
    assert problem["Content-Length"] == str(len(problem.content))
    assert problem["X-Content-Type-Options"] == "nosniff"
    assert problem["X-Frame-Options"] == page["X-Frame-Options"] == "DENY"


def test_a_wrong_method_is_a_405_with_the_right_ones(api):
    on_list = api.put("/workers/", {})
    on_one = api.post("/workers/w1/", {}, idempotency_key="k")
    read_only = api.delete("/messages/")

    assert [each.status_code for each in (on_list, on_one, read_only)] == [405, 405, 405]
    assert on_list["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert on_one["Allow"] == "GET, PATCH, DELETE, HEAD, OPTIONS"
    assert read_only["Allow"] == "GET, HEAD, OPTIONS"
    assert problem_of(on_list) == {
        "title": "Method Not Allowed",
        "detail": 'Method "PUT" not allowed.',
        "code": "method_not_allowed",
        "errors": [],
    }


def test_a_wrong_method_of_a_plain_view_keeps_its_allow_header(anonymous):
    response = anonymous.post("/healthz", headers={"Accept": "application/json"})

    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD"
    assert problem_of(response)["code"] == "method_not_allowed"


def test_an_answer_in_another_format_is_a_406(api):
    response = api.get("/workers/", accept="text/xml")

    assert response.status_code == 406
    assert problem_of(response) == {
        "title": "Not Acceptable",
        "detail": "Could not satisfy the request Accept header.",
        "code": "not_acceptable",
        "errors": [],
    }


def test_a_body_in_another_format_is_a_415(api):
    response = api.client.post("/api/v1/workers/", b"message=a", content_type="text/plain")
    form = api.client.post("/api/v1/workers/", {"message": "a"})

    assert response.status_code == form.status_code == 415
    assert problem_of(response) == {
        "title": "Unsupported Media Type",
        "detail": 'Unsupported media type "text/plain" in request.',
        "code": "unsupported_media_type",
        "errors": [],
    }


@pytest.mark.parametrize("headers", [{}, {"idempotency_key": "k"}])
def test_a_body_over_the_limit_is_a_413_and_one_at_the_limit_is_read(api, settings, headers):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    frame = len('{"message": ""}')

    over = api.post("/workers/", {"message": "a" * (1001 - frame)}, **headers)
    at = api.post("/workers/", {"message": "a" * (1000 - frame)})

    assert over.status_code == 413
    assert problem_of(over) == {
        "title": "Request Entity Too Large",
        "detail": "The body is larger than this shop accepts.",
        "code": "too_large",
        "errors": [],
    }
    assert at.status_code == 400
    assert problem_of(at)["errors"][0]["code"] == "max_length"


def test_an_illegal_move_is_a_409_with_the_present_status_and_the_allowed_ones(api, shop):
    number = api.post("/orders/", shop).json()["number"]
    assert api.post(f"/orders/{number}/accept/").status_code == 200

    again = api.post(f"/orders/{number}/accept/")
    api.post(f"/orders/{number}/cancel/")
    after_the_end = api.post(f"/orders/{number}/fulfil/")

    assert again.status_code == 409
    assert problem_of(again) == {
        "title": "Conflict",
        "detail": f"Order {number} is accepted; it cannot become accepted.",
        "code": "illegal_move",
        "errors": [],
        "status_now": "accepted",
        "allowed": ["cancelled", "fulfilled"],
    }
    assert problem_of(after_the_end)["status_now"] == "cancelled"
    assert problem_of(after_the_end)["allowed"] == []


def test_too_many_requests_are_a_429_that_says_when_to_come_back(
    api, monkeypatch, no_throttle_history
):
    monkeypatch.setattr(UserRateThrottle, "rate", "2/hour", raising=False)

    statuses = [api.get("/workers/").status_code for _ in range(2)]
    response = api.get("/workers/")

    assert statuses == [200, 200]
    assert response.status_code == 429
    wait = int(response["Retry-After"])
    assert 3500 < wait <= 3600
    assert problem_of(response) == {
        "title": "Too Many Requests",
        "detail": f"Request was throttled. Expected available in {wait} seconds.",
        "code": "throttled",
        "errors": [],
    }


def test_a_limit_for_one_user_is_not_anothers(
    api, anonymous, program, monkeypatch, no_throttle_history
):
    monkeypatch.setattr(UserRateThrottle, "rate", "1/hour", raising=False)
    monkeypatch.setattr(AnonRateThrottle, "rate", "1/hour", raising=False)

    assert api.get("/workers/").status_code == 200
    assert api.get("/workers/").status_code == 429
    assert anonymous.get("/api/v1/workers/", headers=program.headers).status_code == 200


def test_an_address_that_the_caller_makes_up_does_not_get_round_the_limit_of_an_address(
    anonymous, monkeypatch, no_throttle_history
):
    monkeypatch.setattr(AnonRateThrottle, "rate", "3/hour", raising=False)
    monkeypatch.setattr(WorkerViewSet, "permission_classes", [AllowAny])

    statuses = [
        anonymous.get("/api/v1/workers/", headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code
        for n in range(4)
    ]

    assert statuses == [200, 200, 200, 429]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/v1/workers/crash/", {}),
        ("/api/crash", {"Accept": "text/html"}),
        ("/crash", {"Accept": "application/json"}),
    ],
)
def test_a_crash_tells_a_program_nothing_but_the_request_id(api, path, headers):
    response = api.client.get(path, headers=headers)

    assert response.status_code == 500
    assert problem_of(response) == {
        "title": "Internal Server Error",
        "detail": "Something went wrong here. Please tell us the request_id.",
        "code": "internal_error",
        "errors": [],
    }
    assert SECRET not in f"{response.content!r}{response.headers}"


def test_a_crash_shows_a_browser_a_page_without_detail(anonymous):
    response = anonymous.get("/crash", headers={"Accept": "text/html"})

    assert response.status_code == 500
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert b"<h1>Server Error (500)</h1>" in response.content
    assert SECRET.encode() not in response.content
    assert response["X-Request-ID"]


def test_a_host_that_is_not_ours_is_a_400_problem_for_programs_and_a_page_for_browsers(anonymous):
    program = anonymous.get("/api/v1/workers/", headers={"Host": "evil.example"})
    browser = anonymous.get("/admin/", headers={"Host": "evil.example", "Accept": "text/html"})

    assert program.status_code == browser.status_code == 400
    assert problem_of(program) == {
        "title": BAD_REQUEST,
        "detail": "Bad Request.",
        "code": "bad_request",
        "errors": [],
    }
    assert browser["Content-Type"] == "text/html; charset=utf-8"


def test_a_form_of_the_admin_without_a_csrf_token_is_a_page(shopkeeper):
    browser = Client(enforce_csrf_checks=True)

    page = browser.post("/admin/logout/", {}, headers={"Accept": "text/html"})
    program = browser.post("/admin/logout/", {}, headers={"Accept": "application/json"})

    assert page.status_code == program.status_code == 403
    assert page["Content-Type"] == "text/html; charset=utf-8"
    assert problem_of(program)["code"] == "permission_denied"


def test_a_problem_is_written_as_compact_utf_8(api):
    response = api.post("/workers/", {"é": 1, "message": "a"})

    assert b'"pointer":"/\xc3\xa9"' in response.content
    assert json.loads(response.content)["errors"][0]["pointer"] == "/é"
