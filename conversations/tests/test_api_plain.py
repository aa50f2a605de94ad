"""The same in plain JSON at `/api/v1/`; what a document holds stays as it was written."""

import json

import pytest

from conversations.models import Client, Engagement, Interaction
from core.tests.rest import pointers, problem_of, utc
from customers.tests.factories import CustomerFactory
from orders.tests.factories import OrderFactory

from .factories import EngagementFactory, make_interaction
from .rest import CLIENT, ENGAGEMENT, IDENT, SAMPLE, UNKNOWN, engagement_of_the_sample, handler

pytestmark = pytest.mark.django_db
AT, ROOT = f"/api/v1/interactions/{IDENT}/", f"/interactions/{IDENT}"
CUSTOM = b'{"csvName":"2020_16_05_report.csv","agentFirstName":"John","agentLastName":"Ford"}'


@pytest.fixture
def caller(db):
    return handler()


@pytest.fixture
def engagement(db):
    return engagement_of_the_sample()


@pytest.fixture
def sample(caller, engagement):
    assert caller.post("/interactions", SAMPLE).status_code == 201


def plain(row, custom, customer=b"null", order=b"null", source_id=b""):
    return (
        b'{"id":"%s","client":"%s","engagement":"%s","interaction_date":"2020-05-16T12:00:00Z",'
        b'"agent_name":"%s","sentiment":"%s","custom":%s,"customer":%s,"order":%s,'
        b'"source_id":"%s","created_at":"%s","updated_at":"%s"}'
    ) % (
        *(each.encode() for each in (row.pk, CLIENT, ENGAGEMENT, row.agent_name, row.sentiment)),
        custom,
        customer,
        order,
        source_id,
        utc(row.created_at).encode(),
        utc(row.updated_at).encode(),
    )


def test_the_sample_is_shown_with_its_custom_document_as_it_is(caller, sample):
    row = Interaction.objects.get()
    read = caller.get(AT)
    assert (read.status_code, read.content) == (200, plain(row, CUSTOM))
    expected = b'{"next":null,"previous":null,"results":[' + read.content + b"]}"
    for path in ("/api/v1/interactions/", f"/api/v1/engagements/{ENGAGEMENT}/interactions/"):
        assert caller.get(path).content == expected


def test_what_is_made_here_is_a_document_there(caller, engagement):
    order = OrderFactory.create(customer=CustomerFactory.create(code="C7"))
    custom = b'{ "b":1.50, "a":[12345678901234567890], "n":{"z":1,"z":2}, "t":"\\u0000\\ud800" }'
    body = (
        b'{"custom": %s , "source_id":"x1", "order":"%s","interaction_date":'
        b'"2020-05-16T15:00:00.0009+03:00","agent_name":" \xc3\xa9 ","id":"%s","engagement":"%s"}'
    ) % (custom, order.number.encode(), IDENT.encode(), ENGAGEMENT.encode())

    response = caller.post("/api/v1/interactions/", body)

    row = Interaction.objects.get()
    assert response.status_code == 201, response.content
    assert response["Location"] == f"http://testserver{AT}"
    number = b'"%s"' % order.number.encode()
    assert response.content == plain(row, custom, b'"C7"', number, b"x1")
    assert row.document.encode() == (
        b'{"_id":{"$oid":"5f18d12f42262eec0d43567d"},'
        b'"engagementId":{"$oid":"5f18d12f42262eec0d435583"},'
        b'"interactionDate":{"$date":1589630400000},"agentName":" \xc3\xa9 ","sentiment":"",'
        b'"custom":' + custom + b"}"
    )
    again = caller.post("/api/v1/interactions/", body)
    assert (again.status_code, again.content) == (200, response.content)


