"""GraphQL of the catalogue: what REST says of it, in a fixed number of statements."""

import pytest
from graphene.utils.str_converters import to_camel_case, to_snake_case
from graphql_relay import to_global_id

from catalog import services
from catalog.models import Product
from core.tests.graph import Graph, failures, verdict
from orders.tests.shop import order_of

from .factories import CategoryFactory, ProductFactory, ProductImageFactory, VariantFactory

pytestmark = pytest.mark.django_db

WHOLE = """{ id slug name description isPublished price createdAt updatedAt archivedAt
    category { slug }
    images { url alt width height sizes { width url } }
    variants { sku name price currency stock weight lowStockThreshold archivedAt } }"""
ERRORS = "errors { field message code }"


@pytest.fixture
def graph(shopkeeper):
    return Graph(shopkeeper)


@pytest.fixture
def chai():
    """Chai in two packs, on a shelf below another, with a picture."""
    shelf = CategoryFactory.create(slug="tea", parent=CategoryFactory.create(slug="drinks"))
    product = ProductFactory.create(name="Chai", slug="chai", description="Strong.", category=shelf)
    VariantFactory.create(sku="TEA-1", product=product, price="12.50", weight=250)
    VariantFactory.create(
        sku="TEA-2", product=product, name="Chai, large", price="20.00", low_stock_threshold=5
    )
    ProductImageFactory.create(product=product, alt="A cup")
    return product


def ident(row):
    return to_global_id(type(row).__name__, row.pk)


def slugs(page):
    return [each["slug"] for each in page["nodes"]]


def listed(arguments, graph=None):
    """Return the slugs of a whole list."""
    return slugs(
        (graph or Graph())(f"{{ products(first: 50, {arguments}) {{ nodes {{ slug }} }} }}")
    )


# A product is what REST says of it


@pytest.mark.parametrize("signed_in", [True, False])
def test_a_product_says_what_rest_says_field_by_field(api, api_as, shopkeeper, chai, signed_in):
    user = shopkeeper if signed_in else None
    rest = api_as(user).get(f"/products/{chai.pk}/").json()
    variant = api_as(user).get(f"/variants/{rest['variants'][1]['id']}/").json()

    shown = Graph(user)(f'{{ product(slug: "chai") {WHOLE} }}')

    assert shown == {
        "id": ident(chai),
        "slug": rest["slug"],
        "name": rest["name"],
        "description": rest["description"],
        "isPublished": rest["is_published"],
        "price": rest["variants"][0]["price"],
        "createdAt": shown["createdAt"],
        "updatedAt": shown["updatedAt"],
        "archivedAt": rest["archived_at"],
        "category": {"slug": rest["category"]},
        "images": [
            {name: each[name] for name in ("url", "alt", "width", "height", "sizes")}
            for each in rest["images"]
        ],
        "variants": [
            {
                **{
                    name: each[name]
                    for name in ("sku", "name", "price", "currency", "stock", "weight")
                },
                "lowStockThreshold": threshold,
                "archivedAt": None,
            }
            for each, threshold in zip(
                rest["variants"], (None, variant["low_stock_threshold"]), strict=True
            )
        ],
    }
    for name in ("created_at", "updated_at"):
        assert shown[to_camel_case(name)].replace("+00:00", "Z") == rest[name]
    assert variant["low_stock_threshold"] == (5 if signed_in else None)


def test_an_id_and_a_slug_and_node_mean_the_same(chai):
    asked = f"""{{ slug: product(slug: "chai") {{ id name }} id: product(id: "{ident(chai)}") {{ id name }}
        node(id: "{ident(chai)}") {{ id ... on Product {{ name }} }} }}"""

    assert Graph()(asked) == {
        way: {"id": ident(chai), "name": "Chai"} for way in ("slug", "id", "node")
    }


