"""Who may do what at each of the orders' addresses."""

import pytest
from django.urls import reverse

from catalog.models import Variant
from catalog.tests.factories import VariantFactory
from core.tests.rights import Rights, pytest_generate_tests  # noqa: F401  asks of each route
from customers.tests.factories import CustomerFactory
from orders.api.urls import urlpatterns
from orders.models import Order
from orders.permissions import can_handle_orders, can_see_orders

from .factories import AcceptedOrderFactory, OrderFactory

VIEW, HANDLE = "orders.view_order", "orders.handle_order"
NEW = {"customer": "C", "lines": [{"sku": "TEA", "quantity": 1}]}
# (method, address) → (body, answer to those who may, the rights of which one is needed)
ROUTES = {
    ("GET", "order-list"): (None, 200, {VIEW, HANDLE}),
    ("POST", "order-list"): (NEW, 201, {HANDLE}),
    ("GET", "order-detail"): (None, 200, {VIEW, HANDLE}),
    ("POST", "order-accept"): (None, 200, {HANDLE}),
    ("POST", "order-reject"): ({"reason": "Closed."}, 200, {HANDLE}),
    ("POST", "order-fulfil"): (None, 200, {HANDLE}),
    ("POST", "order-cancel"): (None, 200, {HANDLE}),
}


@pytest.fixture
def call(api_as):
    CustomerFactory.create(code="C")
    VariantFactory.create(sku="TEA")

    def everything():
        return [list(model.objects.values()) for model in (Order, Variant)]

    def call(user, route):
        method, name = route
        factory = AcceptedOrderFactory if name == "order-fulfil" else OrderFactory
        args = [] if name.endswith("-list") else [factory.create().number]
        before = everything()
        response = api_as(user)._call(
            method, reverse(name, args=args).removeprefix("/api/v1"), ROUTES[route][0]
        )
        if response.status_code in {401, 403}:
            assert everything() == before
        return response

    return call


class TestRights(Rights):
    ROUTES = ROUTES
    URLS = urlpatterns
    # A shopper sees their own orders, and cannot know of others.
    OWN = {("GET", "order-list"): 200, ("GET", "order-detail"): 404}
    PREDICATES = [can_handle_orders, can_see_orders]
