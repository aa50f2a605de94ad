"""The example documents of `docs/graphql/`, each asked of the demo shop."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.management import CommandError, call_command
from graphene_django.settings import graphene_settings

from accounts.models import User
from catalog.models import Variant
from core.tests.graph import Graph
from demo.graphql_examples import EXAMPLES, Example, document_of
from orders.models import Order

pytestmark = pytest.mark.django_db

DOCS = settings.BASE_DIR / "docs" / "graphql"


class Caller(Graph):
    """Asks what stands in the files."""

    def example(self, name, **changes):
        variables = DOCS / f"{name}.json"
        given = json.loads(variables.read_text()) if variables.exists() else {}
        assert set(changes) <= set(given)
        response = self.ask((DOCS / f"{name}.graphql").read_text(), given | changes)
        answer = response.json()
        assert (response.status_code, "errors" in answer) == (200, False), answer
        # Well within the limit: five of them may be sent in one list.
        assert answer["extensions"]["cost"]["requested"] <= settings.GRAPHQL_MAX_COST / 5
        data = answer["data"]
        return data if len(data) > 1 else next(iter(data.values()))

    def done(self, name, **changes):
        payload = self.example(name, **changes)
        assert payload.pop("errors") == []
        return payload


@pytest.fixture(autouse=True)
def demo_shop(db):
    cache.clear()
    call_command("load_demo", verbosity=0)


def signed_in(name):
    return Caller(User.objects.get(email=f"{name}@duka.example"))


def test_they_are_as_the_schema_has_them_now():
    call_command("graphql_examples", DOCS, check=True)


def test_a_folder_that_differs_is_named_and_written_anew(tmp_path):
    call_command("graphql_examples", tmp_path / "new")
    (tmp_path / "new" / "cart.graphql").write_text("{ shop { name } }")
    (tmp_path / "new" / "search.json").unlink()
    (tmp_path / "new" / "wishes.graphql").touch()

    with pytest.raises(CommandError, match=r"new: cart\.graphql, search\.json, wishes\.graphql\.$"):
        call_command("graphql_examples", tmp_path / "new", check=True)
    (tmp_path / "new" / "wishes.graphql").unlink()
    call_command("graphql_examples", tmp_path / "new")
    call_command("graphql_examples", tmp_path / "new", check=True)


@pytest.mark.parametrize(
    ("ask", "variables", "wrong"),
    [
        ("query Shop { shop { colour } }", {}, "Cannot query field 'colour'"),
        ("query Shop { product(slug: $slug) { id } }", {}, r"its variables are \['slug'\]"),
        ("query Shop { shop { name } }", {"slug": "chai"}, r"its variables are \[\]"),
    ],
)
def test_what_the_schema_does_not_have_is_no_example(ask, variables, wrong):
    example = replace(EXAMPLES[0], name="shop", ask=ask, variables=variables)

    with pytest.raises(ValueError, match=f"The example shop: {wrong}"):
        document_of(example, graphene_settings.SCHEMA.graphql_schema)


def test_a_variable_has_the_type_that_the_schema_says():
    example = Example(
        name="verbs",
        what="",
        who="",
        ask="mutation Verbs { cancelOrder(id: $id, input: $input) { errors { code } }"
        " setCartQuantity(input: { sku: $sku, quantity: $pieces }) { errors { code } } }",
        variables={"id": "", "input": None, "sku": "", "pieces": 1},
    )

    first_line = document_of(example, graphene_settings.SCHEMA.graphql_schema).splitlines()[0]
    assert first_line == (
        "mutation Verbs($id: ID!, $input: OptionalReasonInput, $sku: String!, $pieces: Int!) {"
    )


def test_a_stranger_looks_around():
    stranger = Caller()

    page = stranger.example("browse")
    assert page["totalCount"] == 5
    assert [each["slug"] for each in page["nodes"]] == ["asali", "chai", "kahawa"]
    assert page["nodes"][1]["category"] == {"slug": "drinks", "name": "Drinks"}
    assert [each["stock"] for each in page["nodes"][1]["variants"]] == [58, 35]
    rest = stranger.example("browse", after=page["pageInfo"]["endCursor"])
    assert [each["slug"] for each in rest["nodes"]] == ["sukari", "unga-wa-mahindi"]
    assert (page["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)

    found = stranger.example("search")
    assert [(each["slug"], each["price"]) for each in found["nodes"]] == [("kahawa", "650.00")]

    chai = stranger.example("product")
    assert (chai["name"], chai["description"]) == (
        "Chai",
        "Black tea from Kericho, for milk and ginger.",
    )
    assert chai["category"]["parent"] == {"slug": "groceries", "name": "Groceries"}
    assert [(each["sku"], each["price"], each["currency"]) for each in chai["variants"]] == [
        ("CHAI-250", "180.00", "KES"),
        ("CHAI-500", "340.00", "KES"),
    ]

    shelves = stranger.example("categories")
    assert {top["slug"]: [each["slug"] for each in top["children"]] for top in shelves} == {
        "clothes": [],
        "groceries": ["drinks"],
        "home": [],
    }


def test_a_stranger_fills_a_cart_and_is_told_what_changed():
    stranger = Caller()

    made = stranger.done("add-to-cart")
    assert (made["cart"]["itemCount"], made["cart"]["total"]) == (2, "360.00")
    stranger.headers["x_cart_token"] = made["token"]
    assert stranger.done("set-cart-quantity")["cart"]["total"] == "540.00"

    Variant.objects.filter(sku="CHAI-250").update(price="200.00", stock=1)
    cart = stranger.example("cart")
    [line] = cart["lines"]
    assert (line["seenPrice"], line["unitPrice"], line["stock"]) == ("180.00", "200.00", 1)
    assert line["variant"]["product"]["slug"] == "chai"
    assert [(each["code"], each["was"], each["now"], each["left"]) for each in cart["notices"]] == [
        ("PRICE_CHANGED", "180.00", "200.00", None),
        ("LESS_LEFT", None, None, 1),
    ]

    assert stranger.done("remove-from-cart")["cart"]["lines"] == []


def test_a_shopper_orders_looks_and_calls_off():
    wanjiru = signed_in("shopper")
    wanjiru.done("add-to-cart")

    order = wanjiru.done("place-cart")["order"]
    assert (order["status"], order["total"], order["currency"]) == ("PENDING", "360.00", "KES")

    mine = wanjiru.example("my-orders")
    assert (mine["totalCount"], mine["nodes"][0]) == (3, order)
    assert [each["status"] for each in mine["nodes"]] == ["PENDING", "PENDING", "FULFILLED"]

    gone = wanjiru.done("cancel-order", id=order["id"])["order"]
    assert gone == {"id": order["id"], "number": order["number"], "status": "CANCELLED"}
    shown = wanjiru.example("order", number=order["number"])
    assert (shown["note"], shown["deliveryAddress"]) == ("After 5, please.", None)
    assert [(each["sku"], each["total"]) for each in shown["lines"]] == [("CHAI-250", "360.00")]
    assert [(each["verb"], each["toStatus"], each["reason"]) for each in shown["history"]] == [
        ("PLACED", "PENDING", ""),
        ("CANCELLED", "CANCELLED", "Found some at home."),
    ]


def test_a_shopper_books_moves_and_calls_off():
    wanjiru = signed_in("shopper")

    offered = wanjiru.example("bookable")
    assert [(each["number"], each["name"]) for each in offered["services"]["nodes"]] == [
        ("456", "Analysis"),
        ("123", "Inspection"),
        ("789", "Testing"),
    ]
    [shop] = offered["resources"]["nodes"]
    assert (shop["code"], shop["isDefault"]) == ("default", True)
    assert shop["openingHours"][0] == {"weekday": 0, "opens": "08:00", "closes": "18:00"}
    assert len(shop["openingHours"]) == 6

    free = wanjiru.example("free-times")
    times = [time for day in free["days"] for time in day["times"]]
    assert (free["timeZone"], len(free["days"])) == ("Africa/Nairobi", 7)
    body = json.loads((DOCS / "book.json").read_text())["input"]
    booked = wanjiru.done("book", input=body | {"datetime": times[-1]})["booking"]
    assert (booked["datetime"], booked["status"]) == (times[-1], "PENDING")
    assert (booked["totalFee"], booked["currency"]) == ("350.00", "KES")

    mine = wanjiru.example("my-bookings")
    assert (mine["totalCount"], mine["nodes"][0]) == (2, booked)

    moved = wanjiru.done("move-booking", id=booked["id"], input={"datetime": times[-2]})["booking"]
    assert (moved["number"], moved["datetime"]) == (booked["number"], times[-2])
    gone = wanjiru.done("cancel-booking", id=booked["id"])["booking"]
    assert gone == {"id": booked["id"], "number": booked["number"], "status": "CANCELLED"}


def test_staff_see_who_waits_and_accept():
    baraka = signed_in("employee")

    waiting = baraka.example("waiting-orders")
    assert waiting["orderCounts"] == {"waiting": 2}
    assert [each["customerName"] for each in waiting["orders"]["nodes"]] == [
        "Amina Hassan",
        "Wanjiru Kamau",
    ]

    first = waiting["orders"]["nodes"][0]
    accepted = baraka.done("accept-order", id=first["id"])["order"]
    assert accepted == {"id": first["id"], "number": first["number"], "status": "ACCEPTED"}
    assert Order.objects.get(number=first["number"]).status == "accepted"
    assert baraka.example("waiting-orders")["orderCounts"] == {"waiting": 1}


def test_none_of_them_is_left_out():
    tests = "".join(each.read_text() for each in Path(__file__).parent.glob("test_graphql_*.py"))
    asked = re.findall(r'\.(?:example|done)\("([a-z-]+)"', tests)

    assert set(asked) == {each.name for each in EXAMPLES}