@pytest.mark.parametrize(
    "ident",
    [
        "", "Product:1", "UHJvZHVjdDo=", to_global_id("Product", 10**18), to_global_id("Product", -1),
        to_global_id("Product", "１"), to_global_id("Image", 1), to_global_id("Query", 1),
        to_global_id("Nothing", 1), to_global_id("Product", "1 OR 1=1"), "é",
    ],
)  # fmt: skip
def test_an_id_of_nothing_finds_nothing(chai, ident):
    found = Graph()(
        "query($id: ID!) { node(id: $id) { id } product(id: $id) { id } }", {"id": ident}
    )

    assert found == {"node": None, "product": None}


def test_an_id_of_another_type_is_no_product(graph, chai):
    variant = chai.variants.first()

    assert graph(f'{{ product(id: "{ident(variant)}") {{ id }} }}') is None
    wrong = graph.ask(f'mutation {{ hideProduct(id: "{ident(variant)}") {{ {ERRORS} }} }}')
    assert verdict(wrong) == ("not_found", 404)
    (error,) = wrong.json()["errors"]
    assert error["message"] == "There is nothing with this `id`, or you may not see it."


@pytest.mark.parametrize("given", ["", '(slug: "chai", id: "x")'])
def test_a_product_is_asked_for_by_one_of_its_names(chai, given):
    refused = Graph().ask(f"{{ product{given} {{ name }} }}")

    assert verdict(refused) == ("invalid", 400)
    (error,) = refused.json()["errors"]
    assert error["message"] == "Say which one you mean: by `id` or `slug`, one of them alone."


def test_categories_are_a_tree(chai):
    CategoryFactory.create(slug="pots")

    tree = Graph()("{ categories { slug parent { slug } children { slug parent { slug } } } }")

    assert tree == [
        {
            "slug": "drinks",
            "parent": None,
            "children": [{"slug": "tea", "parent": {"slug": "drinks"}}],
        },
        {"slug": "pots", "parent": None, "children": []},
    ]
    assert Graph()('{ category(slug: "tea") { slug } other: category(slug: "x") { slug } }') == {
        "category": {"slug": "tea"},
        "other": None,
    }


# What is not for sale


@pytest.fixture
def unseen(chai):
    """What no stranger sees: a hidden product, an archived one, and an archived variant of Chai."""
    hidden = VariantFactory.create(
        sku="HIDDEN", product__is_published=False, product__category=chai.category
    )
    gone = VariantFactory.create(sku="GONE", product__category=chai.category)
    old = VariantFactory.create(sku="OLD", product=chai)
    order_of(GONE=1, OLD=1)
    services.remove_product(product_id=gone.product_id)
    services.remove_variant(variant_id=old.pk)
    return [hidden, gone, old]


def test_what_is_not_for_sale_is_shown_to_staff_alone_by_no_path(graph, unseen, chai):
    rows = [*unseen, unseen[0].product, unseen[1].product]
    paths = "".join(
        f'n{n}: node(id: "{ident(row)}") {{ id }} ' for n, row in enumerate(rows)
    ) + "".join(
        f'p{n}: product(id: "{ident(row.product)}") {{ id }} s{n}: product(slug: "{row.product.slug}") {{ id }} '
        for n, row in enumerate(unseen[:2])
    )

    seen, unknown = graph(f"{{ {paths} }}"), Graph()(f"{{ {paths} }}")

    assert set(unknown.values()) == {None}
    # Of a removed product the slug is free: only its id means it.
    assert [name for name, found in seen.items() if found is None] == ["s1"]
    around = """{ products(first: 50) { totalCount nodes { slug variants { sku
        product { slug variants { sku } } } } } }"""
    for page, extra in ((Graph()(around), []), (graph(around), ["HIDDEN"])):
        skus = [variant["sku"] for node in page["nodes"] for variant in node["variants"]]
        assert sorted(skus) == sorted(["TEA-1", "TEA-2", *extra])
        assert page["totalCount"] == len(page["nodes"]) == 1 + len(extra)
        inner = page["nodes"][slugs(page).index("chai")]["variants"][0]["product"]["variants"]
        assert inner == [{"sku": "TEA-1"}, {"sku": "TEA-2"}]
    assert listed("archived: true", graph) == [unseen[1].product.slug]
    assert listed("isPublished: false", graph) == [unseen[0].product.slug]


