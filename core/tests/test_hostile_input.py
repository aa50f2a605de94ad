"""What no honest caller sends must be refused or ignored, never answered with a 500."""

import io

import pytest
from django.contrib.admin import site
from django.test import Client, RequestFactory
from django.urls import reverse
from graphql import (
    get_nullable_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
)

from config.tests.test_routes import FIELDS
from config.wsgi import application
from core.tests.graph import Graph
from core.tests.rest import program_with

pytestmark = [pytest.mark.django_db, pytest.mark.urls("core.tests.probe")]


def as_the_web_server_asks(path, query="", body=b"", **environ):
    """Ask the application that gunicorn runs; return (status, type, body) of its answer."""
    environ = {
        **RequestFactory()._base_environ(),
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": "POST" if body else "GET",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **environ,
    }
    began = []
    response = application(environ, lambda *args: began.append(args))
    try:
        content = b"".join(response).decode()
    finally:
        response.close()
    ((status, headers),) = began
    assert dict(headers)["X-Request-ID"]
    return int(status.split()[0]), dict(headers)["Content-Type"], content


@pytest.mark.parametrize(
    "charset", ["rot13", "unicode_escape", "utf-7", "zlib", "idna", "undefined", "nope"]
)
def test_a_charset_of_the_callers_choosing_does_not_read_the_query(charset):
    odd = {"CONTENT_TYPE": f"application/json; charset={charset}"}

    assert as_the_web_server_asks("/who", "q=%C3%A9%5cud800", **odd) == (
        200,
        "text/html; charset=utf-8",
        "None é\\ud800 []",
    )
    assert as_the_web_server_asks("/api/v1/workers/", "q=%41", **odd)[0] == 401


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("parameter", ["x*=bogus''y", "charset*=bogus''y", "x*0*=bogus''y"])
def test_a_parameter_in_an_unknown_charset_makes_a_header_count_as_none(parameter):
    signed_in = {"HTTP_AUTHORIZATION": program_with().headers["Authorization"]}
    path, body = "/api/v1/workers/", b'{"message": "a"}'

    accept = {"HTTP_ACCEPT": f"text/xml; {parameter}"}
    content_type = {"CONTENT_TYPE": f"application/json; {parameter}"}

    assert as_the_web_server_asks(path, **signed_in, **accept)[:2] == (200, "application/json")
    assert as_the_web_server_asks("/nothing", **accept)[:2] == (404, "text/html; charset=utf-8")
    assert as_the_web_server_asks("/who", **content_type)[0] == 200
    assert as_the_web_server_asks(path, body=body, **signed_in, **content_type)[:2] == (
        415,
        "application/problem+json",
    )


def test_a_query_that_is_not_utf_8_is_read_with_replacements():
    assert as_the_web_server_asks("/who", "q=%ff%ed%a0%80\xff")[2] == "None ����ÿ []"


def test_an_escaped_nul_in_the_session_cookie_is_no_session():
    client = Client(raise_request_exception=False)

    def get(path):
        return client.get(path, headers={"Cookie": r'sessionid="\000aaaaaaaaaa"; theme=dark'})

    assert get("/who").content.decode() == "None None ['theme']"
    assert get("/api/v1/workers/").status_code == 401
    assert get("/admin/").status_code == 302


@pytest.mark.parametrize(
    "query",
    [
        "search=%00",
        "ordering=%00",
        "%00=1",
        "cursor=%00",
        "page_size=%00",
        "count=%00",
        "customer=%00",
    ],
)
def test_a_nul_in_the_query_is_a_400(api, query):
    response = api.get(f"/orders/?{query}")

    assert response.status_code == 400
    assert response.json()["code"] == "invalid_parameter"


@pytest.mark.parametrize("path", ["/admin/orders/order/?q=%00", "/admin/login/?next=%00", "/?%00"])
def test_a_nul_in_the_query_of_a_page_is_a_400(api, path):
    assert api.client.get(path, headers={"Accept": "text/html"}).status_code == 400


@pytest.mark.parametrize("path", ["/admin/login/", "/accounts/login/", "/oidc/authenticate/", "/"])
def test_an_address_to_come_back_to_that_is_none_is_a_400(anonymous, path):
    response = anonymous.get(f"{path}?next=http://[")

    assert (response.status_code, response.content) == (400, b"`next` is not an address.")


@pytest.mark.parametrize("path", ["/media/%00", "/static/%00", "/%00"])
def test_a_nul_in_a_path_is_a_404(anonymous, path):
    assert anonymous.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/media/../secret_key", "/media/%2e%2e/secret_key"])
def test_a_path_out_of_the_uploads_is_refused(anonymous, path):
    assert anonymous.get(path).status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/variants/", b'{"product": 1e400, "sku": "a", "price": "1.00"}'),
        ("/variants/", b'{"product": %s, "sku": "a", "price": "1.00"}' % (b"9" * 400)),
        ("/variants/", b'{"product": [[]], "sku": {"a": 1}, "price": true, "stock": 1e308}'),
        ("/customers/", b'{"name": "a\\u0000b", "phone": "0722\\u0000000000"}'),
        ("/customers/", b'{"name": "A", "phone": "0722000000", "language": "\\ud800"}'),
        ("/orders/", b'{"customer": "\\u0000", "lines": [{"sku": "\\u0000", "quantity": 1}]}'),
        ("/orders/", b'{"customer": {}, "lines": {"0": 1}}'),
        ("/orders/", b'{"customer": 1e308, "lines": [1, null, [], "a"]}'),
        ("/products/", b'{"name": "\\u0000", "price": "NaN", "sku": "a"}'),
        ("/products/", b'{"name": "a", "price": "Infinity", "sku": "a"}'),
        ("/products/", b'{"name": "a", "price": "1e999999999", "sku": "a"}'),
        ("/products/", b'{"name": "a", "price": 1.7976931348623157e308, "sku": "a"}'),
        ("/products/", b"null"),
        ("/products/", b'"text"'),
        ("/products/", b"[" * 900 + b"]" * 900),
    ],
)
def test_hostile_values_in_a_body_are_a_400(api, path, body):
    response = api.post(path, body)

    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


