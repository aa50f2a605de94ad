"""Counts for charts: by day, agent, channel and sentiment."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import StaffFactory
from conversations.models import Interaction
from conversations.services import counting
from conversations.services.counting import Dimension, count_interactions
from core.tests.rest import parameters

from .factories import WHEN, ClientFactory, EngagementFactory, make_interaction
from .rest import Caller

pytestmark = pytest.mark.django_db
BOTH = pytest.mark.parametrize("address", ["/api/v1/interactions/counts/", "/interactions/counts"])


@pytest.fixture
def caller(db):
    return Caller(StaffFactory.create(permissions=["conversations.view_interaction"]))


@pytest.fixture
def rows(db):
    client = ClientFactory()
    chat, sms = (EngagementFactory(client=client, name=name) for name in ("Chat", "SMS"))
    other = EngagementFactory(name="Chat")
    for engagement, hours, agent, sentiment, kind in [
        (chat, 0, "Ann", "Positive", "call"),
        (chat, 1, "Ann", "Negative", "call"),
        (sms, 8, "Ben", "Negative", "mail"),
        # 23:00 in UTC, and another day in Nairobi already.
        (other, 11, "Ben", "Negative", "mail"),
        (other, 36, "", "", "refund"),
    ]:
        make_interaction(
            engagement,
            interaction_date=WHEN + timedelta(hours=hours),
            agent_name=agent,
            sentiment=sentiment,
            custom={"kind": kind},
        )
    return client


def counted(caller, query: str, address: str = "/api/v1/interactions/counts/"):
    response = caller.get(f"{address}?{query}")
    assert response.status_code == 200, response.content
    return response.json()


@BOTH
def test_days_are_those_of_the_shop(caller, rows, address, settings):
    settings.SHOP_TIME_ZONE = "Africa/Nairobi"

    assert counted(caller, "by=day", address) == {
        "by": "day",
        "results": [
            {"day": "2020-05-16", "count": 3},
            {"day": "2020-05-17", "count": 1},
            {"day": "2020-05-18", "count": 1},
        ],
        "other": 0,
        "total": 5,
    }
    settings.SHOP_TIME_ZONE = "Etc/UTC"
    assert [row["count"] for row in counted(caller, "by=day")["results"]] == [4, 1]


@pytest.mark.parametrize(
    ("by", "results"),
    [
        ("agent", [("Ann", 2), ("Ben", 2), ("", 1)]),
        ("channel", [("Chat", 4), ("SMS", 1)]),
        ("sentiment", [("Negative", 3), ("", 1), ("Positive", 1)]),
    ],
)
def test_the_largest_number_comes_first(caller, rows, by, results):
    assert counted(caller, f"by={by}") == {
        "by": by,
        "results": [{by: name, "count": count} for name, count in results],
        "other": 0,
        "total": 5,
    }


def test_two_dimensions_are_counted_together(caller, rows):
    assert counted(caller, "by=sentiment,day")["results"] == [
        {"sentiment": "Negative", "day": "2020-05-16", "count": 2},
        {"sentiment": "Positive", "day": "2020-05-16", "count": 1},
        {"sentiment": "Negative", "day": "2020-05-17", "count": 1},
        {"sentiment": "", "day": "2020-05-18", "count": 1},
    ]
    assert counted(caller, "by=channel,agent")["results"] == [
        {"channel": "Chat", "agent": "Ann", "count": 2},
        {"channel": "Chat", "agent": "", "count": 1},
        {"channel": "Chat", "agent": "Ben", "count": 1},
        {"channel": "SMS", "agent": "Ben", "count": 1},
    ]


@pytest.mark.parametrize(
    ("query", "results"),
    [
        ("custom.kind=mail", [("SMS", 1), ("Chat", 1)]),
        ("custom.kind[exists]=false", []),
        ("search=refund", [("Chat", 1)]),
        ("search=refund&custom.kind=mail", []),
        ("agent=Ann", [("Chat", 2)]),
        ("customer=C-1", []),
        ("custom.kind=mail&order=1", []),
        ("channel=SMS", [("SMS", 1)]),
        ("sentiment=Negative,Positive", [("Chat", 3), ("SMS", 1)]),
        ("after=2020-05-16T13:00:00Z&before=2020-05-16T21:00:00Z", [("Chat", 1), ("SMS", 1)]),
    ],
)
def test_all_filters_hold_for_counts(caller, rows, query, results):
    answer = counted(caller, f"by=channel&{query}")

    assert sorted((row["channel"], row["count"]) for row in answer["results"]) == sorted(results)
    assert answer["total"] == sum(count for _, count in results)


def test_counts_of_a_client_are_those_of_its_engagements(caller, rows):
    assert counted(caller, f"by=channel&client={rows.pk}")["results"] == [
        {"channel": "Chat", "count": 2},
        {"channel": "SMS", "count": 1},
    ]
    assert counted(caller, f"by=agent&client={'0' * 24}") == {
        "by": "agent",
        "results": [],
        "other": 0,
        "total": 0,
    }


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("", "by"),
        ("by=", "by"),
        ("by=week", "by"),
        ("by=day,day", "by"),
        ("by=day,agent,channel", "by"),
        ("by=document", "by"),
        ("by=day,", "by"),
        ("by=day&nothing=1", "nothing"),
        ("by=day&custom..=1", "custom.."),
    ],
)
def test_what_is_wrong_is_refused_by_the_parameters_name(caller, query, name):
    assert parameters(caller.get(f"/interactions/counts?{query}")) == [(name, "invalid")]


def test_the_rest_of_many_names_is_one_number(monkeypatch):
    monkeypatch.setattr(counting, "MOST_ROWS", 2)
    engagement = EngagementFactory()
    for agent in "abcdd":
        make_interaction(engagement, agent_name=agent)

    counts = count_interactions(Interaction.objects.all(), by=(Dimension.AGENT,))

    assert counts.rows == [("d", 2), ("a", 1)]
    assert counts.shown()["other"] == 2
    assert counts.total == 5


@pytest.mark.parametrize(
    ("most", "rows"),
    [
        (5, [("2020-05-16", "x", 2), ("2020-05-16", "y", 1), ("2020-05-17", "x", 1),
             ("2020-05-18", "x", 1), ("2020-05-18", "y", 1)]),
        (4, [("2020-05-17", "x", 1), ("2020-05-18", "x", 1), ("2020-05-18", "y", 1)]),
        (3, [("2020-05-17", "x", 1), ("2020-05-18", "x", 1), ("2020-05-18", "y", 1)]),
        (1, [("2020-05-18", "x", 1)]),
    ],
)  # fmt: skip
def test_of_many_days_the_newest_whole_ones_are_kept(monkeypatch, most, rows):
    monkeypatch.setattr(counting, "MOST_ROWS", most)
    engagement = EngagementFactory()
    for day, sentiment in [(0, "x"), (0, "x"), (0, "y"), (1, "x"), (2, "x"), (2, "y")]:
        make_interaction(
            engagement, interaction_date=WHEN + timedelta(days=day), sentiment=sentiment
        )

    counts = count_interactions(Interaction.objects.all(), by=(Dimension.DAY, Dimension.SENTIMENT))

    assert counts.rows == rows
    assert counts.total == 6


def test_a_day_beyond_pythons_calendar_is_counted(settings):
    settings.SHOP_TIME_ZONE = "Africa/Nairobi"
    make_interaction(interaction_date=datetime(9999, 12, 31, 23, tzinfo=UTC))

    counts = count_interactions(Interaction.objects.all(), by=(Dimension.DAY,))

    assert counts.rows == [("10000-01-01", 1)]


def test_counting_takes_as_many_statements_for_three_rows_as_for_one(caller):
    def statements() -> int:
        make_interaction(custom={"kind": "call"})
        with CaptureQueriesContext(connection) as context:
            counted(caller, "by=day,channel&custom.kind=call")
        return len(context)

    one, _, three = statements(), statements(), statements()
    assert one == three
