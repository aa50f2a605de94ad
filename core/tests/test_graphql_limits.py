"""What one request may ask. What asks more is refused before anything is executed."""

import json
import sys
import tracemalloc
from contextlib import contextmanager

import pytest
from graphql import get_introspection_query

from catalog.tests.factories import ProductFactory, VariantFactory
from core.graphql import documents, limits, view
from core.tests.graph import Graph

pytestmark = pytest.mark.django_db
SHOP = "{ shop { name } }"


@pytest.fixture
def graph():
    return Graph()


@pytest.fixture
def begun(monkeypatch):
    """Return which of the two costly steps were begun, in their order."""
    documents.recent.clear()
    steps = []

    def watch(module, name):
        real = getattr(module, name)

        def begin(*args, **options):
            steps.append(name)
            return real(*args, **options)

        monkeypatch.setattr(module, name, begin)

    watch(documents, "validate")
    watch(view, "execute")
    return steps


def send(graph, body):
    return graph.client.post("/graphql/", body, content_type="application/json")


def refusal(response, status=400):
    """Return what stands beside the one error of a request of which nothing was done."""
    body = response.json()
    assert response.status_code == status, body
    assert list(body) == ["errors"]
    [error] = body["errors"]
    assert 0 < len(error["message"]) <= 1000
    return error["extensions"]


def figures(code, requested, limit):
    return {"code": code, "requested": requested, "limit": limit}


def cost_of(response):
    body = response.json()
    assert "errors" not in body, body
    return body["extensions"]["cost"]


def times(count, words):
    return " ".join(words.replace("#", str(number)) for number in range(count))


def nested(depth, field="parent"):
    """Return a document of fields in fields, so many deep."""
    inner = "slug"
    for _ in range(depth - 2):
        inner = f"{field} {{ {inner} }}"
    return f'{{ category(slug: "a") {{ {inner} }} }}'


# Each limit


def test_a_request_has_at_most_so_many_bytes(graph, settings, begun):
    body = json.dumps({"query": SHOP})
    limit = settings.GRAPHQL_MAX_BYTES

    assert send(graph, body.ljust(limit)).status_code == 200
    begun.clear()

    assert refusal(send(graph, body.ljust(limit + 1)), 413) == figures(
        "too_large", limit + 1, limit
    )
    assert begun == []


def test_a_body_that_django_would_not_read_is_a_413_as_well(graph):
    response = send(graph, b" " * 3_000_000)

    extensions = refusal(response, 413)
    assert extensions == {
        "code": "too_large",
        "status": 413,
        "request_id": response["X-Request-ID"],
    }


def test_a_document_has_at_most_so_many_tokens(graph, settings):
    settings.GRAPHQL_MAX_TOKENS = 6
    assert graph(SHOP)

    settings.GRAPHQL_MAX_TOKENS = 5
    documents.recent.clear()
    assert refusal(graph.ask(SHOP)) == {"code": "too_many_tokens", "limit": 5}


@pytest.mark.parametrize("form", ["fields", "fragments"])
def test_fields_are_nested_at_most_so_deep(graph, settings, form):
    def document(depth):
        if form == "fields":
            return nested(depth)
        # Fragments do not count, what is in them does.
        chain = times(depth - 2, "fragment F# on Category { parent { ...F+ } }")
        for number in range(depth - 2):
            chain = chain.replace("...F+", f"...F{number + 1}", 1)
        last = f"fragment F{depth - 2} on Category {{ slug }}"
        return f'{{ category(slug: "a") {{ ...F0 }} }} {chain} {last}'

    limit = settings.GRAPHQL_MAX_DEPTH
    assert graph(document(limit)) is None
    assert refusal(graph.ask(document(limit + 1))) == figures("too_deep", limit + 1, limit)