@pytest.mark.parametrize("name", ["archived", "isPublished"])
@pytest.mark.parametrize("value", ["true", "false"])
def test_a_filter_of_the_staff_is_refused_by_name(chai, name, value):
    refused = Graph().ask(f"{{ products(first: 1, {name}: {value}) {{ totalCount }} }}")

    assert verdict(refused) == ("invalid_parameter", 400)
    assert failures(refused) == [(name, "invalid")]
    (error,) = refused.json()["errors"]
    assert error["message"] == f"`{name}`: Only the shop's staff may ask for this."


# Lists


@pytest.fixture
def prices():
    """Five products: a to e, at 3.00, 1.00, 2.00, 2.00 and 2.00."""
    for slug, price in zip("abcde", (3, 1, 2, 2, 2), strict=True):
        product = ProductFactory.create(name=slug.upper(), slug=slug)
        VariantFactory.create(sku=slug, product=product, price=price, stock=price - 1)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "abcde"),
        ("ordering: NAME_DESC", "edcba"),
        ("ordering: PRICE", "bcdea"),
        ("ordering: PRICE_DESC", "aedcb"),
        ("ordering: CREATED_AT", "abcde"),
        ('priceMin: "2.00"', "acde"),
        ('priceMin: "1.01", priceMax: "2"', "cde"),
        ("inStock: false", "b"),
        ('slug: "c"', "c"),
        ('slug: "x"', ""),
        ('search: "d"', "d"),
        ('category: "none"', ""),
        ("inStock: null, search: null, ordering: null", "abcde"),
    ],
)
def test_a_list_is_filtered_and_ordered(prices, arguments, expected):
    assert "".join(listed(arguments)) == expected


def test_a_category_has_what_stands_below_it_too(chai):
    VariantFactory.create(product__slug="pot")

    assert listed('category: "drinks"') == listed('category: "tea"') == ["chai"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('priceMin: "-1"', [("priceMin", "invalid")]),
        ('priceMin: "0.001", priceMax: "NaN"', [("priceMin", "invalid"), ("priceMax", "invalid")]),
        (f'search: "{"x" * 201}"', [("search", "invalid")]),
        (r'slug: "\u0000"', [("slug", "invalid")]),
        ('after: "x"', [("after", "invalid")]),
        ('before: "x"', [("before", "invalid")]),
    ],
)
def test_a_wrong_argument_is_named(prices, arguments, expected):
    refused = Graph().ask(f"{{ products(first: 1, {arguments}) {{ totalCount }} }}")

    assert verdict(refused) == ("invalid_parameter", 400)
    assert failures(refused) == expected


@pytest.mark.parametrize("arguments", ["ordering: STOCK", "colour: 1", 'inStock: "yes"'])
def test_what_the_schema_has_not_is_refused_before(arguments):
    response = Graph().ask(f"{{ products(first: 1, {arguments}) {{ totalCount }} }}")

    assert response.status_code == 400
    assert verdict(response) == ("invalid", None)


def test_a_search_puts_the_best_first_unless_it_is_told_otherwise():
    for slug, name, description in (
        ("in-text", "A cup", "For chai and coffee."),
        ("in-name", "Masala chai", ""),
        ("other", "Pot", ""),
    ):
        VariantFactory.create(
            product__slug=slug, product__name=name, product__description=description
        )

    assert listed('search: "chai"') == ["in-name", "in-text"]
    assert listed('search: "chai", ordering: NAME') == ["in-text", "in-name"]
    # One slip is forgiven.
    assert listed('search: "cahi"') == ["in-name"]
    page = '{ products(search: "chai", first: 1%s) { nodes { slug } pageInfo { endCursor } } }'
    first = Graph()(page % "")
    after = f', after: "{first["pageInfo"]["endCursor"]}"'
    assert slugs(first) + slugs(Graph()(page % after)) == ["in-name", "in-text"]


