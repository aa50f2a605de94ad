"""Who may do what at each of the orders' addresses."""

import pytest
from django.urls import reverse

from accounts.tests.factories import StaffFactory
from catalog.models import Variant
from catalog.tests.factories import VariantFactory
from core.tests.rights import Rights, pytest_generate_tests  # noqa: F401  asks of each route
from customers.tests.factories import CustomerFactory
from orders.api.urls import urlpatterns
from orders.models import Order
from orders.permissions import can_handle_orders, can_see_orders
from orders.services import Wanted

from .factories import (
    AcceptedOrderFactory,
    DraftOrderFactory,
    FulfilledOrderFactory,
    OrderFactory,
)

VIEW, HANDLE = "orders.view_order", "orders.handle_order"
NEW = {"customer": "C", "lines": [{"sku": "TEA", "quantity": 1}]}
# (method, address) → (body, answer to those who may, the rights of which one is needed)
ROUTES = {
    ("GET", "order-list"): (None, 200, {VIEW, HANDLE}),
    ("POST", "order-list"): (NEW, 201, {HANDLE}),
    ("GET", "order-counts"): (None, 200, {VIEW, HANDLE}),
    ("GET", "order-detail"): (None, 200, {VIEW, HANDLE}),
    ("PATCH", "order-detail"): ({"note": "Ring twice."}, 200, {HANDLE}),
    ("POST", "order-place"): (None, 200, {HANDLE}),
    ("POST", "order-accept"): (None, 200, {HANDLE}),
    ("POST", "order-reject"): ({"reason": "Closed."}, 200, {HANDLE}),
    ("POST", "order-fulfil"): (None, 200, {HANDLE}),
    ("POST", "order-return"): (
        {"lines": [{"sku": "BACK", "quantity": 1}], "restock": True},
        200,
        {HANDLE},
    ),
    ("POST", "order-assign"): ({"to": None}, 200, {HANDLE}),
    ("POST", "order-cancel"): (None, 200, {HANDLE}),
}
FACTORIES = {
    "order-place": DraftOrderFactory,
    "order-fulfil": AcceptedOrderFactory,
    "order-return": FulfilledOrderFactory,
}


@pytest.fixture
def call(api_as):
    CustomerFactory.create(code="C")
    VariantFactory.create(sku="TEA")
    VariantFactory.create(sku="BACK")

    def everything():
        return [list(model.objects.values()) for model in (Order, Variant)]

    def call(user, route):
        method, name = route
        factory = FACTORIES.get(name, OrderFactory)
        lines = [Wanted(sku="BACK", quantity=1)]
        whole = name in {"order-list", "order-counts"}
        args = [] if whole else [factory.create(lines=lines).number]
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
    # Strangers have carts too: test_carts.py asks who may see whose.
    URLS = [each for each in urlpatterns if not each.name.startswith("cart-")]
    # A shopper sees their own orders, and cannot know of others.
    OWN = {
        ("GET", "order-list"): 200,
        ("GET", "order-detail"): 404,
        ("POST", "order-cancel"): 404,
    }
    PREDICATES = [can_handle_orders, can_see_orders]

    def test_all_other_rights_and_being_staff_do_not_replace_the_one_that_is_needed(
        self, call, route
    ):
        if route == ("POST", "order-cancel"):
            # Who sees all orders knows of this one, so it is no 404.
            assert call(StaffFactory.create(permissions=[VIEW]), route).status_code == 403
        else:
            super().test_all_other_rights_and_being_staff_do_not_replace_the_one_that_is_needed(
                call, route
            )
