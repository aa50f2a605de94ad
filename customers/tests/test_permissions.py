"""Who may do what at each of the customers' addresses."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.urls import reverse

from accounts.tests.factories import StaffFactory
from core.tests.rest import problem, routes_of
from customers.api.urls import urlpatterns
from customers.models import Customer
from customers.permissions import can_manage_customers, can_see_customers

from .factories import CustomerFactory

pytestmark = pytest.mark.django_db

VIEW, MANAGE = "customers.view_customer", "customers.manage_customers"
NEW = {"name": "Amina", "phone": "0722 000 000"}
# (method, address) → (body, answer to those who may, the rights of which one is needed)
ROUTES = {
    ("GET", "customer-list"): (None, 200, {VIEW, MANAGE}),
    ("POST", "customer-list"): (NEW, 201, {MANAGE}),
    ("GET", "customer-detail"): (None, 200, {VIEW, MANAGE}),
    ("PUT", "customer-detail"): (NEW, 200, {MANAGE}),
    ("PATCH", "customer-detail"): ({"name": "Amina"}, 200, {MANAGE}),
    ("DELETE", "customer-detail"): (None, 204, {MANAGE}),
}
every_route = pytest.mark.parametrize("route", ROUTES, ids="-".join)


@pytest.fixture
def call(api_as):
    customer = CustomerFactory.create()

    def call(user, route):
        method, name = route
        args = [] if name.endswith("-list") else [customer.code]
        path = reverse(name, args=args).removeprefix("/api/v1")
        before = list(Customer.objects.values())
        response = api_as(user)._call(method, path, ROUTES[route][0])
        if response.status_code in {401, 403}:
            assert list(Customer.objects.values()) == before
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
    response = call(StaffFactory.create(is_staff=False, permissions=[VIEW, MANAGE]), route)

    assert response.status_code == 403
    assert response.json() == problem(
        response,
        code="permission_denied",
        detail="You do not have permission to perform this action.",
    )


@every_route
def test_staff_without_the_right_get_403(call, route):
    others = ["orders.handle_order", "catalog.manage_catalogue", "customers.change_customer"]
    rights = [*others, *sorted({VIEW, MANAGE} - ROUTES[route][2])]

    assert call(StaffFactory.create(permissions=rights), route).status_code == 403


@pytest.mark.parametrize(
    ("route", "right"), [(route, right) for route in ROUTES for right in sorted(ROUTES[route][2])]
)
def test_staff_with_the_right_may(call, route, right):
    assert call(StaffFactory.create(permissions=[right]), route).status_code == ROUTES[route][1]


@every_route
def test_the_deactivated_may_nothing(call, route):
    user = StaffFactory.create(is_active=False, permissions=[VIEW, MANAGE])

    assert call(user, route).status_code == 401


@pytest.mark.parametrize("predicate", [can_see_customers, can_manage_customers])
def test_predicates_hold_by_themselves(predicate):
    """GraphQL and the admin ask them without REST's own look at `is_staff`."""
    rights = [VIEW, MANAGE]

    assert predicate(StaffFactory.create(permissions=rights))
    assert not predicate(StaffFactory.create(is_staff=False, permissions=rights))
    assert not predicate(AnonymousUser())
