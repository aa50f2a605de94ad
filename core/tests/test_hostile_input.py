"""What no honest caller sends must be refused or ignored, never answered with a 500."""

import io
from urllib.parse import quote

import pytest
from django.test import Client, RequestFactory

from config.wsgi import application
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


def ask(api, query, path="/graphql/"):
    response = api.client.post(path, {"query": query}, content_type="application/json")
    return response.status_code, response.json()


def aliases(count):
    return "{" + " ".join(f"a{number}: __typename" for number in range(count)) + "}"


@pytest.mark.parametrize("place", ["body", "address"])
def test_a_graphql_query_of_thousands_of_aliases_is_not_begun(api, place):
    def status_and_problem(query):
        if place == "body":
            return ask(api, query)
        return ask(api, "", path=f"/graphql/?query={quote(query)}")

    assert status_and_problem(aliases(332))[0] == 200

    status, problem = status_and_problem(aliases(333))

    assert (status, problem["code"], problem["detail"]) == (
        400,
        "malformed",
        "A query has at most 1000 tokens.",
    )


def test_a_stranger_s_graphql_query_is_not_even_counted(anonymous):
    assert anonymous.post("/graphql/", {"query": "a" * 5000}).status_code == 401


@pytest.mark.parametrize(
    "query", ["{ 1000 }", "{" * 900, "{a" * 300 + "}" * 300, "", 7, None, ["{"], {"a": 1}]
)
def test_a_graphql_query_that_is_none_is_a_400_and_not_called_too_long(api, query):
    status, answer = ask(api, query)

    assert status == 400
    assert "tokens" not in str(answer)


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