PAGE = """query($first: Int, $after: String, $last: Int, $before: String, $by: ProductOrdering) {
    products(first: $first, after: $after, last: $last, before: $before, ordering: $by) {
        nodes { slug } edges { cursor node { slug } } totalCount
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


def walked(by, size, way):
    """Return a list's pages, walked to its end or from its end to its beginning."""
    count, cursor, end, more = {
        "forwards": ("first", "after", "endCursor", "hasNextPage"),
        "backwards": ("last", "before", "startCursor", "hasPreviousPage"),
    }[way]
    pages, given = [], {"by": by, count: size}
    while True:
        page = Graph()(PAGE, given)
        assert [each["node"]["slug"] for each in page["edges"]] == slugs(page)
        cursors = [each["cursor"] for each in page["edges"]]
        info = page["pageInfo"]
        assert [info["startCursor"], info["endCursor"]] == [cursors[0], cursors[-1]]
        assert page["totalCount"] == 5
        # What came before it is known without looking.
        back = {"forwards": "hasPreviousPage", "backwards": "hasNextPage"}[way]
        assert info[back] == bool(pages)
        pages.append("".join(slugs(page)))
        if not info[more]:
            return pages
        given[cursor] = info[end]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("by", "whole"),
    [(None, "abcde"), ("PRICE", "bcdea"), ("PRICE_DESC", "aedcb"), ("CREATED_AT_DESC", "edcba")],
)
def test_a_list_is_walked_both_ways_without_a_row_twice_or_left_out(prices, by, whole, size):
    # All at one time: the key breaks the tie.
    Product.objects.update(created_at="2026-11-21T08:00Z")
    forwards, backwards = walked(by, size, "forwards"), walked(by, size, "backwards")

    assert "".join(forwards) == whole
    assert "".join(reversed(backwards)) == whole
    assert {len(each) for each in forwards[:-1] + backwards[:-1]} <= {size}


def test_a_page_of_none_says_whether_there_are_rows(prices):
    page = Graph()(PAGE, {"first": 0})
    Product.objects.update(is_published=False)

    assert page == {
        "nodes": [],
        "edges": [],
        "totalCount": 5,
        "pageInfo": {
            "hasNextPage": True,
            "hasPreviousPage": False,
            "startCursor": None,
            "endCursor": None,
        },
    }
    assert Graph()(PAGE, {"last": 5})["pageInfo"] == page["pageInfo"] | {"hasNextPage": False}


def test_a_row_that_goes_or_comes_meanwhile_moves_no_other(prices):
    first = Graph()(PAGE, {"first": 2})
    Product.objects.get(slug="b").delete()
    VariantFactory.create(product__name="A2", product__slug="a2")

    rest = Graph()(PAGE, {"first": 9, "after": first["pageInfo"]["endCursor"]})

    assert slugs(rest) == ["c", "d", "e"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"first": 1, "before": "cursor"}, "before"),
        ({"last": 1, "after": "cursor"}, "after"),
        ({"first": 1, "after": "cursor", "by": "PRICE"}, "after"),
        ({"first": 1, "after": "cursor", "by": "NAME_DESC"}, "after"),
    ],
)
def test_a_cursor_goes_one_way_in_its_own_ordering(prices, given, name):
    cursor = Graph()(PAGE, {"first": 1})["pageInfo"]["endCursor"]
    given = {each: cursor if value == "cursor" else value for each, value in given.items()}

    refused = Graph().ask(PAGE, given)

    assert failures(refused) == [(name, "invalid")]


def test_a_cursor_of_another_list_is_none(graph, prices, shopkeeper):
    order_of(a=1)
    others = graph("{ orders(first: 1) { pageInfo { endCursor } } }")["pageInfo"]["endCursor"]

    assert failures(Graph().ask(PAGE, {"first": 1, "after": others})) == [("after", "invalid")]


# What staff do


