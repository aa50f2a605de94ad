"""Many documents in one request, each of which is stored or fails by itself."""

import json

import pytest

from conversations.documents import elements_of, lines_of, pieces
from conversations.exceptions import BadDocument
from conversations.models import Interaction
from core.tests.rest import problem_of

from .factories import make_interaction
from .rest import ENGAGEMENT, IDENT, SAMPLE, UNKNOWN, engagement_of_the_sample, handler

LINES = "application/x-ndjson"
OF_THE_OTHER = SAMPLE.replace(ENGAGEMENT.encode(), UNKNOWN.encode()).replace(b"3567d", b"3567e")
PLAIN = b'{"id":"%s","engagement":"%s","interaction_date":"2020-05-16T12:00:00Z"}' % (
    IDENT.encode(),
    ENGAGEMENT.encode(),
)


@pytest.fixture
def caller(db):
    engagement_of_the_sample()
    return handler()


def result(index, outcome, *errors, ident=""):
    return {"index": index, "id": ident, "outcome": outcome, "errors": list(errors)}


def error(pointer, code, detail):
    return {"pointer": pointer, "code": code, "detail": detail}


def short(response):
    """Return how many there were of each outcome, and (pointer, code) of each error."""
    assert response.status_code == 200, response.content
    body = response.json()
    assert [each["index"] for each in body["results"]] == list(range(len(body["results"])))
    errors = [(e["pointer"], e["code"]) for each in body["results"] for e in each["errors"]]
    return (body["created"], body["unchanged"], body["failed"]), errors


@pytest.mark.parametrize(
    "path", ["/interactions/bulk", "/interactions/bulk/", f"/engagements/{ENGAGEMENT}/interactions/bulk"]
)  # fmt: skip
def test_each_is_answered_in_its_place(caller, path):
    body = b" [" + SAMPLE + b" , 7,\n" + OF_THE_OTHER + b',{"a": NaN}, ' + SAMPLE + b"]\n"
    response = caller.post(path, body)
    nested = "engagements" in path
    assert response.status_code == 200
    assert response.json() == {
        "created": 1,
        "unchanged": 1,
        "failed": 3,
        "results": [
            result(0, "created", ident=IDENT),
            result(1, "failed", error("/1", "bad_document", "It is not an object.")),
            result(
                2,
                "failed",
                error("/2/engagementId", "wrong_engagement", "It is of another engagement.")
                if nested
                else error("/2/engagementId", "not_found", "There is no such engagement."),
                ident="" if nested else IDENT[:-1] + "e",
            ),
            result(3, "failed", error("/3", "bad_document", "NaN is no number in JSON.")),
            result(4, "unchanged", ident=IDENT),
        ],
    }
    assert Interaction.objects.get().document == SAMPLE.decode()


def test_a_document_may_stand_in_each_line(caller):
    body = SAMPLE + b"\r\n\r\n{broken\n\xff\n" + OF_THE_OTHER
    response = caller.post("/interactions/bulk", body, content_type=f"{LINES}; charset=utf-8")
    assert short(response) == (
        (1, 0, 3),
        [("/1", "bad_document"), ("/2", "malformed"), ("/3/engagementId", "not_found")],
    )
    assert Interaction.objects.get().document == SAMPLE.decode()


def test_plain_ones_are_told_in_their_own_words(caller):
    other = PLAIN.replace(ENGAGEMENT.encode(), UNKNOWN.encode()).replace(b"3567d", b"3567e")
    body = (
        b"[" + b",".join([PLAIN, b'{"agent":1}', other, b'{"custom":1,"custom":2}', PLAIN]) + b"]"
    )
    assert short(caller.post("/api/v1/interactions/bulk/", body)) == (
        (1, 1, 3),
        [
            ("/1/agent", "unknown_field"),
            ("/1/interaction_date", "required"),
            ("/2/engagement", "not_found"),
            ("/3/custom", "duplicate_key"),
        ],
    )
    path = f"/api/v1/engagements/{ENGAGEMENT}/interactions/bulk/"
    line = b'{"interaction_date":"2020-05-16T12:00:00Z"}\n'
    assert short(caller.post(path, line * 2, content_type=LINES)) == ((2, 0, 0), [])
    assert Interaction.objects.count() == 3


