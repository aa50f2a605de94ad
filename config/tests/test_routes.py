"""Nobody comes in by an address that somebody forgot: each refuses strangers, or says why not."""

import json

import pytest
from django.test import Client
from django.urls import get_resolver, reverse
from django.urls.resolvers import URLResolver
from django.utils.regex_helper import normalize
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)
from graphql_relay import to_global_id

from config.schema import schema
from core.tests.rest import methods_of

pytestmark = pytest.mark.django_db

# Each with why a stranger may come here.
PUBLIC = {
    "/": "the shop's front door",
    "/favicon.ico": "the shop's mark, which browsers ask for by themselves",
    "/healthz": "asked by load balancers",
    "/readyz": "the same",
    "/metrics": "needs METRICS_TOKEN; 404 where none is set",
    "/api/docs/": "how to call the API, which is no secret",
    "/api/schema/": "the same, for programs",
    "/media/<path>": "pictures of what is sold",
    "/invitations/<token>/": "whoever has the link may read what is offered; accepting takes a sign-in",
    "/t/<token>": "whoever has the link may see where one order stands; a wrong one is a 404",
    "/skip/<token>": "one date of a standing order, by its signed link",
    "/webhooks/sms/<name>/<kind>/": "called by gateways; needs their signature, 404 for unused ones",
    "/webhooks/sms/<name>/<kind>/<token>/": "the same; needs the key that its address ends in",
    "/webhooks/sms/<name>/<kind>/<token>": "the same",
    "/webhooks/shipping/<name>/": "called by carriers; needs their signature, 404 for unused ones",
    "/webhooks/shipping/<name>/<token>/": "the same; needs the key that its address ends in",
    "/webhooks/shipping/<name>/<token>": "the same",
    # Reading alone; of what is for sale.
    "/api/v1/categories/": "what the shop's shelves are called",
    "/api/v1/categories/<pk>/": "the same",
    "/api/v1/products/": "shoppers look round before they sign in",
    "/api/v1/products/<pk>/": "the same",
    "/api/v1/variants/": "prices, and how many are left",
    "/api/v1/variants/<pk>/": "the same",
    # A stranger's cart is whose token they show, and nobody else's; placing it takes a sign-in.
    "/api/v1/cart/": "shows it, or an empty one",
    "/api/v1/cart/lines/": "begins one, so many for each address",
    "/api/v1/cart/lines/<sku>/": "changes it",
    "/api/v1/cart/accept-changes/": "the same",
    # What is public in REST is here too; of the rest each field refuses by itself (PUBLIC_FIELDS).
    "/graphql/": "the shop-front's API: shoppers look round and fill a cart before they sign in",
    # Signing in, up and out: there is nobody yet, or nobody any more.
    "/accounts/login/": "to sign in",
    "/accounts/2fa/webauthn/login/": "to sign in with a passkey",
    "/accounts/signup/": "to sign up",
    "/accounts/inactive/": "says that an account was deactivated",
    "/accounts/password/reset/": "for those who cannot sign in",
    "/accounts/password/reset/done/": "the same",
    "/accounts/password/reset/complete/": "the same; needs the code in the session",
    "/accounts/logout/": "nothing is left to sign out of",
    "/admin/logout/": "the same",
    "/oidc/logout/": "the same",
    "/oidc/authenticate/": "where signing in begins",
    "/oidc/callback/": "where the provider sends people back to; needs its code and our state",
    "/oidc/backchannel-logout/": "called by the provider; needs its signed logout token",
    # The embedded provider speaks to programs that show credentials of their own.
    "/.well-known/openid-configuration": "what a provider says of itself",
    "/.well-known/jwks.json": "its public keys",
    "/identity/o/api/token": "asks for a client's secret or a code",
    "/identity/o/api/revoke": "the same",
    "/identity/o/authorize": "leads to the form of sign-in",
    "/identity/o/logout": "ends a session; there is none",
    "/identity/o/device": "not served: 404 for all",
    "/identity/o/api/device/code": "the same",
}
PUBLIC_FIELDS = {
    "query shop": "what the shop is called, and what it counts in",
    "query products": "shoppers look round before they sign in",
    "query product": "the same",
    "query categories": "what the shop's shelves are called",
    "query category": "the same",
    "query node": "means one of all kinds of things, and each kind refuses by itself",
    # A stranger's cart is whose token they show, and nobody else's; placing it takes a sign-in.
    "query cart": "shows it, or an empty one",
    "mutation createCart": "begins one, so many for each address",
    "mutation addToCart": "the same",
    "mutation setCartQuantity": "changes it",
    "mutation removeFromCart": "the same",
    "mutation emptyCart": "the same",
    "mutation acceptCartChanges": "the same",
}