def test_a_simple_product_is_created_as_by_rest(api, graph):
    made = graph.done(
        """mutation($input: NewProductInput!) { createProduct(input: $input) {
            product { id slug name isPublished variants { sku price stock weight } } } }""",
        {"input": {"name": "Chai", "sku": "TEA", "price": "12.50", "stock": 5, "weight": 250}},
    )["product"]

    product = Product.objects.get()
    assert made == {
        "id": ident(product),
        "slug": "chai",
        "name": "Chai",
        "isPublished": True,
        "variants": [{"sku": "TEA", "price": "12.50", "stock": 5, "weight": 250}],
    }
    assert api.get(f"/products/{product.pk}/").json()["variants"][0]["price"] == "12.50"


def test_a_product_of_several_variants_is_created_on_its_shelf(graph, shopkeeper):
    CategoryFactory.create(slug="clothes")

    made = graph.done(
        """mutation($input: NewProductInput!) { createProduct(input: $input) {
            product { category { slug } variants { sku name price lowStockThreshold } } } }""",
        {
            "input": {
                "name": "T-shirt",
                "category": "clothes",
                "variants": [
                    {"sku": "T-M", "name": "M", "price": 900, "lowStockThreshold": 2},
                    {"sku": "T-L", "price": "950.5"},
                ],
            }
        },
    )

    assert made["product"] == {
        "category": {"slug": "clothes"},
        "variants": [
            {"sku": "T-M", "name": "M", "price": "900.00", "lowStockThreshold": 2},
            {"sku": "T-L", "name": "T-shirt", "price": "950.50", "lowStockThreshold": None},
        ],
    }