def test_a_source_s_name_makes_it_idempotent(caller):
    line = b'{"engagementId":{"$oid":"%s"},"interactionDate":{"$date":%d},"sourceId":"x%d"}\n'
    body = b"".join(line % (ENGAGEMENT.encode(), number, number) for number in range(3))
    first = caller.post("/interactions/bulk", body, content_type=LINES)
    again = caller.post("/interactions/bulk", body, content_type=LINES)
    assert (short(first)[0], short(again)[0]) == ((3, 0, 0), (0, 3, 0))
    ids = [[each["id"] for each in answer.json()["results"]] for answer in (first, again)]
    assert ids[0] == ids[1]
    assert Interaction.objects.count() == 3


def test_an_idempotency_key_replays_the_answer(caller):
    first, again = (
        caller.post("/interactions/bulk", b"[" + SAMPLE + b"]", idempotency_key="b") for _ in "ab"
    )
    assert short(again)[0] == (1, 0, 0)
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
def test_ten_thousand_are_taken_and_one_more_is_not(caller, prefix):
    path = f"{prefix}/engagements/{ENGAGEMENT}/interactions/bulk" + ("/" if prefix else "")
    name = (
        b'"interaction_date":"2020-05-16T12:00:00Z"' if prefix else b'"interactionDate":{"$date":0}'
    )
    document = b"{%s}" % name
    for body, kind in [
        (b"[" + b",".join([document] * 10_001) + b"]", "application/json"),
        (b"\n".join([document] * 10_001), LINES),
    ]:
        response = caller.post(path, body, content_type=kind)
        assert response.status_code == 413
        assert problem_of(response) == {
            "title": "Request Entity Too Large",
            "detail": "One request may bring 10000 documents at most.",
            "code": "too_many",
            "errors": [],
        }
    assert not Interaction.objects.exists()
    response = caller.post(path, b"\n".join([document] * 10_000), content_type=LINES)
    assert short(response) == ((10_000, 0, 0), [])
    assert Interaction.objects.count() == 10_000


def test_so_many_bytes_are_taken_and_no_more(caller, settings):
    settings.CONVERSATIONS_BULK_BYTES = 1024 * 1024
    body = b"[" + SAMPLE + b"]"
    full = body + b" " * (1024 * 1024 - len(body))
    assert short(caller.post("/interactions/bulk", full))[0] == (1, 0, 0)
    response = caller.post("/interactions/bulk", full + b" ")
    assert response.status_code == 413
    assert problem_of(response)["detail"] == "One request may bring 1 MB at most."


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"),
        (b"{}", "application/json"),
        (b"null", "application/json"),
        (b"\xef\xbb\xbf[]", "application/json"),
        (b"[" + SAMPLE, "application/json"),
        (b"[" + SAMPLE + b"]]", "application/json"),
        (b"[" + SAMPLE + b"," + b"[" * 101 + b"]" * 101 + b"]", "application/json"),
        (b"[" + SAMPLE + b"},{}]", "application/json"),
        (b"[" + SAMPLE[:-1] + b',"x":"a]', "application/json"),
        (b"", LINES),
        (b" \n \n", LINES),
    ],
)
def test_what_cannot_be_taken_apart_is_refused_as_a_whole(caller, body, kind):
    response = caller.post("/interactions/bulk", body, content_type=kind)
    assert response.status_code == 400
    assert problem_of(response)["code"] == "bad_document"
    assert not Interaction.objects.exists()


def test_nothing_but_brackets_is_refused_as_a_whole(caller):
    response = caller.post("/interactions/bulk", b"[" * 60_000_000)
    assert response.status_code == 400
    assert problem_of(response)["detail"] == (
        "It is not JSON: the array does not end, or something in it is nested more than 100 levels"
        " deep."
    )


def test_a_plain_one_of_more_than_16_mb_fails_unread(caller):
    body = b'[{"a":[%s0]},%s]' % (b"0," * 9_000_000, PLAIN)
    answer = caller.post("/api/v1/interactions/bulk/", body).json()
    too_large = error("/0", "too_large", "A document may have 16 MB at most.")
    assert answer["results"] == [result(0, "failed", too_large), result(1, "created", ident=IDENT)]