@pytest.mark.parametrize(
    "document",
    [
        lambda count: f"{{ shop {{ {times(count, 'a#: name')} }} }}",
        lambda count: f"{{ shop {{ {times(count + 1, 'name')} }} }}",
        lambda count: f"{{ shop {{ ...F {times(count, '...F')} }} }} fragment F on Shop {{ name }}",
        lambda count: f"{{ shop {{ {times(count + 1, '... { name }')} }} }}",
        # Of all operations and fragments together.
        lambda count: (
            f"query {{ shop {{ ...F }} }} fragment F on Shop {{ {times(count, 'a#:url')} }}"
        ),
        lambda count: f"{{ shop {{ {times(count - 1, 'a#: name')} url url }} }}",
    ],
    ids=["aliases", "fields", "spreads", "inline fragments", "in a fragment", "here and there"],
)
def test_at_most_so_many_fields_are_aliases_or_repeated(graph, settings, document):
    limit = settings.GRAPHQL_MAX_ALIASES
    assert graph(document(limit))
    assert refusal(graph.ask(document(limit + 1))) == figures("too_many_aliases", limit + 1, limit)


def test_a_document_has_at_most_so_many_fragments(graph):
    def document(count):
        spread = times(count, "...F#")
        return f"{{ shop {{ {spread} }} }} {times(count, 'fragment F# on Shop { name }')}"

    assert graph(document(50))
    assert refusal(graph.ask(document(51))) == figures("too_many_fragments", 51, 50)


@pytest.mark.parametrize(
    "document",
    [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { shop { name } ...A }",
        '{ category(slug: "a") { ...A } } fragment A on Category { parent { ...A } }',
        "{ shop { name } } fragment A on Query { ... { ...B } } fragment B on Query { ...A }",
    ],
)
def test_fragments_go_in_no_circles_used_or_not(graph, begun, document):
    assert refusal(graph.ask(document)) == {"code": "circle"}
    assert begun == []


# Cost


@pytest.mark.parametrize(
    ("document", "variables", "cost"),
    [
        # Ten plain fields count one, and so does an object: 100 for reading, the shop, its name.
        ("{ shop { name } }", None, 102),
        ("{ shop { name url currency region timeZone languages } }", None, 102),
        ("{ __typename }", None, 1),
        ("{ a: shop { name } b: shop { name } }", None, 203),
        # A page is as long as it is asked to be; the page itself is an object.
        ("{ products(first: 0) { totalCount } }", None, 202),
        ("{ products(first: 40) { nodes { name } } }", None, 145),
        ("{ products(last: 40) { nodes { name } } }", None, 145),
        ("{ products(first: 40) { nodes { name } edges { node { name } } } }", None, 229),
        ("query($n: Int) { products(first: $n) { nodes { name } } }", {"n": 40}, 145),
        ("query($n: Int = 40) { products(first: $n) { nodes { name } } }", None, 145),
        ("query($n: Int = 1) { products(first: $n) { nodes { name } } }", {"n": 40}, 145),
        ("{ products(first: 0) { nodes { name } } }", None, 103),
        ('{ products(first: 40, search: "tea") { nodes { name } } }', None, 645),
        # A list without pages is taken to hold five.
        ("{ categories { name } }", None, 106),
        ("{ categories { children { name } } }", None, 133),
        ("{ products(first: 40) { nodes { variants { sku } } } }", None, 361),
        # What a fragment holds counts where it is spread, each time.
        ("{ ...A } fragment A on Query { ...B ...B } fragment B on Query { shop { url } }", None, 203),
        ("{ products(first: 40) { ...P } } fragment P on ProductConnection { nodes { id } }", None, 145),
        ('{ node(id: "x") { ... on Product { variants { sku } } } }', None, 107),
        # What is left out is not known to be.
        ("{ shop @skip(if: true) { name } }", None, 102),
        # A search looks at more than it shows.
        ('{ products(first: 1, search: "a") { nodes { id } } }', None, 603),
        # Whatever there is, what is asked of rows is looked at.
        ("{ products(first: 0) { nodes { name } } }", None, 103),
        ("{ __schema { types { fields { name } } } }", None, 1000),
        ("mutation { createCart { token } }", None, 102),
        # What is given in lists is looked up, checked and written.
        ('mutation { createCart(input: {lines: [{sku: "A", quantity: 1}]}) { token } }', None, 105),
        (
            "mutation($l: [LineInput!]) { createCart(input: {lines: $l}) { token } }",
            {"l": [{"sku": "A", "quantity": 1}] * 2},
            108,
        ),
        (
            "mutation($i: NewCartInput) { createCart(input: $i) { token } }",
            {"i": {"lines": [{"sku": "A", "quantity": 1}] * 3}},
            111,
        ),
    ],
)  # fmt: skip
def test_what_a_request_costs_is_known_before_it_runs(graph, settings, document, variables, cost):
    settings.GRAPHQL_MAX_COST = cost
    assert graph.ask(document, variables).json()["extensions"]["cost"] == {
        "requested": cost,
        "limit": cost,
    }

    settings.GRAPHQL_MAX_COST = cost - 1
    assert refusal(graph.ask(document, variables)) == {
        "code": "too_expensive",
        "cost": {"requested": cost, "limit": cost - 1},
    }


