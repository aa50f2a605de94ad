"""Pages end where their documents would be too much for one answer, and the next goes on there."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import StaffFactory
from conversations.api import pages
from conversations.models import Interaction
from core.keyset import Keyset
from core.tests.graph import Graph

from .factories import EngagementFactory, make_interaction
from .rest import Caller

pytestmark = pytest.mark.django_db
BOTH = pytest.mark.parametrize("address", ["/api/v1/interactions/", "/interactions"])
# More than the page of these tests has.
LARGE = 3000


@pytest.fixture
def staff(db):
    return StaffFactory.create(permissions=["conversations.handle_interaction"])


@pytest.fixture
def caller(staff):
    return Caller(staff)


@pytest.fixture
def graph(staff):
    return Graph(staff)


@pytest.fixture(autouse=True)
def cap(monkeypatch):
    monkeypatch.setattr(pages, "MOST_BYTES", 2000)


def ident(number):
    return f"{number:024x}"


def make(*sizes):
    """Store interactions of so many bytes each, the newest by its id first."""
    engagement = EngagementFactory.create()
    for number, size in zip(range(len(sizes), 0, -1), sizes, strict=True):
        row = make_interaction(engagement, id=ident(number), custom={"text": "word"})
        # Two bytes each: bytes are counted, not characters.
        filler = "é" * ((size - len(row.document)) // 2)
        row.document = row.document.replace('"word"', f'"word {filler}"')
        row.save(update_fields=["document"])


def numbers(response):
    assert response.status_code == 200, response.content
    return [int(row.get("id") or row["_id"]["$oid"], 16) for row in response.json()["results"]]


def followed(caller, address, link):
    """Return the pages from this one on, and the last of their answers."""
    found = []
    while address:
        response = caller.get(address)
        found.append(numbers(response))
        address = response.json()[link] or ""
        last = response
    return found, last


@BOTH
@pytest.mark.parametrize("query", ["", "&search=word", "&custom.text[exists]=true"])
def test_a_page_has_so_many_bytes_and_one_row_at_least_both_ways(caller, address, query):
    make(800, 800, 800, LARGE, LARGE, 900, 400, 400, 400)

    forwards, last = followed(caller, f"{address}?page_size=9{query}", "next")
    assert forwards == [[9, 8], [7], [6], [5], [4, 3, 2], [1]]

    backwards, _ = followed(caller, last.json()["previous"], "previous")
    # From its end each: other borders, the same rows.
    assert backwards == [[4, 3, 2], [5], [6], [8, 7], [9]]


@BOTH
def test_from_a_page_that_was_cut_backwards_next_leads_on_from_its_last_row(caller, address):
    make(*[900] * 5)
    first = caller.get(f"{address}?page_size=9")
    third = caller.get(caller.get(first.json()["next"]).json()["next"])
    assert numbers(third) == [1]
    assert third.json()["next"] is None

    back = caller.get(third.json()["previous"])

    assert numbers(back) == [3, 2]
    assert numbers(caller.get(back.json()["next"])) == [1]
    assert numbers(caller.get(back.json()["previous"])) == [5, 4]


@BOTH
def test_documents_that_just_fit_are_one_page(caller, address, monkeypatch):
    make(700, 700, 700)
    whole = sum(
        len(each.encode()) for each in Interaction.objects.values_list("document", flat=True)
    )

    for most, expected in [(whole, [3, 2, 1]), (whole - 1, [3, 2])]:
        monkeypatch.setattr(pages, "MOST_BYTES", most)
        response = caller.get(f"{address}?count=true")
        assert numbers(response) == expected
        assert response.json()["count"] == 3


def test_what_is_cut_off_is_not_read(caller):
    make(800, LARGE)

    with CaptureQueriesContext(connection) as statements:
        response = caller.get("/interactions")

    assert numbers(response) == [2]
    reading = [
        each["sql"]
        for each in statements
        if '"conversations_interaction"."document"' in each["sql"]
    ]
    *_, listed, read = reading
    assert 'octet_length("conversations_interaction"."document")' in listed
    assert listed.count('."document"') == 1
    assert ident(2) in read
    assert ident(1) not in read


@BOTH
def test_what_is_changed_or_deleted_meanwhile_is_read_again(caller, address, monkeypatch):
    make(500, 500, 500)
    changes = [
        lambda: Interaction.objects.filter(pk=ident(3)).delete(),
        lambda: Interaction.objects.filter(pk=ident(2)).update(
            agent_name="New", document="{}", updated_at="2020-01-01T00:00:00Z"
        ),
    ]
    rows = Keyset.rows

    def changed(self, *args, **options):
        found = rows(self, *args, **options)
        if changes:
            changes.pop(0)()
        return found

    monkeypatch.setattr(Keyset, "rows", changed)
    response = caller.get(address)

    shown = response.json()["results"]
    if address == "/interactions":
        assert shown[0] == {}
        assert shown[1]["_id"] == {"$oid": ident(1)}
    else:
        assert [row["id"] for row in shown] == [ident(2), ident(1)]
        assert (shown[0]["agent_name"], shown[0]["custom"]) == ("New", {})
    assert changes == []


def test_an_empty_list_is_an_empty_page(caller):
    assert caller.get("/interactions").json() == {"next": None, "previous": None, "results": []}


class TestGraphQL:
    ASKED = (
        "{ nodes { objectId %s } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }"
    )

    def page(self, graph, arguments, field="document"):
        page = graph(f"{{ interactions({arguments}) {self.ASKED % field} }}")
        info = page["pageInfo"]
        return [int(row["objectId"], 16) for row in page["nodes"]], info

    @pytest.mark.parametrize("field", ["document", "custom"])
    def test_its_pages_end_there_too(self, graph, field):
        make(800, 800, 800, LARGE, 400)

        found, info = [], {"hasNextPage": True, "endCursor": None}
        while info["hasNextPage"]:
            after = f', after: "{info["endCursor"]}"' if found else ""
            rows, info = self.page(graph, f"first: 9{after}", field)
            found.append(rows)
        assert found == [[5, 4], [3], [2], [1]]

        found, info = [], {"hasPreviousPage": True, "startCursor": None}
        while info["hasPreviousPage"]:
            before = f', before: "{info["startCursor"]}"' if found else ""
            rows, info = self.page(graph, f"last: 9{before}", field)
            found.append(rows)
        assert found == [[1], [2], [4, 3], [5]]

    def test_without_documents_they_are_as_long_as_asked_for(self, graph):
        make(800, LARGE, LARGE)

        rows, info = self.page(graph, "first: 9", "agentName")

        assert rows == [3, 2, 1]
        assert info["hasNextPage"] is False
