"""Documents that nobody means well with: stored as they are, or a clear 400, never a 500."""

import json
from io import BytesIO

import pytest
from django.conf import settings
from django.test import RequestFactory
from django.test.client import ClientHandler
from django.utils import timezone

from accounts.tests.factories import StaffFactory, UserFactory, browser_of
from conversations.models import Interaction
from core.tests.rest import pointers, problem_of, program_with
from core.wsgi import application as make_application

from .factories import make_interaction
from .rest import ENGAGEMENT, Caller, engagement_of_the_sample, handler

pytestmark = pytest.mark.django_db
MB = 1024 * 1024
DIALECTS = ["extended", "plain"]


@pytest.fixture
def caller(db):
    engagement_of_the_sample()
    return handler()


def body_with(dialect, custom, more=b""):
    if dialect == "plain":
        when = b'"interaction_date":"2020-05-16T12:00:00Z"'
        return b'{"engagement":"%s",%s%s,"custom":%s}' % (ENGAGEMENT.encode(), when, more, custom)
    engagement = b'"engagementId":{"$oid":"%s"}' % ENGAGEMENT.encode()
    return b'{%s,"interactionDate":{"$date":0}%s,"custom":%s}' % (engagement, more, custom)


def post(caller, dialect, body, **options):
    path = "/interactions" if dialect == "extended" else "/api/v1/interactions/"
    return caller.post(path, body, **options)


STORED = [
    b'{"$where":"sleep(10000) || true","$gt":"","$oid":"x","$date":"y"}',
    b'{"a":{"$where":"function(){while(1);}"},"$ref":"x","$id":"y"}',
    b'{"a":"\\u0000","\\u0000":"\\u0000"}',
    b'{"a":"\\ud800","b":"\\udc00\\ud800","c":"\\ud83d\\ude00"}',
    b'{"a":1,"a":2,"b":{"c":1,"c":{"d":1,"d":2}}}',
    b'{"a":123456789012345678901234567890.1234567890,"b":1e308,"c":-0.0,"d":1E+2}',
    b'{"":"","__proto__":{"a":1},"a.b":1,"a[gt]":2,"custom":3}',
    b'{"a":"\'; DROP TABLE x; --","b":"%s %(a)s {0}","c":"<script>"}',
    b'{"a":' + b"[" * 97 + b"]" * 97 + b"}",
    b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(5000)) + b"}",
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("custom", STORED, ids=range(len(STORED)))
def test_what_is_odd_is_stored_as_it_is(caller, dialect, custom):
    response = post(caller, dialect, body_with(dialect, custom))
    assert response.status_code == 201, response.content
    row = Interaction.objects.get()
    for path in (f"/interactions/{row.pk}", f"/api/v1/interactions/{row.pk}/", "/interactions"):
        assert b'"custom":' + custom in caller.get(path).content


