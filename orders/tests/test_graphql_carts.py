"""GraphQL of carts: filled, shown, placed, and taken along by who signs in."""

import pytest
from django.core.cache import cache
from graphene.utils.str_converters import to_camel_case

from accounts.tests.factories import UserFactory
from catalog import services as catalogue
from catalog.models import Variant
from catalog.tests.factories import VariantFactory
from core.tests.graph import Graph, verdict
from core.tests.races import at_once
from core.tests.rest import program_with
from orders import services
from orders.api.carts import NewCartThrottle
from orders.models import Cart, Order, OrderLine
from orders.services import Addition, Shopper

from .shop import ADDRESS, assert_books_agree, goods, order_of, stock
from .test_graphql import snake

pytestmark = pytest.mark.django_db

ERRORS = "errors { field message code }"
NOTICE = "{ sku code detail was now left }"
LINE = f"{{ sku name quantity unitPrice seenPrice total stock notices {NOTICE} variant {{ product {{ slug }} }} }}"
WHOLE = f"{{ total currency itemCount updatedAt expiresAt notices {NOTICE} lines {LINE} }}"
EMPTY = {
    "total": "0.00",
    "currency": "KES",
    "itemCount": 0,
    "updatedAt": None,
    "expiresAt": None,
    "notices": [],
    "lines": [],
}


def change(verb, kind="", inner="{ lines { sku quantity } }"):
    given, passed = (f"($input: {kind})", "(input: $input)") if kind else ("", "")
    return f"mutation{given} {{ {verb}{passed} {{ cart {inner} token {ERRORS} }} }}"


CREATE = change("createCart", "NewCartInput")
ADD = change("addToCart", "AddToCartInput")
QUANTITY = change("setCartQuantity", "CartQuantityInput!")
REMOVE = change("removeFromCart", "CartSkuInput!")
CLEAR = change("emptyCart")
ACCEPT = change("acceptCartChanges", inner=WHOLE)
PLACE = f"mutation($input: PlaceCartInput) {{ placeCart(input: $input) {{ order {{ number status total note deliveryMethod deliveryAddress {{ city line2 }} lines {{ sku quantity unitPrice }} }} {ERRORS} }} }}"


@pytest.fixture
def amina(db):
    goods()
    return UserFactory.create(first_name="Amina", email="amina@example.com")


@pytest.fixture
def graph(amina):
    return Graph(amina)


@pytest.fixture
def filled(amina, graph):
    """Amina's cart: two teas and a cup."""
    add(graph, ("TEA", 2), ("CUP", 1))
    return Cart.objects.get()


@pytest.fixture
def stranger(amina):
    """A stranger with two teas, by their token."""
    return Graph(x_cart_token=Graph().done(CREATE, lines(("TEA", 2)))["token"])


def lines(*wanted):
    return {"input": {"lines": [{"sku": sku, "quantity": quantity} for sku, quantity in wanted]}}


def add(graph, *wanted):
    return graph.done(ADD, lines(*wanted))


def held(graph):
    return [
        (each["sku"], each["quantity"])
        for each in graph("{ cart { lines { sku quantity } } }")["lines"]
    ]


def as_rest(cart):
    """Return a cart as REST would have it."""
    shown = {snake(name): value for name, value in cart.items()}
    shown["notices"] = [notice_as_rest(each) for each in cart["notices"]]
    shown["lines"] = []
    for each in cart["lines"]:
        line = {snake(name): value for name, value in each.items()}
        product = line.pop("variant")
        line["product"] = product and product["product"]["slug"]
        line["notices"] = [notice_as_rest(one) for one in each["notices"]]
        shown["lines"].append(line)
    for name in ("updated_at", "expires_at"):
        shown[name] = shown[name] and shown[name].replace("+00:00", "Z")
    return shown


def notice_as_rest(notice):
    told = {name: value for name, value in notice.items() if value is not None}
    return {**told, "code": told["code"].lower()}


# What it shows


@pytest.mark.parametrize("who", ["somebody", "a stranger"])
def test_a_cart_says_what_rest_says_field_by_field(api_as, amina, graph, stranger, who):
    if who == "somebody":
        add(graph, ("TEA", 2), ("CUP", 3), ("POT", 4))
        rest = api_as(amina).get("/cart/").json()
    else:
        graph = stranger
        rest = api_as(None).get("/cart/", x_cart_token=stranger.headers["x_cart_token"]).json()
    for line in rest["lines"]:
        line["product"] = line["product"]["slug"]

    assert as_rest(graph(f"{{ cart {WHOLE} }}")) == rest
    assert rest["item_count"] == (9 if who == "somebody" else 2)


