"""GraphQL over HTTP: methods, forms of requests and answers, caches, retries, errors of ours."""

import json
import logging
from functools import partial
from urllib.parse import quote, urlencode

import pytest
from django.db import DatabaseError, OperationalError
from django.test import Client
from django.test.client import encode_multipart

from accounts.tests.factories import UserFactory, browser_of
from catalog.schema import CategoryType
from core.models import IdempotencyKey
from core.tests.graph import Graph, verdict
from core.tests.races import at_once

pytestmark = pytest.mark.django_db
JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
SHOP = "{ shop { name } }"
ME = "{ me { name } }"
NEW_CART = "mutation { createCart { token errors { code } } }"
ADD = "mutation($input: AddToCartInput!) { addToCart(input: $input) { cart { itemCount } token errors { code } } }"
ONE_TEA = {"input": {"sku": "TEA", "quantity": 1}}
RENAME = 'mutation { updateMe(input: {name: "Akinyi"}) { me { name } errors { code } } }'


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


@pytest.fixture
def njeri(db):
    return UserFactory.create(first_name="Njeri")


@pytest.fixture
def no_categories(monkeypatch):
    """Let shelves be looked for in vain: `no_categories(error)`."""

    def fail_by(error):
        def fail(info):
            raise error

        monkeypatch.setattr(CategoryType, "visible", fail)

    return fail_by


def post(client, body, **headers):
    body = body if isinstance(body, bytes | str) else json.dumps(body)
    return client.post(
        "/graphql/",
        body,
        content_type=JSON,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def get(client, **parameters):
    headers = parameters.pop("headers", {})
    return client.get("/graphql/", parameters, headers=headers)


def name(response):
    assert response.status_code == 200, response.content
    return response.json()["data"]["shop"]["name"]


# Requests


def test_a_query_is_answered_by_get_and_by_post(client, settings):
    assert name(post(client, {"query": SHOP})) == settings.SHOP_NAME
    assert name(get(client, query=SHOP)) == settings.SHOP_NAME
    assert client.head(f"/graphql/?query={quote(SHOP)}").status_code == 200


def test_in_an_address_variables_and_extensions_are_json(client):
    query = "query A($n: Int) { products(first: $n) { totalCount } } query B { shop { name } }"

    response = get(client, query=query, variables='{"n": 3}', operationName="A", extensions="{}")

    assert response.json()["data"] == {"products": {"totalCount": 0}}


@pytest.mark.parametrize("field", ["variables", "extensions"])
@pytest.mark.parametrize("text", ["{", "nothing", "[" * 100_000, '{"n": NaN}', r'{"n": "\ud800"}'])
def test_in_an_address_what_is_not_json_is_a_400(client, field, text):
    response = get(client, query=SHOP, **{field: text})

    assert (response.status_code, verdict(response)) == (400, ("malformed", 400))
    assert response.json()["errors"][0]["message"] == f"`{field}` is not JSON."


@pytest.mark.parametrize(
    "query", [NEW_CART, "query A { shop { name } } " + NEW_CART[:8] + " B " + NEW_CART[9:]]
)
def test_a_mutation_is_not_sent_by_get(client, model, query):
    response = get(client, query=query, operationName="B" if "query A" in query else "")

    assert (response.status_code, verdict(response)) == (405, ("method_not_allowed", 405))
    assert response["Allow"] == "GET, HEAD, POST"
    assert not model("orders.Cart").objects.exists()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_a_405(client, method):
    response = client.generic(method, "/graphql/", json.dumps({"query": SHOP}), content_type=JSON)

    assert (response.status_code, verdict(response)) == (405, ("method_not_allowed", 405))
    assert response["Allow"] == "GET, HEAD, POST"


MULTIPART = encode_multipart(
    "x", {"operations": json.dumps({"query": NEW_CART}), "map": '{"0": ["variables.f"]}', "0": "f"}
)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=x", MULTIPART),
        ("application/x-www-form-urlencoded", urlencode({"query": NEW_CART})),
        ("text/plain", json.dumps({"query": NEW_CART})),
        ("application/graphql", NEW_CART),
    ],
)
def test_files_forms_and_text_are_refused(client, model, kind, body):
    response = client.post("/graphql/", body, content_type=kind)

    assert (response.status_code, verdict(response)) == (415, ("unsupported_media_type", 415))
    assert not model("orders.Cart").objects.exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (7, "A GraphQL request is an object, or a list of objects."),
        ("text", "A GraphQL request is an object, or a list of objects."),
        (None, "A GraphQL request is an object, or a list of objects."),
        ([[]], "A GraphQL request is an object, or a list of objects."),
        ([{"query": SHOP}, 7], "A GraphQL request is an object, or a list of objects."),
        ({"query": 7}, "`query` is a text."),
        ({"query": {"a": 1}}, "`query` is a text."),
        ({"query": ["{ shop { name } }"]}, "`query` is a text."),
        ({"query": SHOP, "operationName": 7}, "`operationName` is a text."),
        ({"query": SHOP, "operationName": ["A"]}, "`operationName` is a text."),
        ({"query": SHOP, "variables": "{}"}, "`variables` is an object."),
        ({"query": SHOP, "variables": [1]}, "`variables` is an object."),
        ({"query": SHOP, "variables": 7}, "`variables` is an object."),
        ({"query": SHOP, "extensions": "{}"}, "`extensions` is an object."),
        ({"query": SHOP, "extensions": [1]}, "`extensions` is an object."),
    ],
)
def test_a_request_of_another_form_says_what_is_wrong(client, body, message):
    response = post(client, json.dumps(body))

    assert (response.status_code, verdict(response)) == (400, ("malformed", 400))
    assert response.json()["errors"][0]["message"] == message


