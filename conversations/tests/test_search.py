"""Full text over all text of the documents: ranked, with highlights."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.tests.factories import StaffFactory
from conversations import querysets
from conversations.models import Interaction
from conversations.services import highlighting
from core.tests.rest import parameters

from .factories import WHEN, EngagementFactory, make_interaction
from .rest import Caller

pytestmark = pytest.mark.django_db
PLAIN, EXTENDED = "/api/v1/interactions/", "/interactions"


@pytest.fixture
def caller(db):
    return Caller(StaffFactory.create(permissions=["conversations.view_interaction"]))


def found(caller: Caller, query: str) -> list[str]:
    response = caller.get(f"{PLAIN}?{query}")
    assert response.status_code == 200, response.content
    return [row["agent_name"] for row in response.json()["results"]]


@pytest.fixture
def rows(db) -> None:
    engagement = EngagementFactory()
    for at, (agent, custom) in enumerate(
        [
            ("Once", {"log": [{"text": "May I have a refund for the order?"}]}),
            ("Thrice", {"a": "refund", "b": {"c": ["refunds, please", "refunded!"]}}),
            ("Neither", {"a": "delivery"}),
            ("Café", {"a": "Naïve question about delivery and payment"}),
            ("Refund Desk", {"number": 12, "refund_key": 1}),
        ],
        start=1,
    ):
        make_interaction(
            engagement,
            agent_name=agent,
            custom=custom,
            sentiment="Mixed",
            interaction_date=WHEN - timedelta(days=at),
        )


@pytest.mark.parametrize(
    ("query", "agents"),
    [
        ("search=thrice", ["Thrice"]),
        ("search=delivery+payment", ["Café"]),
        ("search=naive", ["Café"]),
        ("search=CAFE", ["Café"]),
        ("search=refund+-order&ordering=-interaction_date", ["Thrice", "Refund Desk"]),
        ("search=%22order+refund%22", []),
        ("search=%22refund+desk%22", ["Refund Desk"]),
        ("search=payment+or+order&ordering=interaction_date", ["Café", "Once"]),
        ("search=refund_key", []),
        ("search=mixed&ordering=interaction_date",
         ["Refund Desk", "Café", "Neither", "Thrice", "Once"]),
        ("search=refund&after=2020-05-15T00:00:00Z", ["Once"]),
        ("search=refund&custom.number=12", ["Refund Desk"]),
        ("search=refund&custom.number=13", []),
        ("search=nothing+of+this", []),
    ],
)  # fmt: skip
def test_words_are_found_in_all_text(caller, rows, query, agents):
    assert found(caller, query) == agents


def test_the_best_comes_first_unless_another_order_is_asked_for(caller, rows):
    assert found(caller, "search=refund")[0] == "Thrice"
    assert sorted(found(caller, "search=refund")) == ["Once", "Refund Desk", "Thrice"]
    assert found(caller, "search=refund&ordering=-relevance")[0] == "Thrice"
    newest = ["Once", "Thrice", "Refund Desk"]
    assert found(caller, "search=refund&ordering=-interaction_date") == newest
    assert found(caller, "search=refund&ordering=interaction_date") == newest[::-1]


@pytest.mark.parametrize(
    "text", ["the", "%26", "!!!", "%22", "%22%22", "-", "or", "%3A*", "%5C", "%27", "%F0%9F%98%80"]
)
def test_no_word_at_all_is_an_empty_page(caller, rows, text):
    assert found(caller, f"search={text}") == []
    assert found(caller, f"search={text}&ordering=-interaction_date") == []


def test_spaces_are_no_search(caller, rows):
    assert len(found(caller, "search=+++")) == 5
    response = caller.get(f"{PLAIN}?search=")
    assert "highlights" not in response.json()["results"][0]


def test_a_search_that_is_too_long_or_holds_nul_is_refused(caller):
    assert parameters(caller.get(f"{PLAIN}?search={'x' * 201}")) == [("search", "invalid")]
    assert parameters(caller.get(f"{PLAIN}?search=a%00")) == [("search", "invalid")]
    assert found(caller, f"search={'x' * 200}") == []


def test_pages_of_a_search_go_on_by_relevance(caller, db):
    engagement = EngagementFactory()
    for number in range(1, 8):
        make_interaction(
            engagement, agent_name=str(number), custom={"text": "refund " * number}, sentiment=""
        )

    first = caller.get(f"{PLAIN}?search=refund&page_size=3&count=true")
    second = caller.get(first.json()["next"])
    third = caller.get(second.json()["next"])

    pages = [
        [row["agent_name"] for row in page.json()["results"]] for page in (first, second, third)
    ]
    assert pages == [["7", "6", "5"], ["4", "3", "2"], ["1"]]
    assert first.json()["count"] == 7
    back = caller.get(third.json()["previous"])
    assert [row["agent_name"] for row in back.json()["results"]] == ["4", "3", "2"]


def test_the_newest_are_ranked_where_there_are_too_many(caller, monkeypatch):
    monkeypatch.setattr(querysets, "MOST_RANKED", 3)
    engagement = EngagementFactory()
    for number in range(1, 6):
        make_interaction(
            engagement,
            id=f"{number:024x}",
            agent_name=str(number),
            custom={"text": "refund " * (6 - number)},
            # The third and the second are of one moment.
            interaction_date=WHEN + timedelta(days=2 if number == 3 else number),
        )

    assert found(caller, "search=refund") == ["3", "4", "5"]
    assert found(caller, "search=refund&ordering=interaction_date") == ["1", "2", "3", "4", "5"]
    assert found(caller, "search=refund&before=2020-05-19T00:00:00Z") == ["1", "2", "3"]
    ranked = Interaction.objects.filter(agent_name__in=["1", "2", "3"]).search("refund")
    assert ranked.count() == 3


def test_plain_json_has_the_highlights_in_each_result(caller, rows):
    results = caller.get(f"{PLAIN}?search=refund").json()["results"]

    assert {row["agent_name"]: row["highlights"] for row in results} == {
        "Thrice": [
            {"field": "custom.a", "text": "<mark>refund</mark>"},
            {"field": "custom.b.c.0", "text": "<mark>refunds</mark>, please"},
            {"field": "custom.b.c.1", "text": "<mark>refunded</mark>!"},
        ],
        "Once": [
            {
                "field": "custom.log.0.text",
                "text": "May I have a <mark>refund</mark> for the order?",
            }
        ],
        "Refund Desk": [{"field": "agent", "text": "<mark>Refund</mark> Desk"}],
    }


def test_extended_json_has_them_beside_the_documents(caller):
    text = '{"a" : "One refund"}'
    interaction = make_interaction(custom=text)

    response = caller.get(f"{EXTENDED}?search=refund")

    assert response.json()["highlights"] == {
        interaction.pk: [{"field": "custom.a", "text": "One <mark>refund</mark>"}]
    }
    assert interaction.document.encode() in response.content
    assert "highlights" not in caller.get(EXTENDED).json()


def test_a_search_without_results_has_no_highlights(caller, rows):
    assert caller.get(f"{EXTENDED}?search=nothing").json() == {
        "next": None,
        "previous": None,
        "results": [],
        "highlights": {},
    }


def highlights(custom: Any, text: str, **fields: Any) -> Any:
    interaction = make_interaction(custom=custom, **fields)
    return highlighting.highlights([interaction], text)[interaction.pk]


def test_what_stands_in_a_document_is_no_html():
    assert highlights({"<b>": "<i>alert('refund')</i> \ue000 &"}, "refund") == [
        {
            "field": 'custom."<b>"',
            "text": "&lt;i&gt;alert(&#x27;<mark>refund</mark>&#x27;)&lt;/i&gt; \ue000 &amp;",
        }
    ]
    assert highlights({"a": "<mark>no</mark> refund"}, "refund") == [
        {"field": "custom.a", "text": "&lt;mark&gt;no&lt;/mark&gt; <mark>refund</mark>"}
    ]


def test_signs_of_our_own_in_a_document_are_its_text():
    token = "0123456789abcdef"
    odd = f"\ue000{token}\ue001 \ue002{token}\ue003 \ue000\ue001"

    assert highlights({odd: f'{odd} "refund" <script>{odd}'}, "refund") == [
        {
            "field": f"custom.{odd}",
            "text": f"{odd} &quot;<mark>refund</mark>&quot; &lt;script&gt;{odd}",
        }
    ]


def test_what_is_html_itself_is_found_and_stays_text():
    [place] = highlights({"a": "<mark>refund</mark> &lt;mark&gt; <b title='x\">"}, "refund")

    assert place["text"] == (
        "&lt;mark&gt;<mark>refund</mark>&lt;/mark&gt; &amp;lt;mark&amp;gt;"
        " &lt;b title=&#x27;x&quot;&gt;"
    )


def test_agent_and_sentiment_are_no_html_either():
    places = highlights(None, "refund", agent_name="<i>refund", sentiment='"refund"<')

    assert [place["text"] for place in places] == [
        "&lt;i&gt;<mark>refund</mark>",
        "&quot;<mark>refund</mark>&quot;&lt;",
    ]


def test_a_long_text_is_shown_in_pieces():
    filler = "word " * 100
    text = f"{filler}refund, refund {filler}refund{'x' * 100} refund"

    assert highlights({"text": text}, "refund") == [
        {
            "field": "custom.text",
            "text": f"…{'word ' * 11}<mark>refund</mark>, <mark>refund</mark>{' word' * 11}…",
        },
        {"field": "custom.text", "text": "…<mark>refund</mark>"},
    ]


def test_a_piece_has_an_end():
    places = highlights({"text": "refund " * 100}, "refund")

    assert [place["text"].count("<mark>") for place in places] == [34, 34, 32]


def test_at_most_three_places_of_a_document_are_shown():
    assert [place["field"] for place in highlights({"a": ["refund"] * 9}, "refund")] == [
        "custom.a.0",
        "custom.a.1",
        "custom.a.2",
    ]


def test_a_field_is_called_as_a_condition_calls_it():
    places = highlights({"a.b": {'"c': {"": "refund"}}}, "refund")

    assert places == [
        {"field": r'''custom."a.b"."\"c".""''', "text": "<mark>refund</mark>"},
    ]


def test_agent_and_sentiment_come_behind_the_document():
    places = highlights({"a": "angry"}, "angry or john", agent_name="John Ford", sentiment="Angry")

    assert places == [
        {"field": "custom.a", "text": "<mark>angry</mark>"},
        {"field": "agent", "text": "<mark>John</mark> Ford"},
        {"field": "sentiment", "text": "<mark>Angry</mark>"},
    ]


def test_numbers_of_any_length_are_no_hindrance():
    assert highlights('{"a": 1e999, "b": ' + "9" * 4000 + ', "c": "refund"}', "refund") == [
        {"field": "custom.c", "text": "<mark>refund</mark>"}
    ]


def test_what_has_more_than_a_megabyte_is_found_and_not_highlighted(caller):
    make_interaction(custom={"a": "refund", "b": "x" * 1024 * 1024})
    small = make_interaction(custom={"a": "refund"}, agent_name="small")

    results = caller.get(f"{PLAIN}?search=refund").json()["results"]

    assert {row["id"] == small.pk: row["highlights"] for row in results} == {
        True: [{"field": "custom.a", "text": "<mark>refund</mark>"}],
        False: None,
    }


def test_a_page_is_highlighted_until_it_has_had_its_share(monkeypatch):
    interactions = [make_interaction(custom={"a": "refund", "b": "x" * 400}) for _ in range(3)]
    monkeypatch.setattr(highlighting, "LONGEST_PAGE", 2 * len(interactions[0].document))

    found = highlighting.highlights(interactions, "refund")

    assert [bool(found[each.pk]) for each in interactions] == [True, True, False]
    assert found[interactions[2].pk] is None