def test_who_has_no_cart_is_shown_an_empty_one_that_is_not_kept(graph):
    for caller in (graph, Graph(), Graph(x_cart_token="")):
        assert caller(f"{{ cart {WHOLE} }}") == EMPTY
    assert not Cart.objects.exists()


@pytest.fixture
def changed(filled, graph):
    """TEA at another price, less of CUP than is wanted, POT hidden."""
    add(graph, ("CUP", 4), ("POT", 1))
    by_sku = {each.sku: each for each in Variant.objects.all()}
    catalogue.update_variant(variant_id=by_sku["TEA"].pk, price="13.00")
    catalogue.count_stock(variant_id=by_sku["CUP"].pk, counted=3)
    catalogue.hide_product(product_id=by_sku["POT"].product_id)


def test_notices_say_what_has_changed_as_rest_s(api_as, amina, graph, changed):
    rest = api_as(amina).get("/cart/").json()
    for line in rest["lines"]:
        line["product"] = line["product"]["slug"] if line["sku"] != "POT" else None

    cart = graph(f"{{ cart {WHOLE} }}")

    assert as_rest(cart) == rest
    assert [(each["sku"], each["code"], each["was"], each["now"], each["left"]) for each in cart["notices"]] == [
        ("TEA", "PRICE_CHANGED", "12.50", "13.00", None),
        ("CUP", "LESS_LEFT", None, None, 3),
        ("POT", "NOT_FOR_SALE", None, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["hidden", "archived", "its product is"])
def test_what_is_not_for_sale_any_more_is_not_shown_by_way_of_a_cart(graph, filled, how):
    tea = Variant.objects.get(sku="TEA")
    order_of(TEA=1)
    if how == "hidden":
        catalogue.hide_product(product_id=tea.product_id)
    elif how == "archived":
        VariantFactory.create(product=tea.product, sku="TEA-9")
        catalogue.remove_variant(variant_id=tea.pk)
    else:
        catalogue.remove_product(product_id=tea.product_id)

    line = graph("{ cart { lines { sku stock total variant { id price product { name } } } } }")[
        "lines"
    ][0]

    assert line == {"sku": "TEA", "stock": 0, "total": "0.00", "variant": None}


# Filling it


def test_a_cart_is_filled_changed_and_emptied(graph):
    assert add(graph, ("TEA", 2)) == {
        "cart": {"lines": [{"sku": "TEA", "quantity": 2}]},
        "token": None,
    }
    one = graph.done(ADD, {"input": {"sku": "tea", "quantity": 1}})
    assert one["cart"]["lines"] == [{"sku": "TEA", "quantity": 3}]
    assert graph.done(QUANTITY, {"input": {"sku": "tea", "quantity": 5}})["cart"]["lines"] == [
        {"sku": "TEA", "quantity": 5}
    ]
    add(graph, ("CUP", 1))
    assert graph.done(REMOVE, {"input": {"sku": "TEA"}})["cart"]["lines"] == [
        {"sku": "CUP", "quantity": 1}
    ]
    assert graph.done(CLEAR) == {"cart": {"lines": []}, "token": None}
    assert not Cart.objects.exists()
    # It holds no stock.
    assert stock() == {"TEA": 10, "CUP": 10, "POT": 10}


def test_a_stranger_s_cart_is_whose_token_they_show(graph, stranger):
    token = stranger.headers["x_cart_token"]
    assert add(stranger, ("CUP", 1))["token"] is None
    assert held(stranger) == [("TEA", 2), ("CUP", 1)]
    assert held(Graph()) == []
    # Begun twice, it is the same one.
    assert stranger.done(CREATE, lines(("POT", 1)))["token"] is None
    assert len(held(Graph(x_cart_token=token))) == 3
    assert token not in str(Cart.objects.values_list("token_digest", flat=True))


def test_a_cart_is_begun_with_nothing_in_it(graph):
    begun = Graph().done(CREATE)

    assert begun["cart"] == {"lines": []}
    stranger = Graph(x_cart_token=begun["token"])
    assert held(stranger) == []
    assert add(stranger, ("TEA", 1))["token"] is None
    # Who signed in has theirs without a token.
    assert graph.done(CREATE)["token"] is None


@pytest.mark.parametrize(
    ("document", "given"),
    [
        (ADD, lines(("TEA", 1))),
        (CREATE, lines(("TEA", 1))),
        (CREATE, None),
        (QUANTITY, {"input": {"sku": "TEA", "quantity": 1}}),
        (REMOVE, {"input": {"sku": "TEA"}}),
        (CLEAR, None),
        (ACCEPT, None),
    ],
)
def test_a_token_that_is_none_is_told_so(amina, stranger, document, given):
    assert Graph(x_cart_token="none").refused(document, given) == [(None, "CART_NOT_FOUND")]
    assert Cart.objects.count() == 1


def test_nor_is_such_a_cart_read(graph, stranger):
    Cart.objects.update(expires_at="2020-01-01T00:00Z")

    for caller in (stranger, Graph(x_cart_token="x")):
        assert verdict(caller.ask("{ cart { total } }")) == ("cart_not_found", 404)


TOO_MANY = "x" * 65


@pytest.mark.parametrize(
    ("document", "given", "expected"),
    [
        (ADD, {}, [("sku", "REQUIRED"), ("quantity", "REQUIRED")]),
        (ADD, {"sku": "TEA", "quantity": 11}, [("quantity", "OUT_OF_STOCK")]),
        (ADD, {"sku": "x", "quantity": 1}, [("sku", "UNKNOWN_SKU")]),
        (ADD, {"sku": "TEA", "quantity": 0}, [("quantity", "MIN_VALUE")]),
        (ADD, {"lines": []}, [("lines", "EMPTY")]),
        (ADD, {"lines": [{"sku": "TEA", "quantity": 1}, {"sku": "CUP", "quantity": 11}]}, [("lines.1.quantity", "OUT_OF_STOCK")]),
        (ADD, {"lines": [{"sku": "TEA", "quantity": 1}], "sku": "TEA"}, [("sku", "NOT_ALLOWED")]),
        (CREATE, {"lines": [{"sku": "x", "quantity": 1}]}, [("lines.0.sku", "UNKNOWN_SKU")]),
        (QUANTITY, {"sku": "TEA", "quantity": 11}, [("quantity", "OUT_OF_STOCK")]),
        (QUANTITY, {"sku": "POT", "quantity": 1}, [(None, "NOT_IN_CART")]),
        (QUANTITY, {"sku": "TEA", "quantity": 0}, [("quantity", "MIN_VALUE")]),
        (REMOVE, {"sku": "POT"}, [(None, "NOT_IN_CART")]),
        (REMOVE, {"sku": TOO_MANY}, [("sku", "MAX_LENGTH")]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_field_and_nothing_changes(
    graph, filled, document, given, expected
):
    assert graph.refused(document, {"input": given}) == expected
    assert held(graph) == [("TEA", 2), ("CUP", 1)]


def test_what_is_sold_no_longer_can_only_be_removed(graph, changed):
    refused = graph.refused(QUANTITY, {"input": {"sku": "POT", "quantity": 1}})

    assert refused == [(None, "NOT_FOR_SALE")]
    assert graph.done(REMOVE, {"input": {"sku": "POT"}})


def test_accepting_takes_the_prices_of_now_and_as_much_as_is_left(graph, changed):
    cart = graph.done(ACCEPT)["cart"]

    assert [(each["sku"], each["quantity"], each["seenPrice"]) for each in cart["lines"]] == [
        ("TEA", 2, "13.00"),
        ("CUP", 3, "0.99"),
    ]
    assert (cart["notices"], cart["total"]) == ([], "28.97")


def test_a_stranger_s_token_ends_with_an_emptied_cart(stranger):
    assert stranger.done(CLEAR)["cart"] == {"lines": []}
    assert stranger.refused(CLEAR) == [(None, "CART_NOT_FOUND")]


def test_several_changes_of_one_document_are_of_one_cart(graph):
    answer = graph(
        """mutation { one: addToCart(input: {sku: "TEA", quantity: 1}) { cart { itemCount } }
        two: addToCart(input: {sku: "NONE", quantity: 1}) { cart { itemCount } errors { code } }
        three: addToCart(input: {sku: "CUP", quantity: 2}) { cart { itemCount } } }"""
    )

    assert answer == {
        "one": {"cart": {"itemCount": 1}},
        "two": {"cart": None, "errors": [{"code": "UNKNOWN_SKU"}]},
        "three": {"cart": {"itemCount": 3}},
    }


# Signing in


@pytest.mark.parametrize(
    ("document", "given"),
    [
        ("{ cart { total } }", None),
        (ADD, lines(("POT", 1))),
        (CREATE, None),
        (PLACE, {"input": {}}),
    ],
    ids=["read", "add", "create", "place"],
)
def test_who_signs_in_takes_a_stranger_s_cart_along_once(amina, graph, stranger, document, given):
    add(graph, ("TEA", 1), ("CUP", 1))
    signed_in = Graph(amina, **stranger.headers)

    signed_in(document, given)
    signed_in("{ cart { total } }")

    if document == PLACE:
        assert dict(OrderLine.objects.values_list("sku", "quantity")) == {"TEA": 3, "CUP": 1}
        assert not Cart.objects.exists()
    else:
        assert held(graph)[:2] == [("TEA", 3), ("CUP", 1)]
        assert Cart.objects.get().user == amina
    assert verdict(stranger.ask("{ cart { total } }")) == ("cart_not_found", 404)


def test_nobody_finds_a_person_s_cart_by_a_token(graph, filled, stranger):
    other = Graph(UserFactory.create(), x_cart_token="none")

    assert held(other) == []
    assert held(Graph(**program_with("handle_orders").headers)) == []
    assert held(graph) == [("TEA", 2), ("CUP", 1)]


# Placing it


def test_a_cart_becomes_the_order_of_who_they_are(graph, amina, filled):
    address = {to_camel_case(name): value for name, value in ADDRESS.items()}

    order = graph.done(
        PLACE,
        {"input": {"note": "At noon.", "deliveryMethod": "DELIVERY", "deliveryAddress": address}},
    )["order"]

    placed = Order.objects.get()
    assert order == {
        "number": placed.number,
        "status": "PENDING",
        "total": "25.99",
        "note": "At noon.",
        "deliveryMethod": "DELIVERY",
        "deliveryAddress": {"city": "Nairobi", "line2": ""},
        "lines": [
            {"sku": "TEA", "quantity": 2, "unitPrice": "12.50"},
            {"sku": "CUP", "quantity": 1, "unitPrice": "0.99"},
        ],
    }
    assert placed.customer.user == amina
    assert stock() == {"TEA": 8, "CUP": 9, "POT": 10}
    assert graph("{ cart { itemCount } orders(first: 1) { nodes { number } } }") == {
        "cart": {"itemCount": 0},
        "orders": {"nodes": [{"number": placed.number}]},
    }


def test_a_stranger_is_asked_to_sign_in_first(stranger):
    response = stranger.ask(PLACE)

    assert (response.status_code, verdict(response)) == (401, ("not_authenticated", 401))
    assert held(stranger) == [("TEA", 2)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"deliveryMethod": "DELIVERY"}, [(f"deliveryAddress.{each}", "REQUIRED") for each in ("recipient", "line1", "city")]),
        ({"deliveryAddress": {"recipient": "A", "line1": "B", "city": "C", "postcode": "x" * 21}}, [("deliveryAddress.postcode", "MAX_LENGTH")]),
        ({"note": "x" * 2001}, [("note", "MAX_LENGTH")]),
    ],
)  # fmt: skip
def test_a_wrong_delivery_is_told_at_its_field(graph, filled, given, expected):
    assert graph.refused(PLACE, {"input": given}) == expected
    assert held(graph) == [("TEA", 2), ("CUP", 1)]


def test_what_has_changed_is_to_be_accepted_first(graph, changed):
    before = stock()
    assert graph.refused(PLACE) == [
        ("lines.0", "PRICE_CHANGED"),
        ("lines.1", "LESS_LEFT"),
        ("lines.2", "NOT_FOR_SALE"),
    ]
    assert (stock(), Order.objects.count()) == (before, 0)

    graph.done(ACCEPT)

    assert graph.done(PLACE)["order"]["total"] == "28.97"


def test_what_was_sold_out_meanwhile_is_told(graph, filled):
    order_of(TEA=10)

    assert graph.refused(PLACE) == [("lines.0", "OUT_OF_STOCK")]


def test_an_empty_cart_is_not_placed(graph):
    assert graph.refused(PLACE) == [(None, "CART_EMPTY")]


def test_nobody_orders_whom_the_shop_cannot_reach(graph, filled, amina):
    amina.email = ""
    amina.save()

    assert graph.refused(PLACE) == [(None, "CONTACT_NEEDED")]
    assert held(graph) == [("TEA", 2), ("CUP", 1)]


def test_the_same_key_places_once_and_answers_the_same(graph, filled):
    once, again = (graph.ask(PLACE, idempotency_key="k") for _ in range(2))

    assert once.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert Order.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_fifty_carts_at_once_for_twenty_pieces_sell_exactly_twenty():
    VariantFactory.create(sku="TEA", stock=20)
    graphs = []
    for number in range(50):
        user = UserFactory.create(username=f"s{number}", email=f"s{number}@example.com")
        services.add_to_cart(shopper=Shopper(user=user), lines=[Addition(sku="TEA", quantity=1)])
        graphs.append(Graph(user))

    answers = at_once([lambda graph=graph: graph(PLACE) for graph in graphs], threads=25)

    numbers = {each["order"]["number"] for each in answers if each["order"]}
    assert numbers == set(Order.objects.values_list("number", flat=True))
    assert (len(numbers), stock()) == (20, {"TEA": 0})
    refused = [each["errors"] for each in answers if not each["order"]]
    assert {(each["field"], each["code"]) for [each] in refused} == {("lines.0", "OUT_OF_STOCK")}
    # Who got none has their cart still.
    assert (Cart.objects.count(), OrderLine.objects.count()) == (30, 20)
    assert_books_agree()


@pytest.mark.django_db(transaction=True)
def test_a_double_click_places_one_order():
    VariantFactory.create(sku="TEA", stock=20)
    user = UserFactory.create(email="a@example.com")
    services.add_to_cart(shopper=Shopper(user=user), lines=[Addition(sku="TEA", quantity=3)])
    graphs = [Graph(user) for _ in range(8)]

    answers = at_once([lambda graph=graph: graph(PLACE) for graph in graphs])

    assert sorted([each["code"] for each in answer["errors"]] for answer in answers) == [
        [],
        *[["CART_EMPTY"]] * 7,
    ]
    assert stock() == {"TEA": 17}


# Limits and statements


@pytest.fixture
def two_an_hour(monkeypatch):
    cache.clear()
    monkeypatch.setattr(NewCartThrottle, "rate", "2/hour", raising=False)
    yield
    cache.clear()


@pytest.mark.parametrize(
    ("document", "given"), [(CREATE, None), (ADD, lines(("TEA", 1)))], ids=["create", "add"]
)
def test_strangers_begin_so_many_carts(amina, graph, two_an_hour, document, given):
    tokens = [Graph().done(document, given)["token"] for _ in range(2)]

    refused = Graph().ask(document, given)

    assert (refused.status_code, verdict(refused)) == (429, ("throttled", 429))
    assert Cart.objects.count() == 2
    # Who has one goes on filling it, and who signs in has their own.
    assert add(Graph(x_cart_token=tokens[0]), ("CUP", 1))
    assert add(graph, ("CUP", 1))


def test_many_in_one_document_count_as_so_many(amina, two_an_hour):
    begin = " ".join(f"n{n}: createCart {{ token }}" for n in range(5))

    answer = Graph().ask(f"mutation {{ {begin} }}").json()

    assert Cart.objects.count() == 2
    assert {each["extensions"]["code"] for each in answer["errors"]} == {"throttled"}


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("inner", "statements"),
    [
        ("{ itemCount }", 2),
        ("{ lines { sku name total } notices { code } }", 2),
        (WHOLE, 2),
        (
            "{ lines { variant { product { category { name } images { url } variants { sku } } } } }",
            4,
        ),
    ],
)
def test_a_cart_takes_as_many_statements_however_much_is_in_it(
    graph, rows, inner, statements, django_assert_num_queries
):
    for _ in range(rows):
        add(graph, (VariantFactory.create().sku, 1))

    with django_assert_num_queries(2 + statements):  # session, user; the cart, its lines with goods
        response = graph.ask(f"{{ cart {inner} }}")

    assert "errors" not in response.json(), response.content


def test_a_stranger_s_empty_cart_costs_nothing(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        Graph()("{ cart { total } }")