def test_the_operations_of_a_list_cost_together(graph, settings, begun):
    settings.GRAPHQL_MAX_COST = 203
    asked = [{"query": SHOP}, {"query": SHOP}]
    refused = {"code": "too_expensive", "cost": {"requested": 204, "limit": 203}}

    assert refusal(send(graph, json.dumps(asked))) == refused
    assert "execute" not in begun

    settings.GRAPHQL_MAX_COST = 204
    assert send(graph, json.dumps(asked)).status_code == 200


def test_only_the_operation_that_is_asked_for_costs(graph, settings):
    settings.GRAPHQL_MAX_COST = 102
    document = "query A { shop { name } } query B { products(first: 100) { nodes { name } } }"

    answer = send(graph, json.dumps({"query": document, "operationName": "A"}))

    assert cost_of(answer) == {"requested": 102, "limit": 102}


def test_what_lists_without_pages_really_hold_is_counted_as_it_is_read(graph):
    product = ProductFactory.create(slug="many")
    VariantFactory.create_batch(22, product=product)
    document = """{ product(slug: "many") {
        variants { product { variants { product { variants { sku } } } } } } }"""

    answer = graph.ask(document).json()

    # 10,648 of the last, and each counts more than one.
    assert answer["data"] == {"product": None}
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"too_expensive"}
    assert {error["extensions"]["cost"]["limit"] for error in answer["errors"]} == {10_000}
    assert len(answer["errors"]) <= 3


def test_the_operations_of_a_list_share_what_they_may_really_read(graph, settings):
    settings.GRAPHQL_MAX_COST = 250
    product = ProductFactory.create(slug="many")
    VariantFactory.create_batch(250, product=product)
    asked = {"query": '{ product(slug: "many") { variants { sku } } }'}

    once, again = send(graph, json.dumps([asked, asked])).json()

    assert len(once["data"]["product"]["variants"]) == 250
    assert (again["data"]["product"], len(again["errors"])) == (None, 1)


def test_a_full_page_of_the_largest_size_is_within_the_limit(graph):
    document = """{ products(first: 100) { totalCount pageInfo { hasNextPage endCursor } nodes {
        id slug name price category { name slug } images { url alt sizes { url width } }
        variants { id sku name price stock } } } }"""

    assert cost_of(graph.ask(document)) == {"requested": 4813, "limit": 5000}


VARIANTS_OF_VARIANTS = '{ product(slug: "tea") { name variants { product { variants { sku } } } } }'


@pytest.mark.parametrize(("count", "is_answered"), [(10, True), (11, False)])
def test_of_lists_that_are_longer_than_expected_not_all_is_read(
    graph, settings, count, is_answered
):
    product = ProductFactory.create(slug="tea")
    for _ in range(count):
        VariantFactory.create(product=product)
    # By the document 138.6: five variants of a product with five variants each. Really ten of ten
    # come to 133.2 and eleven of eleven to 158.5, without the hundred for reading.
    settings.GRAPHQL_MAX_COST = 139
    documents.recent.clear()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(limits, "TIMES_EXPECTED", 1)
        body = graph.ask(VARIANTS_OF_VARIANTS).json()

    assert body["extensions"]["cost"] == {"requested": 139, "limit": 139}
    if is_answered:
        assert [
            len(each["product"]["variants"]) for each in body["data"]["product"]["variants"]
        ] == [count] * count
    else:
        assert body["data"] == {"product": None}
        assert {each["extensions"]["code"] for each in body["errors"]} == {"too_expensive"}
        assert body["errors"][0]["extensions"]["cost"] == {"requested": 141, "limit": 139}