REFUSED = [
    (b'{"a":NaN}', "bad_document"),
    (b'{"a":[Infinity]}', "bad_document"),
    (b'{"a":-Infinity}', "bad_document"),
    (b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}", "bad_document"),
    (b'{"a":' * 1000 + b"1" + b"}" * 1000, "bad_document"),
    (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "bad_document"),
    (b"[" * 500_000, "bad_document"),
    (b'{"a":' + b"9" * 5000 + b"}", "bad_document"),
    (b'{"a":1e999999999}', "bad_document"),
    (b'{"a":"\xff"}', "malformed"),
    (b'{"a":"\xed\xa0\x80"}', "malformed"),
    (b'{"a":"\xc0\x80"}', "malformed"),
    (b'{"a":"\x00"}', "bad_document"),
    (b'{"a":1,}', "bad_document"),
    (b'{"a":01}', "bad_document"),
    (b"{'a':1}", "bad_document"),
    (b'{"a":1}//', "bad_document"),
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("custom", "code"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_kept_is_refused(caller, dialect, custom, code):
    response = post(caller, dialect, body_with(dialect, custom))
    assert response.status_code == 400
    assert problem_of(response)["code"] == code
    path = "/interactions/bulk" if dialect == "extended" else "/api/v1/interactions/bulk/"
    bulk = caller.post(path, body_with(dialect, custom), content_type="application/x-ndjson")
    assert (bulk.status_code, bulk.json()["failed"]) == (200, 1)
    assert not Interaction.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"\xef\xbb\xbf{}",
        b"{",
        b"{} {}",
        b"\x00",
        b"{}".decode().encode("utf-16"),
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_no_document_is_refused(caller, dialect, body):
    response = post(caller, dialect, body)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_a_byte_order_mark_is_called_by_its_name(caller):
    response = caller.post("/interactions", b"\xef\xbb\xbf" + body_with("extended", b"{}"))
    assert problem_of(response)["detail"] == "JSON parse error - it begins with a byte order mark."


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        (b',"custom":1', "/custom"),
        (b',"engagementId":1', "/engagementId"),
        (b',"sourceId":"\\u0000"', "/sourceId"),
        (b',"sourceId":"\\ud800"', "/sourceId"),
        (b',"customer":"\\u0000"', "/customer"),
        (b',"order":"\\ud800"', "/order"),
        (b',"$where":"1"', "/$where"),
        (b',"a~/b":"1"', "/a~0~1b"),
        (b',"_id":{"$oid":"\\u0000"}', "/_id"),
        (b',"agentName":%s' % (b'"' + b"a" * 201 + b'"'), "/agentName"),
    ],
)
def test_members_that_are_wrong_are_named(caller, more, wrong):
    response = caller.post("/interactions", body_with("extended", b"{}", more))
    assert [pointer for pointer, _ in pointers(response)] == [wrong]
    assert not Interaction.objects.exists()


@pytest.mark.parametrize(
    "date", [b'{"$date":1e400}', b'{"$date":9999999999999999999}', b'{"$date":"\\u0000"}', b"[]"]
)
def test_a_date_that_no_calendar_knows_is_refused(caller, date):
    body = body_with("extended", b"{}").replace(b'{"$date":0}', date)
    assert caller.post("/interactions", body).status_code == 400


EXTREMES = ["0001-01-01T00:00:00Z", "0001-01-02T23:59:59.999Z", "9999-12-30T00:00:00Z",
            "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59-14:00"]  # fmt: skip
UNSHOWABLE = "It must be a date from 0001-01-03 to 9999-12-29."


@pytest.mark.parametrize("date", [*EXTREMES, 253402300799999, -62135596800000, 10**18])
def test_a_date_that_some_time_zone_cannot_show_is_refused(caller, date):
    value = b'{"$date":%s}' % json.dumps(date).encode()
    whole = body_with("extended", b"{}").replace(b'{"$date":0}', value)
    row = make_interaction()
    for response in (
        caller.post("/interactions", whole),
        caller.patch(f"/interactions/{row.pk}", b'{"interactionDate":%s}' % value),
    ):
        assert response.status_code == 400
        assert problem_of(response)["errors"] == [
            {"pointer": "/interactionDate", "code": "invalid", "detail": UNSHOWABLE}
        ]
    assert Interaction.objects.get().interaction_date == row.interaction_date


@pytest.mark.parametrize("date", EXTREMES)
def test_so_is_one_in_plain_json(caller, date):
    value = json.dumps(date).encode()
    whole = body_with("plain", b"{}").replace(b'"2020-05-16T12:00:00Z"', value)
    row = make_interaction()
    for response in (
        caller.post("/api/v1/interactions/", whole),
        caller.patch(f"/api/v1/interactions/{row.pk}/", b'{"interaction_date":%s}' % value),
        caller.post("/api/v1/contacts/", b'{"text":"Hm.","at":%s}' % value),
    ):
        assert response.status_code == 400
        [[pointer, code]] = pointers(response)
        assert pointer in {"/interaction_date", "/at"}
        assert code in {"invalid", "overflow"}
    assert Interaction.objects.get().interaction_date == row.interaction_date