def test_half_a_pair_in_a_name_loses_nobody_else_s_answer(caller):
    body = b'[{"\\ud800":1,"engagement":"x"},%s]' % PLAIN
    answer = caller.post("/api/v1/interactions/bulk/", body).json()
    assert answer["results"] == [
        result(
            0,
            "failed",
            error("/0/?", "unknown_field", "There is no such field."),
            error("/0/engagement", "invalid", "It must be an ObjectId: 24 hex digits."),
            error("/0/interaction_date", "required", "This field is required."),
        ),
        result(1, "created", ident=IDENT),
    ]


def test_no_documents_are_no_trouble(caller):
    assert short(caller.post("/interactions/bulk", b"[ ]")) == ((0, 0, 0), [])


def test_another_kind_of_body_is_a_415_before_it_is_read(caller):
    for kind in (
        "text/csv",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
    ):
        assert caller.post("/interactions/bulk", SAMPLE, content_type=kind).status_code == 415
        assert caller.post("/interactions", SAMPLE, content_type=kind).status_code == 415
    assert caller.post("/interactions", SAMPLE, content_type=LINES).status_code == 415


def test_a_list_after_it_shows_what_was_stored(caller):
    make_interaction()
    caller.post("/interactions/bulk", SAMPLE, content_type=LINES)
    shown = caller.get(f"/engagements/{ENGAGEMENT}/interactions?count=true").json()
    assert (shown["count"], shown["results"]) == (1, [json.loads(SAMPLE)])


@pytest.mark.parametrize(
    ("body", "elements"),
    [
        (b"[]", []),
        (b"\n[ \t]\r ", []),
        (b"[1]", [b"1"]),
        (b"[,]", [b"", b""]),
        (b"[1,]", [b"1", b""]),
        (b'["a,]", {"b":[1,2]} ,[[]]]', [b'"a,]"', b'{"b":[1,2]}', b"[[]]"]),
        (rb'["\\",{"\"]":"\\\""}]', [rb'"\\"', rb'{"\"]":"\\\""}']),
        (b'["\xff",\xe9 x y]', [b'"\xff"', b"\xe9 x y"]),
    ],
)
def test_an_array_is_taken_apart_without_being_read(body, elements):
    assert [body[begins:ends] for begins, ends in elements_of(body)] == elements


@pytest.mark.parametrize(
    "body", [b"", b" ", b"{}", b"[", b"[1", b"[[]", b'["]', b'["\\"]', b"[}", b"[1]]", b"[1] x"]
)
def test_what_is_no_array_is_refused(body):
    with pytest.raises(BadDocument):
        list(elements_of(body))


def test_an_array_goes_as_deep_as_a_document_and_no_deeper():
    for opens, closes, times in ((b"[", b"]", 100), (b'{"a":', b"}", 100), (b"[{", b"}]", 50)):
        deep = opens * times + closes * times
        body = b"[1,%s ,2]" % deep
        assert [body[begins:ends] for begins, ends in elements_of(body)] == [b"1", deep, b"2"]
        with pytest.raises(BadDocument, match="more than 100 levels"):
            list(elements_of(b"[1,[%s],2]" % deep))


def test_brackets_without_number_are_passed_over_as_a_whole(monkeypatch):
    steps = []
    element = pieces._ELEMENT

    class Counted:
        def match(self, *where):
            steps.append(where[1])
            return element.match(*where)

    monkeypatch.setattr(pieces, "_ELEMENT", Counted())
    body = b"[[%s]]" % (b"[{},[]]," * 500_000)
    assert list(elements_of(body)) == [(1, len(body) - 1)]
    with pytest.raises(BadDocument):
        list(elements_of(b"[" * 10_000_000))
    assert steps == [1, 1]


def test_a_string_of_megabytes_is_passed_over_in_little_space():
    body = b'["' + b'\\n\\"a' * 2_000_000 + b'",1]'
    (_, first), second = elements_of(body)
    assert (first, body[slice(*second)]) == (len(body) - 3, b"1")


def test_lines_are_those_that_are_not_blank():
    body = b"\n a \r\n\n\tb"
    assert [body[begins:ends] for begins, ends in lines_of(body)] == [b"a", b"b"]