# Lists and pages


def test_a_list_has_at_most_so_many_operations(graph, settings, begun):
    limit = settings.GRAPHQL_MAX_BATCH

    answer = send(graph, json.dumps([{"query": SHOP}] * limit))
    assert [each["data"] for each in answer.json()] == [graph.ask(SHOP).json()["data"]] * limit
    begun.clear()

    for count in (0, limit + 1, 1000):
        response = send(graph, json.dumps([{"query": SHOP}] * count))
        assert refusal(response) == figures("batch_too_large", count, limit)
    assert begun == []


def test_where_one_of_a_list_is_refused_none_is_executed(graph, model, begun):
    change = {"query": "mutation { createCart { token } }"}

    response = send(graph, json.dumps([change, {"query": "{ nothing }"}]))

    assert refusal(response) == {"code": "invalid"}
    assert "execute" not in begun
    assert not model("orders.Cart").objects.exists()


@pytest.mark.parametrize(
    ("given", "variables"),
    [
        ("", {}),
        ("(first: 1, last: 1)", {}),
        ("(first: null)", {}),
        ("(first: $n)", {}),
        ("(first: $n)", {"n": None}),
        ("(first: 1, last: $n)", {"n": 1}),
        ('(after: "x")', {}),
    ],
)
def test_a_page_needs_one_size(graph, begun, given, variables):
    head = "query($n: Int) " if "$n" in given else ""

    response = graph.ask(f"{head}{{ products{given} {{ totalCount }} }}", variables)

    assert refusal(response) == {"code": "page_size_needed", "limit": 100}
    assert "execute" not in begun


@pytest.mark.parametrize("name", ["first", "last"])
@pytest.mark.parametrize("size", [-1, 101, 2**31 - 1])
def test_a_page_has_0_to_100_rows(graph, begun, name, size):
    literal = graph.ask(f"{{ products({name}: {size}) {{ totalCount }} }}")
    variable = graph.ask(
        f"query($n: Int!) {{ products({name}: $n) {{ totalCount }} }}", {"n": size}
    )
    default = graph.ask(f"query($n: Int = {size}) {{ products({name}: $n) {{ totalCount }} }}")

    for response in (literal, variable, default):
        assert refusal(response) == figures("page_too_large", size, 100)
    assert "execute" not in begun


# The schema


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"descriptions": False},
        {
            "specified_by_url": True,
            "directive_is_repeatable": True,
            "schema_description": True,
            "input_value_deprecation": True,
        },
    ],
)
def test_the_usual_questions_for_the_schema_are_answered(graph, options):
    body = graph.ask(get_introspection_query(**options)).json()

    assert "errors" not in body
    assert len(body["data"]["__schema"]["types"]) > 50


@pytest.mark.parametrize(
    ("document", "extensions"),
    [
        (
            "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
            figures("too_deep", 3, 2),
        ),
        (
            """{ __schema { types { ...A } } } fragment A on __Type { possibleTypes { ...B } }
            fragment B on __Type { interfaces { ...C } } fragment C on __Type { fields { name } }""",
            figures("too_deep", 3, 2),
        ),
        (
            f'{{ __type(name: "Order") {{ {"ofType { " * 21} name {"}" * 21} }} }}',
            figures("too_deep", 22, 20),
        ),
        (
            "{" + times(6, "a#: __schema { description }") + "}",
            {"code": "too_expensive", "cost": {"requested": 6000, "limit": 5000}},
        ),
    ],
)
def test_the_schema_is_not_read_in_circles(graph, begun, document, extensions):
    assert refusal(graph.ask(document)) == extensions
    assert "execute" not in begun