# Of each scalar of GraphQL, what a database or a calendar cannot hold; ids of nothing, and one.
HOSTILE = {
    "String": ["\0", "9" * 5000],
    "ID": ["\0", "UHJvZHVjdDrZoQ==", "UHJvZHVjdDo5OTk5OTk5OTk5OTk5OTk5OTk5", "T3JkZXI6MQ=="],
    "Int": [-(2**31), 2**31 - 1],
    "Decimal": ["NaN", "1e999999999", "-1e-999999999"],
    "Date": ["0001-01-01", "9999-12-31"],
    "DateTime": ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
    "Boolean": [True],
}


def hostile(kind):
    """Yield inputs of a type, each with one hostile value in it."""
    kind = get_nullable_type(kind)
    if is_list_type(kind):
        yield from ([each] for each in hostile(kind.of_type))
    elif is_enum_type(kind):
        yield next(iter(kind.values))
    elif is_input_object_type(kind):
        usual = {
            name: next(hostile(field.type))
            for name, field in kind.fields.items()
            if is_required_input_field(field)
        }
        for name, field in kind.fields.items():
            yield from ({**usual, name: each} for each in hostile(field.type))
    else:
        yield from HOSTILE[kind.name]


@pytest.mark.parametrize("key", [key for key, (*_, field) in FIELDS.items() if field.args])
def test_hostile_values_of_graphql_s_arguments_are_no_errors_of_ours(shopkeeper, key):
    operation, name, field = FIELDS[key]
    graph = Graph(shopkeeper)
    inner = "errors { code message }" if operation == "mutation" else "__typename"
    paged = ", first: 1" if "first" in field.args else ""
    for about in field.args.keys() - {"first", "last"}:
        needed = [k for k, each in field.args.items() if is_required_argument(each) or k == about]
        head = ", ".join(f"${each}: {field.args[each].type}" for each in needed)
        given = ", ".join(f"{each}: ${each}" for each in needed)
        query = f"{operation}({head}) {{ {name}({given}{paged}) {{ {inner} }} }}"
        for value in hostile(field.args[about].type):
            usual = {each: next(hostile(field.args[each].type)) for each in needed}

            response = graph.ask(query, {**usual, about: value})

            assert response.status_code in {200, 400}, (about, value, response.content)
            assert b"internal_error" not in response.content, (about, value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"query": "{ product(slug: \\"\\ud800\\") { name } }"}',
        b'{"query": "{ product(slug: \\"\\\\ud800\\") { name } }"}',
        b'{"query": "query($s: String) { product(slug: $s) { name } }", "variables": {"s": "\\ud800"}}',
        b'{"query": "query($f: Int) { products(first: $f) { totalCount } }", "variables": {"f": 1e400}}',
        b'{"query": "query($f: Int) { products(first: $f) { totalCount } }", "variables": {"f": NaN}}',
        b'{"query": "query($f: Int) { products(first: $f) { totalCount } }", "variables": {"f": %s}}'
        % (b"9" * 5000),
        b'{"query": "{ shop { name } }", "variables": %s}' % (b"[" * 900 + b"]" * 900),
        b"[" * 100_000,
        b'{"query": "{ shop { name } }"',
        b'"{ shop { name } }"',
        b"null",
        b"\xff",
        b"",
    ],
)  # fmt: skip
def test_hostile_values_in_a_body_of_graphql_are_a_400(api, body):
    response = api.client.post("/graphql/", body, content_type="application/json")

    assert response.status_code == 400
    assert response.json()["errors"]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "X" * 100])
def test_a_method_of_no_resource_is_a_405(api, method):
    response = api._call(method, "/workers/")

    assert response.status_code == 405
    assert response["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_options_and_head_answer_without_a_crash(api):
    for path in ("/workers/", "/orders/", "/products/", "/variants/", "/customers/", "/messages/"):
        assert api._call("OPTIONS", path).status_code == 200
        head = api._call("HEAD", path)
        assert (head.status_code, head.content) == (200, b"")


def autocompletes():
    for page in site._registry.values():
        for name in page.autocomplete_fields:
            yield page.opts, name


@pytest.mark.parametrize("key", ["x", "²", "9" * 30, "-1"])
@pytest.mark.parametrize(("page", "name"), list(autocompletes()), ids=str)
def test_what_is_no_key_is_no_choice_in_the_admin(admin, page, name, key):
    address = reverse(f"admin:{page.app_label}_{page.model_name}_add")

    answers = [admin.get(address, {name: key}), admin.post(address, {name: key})]

    assert [answer.status_code for answer in answers] == [200, 200]