@pytest.mark.parametrize("nothing", [None, {}, ""])
def test_fields_of_a_request_may_be_empty(client, settings, nothing):
    if nothing == "":
        body = {"query": SHOP, "operationName": ""}
    else:
        body = {"query": SHOP, "variables": nothing, "extensions": nothing, "operationName": None}

    assert name(post(client, body)) == settings.SHOP_NAME


def test_of_several_operations_one_is_named(client):
    query = "query A { shop { name } } query B { shop { currency } }"

    assert post(client, {"query": query, "operationName": "B"}).json()["data"] == {
        "shop": {"currency": "KES"}
    }
    for named, message in (
        (None, "Several operations: say which by `operationName`."),
        ("C", "There is no operation C."),
    ):
        response = post(client, {"query": query, "operationName": named})
        assert response.status_code == 400
        assert response.json() == {
            "errors": [{"message": message, "extensions": {"code": "invalid"}}]
        }


def test_a_list_of_operations_is_answered_in_its_order(client, settings):
    asked = [{"query": SHOP}, {"query": ME}, {"query": "{ shop { currency } }"}]

    response = post(client, asked)

    first, second, third = response.json()
    assert response.status_code == 200
    assert first["data"] == {"shop": {"name": settings.SHOP_NAME}}
    assert (second["data"], second["errors"][0]["extensions"]["status"]) == ({"me": None}, 401)
    assert third["data"] == {"shop": {"currency": "KES"}}


def test_where_all_of_a_list_is_refused_its_status_says_so(client):
    response = post(client, [{"query": ME}, {"query": ME}])

    assert (response.status_code, len(response.json())) == (401, 2)
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


def test_variables_of_another_type_are_refused_by_their_names(client):
    query = "query($n: Int!, $s: String) { products(first: $n, search: $s) { totalCount } }"

    response = post(client, {"query": query, "variables": {"n": "1", "s": []}})

    assert response.status_code == 400
    assert [each["message"] for each in response.json()["errors"]] == [
        "Variable '$n' got invalid value '1'; Int cannot represent non-integer value: '1'",
        "Variable '$s' got invalid value []; String cannot represent a non string value: []",
    ]
    assert {each["extensions"]["code"] for each in response.json()["errors"]} == {"invalid"}