# Nasty documents

SPREADS = times(30, "...F#")
WHOLE = "id slug name price category { id slug name } variants { id sku price stock }"


def spreading(count, each):
    """Return fragments of which each spreads some of those after it."""
    return " ".join(
        f"fragment F{number} on Category {{ slug name "
        + " ".join(f"...F{other}" for other in range(number + 1, min(count, number + 1 + each)))
        + " }"
        for number in range(count)
    )


# By their names: the document, the code, and whether it comes as far as the schema's rules.
NASTY = {
    "10,000 aliases": (f"{{ {times(10_000, 'a#: __typename')} }}", "too_many_tokens", False),
    "600 aliases": (f"{{ {times(600, 'a#: __typename')} }}", "too_many_aliases", False),
    "1,000 times the same": (f"{{ {times(1000, 'shop')} }}", "too_many_aliases", False),
    "depth 60": (nested(60), "too_deep", False),
    "depth 200": (nested(200), "too_deep", False),
    "depth 100,000": ("{a" * 100_000, "too_deep", False),
    "deep by fragments": (
        "{ ...F0 }"
        + "".join(
            f"fragment F{number} on Query {{ {'a{' * 60} ...F{number + 1} {'}' * 60} }}"
            for number in range(10)
        ),
        "too_deep",
        False,
    ),
    "fragments in a circle": (
        "{ ...F0 }"
        + "".join(f"fragment F{n} on Query {{ ...F{(n + 1) % 50} }}" for n in range(50)),
        "circle",
        False,
    ),
    "each twice the next": (
        f"{{ ...F0 }} {times(45, 'fragment F# on Query { ...G ...G }')}",
        "too_many_aliases",
        False,
    ),
    "each the next two": (
        f'{{ category(slug: "a") {{ ...F0 }} }} {spreading(49, 2)}',
        "too_complex",
        True,
    ),
    "each the next eight": (
        f'{{ category(slug: "a") {{ ...F0 }} }} {spreading(49, 8)}',
        "too_complex",
        True,
    ),
    "doubling and not alike": (
        "{ ...F0 }"
        + "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 2} }}" for n in range(48))
        + "fragment F48 on Query { shop { url } } fragment F49 on Query { shop { name } }",
        "too_expensive",
        True,
    ),
    "30 wide fragments": (
        f"{{ products(first: 1) {{ nodes {{ {SPREADS} }} }} }}"
        + times(30, f"fragment F# on Product {{ {WHOLE} }}"),
        "too_complex",
        True,
    ),
    "400 inline fragments": (f"{{ {times(400, '... { a }')} }}", "too_many_aliases", False),
    "inline fragments in each other": (f"{{ {'... {' * 400} a {'}' * 401}", "too_deep", False),
    "30 lists with many fields": (
        "{"
        + times(30, "a#: products(first: 100) { ...P }")
        + "} fragment P on ProductConnection { nodes { id name slug description } }",
        "too_expensive",
        True,
    ),
    "directives on one": (f"{{ shop {times(280, '@include(if: true)')} {{ name }} }}", "invalid", True),
    "unknown directives": (f"{{ shop {times(990, '@a')} {{ name }} }}", "invalid", True),
    "thousands of directives": (f"{{ shop {times(5000, '@a')} {{ name }} }}", "too_many_tokens", False),
    "directives over many": (
        f"{{ {times(90, 'a# @skip(if: true) @include(if: true)')} }}",
        "invalid",
        True,
    ),
    "a long list": (f'{{ product(slug: [{times(1900, "1")}]) {{ name }} }}', "invalid", True),
    "a longer list": (f'{{ product(slug: [{times(9000, "1")}]) {{ name }} }}', "too_many_tokens", False),
    "a deep list": (f"{{ product(slug: {'[' * 900}{']' * 900}) {{ name }} }}", "too_deep", False),
    "a deep input": (
        f"mutation {{ createCart(input: {'{lines: ' * 400} 1 {'}' * 400}) {{ token }} }}",
        "too_deep",
        False,
    ),
    "a huge integer": (f"{{ products(first: {'9' * 100_000}) {{ totalCount }} }}", "invalid", True),
    "a large integer": (f"{{ products(first: {'9' * 4000}) {{ totalCount }} }}", "invalid", True),
    "a huge number": (
        f"{{ products(first: 1.{'9' * 100_000}e9) {{ totalCount }} }}",
        "invalid",
        True,
    ),
    "a huge name": (f"{{ {'f' * 100_000} }}", "invalid", True),
    "a huge name, often": (
        f"query {'q' * 100_000} {{ {times(20, 'a#: products(first: $x) { totalCount }')} }}",
        "invalid",
        True,
    ),
    "half a pair": (r'{ product(slug: "\ud800") { name } }', "invalid", False),
    "a NUL outside of text": ("{ shop \0 { name } }", "invalid", False),
    "variables": (f"query({times(450, '$a#: Int')}) {{ shop {{ name }} }}", "invalid", True),
    "operations": (times(240, "query Q# { shop { name } }"), "invalid", True),
}  # fmt: skip


