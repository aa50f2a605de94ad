"""Who may do what at each of the orders' addresses."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.urls import reverse

from accounts.tests.factories import StaffFactory
from catalog.models import Variant
from catalog.tests.factories import VariantFactory
from core.tests.rest import problem, routes_of
from customers.tests.factories import CustomerFactory
from orders.api.urls import urlpatterns
from orders.models import Order
from orders.permissions import can_handle_orders, can_see_orders

from .factories import AcceptedOrderFactory, OrderFactory

pytestmark = pytest.mark.django_db

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
every_route = pytest.mark.parametrize("route", ROUTES, ids="-".join)


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
    response = call(StaffFactory.create(is_staff=False, permissions=[VIEW, HANDLE]), route)

    assert response.status_code == 403
    assert response.json() == problem(
        response,
        code="permission_denied",
        detail="You do not have permission to perform this action.",
    )


@every_route
def test_staff_without_the_right_get_403(call, route):
    others = ["catalog.manage_catalogue", "customers.manage_customers", "orders.change_order"]
    rights = [*others, *sorted({VIEW, HANDLE} - ROUTES[route][2])]

    assert call(StaffFactory.create(permissions=rights), route).status_code == 403


@pytest.mark.parametrize(
    ("route", "right"), [(route, right) for route in ROUTES for right in sorted(ROUTES[route][2])]
)
def test_staff_with_the_right_may(call, route, right):
    assert call(StaffFactory.create(permissions=[right]), route).status_code == ROUTES[route][1]


@every_route
def test_the_deactivated_may_nothing(call, route):
    user = StaffFactory.create(is_active=False, permissions=[VIEW, HANDLE])

    assert call(user, route).status_code == 401


@pytest.mark.parametrize("predicate", [can_see_orders, can_handle_orders])
def test_predicates_hold_by_themselves(predicate):
    """GraphQL and the admin ask them without REST's own look at `is_staff`."""
    rights = [VIEW, HANDLE]

    assert predicate(StaffFactory.create(permissions=rights))
    assert not predicate(StaffFactory.create(is_staff=False, permissions=rights))
    assert not predicate(AnonymousUser())
