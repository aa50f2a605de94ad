"""Extended JSON at the root: what comes in goes out, byte for byte."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations.models import Client, Engagement, Interaction
from core.tests.rest import parameters, pointers, problem_of
from customers.tests.factories import CustomerFactory
from orders.tests.factories import OrderFactory

from .factories import ClientFactory, EngagementFactory, make_interaction
from .rest import CLIENT, ENGAGEMENT, IDENT, SAMPLE, UNKNOWN, engagement_of_the_sample, handler

pytestmark = pytest.mark.django_db
AT = f"/interactions/{IDENT}"


@pytest.fixture
def caller(db):
    return handler()


@pytest.fixture
def engagement(db):
    return engagement_of_the_sample()


@pytest.fixture
def sample(caller, engagement):
    """The sample, stored; what was answered then."""
    response = caller.post("/interactions", SAMPLE)
    assert response.status_code == 201, response.content
    return response


def content(response):
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/json"
    return response.content


class TestTheSample:
    def test_it_comes_out_as_it_went_in(self, caller, sample):
        assert len(SAMPLE) == 275
        assert sample.content == SAMPLE
        assert content(caller.get(AT)) == SAMPLE

    def test_its_address_has_no_slash_at_the_end_but_one_is_accepted(self, caller, sample):
        assert sample["Location"] == f"http://testserver{AT}"
        for path in (f"{AT}/", f"/interactions/{IDENT.upper()}"):
            assert content(caller.get(path)) == SAMPLE
        assert content(caller.get("/interactions/")) == content(caller.get("/interactions"))

    def test_the_line_break_of_its_file_is_not_of_it(self, caller, engagement):
        assert caller.post("/interactions", SAMPLE + b"\n").content == SAMPLE
        assert content(caller.get(AT)) == SAMPLE

    def test_a_list_holds_it_as_it_is(self, caller, sample):
        expected = b'{"next":null,"previous":null,"results":[' + SAMPLE + b"]}"
        for path in ("/interactions", f"/engagements/{ENGAGEMENT}/interactions"):
            assert content(caller.get(path)) == expected

    def test_head_and_the_etag_are_of_the_same_bytes(self, caller, sample):
        read = caller.get(AT)
        assert read["ETag"] == sample["ETag"]
        assert caller("HEAD", AT)["ETag"] == sample["ETag"]
        unchanged = caller.get(AT, if_none_match=sample["ETag"])
        assert (unchanged.status_code, unchanged.content) == (304, b"")

    def test_the_very_same_is_stored_once(self, caller, sample):
        again = caller.post("/interactions", SAMPLE)
        assert (again.status_code, again.content) == (200, SAMPLE)
        assert Interaction.objects.count() == 1

    def test_another_document_of_its_id_is_a_conflict(self, caller, sample):
        response = caller.post("/interactions", SAMPLE.replace(b"John Ford", b"Jane Ford"))
        assert response.status_code == 409
        assert problem_of(response)["code"] == "id_taken"
        assert content(caller.get(AT)) == SAMPLE

    def test_an_idempotency_key_replays_its_bytes(self, caller, engagement):
        first, again = (
            caller.post("/interactions", SAMPLE, idempotency_key="one") for _ in range(2)
        )
        assert (first.status_code, first.content) == (201, SAMPLE)
        assert (again.status_code, again.content) == (201, SAMPLE)
        assert again["Idempotent-Replayed"] == "true"
        assert [again["ETag"], again["Location"]] == [first["ETag"], first["Location"]]


ODD = (
    b'{ "custom" : {"z":1.50, "a":[ 12345678901234567890, 1e5 ],\r\n "z2":{"b":1,"b":2},'
    b'"t":"\\u0000\\ud800 \xe2\x80\xa8\xc3\xa9\\/"} ,"interactionDate":{"$date":-1},'
    b'"engagementId":{"$oid":"5f18d12f42262eec0d435583"},"_id":{"$oid":"5f18d12f42262eec0d43567e"}}'
)


def test_the_text_is_never_written_anew(caller, engagement):
    assert caller.post("/interactions", ODD).content == ODD
    assert content(caller.get("/interactions/5f18d12f42262eec0d43567e")) == ODD
    indented = caller.get("/interactions", accept="application/json; indent=2").content
    assert b"    " + ODD + b"\n" in indented


def test_a_document_cannot_take_another_s_place(caller, engagement):
    # Whatever a renderer puts in the place of a document until it is written.
    make_interaction(engagement, custom={"a": "RawJson", "b": '"}, {"'})
    make_interaction(engagement, custom={"a": 1})
    rows = [row.document for row in Interaction.objects.all()]
    answer = content(caller.get("/interactions")).decode()
    assert answer == '{"next":null,"previous":null,"results":[' + ",".join(rows) + "]}"


def test_without_an_id_it_gets_one_in_front(caller, engagement):
    body = SAMPLE.replace(b'"_id":{"$oid":"5f18d12f42262eec0d43567d"},', b"")
    response = caller.post(f"/engagements/{ENGAGEMENT}/interactions", body)
    (row,) = Interaction.objects.all()
    assert response.status_code == 201
    assert response["Location"] == f"http://testserver/interactions/{row.pk}"
    assert response.content == b'{"_id":{"$oid":"%s"},' % row.pk.encode() + body[1:]


def test_below_an_engagement_it_need_not_say_whose_it_is(caller, engagement):
    body = b'{"interactionDate":{"$date":0}}'
    response = caller.post(f"/engagements/{ENGAGEMENT}/interactions", body)
    assert response.status_code == 201
    assert json.loads(response.content)["engagementId"] == {"$oid": ENGAGEMENT}
    other = EngagementFactory.create()
    response = caller.post(f"/engagements/{other.pk}/interactions", SAMPLE)
    assert pointers(response) == [("/engagementId", "wrong_engagement")]


def test_customer_and_order_stand_behind_what_came(caller, engagement):
    order = OrderFactory.create(customer=CustomerFactory.create(code="C7"))
    body = SAMPLE[:-1] + b',"sourceId":"x1","order":"%s"}' % order.number.encode()
    shown = SAMPLE[:-1] + b',"sourceId":"x1","customer":"C7","order":"%s"}' % order.number.encode()
    assert caller.post("/interactions", body).content == shown
    assert content(caller.get(AT)) == shown
    assert Interaction.objects.get().document == SAMPLE.decode()


def test_patch_leaves_all_else_as_it_was_written(caller, engagement):
    body = SAMPLE.replace(b'"custom":{', b'"custom" : { ').replace(
        b'"agentName":', b'"agentName" : '
    )
    caller.post("/interactions", body)
    response = caller.patch(AT, b'{"sentiment": "Pos\\u0069tive", "customer": null}')
    expected = body.replace(b'"Negative"', b'"Pos\\u0069tive"')
    assert content(response) == expected
    assert content(caller.get(AT)) == expected
    assert Interaction.objects.get().sentiment == "Positive"
    # What goes takes a comma with it.
    gone = content(caller.patch(AT, b'{"agentName":null,"custom":{ "a" : 1.0 }}'))
    assert gone == (
        b'{"_id":{"$oid":"5f18d12f42262eec0d43567d"},'
        b'"engagementId":{"$oid":"5f18d12f42262eec0d435583"},'
        b'"interactionDate":{"$date":1589630400000},'
        b'"sentiment":"Pos\\u0069tive","custom" : { "a" : 1.0 }}'
    )


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b'{"_id":{"$oid":"%s"}}' % UNKNOWN.encode(), [("/_id", "fixed")]),
        (b'{"_id":"x"}', [("/_id", "invalid")]),
        (b'{"nothing":null}', [("/nothing", "unknown_field")]),
        (b'{"engagementId":null}', [("/engagementId", "required")]),
        (b'{"engagementId":{"$oid":"%s"}}' % UNKNOWN.encode(), [("/engagementId", "not_found")]),
        (b'{"custom":[]}', [("/custom", "invalid")]),
        (b"[]", []),
        (b"", []),
    ],
)
def test_a_wrong_patch_changes_nothing(caller, sample, body, wrong):
    assert pointers(caller.patch(AT, body)) == wrong
    assert content(caller.get(AT)) == SAMPLE


def test_patch_may_say_whose_id_it_is(caller, sample):
    assert content(caller.patch(AT, b'{"_id":{"$oid":"%s"}}' % IDENT.encode())) == SAMPLE


def test_put_takes_the_whole_document(caller, sample):
    body = SAMPLE.replace(b',"agentName":"John Ford"', b"")
    assert content(caller.put(AT, body)) == body
    assert Interaction.objects.get().agent_name == ""
    other = SAMPLE.replace(IDENT.encode(), UNKNOWN.encode())
    assert pointers(caller.put(AT, other)) == [("/_id", "fixed")]
    assert content(caller.get(AT)) == body


def test_a_change_of_something_else_than_was_read_is_refused(caller, sample):
    etag = sample["ETag"]
    for call in (caller.patch, caller.put):
        response = call(AT, SAMPLE.replace(b"John", b"Jane"), if_match='"other"')
        assert response.status_code == 412
    assert caller.delete(AT, if_match='"other"').status_code == 412
    changed = caller.patch(AT, b'{"agentName":"Jane"}', if_match=etag)
    assert changed.status_code == 200
    assert changed["ETag"] == caller.get(AT)["ETag"] != etag
    assert caller.delete(AT, if_match=changed["ETag"]).status_code == 204
    assert caller.get(AT).status_code == 404


class TestClientsAndEngagements:
    def test_a_client_is_made_read_changed_and_deleted(self, caller):
        body = b'{"_id":{"$oid":"%s"},"name":"Acme Ltd","nickName":"acme"}' % CLIENT.encode()
        made = caller.post("/clients", body)
        assert (made.status_code, made.content) == (201, body)
        assert made["Location"] == f"http://testserver/clients/{CLIENT}"
        assert content(caller.get(f"/clients/{CLIENT}")) == body
        assert content(caller.patch(f"/clients/{CLIENT}", b'{"nickName":""}')) == body.replace(
            b'"acme"', b'""'
        )
        assert content(caller.put(f"/clients/{CLIENT}", body)) == body
        assert content(caller.put(f"/clients/{CLIENT}", b'{"name":"Ac\xc3\xa9"}')) == (
            b'{"_id":{"$oid":"%s"},"name":"Ac\xc3\xa9","nickName":""}' % CLIENT.encode()
        )
        assert caller.delete(f"/clients/{CLIENT}").status_code == 204
        assert not Client.objects.exists()

    def test_an_engagement_is_made_below_its_client_or_names_it(self, caller):
        ClientFactory.create(id=CLIENT)
        below = caller.post(f"/clients/{CLIENT}/engagements", b'{"name":"SMS"}')
        body = b'{"_id":{"$oid":"%s"},"clientId":{"$oid":"%s"},"name":"Chat"}' % (
            ENGAGEMENT.encode(),
            CLIENT.encode(),
        )
        named = caller.post("/engagements", body)
        assert (named.status_code, named.content) == (201, body)
        assert named["Location"] == f"http://testserver/engagements/{ENGAGEMENT}"
        ident = json.loads(below.content)["_id"]["$oid"]
        assert below["Location"] == f"http://testserver/engagements/{ident}"
        assert json.loads(below.content)["clientId"] == {"$oid": CLIENT}
        expected = b'{"next":null,"previous":null,"results":[' + body + b"," + below.content + b"]}"
        assert content(caller.get(f"/clients/{CLIENT}/engagements")) == expected
        assert content(caller.get("/engagements")) == expected

    @pytest.mark.parametrize(
        ("path", "body", "wrong"),
        [
            ("/clients", b"{}", [("/name", "required")]),
            ("/clients", b'{"name":"","nick_name":"x"}', [("/nick_name", "unknown_field"), ("/name", "blank")]),
            ("/clients", b'{"name":"\\u0000"}', [("/name", "null_characters_not_allowed")]),
            ("/clients", b'{"name":"a","_id":"x"}', [("/_id", "invalid")]),
            ("/engagements", b'{"name":"a"}', [("/clientId", "required")]),
            ("/engagements", b'{"name":"a","clientId":{"$oid":"%s"}}' % UNKNOWN.encode(), [("/clientId", "not_found")]),
            (f"/clients/{CLIENT}/engagements", b'{"name":"a","clientId":{"$oid":"%s"}}' % UNKNOWN.encode(), [("/clientId", "wrong_client")]),
        ],
    )  # fmt: skip
    def test_a_wrong_one_is_told_in_its_own_words(self, caller, path, body, wrong):
        ClientFactory.create(id=CLIENT)
        assert pointers(caller.post(path, body)) == wrong
        assert (Client.objects.count(), Engagement.objects.count()) == (1, 0)

    def test_what_does_not_change_is_refused(self, caller, engagement):
        other = ClientFactory.create()
        body = b'{"name":"x","clientId":{"$oid":"%s"}}' % other.pk.encode()
        moved = caller.put(f"/engagements/{ENGAGEMENT}", body)
        assert moved.status_code == 409
        assert [each["pointer"] for each in moved.json()["errors"]] == ["/clientId"]
        for path in (f"/clients/{CLIENT}", f"/engagements/{ENGAGEMENT}"):
            body = b'{"name":"x","_id":{"$oid":"%s"}}' % UNKNOWN.encode()
            assert pointers(caller.patch(path, body)) == [("/_id", "fixed")]
        engagement.refresh_from_db()
        assert (engagement.name, engagement.client.name) == ("Chat", "Acme Ltd")

    def test_what_others_belong_to_stays(self, caller, sample):
        for path in (f"/engagements/{ENGAGEMENT}", f"/clients/{CLIENT}"):
            response = caller.delete(path)
            assert response.status_code == 409
            assert problem_of(response)["code"] == "in_use"
        assert caller.delete(AT).status_code == 204
        assert caller.delete(f"/engagements/{ENGAGEMENT}").status_code == 204
        assert caller.delete(f"/clients/{CLIENT}").status_code == 204


PLACES = [
    "/clients/{}",
    "/clients/{}/engagements",
    "/engagements/{}",
    "/engagements/{}/interactions",
    "/interactions/{}",
]


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "ident", ["x", "1" * 23, "1" * 25, "g" * 24, "1 " * 12, "%00", "%24oid", "..", "%C3%A9", "-1"]
)
def test_what_is_no_id_is_a_400_that_names_it(caller, prefix, place, ident):
    response = caller.get(prefix + place.format(ident) + ("/" if prefix else ""))
    assert parameters(response) == [("id", "malformed_id")]
    assert problem_of(response)["code"] == "malformed_id"


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
@pytest.mark.parametrize("place", PLACES)
def test_an_unknown_id_is_a_404(caller, prefix, place):
    path = prefix + place.format(UNKNOWN) + ("/" if prefix else "")
    methods = {"POST"} if place.count("/") == 3 else {"PUT", "PATCH", "DELETE"}
    for method in {"GET", *methods}:
        body = SAMPLE if "interactions" in place else b'{"name":"x"}'
        if method == "PUT" and place == "/interactions/{}":
            body = (
                b'{"engagementId":{"$oid":"%s"},"interactionDate":{"$date":0}}' % UNKNOWN.encode()
            )
        if prefix and "interactions" in place:
            body = (
                b'{"engagement":"%s","interaction_date":"2020-01-01T00:00:00Z"}' % UNKNOWN.encode()
            )
        response = caller(method, path, b"{}" if method == "PATCH" else body)
        assert response.status_code == 404, (method, response.content)
        assert problem_of(response)["code"] == "not_found"


@pytest.mark.parametrize("accept", ["text/html", "*/*", "application/json"])
def test_every_failure_is_a_problem_whoever_asks(caller, accept):
    # A page is nothing that these can answer.
    found, wrong = (406, 406) if accept == "text/html" else (400, 405)
    for method, path, status in [
        ("GET", "/clients/1/2/3", 404),
        ("DELETE", "/clients", wrong),
        ("POST", "/interactions/counts", wrong),
        ("GET", "/interactions/bulk/", wrong),
        ("GET", "/interactions?nothing=1", found),
        ("GET", "/interactions?%00=1", found),
    ]:
        response = caller(method, path, accept=accept)
        assert response.status_code == status, (method, path, response.content)
        assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["/clients", f"/clients/{CLIENT}/engagements", "/engagements", "/interactions",
             f"/engagements/{ENGAGEMENT}/interactions"],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["", "/api/v1"])
def test_a_list_takes_as_many_statements_for_three_rows_as_for_one(
    caller, engagement, prefix, path
):
    path = prefix + path + ("/" if prefix else "")
    make_interaction(engagement, customer=CustomerFactory.create(), order=OrderFactory.create())

    def statements():
        with CaptureQueriesContext(connection) as captured:
            assert caller.get(path).status_code == 200
        return len(captured)

    caller.get(path)
    one = statements()
    for _ in range(2):
        other = EngagementFactory.create(client=engagement.client)
        EngagementFactory.create()
        for each in (engagement, other):
            make_interaction(each, customer=CustomerFactory.create(), order=OrderFactory.create())
    assert len(caller.get(path).json()["results"]) >= 3
    assert statements() == one
