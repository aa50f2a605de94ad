import re

import pytest
import yaml
from drf_spectacular.generators import SchemaGenerator

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.fixture(scope="module")
def operations(schema):
    return {
        (method, path): operation
        for path, item in schema["paths"].items()
        for method, operation in item.items()
    }


def test_the_document_is_openapi_3_1_and_the_one_that_is_served(client, schema):
    response = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi"})

    assert response.status_code == 200
    assert schema["openapi"] == "3.1.0"
    assert list(yaml.safe_load(response.content)["paths"]) == list(schema["paths"])


def test_every_operation_has_an_id_of_its_own_and_a_summary(operations):
    ids = [operation["operationId"] for operation in operations.values()]

    assert len(ids) == len(set(ids)) > 20
    assert {"order_list", "order_create", "order_accept", "customer_partial_update"} <= set(ids)
    for operation in operations.values():
        assert re.fullmatch(r"[A-Z].+\.", operation["summary"]), operation["operationId"]


def test_lists_are_called_what_people_call_them(operations):
    said = {path: each["summary"] for (method, path), each in operations.items() if method == "get"}

    assert said["/api/v1/orders/"] == "List orders."
    assert said["/api/v1/categories/"] == "List categories."
    assert said["/api/v1/audit/"] == "List entries of the audit log."
    assert said["/api/v1/carrier-news/"] == "List carrier news."
    assert said["/api/v1/clients/"] == "List clients."
    assert said["/clients"] == "List clients, in Extended JSON."
    assert said["/clients/{id}"] == "Get one client, in Extended JSON."
    assert said["/engagements/{id}/interactions"] == (
        "List engagement interactions, in Extended JSON."
    )


def test_every_operation_names_its_error_answers_as_problems(operations, schema):
    answers = schema["components"]["responses"]
    always = {"400", "401", "403", "406", "429", "500", "503"}
    for (method, path), operation in operations.items():
        errors = {status for status in operation["responses"] if status >= "400"}
        expected = (
            always
            | ({"404"} if is_of_one(path) or path in MAY_FIND_NOTHING else set())
            | ({"409", "413", "415"} if method != "get" else set())
            | ({"409"} if path in MAY_BE_SEVERAL else set())
            | ({"422"} if method == "post" else set())
            | ({"412"} if method != "get" and is_of_one(path) else set())
        )
        assert errors == expected, (method, path)
        for status in errors:
            assert operation["responses"][status] == {
                "$ref": f"#/components/responses/Problem{status}"
            }
            answer = answers[f"Problem{status}"]
            assert answer["description"]
            assert answer["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }


# Of a product, which may not be there, and its ETag is not asked for.
IMAGES = {f"/api/v1/products/{{product_id}}/images/{path}" for path in ("", "order/")}
MAY_FIND_NOTHING = {
    "/api/v1/me/customer/",
    "/api/v1/me/messages/",
    "/api/v1/invitations/accept/",
    *IMAGES,
}

# A number of a job may be that of several.
MAY_BE_SEVERAL = {f"/api/v1/repairs/{{job_id}}/{path}" for path in ("", "handling/")}


# Lists of what belongs to one; its ETag is not asked for.
BELOW_ONE = {
    "/clients/{id}/engagements",
    "/engagements/{id}/interactions",
    "/engagements/{id}/interactions/bulk",
}
MAY_FIND_NOTHING |= BELOW_ONE | {f"/api/v1{path}/" for path in BELOW_ONE}


def is_of_one(path):
    # A caller has one cart, without a key in its address.
    return ("{" in path and path not in MAY_FIND_NOTHING) or path.startswith("/api/v1/cart/")


def headers(operation):
    return {each["name"] for each in operation.get("parameters", []) if each["in"] == "header"}


def test_the_shared_headers_stand_where_they_count(operations):
    # A code and a try at it count each time.
    each_counts = {"/api/v1/me/phone/", "/api/v1/me/phone/confirm/"}
    for (method, path), operation in operations.items():
        once = {"Idempotency-Key"} if method == "post" and path not in each_counts else set()
        unchanged = {"If-Match"} if method != "get" and is_of_one(path) else set()
        whose = {"X-Cart-Token"} if path.startswith("/api/v1/cart/") else set()
        assert headers(operation) == once | unchanged | whose, (method, path)


def test_lists_name_their_paging_ordering_and_filters(operations):
    parameters = {
        each["name"]: each["schema"] for each in operations["get", "/api/v1/orders/"]["parameters"]
    }

    assert {"cursor", "page_size", "count", "search", "status", "placed_after"} <= set(parameters)
    assert parameters["ordering"] == {
        "type": "string",
        "enum": ["placed_at", "-placed_at", "total", "-total"],
        "default": "-placed_at",
    }
    assert parameters["page_size"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 200,
        "default": 50,
    }


def test_all_ways_to_sign_in_are_named(schema):
    assert schema["components"]["securitySchemes"] == {
        "cookieAuth": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
        "oidc": {
            "type": "openIdConnect",
            "openIdConnectUrl": "/.well-known/openid-configuration",
            "description": "An access token of the shop's provider, as a bearer token.",
        },
    }


def test_the_page_of_the_document_loads_nothing_from_elsewhere(client):
    response = client.get("/api/docs/")
    page = response.content.decode()

    assert response.status_code == 200
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) >= 3
    for source in sources:
        assert source.startswith("/static/drf_spectacular_sidecar/"), source
        assert client.get(source).status_code == 200, source
    assert "//cdn" not in page


@pytest.mark.parametrize("path", ["/api/docs/", "/api/schema/"])
def test_the_pages_answer_reading_only(client, path):
    assert client.get(path).status_code == 200
    assert client.options(path).status_code == 405
