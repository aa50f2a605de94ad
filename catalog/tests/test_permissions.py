"""Who may do what at each of the catalogue's addresses."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.urls import reverse

from accounts.tests.factories import StaffFactory
from catalog.api.urls import urlpatterns
from catalog.models import Category, Product, Variant
from catalog.permissions import can_manage_catalogue, can_see_catalogue
from core.tests.rest import problem, routes_of

from .factories import CategoryFactory, ProductFactory, VariantFactory

pytestmark = pytest.mark.django_db

MANAGE = "catalog.manage_catalogue"
# (method, address) → (body, answer to those who may, the right that is needed beside being staff)
ROUTES = {
    ("GET", "category-list"): (None, 200, None),
    ("POST", "category-list"): ({"name": "Drinks"}, 201, MANAGE),
    ("GET", "category-detail"): (None, 200, None),
    ("PUT", "category-detail"): ({"name": "Drinks"}, 200, MANAGE),
    ("PATCH", "category-detail"): ({"name": "Drinks"}, 200, MANAGE),
    ("DELETE", "category-detail"): (None, 204, MANAGE),
    ("GET", "product-list"): (None, 200, None),
    ("POST", "product-list"): ({"name": "Chai", "sku": "NEW", "price": "1"}, 201, MANAGE),
    ("GET", "product-detail"): (None, 200, None),
    ("PUT", "product-detail"): ({"name": "Chai"}, 200, MANAGE),
    ("PATCH", "product-detail"): ({"is_published": False}, 200, MANAGE),
    ("DELETE", "product-detail"): (None, 204, MANAGE),
    ("GET", "variant-list"): (None, 200, None),
    ("POST", "variant-list"): ({"product": 0, "sku": "NEW", "price": "1"}, 201, MANAGE),
    ("GET", "variant-detail"): (None, 200, None),
    ("PUT", "variant-detail"): ({"sku": "NEW", "price": "1"}, 200, MANAGE),
    ("PATCH", "variant-detail"): ({"price": "1"}, 200, MANAGE),
    ("DELETE", "variant-detail"): (None, 204, MANAGE),
    ("POST", "variant-adjust-stock"): ({"quantity": 5}, 200, MANAGE),
}
every_route = pytest.mark.parametrize("route", ROUTES, ids="-".join)


@pytest.fixture
def call(api_as):
    variant = VariantFactory.create()
    things = {
        "category": CategoryFactory.create(),
        "product": ProductFactory.create(),
        "variant": variant,
    }

    def everything():
        return [list(model.objects.values()) for model in (Category, Product, Variant)]

    def call(user, route):
        method, name = route
        args = [] if name.endswith("-list") else [things[name.split("-")[0]].pk]
        body = ROUTES[route][0]
        if route == ("POST", "variant-list"):
            body = {**body, "product": variant.product_id}
        before = everything()
        response = api_as(user)._call(
            method, reverse(name, args=args).removeprefix("/api/v1"), body
        )
        if response.status_code in {401, 403}:
            assert everything() == before
        return response

    return call


def test_table_has_every_route():
    assert set(ROUTES) == routes_of(urlpatterns)


@every_route
def test_without_signing_in_it_is_401(call, route):
    response = call(None, route)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Basic realm="api"'
    assert response.json() == problem(
        response,
        code="not_authenticated",
        detail="Authentication credentials were not provided.",
    )


@every_route
def test_signed_in_without_being_staff_it_is_403(call, route):
    response = call(StaffFactory.create(is_staff=False, permissions=[MANAGE]), route)

    assert response.status_code == 403
    assert response.json() == problem(
        response,
        code="permission_denied",
        detail="You do not have permission to perform this action.",
    )


@every_route
def test_staff_without_the_right_may_read_alone(call, route):
    others = ["orders.handle_order", "customers.manage_customers", "catalog.change_product"]
    _, status, right = ROUTES[route]

    response = call(StaffFactory.create(permissions=others), route)

    assert response.status_code == (403 if right else status)


@every_route
def test_staff_with_the_right_may(call, route):
    assert call(StaffFactory.create(permissions=[MANAGE]), route).status_code == ROUTES[route][1]


@every_route
def test_the_deactivated_may_nothing(call, route):
    assert (
        call(StaffFactory.create(is_active=False, permissions=[MANAGE]), route).status_code == 401
    )


@pytest.mark.parametrize("predicate", [can_see_catalogue, can_manage_catalogue])
def test_predicates_hold_by_themselves(predicate):
    """GraphQL and the admin ask them without REST's own look at `is_staff`."""
    rights = [MANAGE]

    assert predicate(StaffFactory.create(permissions=rights))
    assert not predicate(StaffFactory.create(is_staff=False, permissions=rights))
    assert not predicate(AnonymousUser())