# Answers


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (GRAPHQL_JSON, GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}, {JSON};q=0.9", GRAPHQL_JSON),
        (JSON, JSON),
        ("*/*", JSON),
        ("text/html, */*", JSON),
        ("image/png", JSON),
    ],
)
def test_who_asks_for_graphql_s_own_type_gets_it(client, njeri, accept, kind):
    assert post(client, {"query": SHOP}, accept=accept)["Content-Type"] == kind
    assert post(client, {"query": "{ nothing }"}, accept=accept)["Content-Type"] == kind
    assert post(client, {"query": ME}, accept=accept)["Content-Type"] == kind
    assert post(client, [{"query": SHOP}], accept=accept)["Content-Type"] == kind
    # Of the whole request as well.
    assert post(client, b"{", accept=accept)["Content-Type"] == kind


def test_a_stranger_is_told_to_sign_in(client):
    response = post(client, {"query": ME})

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    assert response.json() == {
        "data": {"me": None},
        "extensions": {"cost": {"requested": 102, "limit": 5000}},
        "errors": [
            {
                "message": "Authentication credentials were not provided.",
                "locations": [{"line": 1, "column": 3}],
                "path": ["me"],
                "extensions": {
                    "code": "not_authenticated",
                    "status": 401,
                    "request_id": response["X-Request-ID"],
                },
            }
        ],
    }


def test_who_may_not_is_told_so(njeri):
    response = Graph(njeri).ask("{ orderCounts { pending } }")

    assert (response.status_code, verdict(response)) == (403, ("permission_denied", 403))
    assert "WWW-Authenticate" not in response


def test_what_else_was_asked_is_answered_all_the_same(client, settings):
    response = post(client, {"query": '{ shop { name } order(number: "1") { total } }'})

    assert response.status_code == 200
    assert response.json()["data"] == {"shop": {"name": settings.SHOP_NAME}, "order": None}
    assert verdict(response) == ("not_authenticated", 401)