# What stands for a parameter where 1 would not do.
VALUES = {"token": "t" * 43, "key": "k-1", "phone": "+254722000000", "path": "tea.png", "url": "x/"}


def routes(resolver=None, before=""):
    """Yield (address with names for parameters, address to call, pattern) of each route."""
    for each in (resolver or get_resolver()).url_patterns:
        regex = before + each.pattern.regex.pattern.removeprefix("^")
        if isinstance(each, URLResolver):
            yield from routes(each, regex)
            continue
        for form, names in normalize(regex):
            named = {name: f"<{name}>" for name in names}
            values = {name: VALUES.get(name, "1") for name in names}
            yield f"/{form % named}", f"/{form % values}", each


# Of each route: where it is called, and REST's methods (none: a page).
ROUTES = {
    name: (address, methods_of(pattern) if hasattr(pattern.callback, "cls") else set())
    for name, address, pattern in routes()
}


def ask(address, method, data=None):
    """Ask as a stranger, without the CSRF check that would refuse them for another reason."""
    return Client(raise_request_exception=False).generic(
        method,
        address,
        "" if data is None else json.dumps(data),
        content_type="application/x-www-form-urlencoded" if data is None else "application/json",
    )


def is_refused(response):
    doors = {reverse(name) for name in ("admin:login", "oidc_authentication_init", "account_login")}
    return response.status_code in {401, 403} or (
        response.status_code == 302 and response["Location"].partition("?")[0] in doors
    )


def test_the_routes_of_all_kinds_are_found():
    assert len(ROUTES) > 100
    assert {
        "/api/v1/orders/<number>/accept/",
        "/api/v1/me/",
        "/graphql/",
        "/account/delete/",
        "/accounts/email/",
        "/accounts/2fa/totp/activate/",
        "/identity/o/api/userinfo",
        "/admin/orders/order/<object_id>/change/",
        "/admin/<url>",
    } <= set(ROUTES)
    assert ROUTES["/api/v1/customers/<code>/"] == (
        "/api/v1/customers/1/",
        {"GET", "PUT", "PATCH", "DELETE"},
    )


@pytest.mark.parametrize("name", ROUTES)
def test_a_stranger_is_refused_or_the_route_says_why_not(name):
    address, methods = ROUTES[name]
    asked = {
        # Some pages answer a script otherwise than a form.
        (method, data): ask(address, method, None if data == "form" else {})
        for method in sorted(methods) or ["GET", "POST"]
        for data in (["json"] if methods else ["form", "json"])
    }

    # A page that has no such method says so, and nothing else.
    answers = {each: got for each, got in asked.items() if got.status_code != 405 or methods}
    opened = {each: got.status_code for each, got in answers.items() if not is_refused(got)}
    assert answers
    assert bool(opened) == (name in PUBLIC), opened


REST = [
    (address, method)
    for name, (address, methods) in ROUTES.items()
    for method in ({*methods, "HEAD", "OPTIONS"} if methods and name not in PUBLIC else ())
]


@pytest.mark.parametrize(("address", "method"), sorted(REST))
def test_a_stranger_s_program_is_told_to_show_a_token(address, method):
    response = ask(address, method, {})

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


def test_every_public_route_still_exists():
    assert set(PUBLIC) - set(ROUTES) == set()