def test_below_an_engagement_it_need_not_say_whose_it_is(caller, engagement):
    path = f"/api/v1/engagements/{ENGAGEMENT}/interactions/"
    response = caller.post(path, b'{"interaction_date":"2020-05-16T12:00:00Z","custom":null}')
    row = Interaction.objects.get()
    assert (response.status_code, response.content) == (201, plain(row, b"{}"))
    body = b'{"interaction_date":"2020-05-16T12:00:00Z","engagement":"%s"}' % UNKNOWN.encode()
    assert pointers(caller.post(path, body)) == [("/engagement", "wrong_engagement")]


def test_an_idempotency_key_replays_its_bytes(caller, engagement):
    body = b'{"interaction_date":"2020-05-16T12:00:00Z","engagement":"%s","custom":{"a": 1.0}}' % (
        ENGAGEMENT.encode()
    )
    first, again = (
        caller.post("/api/v1/interactions/", body, idempotency_key="one") for _ in range(2)
    )
    assert b'"custom":{"a": 1.0}' in first.content
    assert (again.content, again["ETag"]) == (first.content, first["ETag"])
    assert again["Idempotent-Replayed"] == "true"
    assert Interaction.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "before", "after"),
    [
        (b'{"sentiment":"Good"}', b'"Negative"', b'"Good"'),
        (b'{"agent_name":"\xc3\x89 \\u00c9"}', b'"John Ford"', '"É É"'.encode()),
        (b'{"interaction_date":"1969-12-31T23:59:59.999Z"}', b"1589630400000", b"-1"),
        (b'{"custom":{ "a": 1.0 }}', CUSTOM, b'{ "a": 1.0 }'),
        (b'{"custom":null}', b',"custom":' + CUSTOM, b""),
        (b'{"customer":null,"order":"","source_id":""}', b"", b""),
        (b'{"id":"%s","client":"ignored"}' % IDENT.encode(), b"", b""),
        (b'{"engagement":"%s"}' % UNKNOWN.encode(), ENGAGEMENT.encode(), UNKNOWN.encode()),
    ],
)
def test_patch_of_one_field_changes_that_member_alone(caller, sample, body, before, after):
    EngagementFactory.create(id=UNKNOWN)
    assert caller.patch(AT, body).status_code == 200
    assert caller.get(ROOT).content == SAMPLE.replace(before, after)


def test_put_takes_the_whole(caller, sample):
    CustomerFactory.create(code="C7")
    body = caller.get(AT).json() | {"customer": "C7", "sentiment": "Good", "custom": {"a": 1}}
    assert caller.put(AT, json.dumps(body)).status_code == 200
    shown = caller.get(ROOT).content
    assert shown == (
        b'{"_id":{"$oid":"5f18d12f42262eec0d43567d"},'
        b'"engagementId":{"$oid":"5f18d12f42262eec0d435583"},'
        b'"interactionDate":{"$date":1589630400000},"agentName":"John Ford","sentiment":"Good",'
        b'"custom":{"a": 1},"customer":"C7"}'
    )
    assert pointers(caller.put(AT, b"{}")) == [("/interaction_date", "required")]
    assert pointers(caller.put(AT, json.dumps(body | {"id": UNKNOWN}))) == [("/id", "fixed")]
    assert caller.get(ROOT).content == shown