@pytest.mark.parametrize("date", ["0001-01-03T00:00:00Z", "9999-12-29T23:59:59.999Z"])
def test_the_first_and_the_last_are_shown_by_every_page(caller, date):
    body = body_with("extended", b"{}").replace(b"0}", b'"%s"}' % date.encode(), 1)
    plain = body_with("plain", b"{}").replace(b"2020-05-16T12:00:00Z", date.encode())
    assert post(caller, "extended", body).status_code == 201
    assert post(caller, "plain", plain).status_code == 201
    admin = browser_of(UserFactory.create(is_staff=True, is_superuser=True))
    for row in Interaction.objects.all():
        page = f"/admin/conversations/interaction/{row.pk}/change/"
        for zone in ("Africa/Nairobi", "Pacific/Kiritimati", "Etc/GMT+12"):
            with timezone.override(zone):
                assert admin.get(page).status_code == 200
        shown = caller.get(f"/api/v1/interactions/{row.pk}/").json()["interaction_date"]
        assert shown.startswith(date[:19])
    assert admin.get("/admin/conversations/interaction/").status_code == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("after=0001-01-01T00:00:00Z", 1),
        ("before=0001-01-01T00:00:00Z", 0),
        ("after=9999-12-31T23:59:59.999999Z", 0),
        ("before=9999-12-31T23:59:59.999999Z", 1),
        ("after=0001-01-01T00:00:00Z&before=9999-12-31T23:59:59Z", 1),
    ],
)
def test_filters_go_beyond_what_dates_may_be(caller, query, found):
    make_interaction(sentiment="Mixed")
    for path in ("/interactions", "/api/v1/interactions/"):
        assert len(caller.get(f"{path}?{query}").json()["results"]) == found
    for by in ("day", "sentiment"):
        assert len(caller.get(f"/interactions/counts?by={by}&{query}").json()["results"]) == found


def test_one_that_no_calendar_has_in_utc_is_refused_by_name(caller):
    for query in ("after=0001-01-01T00:00:00%2B14:00", "before=9999-12-31T23:59:59-14:00"):
        response = caller.get(f"/interactions?{query}")
        assert response.status_code == 400
        assert [each["parameter"] for each in problem_of(response)["errors"]] == [
            query[: query.index("=")]
        ]


@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        ("\\ud800", "/?"),
        ("a\\udfff\\u0000/", "/a?~1"),
        ("id\\u0000", "/id"),
        ("x" * 1000, "/" + "x" * 100),
    ],
)
def test_unknown_names_are_told_as_an_answer_can_hold_them(caller, name, pointer):
    row = make_interaction()
    member = f'"{name}":1'.encode()
    more = body_with("plain", b"{}", b"," + member)
    plain = f"/api/v1/interactions/{row.pk}/"
    extended = body_with("extended", b"{}", b"," + member)
    for response in (
        post(caller, "plain", more),
        post(caller, "extended", extended),
        caller.put(plain, more),
        caller.patch(plain, b"{" + member + b"}"),
        caller.patch(f"/interactions/{row.pk}", b"{" + member + b"}"),
    ):
        assert response.status_code == 400
        assert pointers(response) == [(pointer, "unknown_field")]
    assert Interaction.objects.count() == 1


def test_of_very_many_unknown_names_the_first_are_told(caller):
    more = b"".join(b',"k%d":1' % number for number in range(1000))
    response = post(caller, "plain", body_with("plain", b"{}", more))
    assert pointers(response) == [(f"/k{number}", "unknown_field") for number in range(20)]