# GraphQL


def fields():
    kinds = {
        "query": schema.graphql_schema.query_type,
        "mutation": schema.graphql_schema.mutation_type,
    }
    return {
        f"{operation} {name}": (operation, name, field)
        for operation, kind in kinds.items()
        if kind is not None
        for name, field in kind.fields.items()
    }


FIELDS = fields()
NODE = schema.graphql_schema.get_type("Node")


def literal(kind):
    """Return some value of an argument's type, as GraphQL writes it."""
    if isinstance(kind, GraphQLNonNull):
        return literal(kind.of_type)
    if isinstance(kind, GraphQLList):
        return f"[{literal(kind.of_type)}]"
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if isinstance(kind, GraphQLInputObjectType):
        needed = {k: v for k, v in kind.fields.items() if is_required_input_field(v)}
        return f"{{{', '.join(f'{k}: {literal(v.type)}' for k, v in needed.items())}}}"
    known = {
        "Int": "1",
        "Float": "1.0",
        "Boolean": "true",
        "DateTime": '"2029-01-01T09:00:00Z"',
        "Date": '"2029-01-01"',
    }
    return known.get(kind.name, '"1"')


def document(operation, name, field):
    # Without these a field would refuse everybody, and for another reason.
    needed = {
        k: v for k, v in field.args.items() if is_required_argument(v) or k in {"first", "id"}
    }
    given = ", ".join(f"{k}: {literal(v.type)}" for k, v in needed.items())
    inner = "" if is_leaf_type(get_named_type(field.type)) else " { __typename }"
    return f"{operation} {{ {name}{f'({given})' if given else ''}{inner} }}"


@pytest.mark.parametrize("key", FIELDS)
def test_a_stranger_gets_no_field_of_graphql_or_it_says_why(key):
    response = ask("/graphql/", "POST", {"query": document(*FIELDS[key])})

    codes = [each["extensions"]["code"] for each in response.json().get("errors", ())]
    if key in PUBLIC_FIELDS:
        assert (response.status_code, codes) == (200, []), response.content
    else:
        assert (response.status_code, codes) == (401, ["not_authenticated"]), response.content
        assert response["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("Product", 200),
        ("Variant", 200),
        ("Category", 200),
        ("Order", 401),
        ("Customer", 401),
        ("Service", 401),
        ("Resource", 401),
        ("Booking", 401),
        ("Shipment", 401),
        ("Carrier", 401),
        ("CarrierNews", 401),
        ("StandingOrder", 401),
        ("Repair", 401),
        ("RepairSource", 401),
        ("Client", 401),
        ("Engagement", 401),
        ("Interaction", 401),
    ],
)
def test_a_stranger_gets_by_its_id_what_is_for_sale_and_nothing_else(kind, status):
    key = "1" * 24 if kind in {"Client", "Engagement", "Interaction"} else 1
    query = f'{{ node(id: "{to_global_id(kind, key)}") {{ id }} }}'

    response = ask("/graphql/", "POST", {"query": query})

    assert response.status_code == status
    assert response.json()["data"] == {"node": None}


def test_each_kind_of_things_with_an_id_is_asked_for():
    # Those that the test above names.
    assert {each.name for each in schema.graphql_schema.get_possible_types(NODE)} == {
        "Product",
        "Variant",
        "Category",
        "Order",
        "Customer",
        "Service",
        "Resource",
        "Booking",
        "Shipment",
        "Carrier",
        "CarrierNews",
        "StandingOrder",
        "Repair",
        "RepairSource",
        "Client",
        "Engagement",
        "Interaction",
    }


def test_the_schema_is_no_secret():
    response = ask("/graphql/", "POST", {"query": "{ __schema { queryType { name } } }"})

    assert response.json()["data"] == {"__schema": {"queryType": {"name": "Query"}}}


def test_every_public_field_still_exists():
    assert "query me" in FIELDS
    assert set(PUBLIC_FIELDS) - set(FIELDS) == set()