def test_a_token_that_is_none_is_refused_whatever_is_asked(client):
    response = post(client, {"query": SHOP}, authorization="Bearer nothing")

    assert (response.status_code, verdict(response)) == (401, ("not_authenticated", 401))
    assert response["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


def test_an_answer_has_the_request_s_id(client):
    response = post(client, {"query": SHOP}, x_request_id="till-7")

    assert response["X-Request-ID"] == "till-7"


# Sessions


def test_a_session_changes_things_only_with_the_token_of_its_pages(njeri):
    browser = browser_of(njeri, enforce_csrf_checks=True)

    for headers in ({}, {"X_CSRFToken": "x" * 32}):
        response = post(browser, {"query": RENAME}, **headers)
        assert (response.status_code, verdict(response)) == (403, ("permission_denied", 403))
    njeri.refresh_from_db()
    assert njeri.first_name == "Njeri"

    page = browser.get("/graphql/", headers={"Accept": "text/html"})
    response = post(browser, {"query": RENAME}, X_CSRFToken=page.cookies["csrftoken"].value)
    assert response.json()["data"] == {"updateMe": {"me": {"name": "Akinyi"}, "errors": []}}


def test_a_session_reads_by_get_without_one(njeri):
    browser = browser_of(njeri, enforce_csrf_checks=True)

    assert get(browser, query=ME).json()["data"] == {"me": {"name": "Njeri"}}


# The page


def test_a_browser_that_asks_nothing_gets_the_page_to_ask_by(client):
    response = client.get("/graphql/", headers={"Accept": "text/html,*/*;q=0.8"})

    assert (response.status_code, response["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"graphiql" in response.content
    # Its assets come from here.
    assert b"https://" not in response.content
    assert b"http://" not in response.content


@pytest.mark.parametrize("accept", [JSON, "*/*", GRAPHQL_JSON])
def test_a_program_that_asks_nothing_is_told_so(client, accept):
    response = client.get("/graphql/", headers={"Accept": accept})

    assert (response.status_code, verdict(response)) == (400, ("invalid", None))


@pytest.mark.parametrize("parameters", [{"query": SHOP}, {"extensions": "{}"}])
def test_a_browser_that_asks_something_gets_an_answer(client, parameters):
    response = client.get("/graphql/", parameters, headers={"Accept": "text/html"})

    assert response["Content-Type"] == JSON


# Caches


def caching(response):
    return (
        {each.strip() for each in response["Cache-Control"].split(",")},
        {each.strip() for each in response["Vary"].split(",")},
    )


VARIES = {"Accept", "Authorization", "Cookie"}


@pytest.mark.parametrize(
    ("query", "public"),
    [
        (SHOP, True),
        ("{ products(first: 1) { nodes { name } } }", True),
        ("{ ...A } fragment A on Query { ... { categories { name } } }", True),
        ("{ a: shop { name } }", True),
        ("{ cart { total } }", False),
        ("{ shop: cart { total } }", False),
        ("{ shop { name } ...A } fragment A on Query { ... { cart { total } } }", False),
        ('{ node(id: "x") { id } }', False),
    ],
)
def test_only_what_is_the_same_for_all_strangers_is_public(client, njeri, query, public):
    strangers = caching(get(client, query=query))
    own = caching(get(browser_of(njeri), query=query))

    assert strangers == ({"no-cache", "public" if public else "private"}, VARIES)
    assert own == ({"no-cache", "private"}, VARIES)


def test_what_a_stranger_already_has_is_not_sent_again(client, settings):
    first = get(client, query=SHOP)

    for tag in (first["ETag"], f"W/{first['ETag']}", f'"other", {first["ETag"]}', "*"):
        again = get(client, query=SHOP, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert again["ETag"] == first["ETag"]
        assert caching(again) == caching(first)

    settings.SHOP_NAME = "Another"
    changed = get(client, query=SHOP, headers={"If-None-Match": first["ETag"]})
    assert name(changed) == "Another"
    assert changed["ETag"] != first["ETag"]


def test_an_answer_with_errors_has_no_etag(client):
    assert "ETag" not in get(client, query='{ shop { name } order(number: "1") { total } }')
    assert "ETag" not in get(client, query="{ nothing }")


def test_one_s_own_answer_is_told_by_its_etag_too(njeri):
    browser = browser_of(njeri)
    first = get(browser, query=ME)

    again = get(browser, query=ME, headers={"If-None-Match": first["ETag"]})

    assert again.status_code == 304
    assert caching(again)[0] == {"no-cache", "private"}


# Errors of ours


SECRET = "password=hunter2"


def assert_says_nothing(response):
    text = response.content.decode()
    for word in (SECRET, "hunter2", "Traceback", "Error", ".py"):
        assert word not in text
    errors = response.json()["errors"]
    assert [each["message"] for each in errors] == [
        "Something went wrong here. Please tell us the request_id."
    ]
    assert errors[0]["extensions"] == {
        "code": "internal_error",
        "status": 500,
        "request_id": response["X-Request-ID"],
    }


@pytest.mark.parametrize("error", [RuntimeError(SECRET), KeyError(SECRET), DatabaseError(SECRET)])
def test_an_error_that_nobody_foresaw_shows_the_request_s_id_alone_and_is_logged(
    client, monkeypatch, caplog, error
):
    def fail(*args, **options):
        raise error

    monkeypatch.setattr("orders.services.open_cart", fail)

    response = post(client, {"query": NEW_CART})

    assert response.status_code == 500
    assert_says_nothing(response)
    [record] = [each for each in caplog.records if each.name == "duka.graphql"]
    assert record.levelno == logging.ERROR
    assert record.exc_info[1] is error


@pytest.mark.parametrize(
    ("field", "status", "data"),
    [
        ('category(slug: "a")', 200, {"shop": {"currency": "KES"}, "category": None}),
        ("categories", 500, None),
    ],
)
def test_what_came_out_beside_it_is_answered_with_it(client, no_categories, field, status, data):
    no_categories(RuntimeError(SECRET))

    response = get(client, query=f"{{ shop {{ currency }} {field} {{ name }} }}")

    assert (response.status_code, response.json()["data"]) == (status, data)
    assert_says_nothing(response)
    assert "ETag" not in response


def test_a_database_that_is_away_is_a_503(client, no_categories):
    no_categories(OperationalError("no connection"))

    response = get(client, query="{ categories { name } }")

    assert (response.status_code, verdict(response)) == (503, ("unavailable", 503))


# Idempotency-Key


@pytest.fixture
def tea(shop, model):
    """100 pieces of the SKU TEA, and how many a cart holds of it."""

    def pieces():
        lines = model("orders.CartLine").objects
        return sum(lines.values_list("quantity", flat=True))

    return pieces


def add(caller, key, **headers):
    return caller.ask(ADD, ONE_TEA, idempotency_key=key, **headers)


def assert_replayed(first, again):
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again["Content-Type"] == first["Content-Type"]


@pytest.fixture(params=["signed in", "by the cart's token"])
def shopper(request, njeri, tea):
    if request.param == "signed in":
        return Graph(njeri)
    token = Graph()(NEW_CART)["token"]
    return Graph(x_cart_token=token)


def test_a_mutation_sent_again_has_its_effect_once_and_gets_the_same_answer(shopper, tea):
    first = add(shopper, "k", accept=GRAPHQL_JSON)
    again = add(shopper, "k", accept=GRAPHQL_JSON)

    assert first.json()["data"]["addToCart"]["cart"] == {"itemCount": 1}
    assert_replayed(first, again)
    assert tea() == 1
    assert add(shopper, "k2").json()["data"]["addToCart"]["cart"] == {"itemCount": 2}


def test_keys_of_two_shoppers_never_meet(njeri, tea):
    tokens = [Graph()(NEW_CART)["token"] for _ in range(2)]
    callers = [Graph(njeri), *(Graph(x_cart_token=token) for token in tokens)]

    answers = [add(caller, "k") for caller in callers]

    assert ["Idempotent-Replayed" in each for each in answers] == [False, False, False]
    assert tea() == 3


@pytest.mark.parametrize("change", ["variables", "document", "list"])
def test_a_key_of_another_request_is_a_422(shopper, tea, change):
    add(shopper, "k")
    body = {"query": ADD, "variables": ONE_TEA}
    other = {
        "variables": {**body, "variables": {"input": {"sku": "TEA", "quantity": 2}}},
        "document": {**body, "query": ADD + " "},
        "list": [body],
    }[change]

    response = post(shopper.client, other, **shopper.headers, idempotency_key="k")

    assert (response.status_code, verdict(response)) == (422, ("idempotency_key_reused", 422))
    assert tea() == 1


def test_what_stood_in_the_way_is_the_same_again(shopper, model):
    model("catalog.Variant").objects.update(stock=0)
    first = add(shopper, "k")
    model("catalog.Variant").objects.update(stock=100)
    again = add(shopper, "k")

    assert first.json()["data"]["addToCart"]["errors"] == [{"code": "OUT_OF_STOCK"}]
    assert_replayed(first, again)
    assert add(shopper, "k2").json()["data"]["addToCart"]["errors"] == []


@pytest.mark.parametrize("key", ["", "a b", "é", "k" * 256])
def test_a_key_that_is_none_is_refused(shopper, tea, key):
    response = add(shopper, key)

    assert response.status_code == 400
    assert tea() == 0


def test_queries_ignore_the_key(njeri):
    graph = Graph(njeri)

    for document in (ME, SHOP):
        response = graph.ask(document, idempotency_key="k")
        assert response.status_code == 200
        assert "Idempotent-Replayed" not in response
    assert not IdempotencyKey.objects.exists()


def test_a_list_with_a_mutation_in_it_is_replayed_whole(shopper, tea):
    asked = [
        {"query": SHOP},
        {"query": ADD, "variables": ONE_TEA},
        {"query": ADD, "variables": ONE_TEA},
    ]
    send = partial(post, shopper.client, asked, **shopper.headers, idempotency_key="k")

    first, again = send(), send()

    assert [list(each["data"]) for each in first.json()] == [["shop"], ["addToCart"], ["addToCart"]]
    assert_replayed(first, again)
    assert tea() == 2


def test_for_who_has_neither_signed_in_nor_a_cart_no_key_counts(client, tea, model):
    answers = [add(Graph(), "k") for _ in range(2)]

    tokens = {each.json()["data"]["addToCart"]["token"] for each in answers}
    assert len(tokens) == 2
    assert model("orders.Cart").objects.count() == 2
    assert not IdempotencyKey.objects.exists()


@pytest.mark.parametrize("as_list", [False, True])
def test_with_an_error_of_ours_nothing_is_stored_and_nothing_stays(
    shopper, tea, monkeypatch, as_list
):
    def fail(*args, **options):
        raise RuntimeError(SECRET)

    begin = "createCart { errors { code } }"
    both = {"query": ADD.removesuffix("}") + begin + "}", "variables": ONE_TEA}
    asked = [{"query": ADD, "variables": ONE_TEA}, {"query": f"mutation {{ {begin} }}"}]
    body = asked if as_list else both
    send = partial(post, shopper.client, body, **shopper.headers, idempotency_key="k")
    with monkeypatch.context() as broken:
        broken.setattr("orders.services.open_cart", fail)

        response = send()

    [answer] = response.json() if as_list else [response.json()]
    assert (response.status_code, answer["data"]) == (500, None)
    assert answer["errors"][0]["extensions"]["code"] == "internal_error"
    assert SECRET.encode() not in response.content
    assert tea() == 0
    assert not IdempotencyKey.objects.exists()
    # Sent again, it is done by the same key.
    again = send()
    assert (again.status_code, tea()) == (200, 1)
    assert "Idempotent-Replayed" not in again


def test_without_a_key_what_was_done_before_it_stays_and_is_told(njeri, tea, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError(SECRET)

    monkeypatch.setattr("orders.services.open_cart", fail)
    asked = [{"query": ADD, "variables": ONE_TEA}, {"query": NEW_CART}]

    response = post(browser_of(njeri), asked)

    first, second = response.json()
    assert first["data"]["addToCart"]["cart"] == {"itemCount": 1}
    assert second["errors"][0]["extensions"]["code"] == "internal_error"
    assert tea() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("who", ["signed in", "by the cart's token"])
def test_of_mutations_sent_at_once_with_one_key_one_has_its_effect(njeri, tea, who):
    headers = {} if who == "signed in" else {"x_cart_token": Graph()(NEW_CART)["token"]}
    callers = [Graph(njeri if who == "signed in" else None, **headers) for _ in range(8)]

    answers = at_once([partial(add, caller, "k") for caller in callers])

    # The others waited for it, or are told that it is under way.
    done = [each for each in answers if each.status_code == 200]
    assert {each.status_code for each in answers} <= {200, 409}
    assert len({each.content for each in done}) == 1
    assert sum("Idempotent-Replayed" not in each for each in done) == 1
    for each in answers:
        if each.status_code == 409:
            assert verdict(each) == ("idempotency_in_flight", 409)
    assert tea() == 1


def test_what_may_not_be_done_hides_nothing_of_what_was_done(db):
    document = """mutation {
        done: updateMe(input: {name: "Njeri"}) { me { name } }
        not: createProduct(input: {name: "Mug"}) { errors { code } }
    }"""

    response = Graph(UserFactory.create()).ask(document)

    body = response.json()
    assert response.status_code == 200
    assert body["data"] == {"done": {"me": {"name": "Njeri"}}, "not": None}
    assert [(each["path"], each["extensions"]["code"]) for each in body["errors"]] == [
        (["not"], "permission_denied")
    ]
