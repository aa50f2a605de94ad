"""Finding interactions: filters, conditions, pages; the same in both dialects."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import StaffFactory
from conversations.api.filters import InteractionFilter
from conversations.models import Interaction
from core.tests.rest import parameters
from core.tests.rest import problem as problem_document
from customers.tests.factories import CustomerFactory
from orders.tests.factories import OrderFactory

from .factories import WHEN, ClientFactory, EngagementFactory, make_interaction
from .rest import Caller

pytestmark = pytest.mark.django_db
PLAIN, EXTENDED = "/api/v1/interactions/", "/interactions"
BOTH = pytest.mark.parametrize("address", [PLAIN, EXTENDED])


@pytest.fixture
def caller(db):
    return Caller(StaffFactory.create(permissions=["conversations.view_interaction"]))


def ident(number: int) -> str:
    return f"{number:024x}"


def keys(response) -> list[int]:
    """Return the numbers of the ids that a list answers, in its order."""
    assert response.status_code == 200, response.content
    return [
        int(row["id"] if "id" in row else row["_id"]["$oid"], 16)
        for row in response.json()["results"]
    ]


def found(caller: Caller, address: str = PLAIN, /, **query: str) -> list[int]:
    return keys(caller.get(f"{address}?{urlencode(query)}"))


def refused(caller: Caller, query: str) -> list[tuple[str, str, str]]:
    response = caller.get(f"{PLAIN}?{query}")
    assert response.status_code == 400, response.content
    assert response.json()["code"] == "invalid_parameter"
    return [(each["parameter"], each["code"], each["detail"]) for each in response.json()["errors"]]


@pytest.fixture
def rows(db) -> dict[str, Any]:
    """Five interactions, the first the newest."""
    acme, other = (ClientFactory(id=ident(0xA0 + at)) for at in range(2))
    chat, phone, others = (
        EngagementFactory(id=ident(0xB0 + at), client=client, name=name)
        for at, (client, name) in enumerate(
            [(acme, "Chat"), (acme, "Phone, at night"), (other, "Chat")]
        )
    )
    customer = CustomerFactory(code="C-1")
    order = OrderFactory(customer=customer)
    for number, (engagement, agent, sentiment, more) in enumerate(
        [
            (chat, "John Ford", "Negative", {"source_id": "row-1"}),
            (chat, "Ann, B", "Positive", {"customer": customer, "order": order}),
            (phone, "John Ford", "Neutral", {"customer": customer}),
            (others, "john ford", "Negative, mostly", {"source_id": "row-1"}),
            (others, "", "", {}),
        ],
        start=1,
    ):
        make_interaction(
            engagement,
            id=ident(number),
            agent_name=agent,
            sentiment=sentiment,
            interaction_date=WHEN - timedelta(days=number),
            custom={"number": number, "kind": "call" if number % 2 else "chat"},
            **more,
        )
    return {"order": order.number}


@BOTH
@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"client": ident(0xA0)}, [1, 2, 3]),
        ({"client": ident(0xA0).upper()}, [1, 2, 3]),
        ({"client": f"{ident(0xA0)},{ident(0xA1)}"}, [1, 2, 3, 4, 5]),
        ({"client": ident(0xFF)}, []),
        ({"engagement": ident(0xB1)}, [3]),
        ({"engagement": f"{ident(0xB1)}, {ident(0xB2)}"}, [3, 4, 5]),
        ({"channel": "Chat"}, [1, 2, 4, 5]),
        ({"channel": '"Phone, at night",SMS'}, [3]),
        ({"channel": "chat"}, []),
        ({"agent": "John Ford"}, [1, 3]),
        ({"agent": "Ann, B"}, [2]),
        ({"sentiment": "Negative"}, [1]),
        ({"sentiment": "Positive,Neutral"}, [2, 3]),
        ({"sentiment": '"Negative, mostly",Neutral'}, [3, 4]),
        ({"customer": "C-1"}, [2, 3]),
        ({"customer": "C-2"}, []),
        ({"source_id": "row-1"}, [1, 4]),
        ({"source_id": "row-1", "client": ident(0xA1)}, [4]),
        ({"after": "2020-05-13T12:00:00Z"}, [1, 2, 3]),
        ({"before": "2020-05-13T12:00:00Z"}, [4, 5]),
        ({"after": "2020-05-13T15:00:00+03:00", "before": "2020-05-15T00:00:00Z"}, [2, 3]),
        ({"ordering": "interaction_date"}, [5, 4, 3, 2, 1]),
        ({"custom.number[gte]": "3"}, [3, 4, 5]),
        ({"custom.kind": "call", "client": ident(0xA0)}, [1, 3]),
        ({"custom.kind": "call", "custom.number[in]": "1,2,5", "agent": "John Ford"}, [1]),
        ({"custom.kind": "mail"}, []),
        ({"custom.kind": "call", "customer": "C-2"}, []),
        ({"custom.kind": "call", "channel": "Pigeon", "search": "call"}, []),
        ({"custom.number[in]": ",".join(map(str, range(3, 53)))}, [3, 4, 5]),
    ],
)
def test_filters_leave_what_they_name(caller, rows, address, query, numbers):
    assert found(caller, address, **query) == numbers


@BOTH
def test_order_is_found_by_its_number(caller, rows, address):
    assert found(caller, address, order=rows["order"]) == [2]
    assert found(caller, address, order="no such") == []


def test_one_engagements_list_takes_the_same_filters(caller, rows):
    for root in ("/api/v1/engagements", "/engagements"):
        address = f"{root}/{ident(0xB0)}/interactions" + ("/" if root.startswith("/api") else "")
        assert found(caller, address, **{"custom.kind": "call"}) == [1]
        assert found(caller, address, client=ident(0xA1)) == []


def test_conditions_on_one_field_are_all_to_hold(caller, rows):
    assert found(caller, **{"custom.number[gt]": "1", "custom.number[lt]": "4"}) == [2, 3]
    query = "custom.number%5Bne%5D=1&custom.number%5Bne%5D=2"
    assert keys(caller.get(f"{PLAIN}?{query}")) == [3, 4, 5]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("client=12", ["client"]),
        (f"engagement={ident(1)},", ["engagement"]),
        ("engagement=%22", ["engagement"]),
        ("sentiment=%22a%22b", ["sentiment"]),
        ("after=yesterday", ["after"]),
        ("before=1589630400000", ["before"]),
        ("custom=x", ["custom"]),
        ("customer.name=x", ["customer.name"]),
        ("document=x", ["document"]),
        ("engagement__name=x", ["engagement__name"]),
        ("ordering=custom", ["ordering"]),
        ("ordering=-relevance", ["ordering"]),
        ("by=day", ["by"]),
        ("custom.a=%00", ["custom.a"]),
        ("custom.%00=a", ["custom.\x00"]),
        ("custom..a=b&custom.b%5Bmod%5D=1&agent=x&no=1", ["custom..a", "custom.b[mod]", "no"]),
    ],
)
def test_what_is_wrong_is_refused_by_the_parameters_name(caller, query, names):
    assert sorted(name for name, _, _ in refused(caller, query)) == names


def test_the_refusal_says_what_is_wrong(caller):
    assert refused(caller, "custom.a%5Bexists%5D=maybe&client=x") == [
        ("client", "invalid", "It must be an ObjectId: 24 hex digits."),
        ("custom.a[exists]", "invalid", "Must be true or false."),
    ]


def test_at_most_ten_conditions_are_taken(caller):
    ten = "&".join(f"custom.a{at}=1" for at in range(10))

    assert keys(caller.get(f"{PLAIN}?{ten}")) == []
    assert refused(caller, f"{ten}&custom.b=1&custom.c=1") == [
        ("custom.b", "invalid", "At most 10 conditions at once."),
        ("custom.c", "invalid", "At most 10 conditions at once."),
    ]
    # Each value of a parameter is one.
    assert refused(caller, "&".join(["custom.b=1"] * 11)) == [
        ("custom.b", "invalid", "At most 10 conditions at once."),
    ]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("custom.a' OR '1'", "x"),
        ("custom.a", "x') OR true --"),
        ("custom.a", '" || true || "'),
        ("custom.a", '") || ($.number > 0) || (@ == "'),
        ("custom.**", "1"),
        ("custom.*", "1"),
        ("custom.$", "1"),
        ('custom."number ? (@ > 0)"', "1"),
        ("custom.%s", "%s"),
        ("custom.%(a)s", "%(a)s"),
        ("custom.number::int", "1"),
        ("custom.document", "x"),
        ("custom.a\\", "x\\"),
    ],
)
def test_what_looks_like_a_program_is_a_name_or_a_text(caller, rows, parameter, value):
    assert keys(caller.get(f"{PLAIN}?{quote(parameter)}={quote(value)}")) == []
    assert found(caller, **{f"{parameter}[ne]": value}) == [1, 2, 3, 4, 5]


@BOTH
@pytest.mark.parametrize("query", ["custom.rating>=2", "custom.rating<3", "custom.rating!=3"])
def test_a_sign_of_comparison_is_refused_with_how_it_is_written(caller, rows, address, query):
    response = caller.get(f"{address}?{query}")

    assert response.status_code == 400
    assert response.json()["errors"][0]["detail"] == (
        "Compare with [gt], [gte], [lt], [lte] or [ne]: custom.score[gte]=5. A name with <, >, = "
        "or ! stands in double quotes."
    )


def test_an_unknown_parameter_is_answered_with_those_that_there_are(caller):
    known = (
        "after, agent, before, channel, client, count, cursor, custom.NAME, customer, engagement, "
        "order, ordering, page_size, search, sentiment, source_id"
    )
    detail = f"Unknown parameter. Known: {known}. A field of the document is custom.NAME."

    assert refused(caller, "custom=5") == [("custom", "invalid", detail)]
    assert refused(caller, "rating=5") == [("rating", "invalid", detail)]


@BOTH
@pytest.mark.parametrize(
    "query", ["", "custom.kind=call&", "custom.number[gte]=0&", "search=word&"]
)
def test_pages_are_complete_and_stable_while_rows_come_and_go(caller, address, query):
    engagement = EngagementFactory()
    # Of one moment all: only their ids tell them apart.
    for number in range(1, 8):
        make_interaction(
            engagement, id=ident(number), custom={"kind": "call", "number": number, "text": "word"}
        )
    make_interaction(engagement, id=ident(8), custom={"kind": "chat", "number": -1})

    expected = [7, 6, 5, 4, 3, 2, 1] if query else [8, 7, 6, 5, 4, 3, 2, 1]
    first = caller.get(f"{address}?{query}page_size=3")
    assert keys(first) == expected[:3]
    make_interaction(engagement, id=ident(9), custom={"kind": "call", "number": 1, "text": "word"})
    Interaction.objects.filter(pk=ident(expected[0])).delete()
    second = caller.get(first.json()["next"])
    third = caller.get(second.json()["next"])
    assert keys(second) == expected[3:6]
    assert keys(third) == expected[6:]
    assert third.json()["next"] is None
    assert keys(caller.get(third.json()["previous"])) == expected[3:6]


def test_count_is_of_what_is_left(caller, rows):
    response = caller.get(f"{PLAIN}?custom.kind=call&count=true&page_size=1")

    assert response.json()["count"] == 3
    assert keys(response) == [1]


@BOTH
@pytest.mark.parametrize("query", ["", "?custom.kind=call", "?search=word", "?channel=Chat"])
def test_lists_take_as_many_statements_for_three_rows_as_for_one(caller, address, query):
    customer = CustomerFactory()

    def statements() -> int:
        make_interaction(custom={"kind": "call", "text": "word"}, customer=customer)
        with CaptureQueriesContext(connection) as context:
            response = caller.get(f"{address}{query}")
        assert len(keys(response)) == Interaction.objects.count()
        return len(context)

    one, _, three = statements(), statements(), statements()
    assert one == three


@BOTH
def test_a_question_that_takes_too_long_is_refused_with_what_would_help(
    caller, address, settings, monkeypatch
):
    make_interaction(custom={"a": 1})
    settings.CONVERSATIONS_TIMEOUT_SECONDS = 0.05
    original = InteractionFilter.filter_queryset

    def slowly(self, queryset):
        return original(self, queryset).extra(where=["(SELECT pg_sleep(60)) IS NOT NULL"])

    # PostgreSQL's own work, as long as one likes.
    monkeypatch.setattr(InteractionFilter, "filter_queryset", slowly)

    for path in (address, f"{address.rstrip('/')}/counts" + "/" * address.endswith("/")):
        response = caller.get(f"{path}?custom.a[gte]=1" + "&by=day" * ("counts" in path))
        assert response.status_code == 400
        assert response.json() == problem_document(
            response,
            code="too_slow",
            detail=(
                "This takes the database more than 0.05 seconds. Narrow it down: by a range of "
                "dates (after, before), by an engagement, or by an equality (custom.field=value)."
            ),
        )


def test_clients_and_engagements_are_found_by_name_and_client(caller):
    acme, other = ClientFactory(name="Acme"), ClientFactory(name="Other")
    mine = EngagementFactory(client=acme, name="Chat")
    EngagementFactory(client=acme, name="SMS")
    others = EngagementFactory(client=other, name="Chat")

    def ids(path: str) -> list[str]:
        return sorted(row["id"] for row in caller.get(f"/api/v1{path}").json()["results"])

    assert ids("/clients/?name=Acme") == [acme.pk]
    assert ids("/clients/?name=acme") == []
    assert ids("/engagements/?name=Chat") == sorted([mine.pk, others.pk])
    assert ids(f"/engagements/?name=Chat&client={acme.pk}") == [mine.pk]
    assert parameters(caller.get("/api/v1/engagements/?client=x")) == [("client", "invalid")]
    assert parameters(caller.get("/api/v1/clients/?client=x")) == [("client", "invalid")]


def test_an_odd_moment_is_a_refusal_and_not_a_failure(caller):
    for value in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "99999-01-01"):
        assert refused(caller, f"after={quote(value)}")[0][0] == "after"
    make_interaction(interaction_date=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    assert len(found(caller, after="9999-12-31T23:59:00Z")) == 1


def test_custom_is_answered_as_it_was_written(caller):
    text = '{"b": 1.50, "a":{"z" :[1e3]}, "b2":"x"}'
    make_interaction(custom=text)

    response = caller.get(f"{PLAIN}?custom.a.z=1000")

    assert text.encode() in response.content
    assert json.loads(response.content)["results"][0]["custom"]["b"] == 1.5
