import pytest

from notifications.models import Message
from notifications.tests.factories import MessageFactory
from orders.tests.factories import AcceptedOrderFactory

pytestmark = pytest.mark.django_db


def listed(api, query=""):
    response = api.get(f"/messages/{query}")
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def test_a_message_has_exactly_these_members(api, shopkeeper):
    message = MessageFactory.create(
        to="+254722000001",
        recipient="C7",
        body="Duka: thank you, Wanjiru.",
        status="sent",
        attempts=2,
        transport="africastalking",
        transport_id="ATXid_1",
        cost="KES 0.8000",
        cost_amount="0.8",
        cost_currency="KES",
        segments=1,
        encoding="gsm-7",
        created_at="2026-11-21T08:00:00Z",
        sent_at="2026-11-21T08:00:01.5Z",
        delivered_at="2026-11-21T08:00:04Z",
    )
    message.timeline.create(
        what="settled",
        at="2026-11-21T08:00:04Z",
        code="delivered",
        detail="They rang back.",
        by=shopkeeper,
    )

    expected = {
        "id": message.pk,
        "event": "order.placed",
        "subject": "order",
        "reference": "1001",
        "recipient": "C7",
        "channel": "sms",
        "to": "+254722000001",
        "language": "en",
        "body": "Duka: thank you, Wanjiru.",
        "status": "sent",
        "attempts": 2,
        "transport": "africastalking",
        "transport_id": "ATXid_1",
        "cost": "KES 0.8000",
        "cost_amount": "0.800000",
        "cost_currency": "KES",
        "segments": 1,
        "encoding": "gsm-7",
        "template_version": None,
        "error_code": "",
        "error": "",
        "created_at": "2026-11-21T08:00:00Z",
        "sent_at": "2026-11-21T08:00:01.500000Z",
        "delivered_at": "2026-11-21T08:00:04Z",
        "timeline": [
            {
                "what": "settled",
                "at": "2026-11-21T08:00:04Z",
                "transport": "",
                "code": "delivered",
                "detail": "They rang back.",
                "cost_amount": None,
                "cost_currency": "",
                "by": str(shopkeeper),
            }
        ],
    }
    assert api.get(f"/messages/{message.pk}/").json() == expected
    assert api.get("/messages/").json() == {"next": None, "previous": None, "results": [expected]}


def test_one_that_failed_says_why(api):
    message = MessageFactory.create(status="failed", error_code="403", error="invalid phone number")

    body = api.get(f"/messages/{message.pk}/").json()

    assert body["sent_at"] is None
    assert (body["status"], body["error_code"], body["error"]) == (
        "failed",
        "403",
        "invalid phone number",
    )


def test_messages_of_an_order_are_found_by_its_number(api):
    order = AcceptedOrderFactory.create()
    AcceptedOrderFactory.create()
    MessageFactory.create(subject="shipment", reference=order.number)

    results = api.get(f"/messages/?order={order.number}").json()["results"]

    assert [(row["event"], row["to"], row["status"]) for row in results] == [
        ("order.accepted", order.customer.phone, "queued"),
        ("order.placed", order.customer.phone, "queued"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [
        ("status", "unknown", "queued"),
        ("to", "+254722000001", "+254722000002"),
        ("event", "order.placed", "order.accepted"),
        ("recipient", "C7", "C70"),
        ("subject", "shipment", "order"),
        ("reference", "1001", "10010"),
    ],
)
def test_a_filter_keeps_exactly_what_has_the_value(api, name, value, other):
    wanted = MessageFactory.create(**{name: value})
    MessageFactory.create(**{name: other})

    assert listed(api, f"?{name}={value.replace('+', '%2B')}") == [wanted.pk]


def test_filters_are_all_to_be_met(api):
    wanted = MessageFactory.create(status="sent", recipient="C7")
    MessageFactory.create(status="sent", recipient="C8")
    MessageFactory.create(status="queued", recipient="C7", occurrence="another")

    assert listed(api, "?status=sent&recipient=C7") == [wanted.pk]


@pytest.mark.parametrize("word", ["722000001", "10077", "mangoes"])
def test_search_looks_into_number_reference_and_text(api, word):
    wanted = MessageFactory.create(to="+254722000001", reference="10077", body="Your mangoes")
    MessageFactory.create()

    assert listed(api, f"?search={word}") == [wanted.pk]


def test_the_newest_comes_first_unless_asked_otherwise(api):
    older = MessageFactory.create(created_at="2026-11-20T08:00:00Z")
    newer = MessageFactory.create(created_at="2026-11-21T08:00:00Z")

    assert listed(api) == [newer.pk, older.pk]
    assert listed(api, "?ordering=created_at") == [older.pk, newer.pk]


def test_pages_of_messages_of_the_same_moment_show_each_once(api):
    rows = MessageFactory.create_batch(5, created_at="2026-11-21T08:00:00Z")
    seen = []
    url = "/messages/?page_size=2&count=true"
    while url:
        page = api.get(url).json()
        assert page["count"] == 5
        seen.append([row["id"] for row in page["results"]])
        url = page["next"] and page["next"].partition("/api/v1")[2]

    newest_first = sorted((row.pk for row in rows), reverse=True)
    assert seen == [newest_first[:2], newest_first[2:4], newest_first[4:]]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("?statsu=sent", "statsu"),
        ("?status=teleported", "status"),
        ("?ordering=body", "ordering"),
        ("?order=%00", "order"),
        ("?page_size=201", "page_size"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(api, query, parameter):
    response = api.get(f"/messages/{query}")

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["code"] == "invalid_parameter"
    assert [error["parameter"] for error in body["errors"]] == [parameter]


def test_a_page_costs_the_same_for_one_row_and_for_three(
    api, shopkeeper, django_assert_num_queries
):
    MessageFactory.create().timeline.create(what="begun", by=shopkeeper)
    # Session, user and membership of the test client, then the page, its timelines and their names.
    with django_assert_num_queries(6):
        assert len(listed(api)) == 1

    for message in MessageFactory.create_batch(2):
        message.timeline.create(what="begun", by=shopkeeper)
    with django_assert_num_queries(6):
        assert len(listed(api)) == 3


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("one", [False, True])
def test_messages_cannot_be_written(api, method, one):
    message = MessageFactory.create()
    before = Message.objects.values().get()
    path = f"/messages/{message.pk}/" if one else "/messages/"

    response = api._call(method.upper(), path, {"status": "sent"}, Idempotency_Key="k")

    assert response.status_code == 405
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "method_not_allowed"
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert Message.objects.values().get() == before


def test_one_that_is_not_there_is_a_404(api):
    response = api.get("/messages/987654321/")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("key", ["abc", "0", "99999999999999999999999", "-1"])
def test_a_key_that_is_none_is_a_404(api, key):
    assert api.get(f"/messages/{key}/").status_code == 404


def test_an_unchanged_message_is_not_sent_again(api):
    message = MessageFactory.create()
    etag = api.get(f"/messages/{message.pk}/").headers["ETag"]

    assert api.get(f"/messages/{message.pk}/", If_None_Match=etag).status_code == 304
    Message.objects.update(status="sent")
    assert api.get(f"/messages/{message.pk}/", If_None_Match=etag).status_code == 200