@pytest.mark.parametrize(
    "field",
    ["id", "engagement", "interaction_date", "agent_name", "sentiment", "custom", "customer",
     "order", "source_id"],
)  # fmt: skip
@pytest.mark.parametrize("value", [b'"\\ud800"', b'["\\ud800"]', b'"a\\udfffb"'])
def test_half_a_pair_in_a_plain_value_is_refused_at_its_field(caller, field, value):
    row = make_interaction()
    body = b'{"%s":%s}' % (field.encode(), value)
    for response in (
        caller.patch(f"/api/v1/interactions/{row.pk}/", body),
        caller.post(f"/api/v1/engagements/{ENGAGEMENT}/interactions/", body),
    ):
        assert response.status_code == 400
        assert f"/{field}" in dict(pointers(response))
    row.refresh_from_db()
    assert row.agent_name == "John Ford"


@pytest.mark.parametrize("path", ["/clients", "/engagements", "/api/v1/clients/",
                                  "/api/v1/engagements/", "/api/v1/contacts/"])  # fmt: skip
@pytest.mark.parametrize("body", [b'{"\\ud800":1}', b'{"name":"\\ud800","text":"\\ud800"}'])
def test_half_a_pair_is_refused_by_the_other_forms_as_well(caller, path, body):
    response = caller.post(path, body)
    assert (response.status_code, problem_of(response)["code"]) == (400, "malformed")


def test_an_agent_s_name_with_a_nul_is_stored_as_it_is(caller):
    body = body_with("extended", b"{}", b',"agentName":"a\\u0000\\ud800b"')
    response = caller.post("/interactions", body)
    assert response.status_code == 201
    assert b'"agentName":"a\\u0000\\ud800b"' in response.content
    row = Interaction.objects.get()
    assert row.agent_name == "a?b"
    assert caller.get(f"/api/v1/interactions/{row.pk}/").json()["agent_name"] == "a?b"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_16_mb_are_stored_and_a_byte_more_is_not(caller, dialect):
    empty = b'{"_id":{"$oid":"%s"},"engagementId":{"$oid":"%s"}' % (b"0" * 24, ENGAGEMENT.encode())
    rest = b',"interactionDate":{"$date":1589630400000},"agentName":"","sentiment":"","custom":%s}'
    space = 16 * MB - len(empty + rest % b'{"a":""}')
    for size, status in [(space + 1, 413), (space, 201)]:
        custom = b'{"a":"' + b"x" * size + b'"}'
        body = empty + rest % custom
        if dialect == "plain":
            body = body_with("plain", custom, b',"id":"%s"' % (b"0" * 24))
        response = post(caller, dialect, body)
        assert response.status_code == status, response.content[:500]
    assert len(caller.get(f"/interactions/{'0' * 24}").content) == 16 * MB


def test_a_body_beyond_all_limits_says_the_limit(caller):
    response = caller.post("/interactions", b"[" * (17 * MB))
    assert response.status_code == 413
    assert problem_of(response) == {
        "title": "Request Entity Too Large",
        "detail": "A document may have 16 MB at most.",
        "code": "too_large",
        "errors": [],
    }


def test_clients_and_engagements_keep_the_limit_of_all_others(caller):
    body = b'{"name":"' + b"a" * 2 * MB + b'"}'
    for path in ("/clients", "/engagements", "/api/v1/clients/"):
        assert caller.post(path, body).status_code == 413


# What a web server hands over: a stream, and what its headers say of it.


def ask(stream, *, headers=None, path="/interactions", **environ):
    """Ask the application that gunicorn runs; return status, body, and how much was read."""
    made = RequestFactory().post(path).environ
    made |= {"wsgi.input": stream, "CONTENT_TYPE": "application/json"}
    made |= {f"HTTP_{name.upper()}": value for name, value in (headers or {}).items()}
    made |= environ
    began = []
    response = make_application()(made, lambda *args: began.append(args))
    try:
        content = b"".join(response)
    finally:
        response.close()
    return int(began[0][0].split()[0]), content, stream.tell()


CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
LARGE = body_with("extended", b'{"a":"' + b"x" * 3 * MB + b'"}')