CREATE = f"mutation($input: NewProductInput!) {{ createProduct(input: $input) {{ product {{ id }} {ERRORS} }} }}"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [("price", "REQUIRED"), ("sku", "REQUIRED")]),
        ({"sku": "tea-1", "price": "1"}, [("sku", "TAKEN")]),
        ({"sku": "A", "price": "1.001"}, [("price", "MAX_DECIMAL_PLACES")]),
        ({"sku": "A", "price": "-1", "stock": -1}, [("price", "MIN_VALUE"), ("stock", "MIN_VALUE")]),
        ({"sku": "A", "price": "NaN"}, [("price", "INVALID")]),
        ({"sku": "A", "price": "99999999999.00"}, [("price", "MAX_DIGITS")]),
        ({"sku": "A", "price": "1", "category": "x"}, [("category", "DOES_NOT_EXIST")]),
        ({"sku": "", "price": "1", "name": None}, [("name", "NULL"), ("sku", "BLANK")]),
        ({"sku": "A", "price": "1", "isPublished": None}, [("isPublished", "NULL")]),
        ({"sku": "A", "price": "1", "slug": "a b"}, [("slug", "INVALID")]),
        ({"sku": "x" * 65, "price": "1"}, [("sku", "MAX_LENGTH")]),
        ({"sku": "\x00", "price": "1"}, [("sku", "NULL_CHARACTERS_NOT_ALLOWED")]),
        ({"variants": []}, [("variants", "EMPTY")]),
        (
            {"variants": [{"sku": "A", "price": "1"}, {"sku": "", "price": "-1", "lowStockThreshold": -1}]},
            [("variants.1.sku", "BLANK"), ("variants.1.price", "MIN_VALUE"), ("variants.1.lowStockThreshold", "MIN_VALUE")],
        ),
        ({"variants": [{"sku": "A", "price": "1"}, {"sku": "TEA-1", "price": "1"}]}, [("variants.1.sku", "TAKEN")]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_field_by_rest_s_code(api, graph, chai, given, expected):
    given = {"name": "New", **given}
    if given["name"] is None:  # the schema itself wants one
        given["name"] = ""
        expected = [("name", "BLANK"), *expected[1:]]

    assert sorted(graph.refused(CREATE, {"input": given})) == sorted(expected)
    body = {to_snake_case(name): value for name, value in given.items()}
    if "variants" in body:
        body["variants"] = [
            {to_snake_case(name): value for name, value in each.items()}
            for each in body["variants"]
        ]
    told = api.post("/products/", body).json()["errors"]
    assert sorted(each["code"].upper() for each in told) == sorted(code for _, code in expected)
    assert Product.objects.count() == 1


def test_an_update_changes_what_it_names_and_no_more(graph, chai):
    changed = graph.done(
        """mutation($id: ID!, $input: ProductChangeInput) { updateProduct(id: $id, input: $input) {
            product { name slug description category { slug } isPublished } } }""",
        {"id": ident(chai), "input": {"description": "", "category": None}},
    )

    assert changed["product"] == {
        "name": "Chai",
        "slug": "chai",
        "description": "",
        "category": None,
        "isPublished": True,
    }


def test_a_product_is_hidden_shown_removed_and_restored(graph, chai):
    order_of(**{"TEA-1": 1})

    def do(verb):
        return graph.done(
            f"mutation($id: ID!) {{ {verb}Product(id: $id) {{ product {{ isPublished archivedAt }} }} }}",
            {"id": ident(chai)},
        )["product"]

    assert do("hide") == {"isPublished": False, "archivedAt": None}
    assert Graph()('{ product(slug: "chai") { name } }') is None
    assert do("show") == {"isPublished": True, "archivedAt": None}
    removed = do("remove")
    chai.refresh_from_db()
    assert removed == {"isPublished": True, "archivedAt": chai.archived_at.isoformat()}
    assert do("restore") == {"isPublished": True, "archivedAt": None}


def test_a_product_that_nobody_ordered_is_gone_with_its_removal(graph, chai):
    gone = graph.done(
        "mutation($id: ID!) { removeProduct(id: $id) { product { id } } }", {"id": ident(chai)}
    )

    assert gone == {"product": None}
    assert not Product.objects.exists()


def test_a_product_does_not_come_back_to_a_slug_and_sku_that_have_gone(graph, chai):
    order_of(**{"TEA-1": 1})
    services.remove_product(product_id=chai.pk)
    VariantFactory.create(product__slug="chai", sku="tea-2")

    refused = graph.refused(
        f"mutation($id: ID!) {{ restoreProduct(id: $id) {{ product {{ id }} {ERRORS} }} }}",
        {"id": ident(chai)},
    )

    assert refused == [("variants.1.sku", "TAKEN"), ("slug", "TAKEN")]


@pytest.mark.parametrize(
    ("verb", "given", "stock", "kind"),
    [
        ("receiveStock", {"quantity": 5, "reason": "Note 88"}, 105, "received"),
        ("adjustStock", {"quantity": -2, "reason": "Broken"}, 98, "adjusted"),
        ("countStock", {"counted": 7}, 7, "counted"),
    ],
)
def test_stock_is_booked_in_the_ledger_in_who_asks_name(  # noqa: PLR0917  fixtures, and the table
    graph, shopkeeper, chai, verb, given, stock, kind
):
    tea = chai.variants.first()
    form = {"receiveStock": "Receipt", "adjustStock": "Adjustment", "countStock": "Count"}[verb]

    booked = graph.done(
        f"""mutation($id: ID!, $input: Stock{form}Input!) {{ {verb}(id: $id, input: $input) {{
            variant {{ stock product {{ slug }} }} {ERRORS} }} }}""",
        {"id": ident(tea), "input": given},
    )

    assert booked == {"variant": {"stock": stock, "product": {"slug": "chai"}}}
    movement = tea.movements.first()
    assert (movement.kind, movement.on_hand, movement.reason, movement.by) == (
        kind,
        stock,
        given.get("reason", ""),
        shopkeeper,
    )


@pytest.mark.parametrize(
    ("verb", "form", "given", "expected"),
    [
        ("adjustStock", "Adjustment", {"quantity": -101}, [("quantity", "OUT_OF_STOCK")]),
        ("receiveStock", "Receipt", {"quantity": 0}, [("quantity", "MIN_VALUE")]),
        ("countStock", "Count", {"counted": -1, "reason": "x" * 501}, [("reason", "MAX_LENGTH"), ("counted", "MIN_VALUE")]),
    ],
)  # fmt: skip
def test_what_cannot_be_booked_is_refused_and_nothing_is_done(  # noqa: PLR0917  fixtures, and the table
    graph, chai, verb, form, given, expected
):
    tea = chai.variants.first()

    refused = graph.refused(
        f"""mutation($id: ID!, $input: Stock{form}Input!) {{ {verb}(id: $id, input: $input) {{
            variant {{ stock }} {ERRORS} }} }}""",
        {"id": ident(tea), "input": given},
    )

    assert sorted(refused) == sorted(expected)
    tea.refresh_from_db()
    assert (tea.stock, tea.movements.count()) == (100, 1)


# Statements

WITH_ALL = """{ name description category { name parent { name parent { name } children { name } } }
    images { url sizes { url } } variants { sku stock name product { name } } }"""


@pytest.fixture
def shelves(rows):
    """So many products, each on its shelf, with as many variants and pictures."""
    top = CategoryFactory.create()
    for _ in range(rows):
        product = ProductFactory.create(category=CategoryFactory.create(parent=top))
        VariantFactory.create_batch(rows, product=product)
        ProductImageFactory.create_batch(rows, product=product)


rows_1_and_3 = pytest.mark.parametrize("rows", [1, 3])


@rows_1_and_3
@pytest.mark.parametrize(
    ("asked", "statements"),
    [
        ("{ nodes { name price } }", 1),
        ("{ nodes { name } totalCount }", 2),
        ("{ totalCount }", 1),
        ("{ pageInfo { endCursor } }", 1),
        ("{ nodes { category { name parent { name } } } }", 1),
        ("{ nodes { variants { sku } } }", 2),
        ("{ nodes { name images { url } } }", 2),
        (f"{{ nodes {WITH_ALL} }}", 4),
        (f"{{ edges {{ node {WITH_ALL} }} nodes {WITH_ALL} }}", 4),
        ("{ nodes { ...A } } }  fragment A on Product { variants { ...B } } fragment B on Variant { sku product { images { url }", 3),
        ("{ nodes { variants { sku } other: variants { product { images { url } } } } }", 3),
        ("{ nodes { name variants @skip(if: true) { sku } images @include(if: false) { url } } }", 1),
        ("{ nodes { name ... @include(if: false) { variants { sku } } ... { images { url } } } }", 2),
    ],
)  # fmt: skip
def test_products_take_as_many_statements_however_many_there_are(
    shelves, django_assert_num_queries, asked, statements
):
    graph = Graph()
    closing = asked.count("{") - asked.count("}")
    document = f"{{ products(first: 10) {asked} {'}' * (closing + 1)}"

    with django_assert_num_queries(statements):
        response = graph.ask(document)

    assert "errors" not in response.json(), response.content


@rows_1_and_3
@pytest.mark.parametrize(("given", "statements"), [(True, 4), (False, 2)])
def test_a_variable_decides_what_is_fetched(shelves, django_assert_num_queries, given, statements):
    graph = Graph()

    with django_assert_num_queries(statements):
        response = graph.ask(
            """query($all: Boolean!) { products(first: 50) { nodes { variants { sku }
                images @include(if: $all) { url }
                category @include(if: $all) { children { name } } } } }""",
            {"all": given},
        )

    assert "errors" not in response.json(), response.content


@rows_1_and_3
def test_the_staff_s_list_takes_three_more(shelves, graph, django_assert_num_queries):
    # Session, user, membership.
    with django_assert_num_queries(3 + 4):
        response = graph.ask(f"{{ products(first: 50) {{ nodes {WITH_ALL} }} }}")

    assert "errors" not in response.json(), response.content


@rows_1_and_3
def test_the_tree_of_shelves_takes_a_statement_for_each_level(shelves, django_assert_num_queries):
    graph = Graph()

    with django_assert_num_queries(3):
        response = graph.ask("{ categories { name children { name children { name } } } }")

    assert "errors" not in response.json(), response.content


def test_a_long_text_is_read_only_where_it_is_asked_for(chai, django_assert_num_queries):
    graph = Graph()
    for asked, read in (("name", False), ("name description", True)):
        with django_assert_num_queries(1) as captured:
            graph.ask(f"{{ products(first: 5) {{ nodes {{ {asked} }} }} }}")
        [statement] = captured.captured_queries
        assert ('"description"' in statement["sql"]) == read