def test_a_change_of_something_else_than_was_read_is_refused(caller, sample):
    etag = caller.get(AT)["ETag"]
    assert caller.get(AT, if_none_match=etag).status_code == 304
    assert caller.patch(AT, b'{"sentiment":"a"}', if_match='"x"').status_code == 412
    changed = caller.patch(AT, b'{"sentiment":"a"}', if_match=etag)
    assert (changed.status_code, changed["ETag"]) == (200, caller.get(AT)["ETag"])
    assert caller.delete(AT, if_match=etag).status_code == 412
    assert caller.delete(AT, if_match=changed["ETag"]).status_code == 204


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"{}", [("/interaction_date", "required")]),
        (b'{"interaction_date":"yesterday"}', [("/interaction_date", "invalid")]),
        (b'{"interaction_date":"2020-05-16T12:00:00Z"}', [("/engagement", "required")]),
        (b'{"interaction_date":"2020-05-16T12:00:00Z","engagement":"x"}', [("/engagement", "invalid")]),
        (b'{"interaction_date":"2020-05-16T12:00:00Z","engagement":1}', [("/engagement", "invalid")]),
        (b'{"interaction_date":"2020-05-16T12:00:00Z","engagement":"%s"}' % UNKNOWN.encode(), [("/engagement", "not_found")]),
        (b'{"interaction_date":"2020-05-16T12:00:00Z","agentName":"a"}', [("/agentName", "unknown_field")]),
        (b'{"interaction_date":"2020-05-16T12:00:00Z","agent_name":"%s"}' % (b"a" * 201), [("/agent_name", "max_length")]),
        (b'{"interaction_date":"2020-05-16T12:00:00Z","custom":[]}', [("/custom", "invalid")]),
        (b'{"custom":{},"custom":{}}', [("/custom", "duplicate_key")]),
        (b'{"interaction_date":"2020-05-16T12:00:00Z","engagement":"%s","customer":"C9","order":"O9"}' % ENGAGEMENT.encode(),
         [("/customer", "not_found"), ("/order", "not_found")]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_the_words_of_this_dialect(caller, engagement, body, wrong):
    assert pointers(caller.post("/api/v1/interactions/", body)) == wrong
    assert not Interaction.objects.exists()


def test_an_id_that_is_taken_is_told_in_the_words_of_this_dialect(caller, sample):
    body = b'{"interaction_date":"2020-05-16T12:00:00Z","engagement":"%s","id":"%s"}' % (
        ENGAGEMENT.encode(),
        IDENT.encode(),
    )
    response = caller.post("/api/v1/interactions/", body)
    assert response.status_code == 409
    assert [each["pointer"] for each in problem_of(response)["errors"]] == ["/id"]


def test_a_client_and_its_engagement(caller):
    made = caller.post(
        "/api/v1/clients/", b'{"name":"Acme","nick_name":"a","id":"%s"}' % CLIENT.encode()
    )
    client = Client.objects.get()
    assert made.status_code == 201
    assert made["Location"] == f"http://testserver/api/v1/clients/{CLIENT}/"
    assert made.json() == {
        "id": CLIENT,
        "name": "Acme",
        "nick_name": "a",
        "is_shop": False,
        "created_at": utc(client.created_at),
        "updated_at": utc(client.updated_at),
    }
    below = caller.post(f"/api/v1/clients/{CLIENT}/engagements/", b'{"name":"SMS"}')
    engagement = Engagement.objects.get()
    assert below.status_code == 201
    assert below["Location"] == f"http://testserver/api/v1/engagements/{engagement.pk}/"
    assert below.json() == {
        "id": engagement.pk,
        "client": CLIENT,
        "name": "SMS",
        "channel": None,
        "created_at": utc(engagement.created_at),
        "updated_at": utc(engagement.updated_at),
    }
    path = f"/api/v1/engagements/{engagement.pk}/"
    assert caller.put(path, json.dumps(below.json() | {"name": "Chat"})).json()["name"] == "Chat"
    assert pointers(caller.patch(path, b'{"id":"%s"}' % UNKNOWN.encode())) == [("/id", "fixed")]
    taken = caller.post("/api/v1/clients/", b'{"name":"B","id":"%s"}' % CLIENT.encode())
    assert (taken.status_code, taken.json()["code"]) == (409, "id_taken")
    assert caller.delete(path).status_code == 204
    assert caller.delete(f"/api/v1/clients/{CLIENT}/").status_code == 204


def test_a_search_shows_where_the_words_stand(caller, engagement):
    make_interaction(engagement, custom='{"text": "a refund", "n": 1.0}')
    make_interaction(engagement, custom={"text": "nothing"})
    (row,) = caller.get("/api/v1/interactions/?search=refund").json()["results"]
    assert row["highlights"]
    extended = caller.get("/interactions?search=refund")
    assert b'"custom":{"text": "a refund", "n": 1.0}}]' in extended.content
    assert list(extended.json()["highlights"]) == [row["id"]]