@contextmanager
def calls_counted():
    """Count calls of functions, Python's and others."""
    count = [0]

    def profile(frame, event, argument):
        count[0] += event in {"call", "c_call"}

    sys.setprofile(profile)
    try:
        yield count
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("name", NASTY)
def test_a_nasty_document_is_refused_before_it_runs_for_little_work_and_memory(
    graph, settings, begun, django_assert_num_queries, name
):
    document, code, is_validated = NASTY[name]
    # As if the limit of bytes would not have done.
    settings.GRAPHQL_MAX_BYTES = 2_000_000
    graph.ask(SHOP)
    begun.clear()

    with django_assert_num_queries(0), calls_counted() as count:
        response = graph.ask(document)

    errors = response.json()["errors"]
    assert (response.status_code, "data" in response.json()) == (400, False)
    assert {each["extensions"]["code"] for each in errors} == {code}
    assert begun == ["validate"] * is_validated
    # A million takes a fifth of a second, and much more than any of these needs.
    assert count[0] < 500_000
    assert len(errors) <= 21
    assert len(response.content) < 25_000

    tracemalloc.start()
    try:
        graph.ask(document)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Int", [1] * 20_000),
        ("String", {"a": [{}] * 20_000}),
        ("String", json.loads("[" * 400 + "]" * 400)),
        ("Int", 10**4000),
        ("Int", "9" * 100_000),
        ("AddToCartInput!", {"lines": [{"sku": [], "quantity": "x"}] * 3000}),
        ("AddToCartInput!", {"lines": json.loads("[" * 400 + "]" * 400)}),
        ("AddToCartInput!", {f"f{number}": 1 for number in range(9000)}),
    ],
    ids=["list", "object", "deep", "integer", "digits", "lines", "deep lines", "fields"],
)
def test_nasty_variables_are_refused_before_anything_runs(
    graph, begun, django_assert_num_queries, kind, value
):
    document = {
        "Int": "query($v: Int) { products(first: $v) { totalCount } }",
        "String": "query($v: String) { product(slug: $v) { name } }",
        "AddToCartInput!": "mutation($v: AddToCartInput!) { addToCart(input: $v) { token } }",
    }[kind]

    with django_assert_num_queries(0), calls_counted() as count:
        response = graph.ask(document, {"v": value})

    errors = response.json()["errors"]
    assert (response.status_code, "data" in response.json()) == (400, False)
    assert {each["extensions"]["code"] for each in errors} == {"invalid"}
    assert begun == ["validate"]
    assert count[0] < 500_000
    assert len(errors) <= 21
    assert len(response.content) < 25_000


def test_a_list_of_thousands_that_fits_its_type_is_refused_by_its_form(graph, model):
    lines = [{"sku": "TEA", "quantity": 1}] * 1000

    refused = graph.refused(
        "mutation($v: AddToCartInput!) { addToCart(input: $v) { token errors { message field code } } }",
        {"v": {"lines": lines}},
    )

    assert refused == [("lines", "MAX_LENGTH")]
    assert not model("orders.Cart").objects.exists()
