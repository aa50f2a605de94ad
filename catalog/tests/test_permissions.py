"""Who may do what at each of the catalogue's addresses."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from catalog.api.urls import urlpatterns
from catalog.models import Category, Product, ProductImage, StockMovement, Variant
from catalog.permissions import can_manage_catalogue, can_see_catalogue
from core.tests.rights import Rights, pytest_generate_tests  # noqa: F401  asks of each route

from .factories import CategoryFactory, ProductFactory, ProductImageFactory, VariantFactory
from .pictures import picture

VIEW, MANAGE = "catalog.view_product", "catalog.manage_catalogue"
# (method, address) → (body, answer to those who may, the rights of which one is needed)
ROUTES = {
    ("GET", "category-list"): (None, 200, None),
    ("POST", "category-list"): ({"name": "Drinks"}, 201, {MANAGE}),
    ("GET", "category-detail"): (None, 200, None),
    ("PUT", "category-detail"): ({"name": "Drinks"}, 200, {MANAGE}),
    ("PATCH", "category-detail"): ({"name": "Drinks"}, 200, {MANAGE}),
    ("DELETE", "category-detail"): (None, 204, {MANAGE}),
    ("GET", "product-list"): (None, 200, None),
    ("POST", "product-list"): ({"name": "Chai", "sku": "NEW", "price": "1"}, 201, {MANAGE}),
    ("GET", "product-detail"): (None, 200, None),
    ("PUT", "product-detail"): ({"name": "Chai"}, 200, {MANAGE}),
    ("PATCH", "product-detail"): ({"is_published": False}, 200, {MANAGE}),
    ("DELETE", "product-detail"): (None, 204, {MANAGE}),
    ("POST", "product-hide"): (None, 200, {MANAGE}),
    ("POST", "product-show"): (None, 200, {MANAGE}),
    ("POST", "product-restore"): (None, 200, {MANAGE}),
    ("GET", "variant-list"): (None, 200, None),
    ("POST", "variant-list"): ({"product": 0, "sku": "NEW", "price": "1"}, 201, {MANAGE}),
    ("GET", "variant-detail"): (None, 200, None),
    ("PUT", "variant-detail"): ({"sku": "NEW", "price": "1"}, 200, {MANAGE}),
    ("PATCH", "variant-detail"): ({"price": "1"}, 200, {MANAGE}),
    ("DELETE", "variant-detail"): (None, 204, {MANAGE}),
    ("POST", "variant-receive-stock"): ({"quantity": 5}, 200, {MANAGE}),
    ("POST", "variant-adjust-stock"): ({"quantity": 5}, 200, {MANAGE}),
    ("POST", "variant-count-stock"): ({"counted": 5}, 200, {MANAGE}),
    ("GET", "stock-movement-list"): (None, 200, {VIEW, MANAGE}),
    ("GET", "stock-movement-detail"): (None, 200, {VIEW, MANAGE}),
    ("GET", "product-image-list"): (None, 200, {VIEW, MANAGE}),
    ("POST", "product-image-list"): ({"image": None}, 201, {MANAGE}),
    ("GET", "product-image-detail"): (None, 200, {VIEW, MANAGE}),
    ("PATCH", "product-image-detail"): ({"alt": "Tea"}, 200, {MANAGE}),
    ("DELETE", "product-image-detail"): (None, 204, {MANAGE}),
    ("PUT", "product-image-order"): ({"images": []}, 200, {MANAGE}),
}


@pytest.fixture
def call(api_as, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    variant = VariantFactory.create()
    image = ProductImageFactory.create()
    things = {
        "category": CategoryFactory.create(),
        "product": ProductFactory.create(),
        "variant": variant,
        "stock": variant.movements.get(),
    }
    # Of the addresses that are no thing's own.
    parameters = {
        "product-image-list": [image.product_id],
        "product-image-detail": [image.product_id, image.pk],
        "product-image-order": [image.product_id],
    }
    models = (Category, Product, Variant, StockMovement, ProductImage)

    def everything():
        return [list(model.objects.values()) for model in models]

    def call(user, route):
        method, name = route
        args = [] if name.endswith("-list") else [things[name.split("-")[0]].pk]
        args = parameters.get(name, args)
        body = ROUTES[route][0]
        if route == ("POST", "variant-list"):
            body = {**body, "product": variant.product_id}
        if route == ("PUT", "product-image-order"):
            body = {"images": [image.pk]}
        before = everything()
        address = reverse(name, args=args)
        if route == ("POST", "product-image-list"):
            form = {"image": SimpleUploadedFile("tea.png", picture())}
            response = api_as(user).client.post(address, form)
        else:
            response = api_as(user)._call(method, address.removeprefix("/api/v1"), body)
        if response.status_code in {401, 403}:
            assert everything() == before
        return response

    return call


class TestRights(Rights):
    ROUTES = ROUTES
    URLS = urlpatterns
    PUBLIC = {
        ("GET", f"{thing}-{kind}")
        for thing in ("category", "product", "variant")
        for kind in ("list", "detail")
    }
    PREDICATES = [can_manage_catalogue, can_see_catalogue]