@pytest.fixture
def program(transactional_db):
    engagement_of_the_sample()
    return program_with("handle_conversations").headers


@pytest.mark.django_db(transaction=True)
class TestStreams:
    def test_chunks_beyond_the_usual_limit_are_read_of_who_may(self, program):
        status, _, read = ask(BytesIO(LARGE), headers=program, **CHUNKED)
        assert (status, read) == (201, len(LARGE))

    def test_no_more_of_chunks_is_read_than_is_allowed(self, program):
        stream = BytesIO(b"[" * 20 * MB)
        status, _, read = ask(stream, headers=program, **CHUNKED)
        assert (status, read) == (413, 16 * MB + 64 * 1024 + 1)

    @pytest.mark.parametrize(
        "path", ["/interactions", "/interactions/bulk", "/api/v1/interactions/"]
    )
    def test_nothing_is_read_of_strangers(self, path):
        size = str(len(LARGE))
        assert ask(BytesIO(LARGE), path=path, CONTENT_LENGTH=size)[::2] == (401, 0)
        # Chunks are put together before anything is asked, up to the limit of all others.
        usual = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1
        assert ask(BytesIO(LARGE), path=path, **CHUNKED)[::2] == (401, usual)

    @pytest.mark.parametrize("right", ["see_conversations", "see_orders"])
    def test_nothing_is_read_of_programs_without_the_right(self, right):
        headers = program_with(right).headers
        size = str(len(LARGE))
        assert ask(BytesIO(LARGE), headers=headers, CONTENT_LENGTH=size)[::2] == (403, 0)

    def test_what_says_that_it_is_too_large_is_not_read(self, program):
        status, _, read = ask(BytesIO(b"{}"), headers=program, CONTENT_LENGTH=str(10**12))
        assert (status, read) == (413, 0)

    def test_no_more_is_read_than_was_said(self, program):
        body = body_with("extended", b"{}")
        stream = BytesIO(body + b"GET / HTTP/1.1")
        status, _, read = ask(stream, headers=program, CONTENT_LENGTH=str(len(body)))
        assert (status, read) == (201, len(body))

    def test_a_body_that_ends_too_soon_is_refused(self, program):
        body = body_with("extended", b"{}") + b"\n"
        for kind in ("application/json", "application/x-ndjson"):
            status, content, _ = ask(
                BytesIO(body),
                headers=program,
                path="/interactions/bulk",
                CONTENT_LENGTH=str(len(body) + 1),
                CONTENT_TYPE=kind,
            )
            assert status == 400
            assert b"The body ended before its Content-Length." in content
        assert not Interaction.objects.exists()

    @pytest.mark.parametrize("said", ["", "x", "-1", "0"])
    def test_without_a_length_there_is_no_body(self, program, said):
        status, content, read = ask(BytesIO(LARGE), headers=program, CONTENT_LENGTH=said)
        assert (status, read) == (400, 0)
        assert b"bad_document" in content


def test_nothing_is_read_of_a_session_without_the_right():
    # Django would look for a form's CSRF token in the body.
    web_server, token = ClientHandler(enforce_csrf_checks=True), "c" * 32
    for user in (UserFactory.create(), StaffFactory.create(permissions=["orders.view_order"])):
        session = Caller(user).client.cookies["sessionid"].value
        stream = BytesIO(LARGE)
        response = web_server(
            RequestFactory().post("/interactions/bulk").environ
            | {
                "wsgi.input": stream,
                "CONTENT_LENGTH": str(len(LARGE)),
                "CONTENT_TYPE": "application/json",
                "HTTP_COOKIE": f"sessionid={session}; csrftoken={token}",
                "HTTP_X_CSRFTOKEN": token,
            }
        )
        assert (response.status_code, stream.tell()) == (403, 0)
        assert problem_of(response)["detail"] == (
            "You do not have permission to perform this action."
        )
