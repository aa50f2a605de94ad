"""Who may do what at each of the catalogue's addresses."""

import pytest
from django.urls import reverse

from catalog.api.urls import urlpatterns
from catalog.models import Category, Product, Variant
from catalog.permissions import can_manage_catalogue, can_see_catalogue
from core.tests.rights import Rights, pytest_generate_tests  # noqa: F401  asks of each route

from .factories import CategoryFactory, ProductFactory, VariantFactory

VIEW, MANAGE = "catalog.view_product", "catalog.manage_catalogue"
# (method, address) → (body, answer to those who may, the rights of which one is needed)
ROUTES = {
    ("GET", "category-list"): (None, 200, {VIEW, MANAGE}),
    ("POST", "category-list"): ({"name": "Drinks"}, 201, {MANAGE}),
    ("GET", "category-detail"): (None, 200, {VIEW, MANAGE}),
    ("PUT", "category-detail"): ({"name": "Drinks"}, 200, {MANAGE}),
    ("PATCH", "category-detail"): ({"name": "Drinks"}, 200, {MANAGE}),
    ("DELETE", "category-detail"): (None, 204, {MANAGE}),
    ("GET", "product-list"): (None, 200, {VIEW, MANAGE}),
    ("POST", "product-list"): ({"name": "Chai", "sku": "NEW", "price": "1"}, 201, {MANAGE}),
    ("GET", "product-detail"): (None, 200, {VIEW, MANAGE}),
    ("PUT", "product-detail"): ({"name": "Chai"}, 200, {MANAGE}),
    ("PATCH", "product-detail"): ({"is_published": False}, 200, {MANAGE}),
    ("DELETE", "product-detail"): (None, 204, {MANAGE}),
    ("GET", "variant-list"): (None, 200, {VIEW, MANAGE}),
    ("POST", "variant-list"): ({"product": 0, "sku": "NEW", "price": "1"}, 201, {MANAGE}),
    ("GET", "variant-detail"): (None, 200, {VIEW, MANAGE}),
    ("PUT", "variant-detail"): ({"sku": "NEW", "price": "1"}, 200, {MANAGE}),
    ("PATCH", "variant-detail"): ({"price": "1"}, 200, {MANAGE}),
    ("DELETE", "variant-detail"): (None, 204, {MANAGE}),
    ("POST", "variant-adjust-stock"): ({"quantity": 5}, 200, {MANAGE}),
}


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


class TestRights(Rights):
    ROUTES = ROUTES
    URLS = urlpatterns
    PREDICATES = [can_manage_catalogue, can_see_catalogue]
