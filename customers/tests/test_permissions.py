"""Who may do what at each of the customers' addresses."""

import pytest
from django.urls import reverse

from core.tests.rights import Rights, pytest_generate_tests  # noqa: F401  asks of each route
from customers.api.urls import urlpatterns
from customers.models import Customer
from customers.permissions import can_manage_customers, can_see_customers

from .factories import CustomerFactory

VIEW, MANAGE = "customers.view_customer", "customers.manage_customers"
NEW = {"name": "Amina", "phone": "0722 000 000"}
# (method, address) → (body, answer to those who may, the rights of which one is needed;
# None: everybody who has signed in, for their own)
ROUTES = {
    ("GET", "customer-list"): (None, 200, {VIEW, MANAGE}),
    ("POST", "customer-list"): (NEW, 201, {MANAGE}),
    ("GET", "customer-detail"): (None, 200, {VIEW, MANAGE}),
    ("PUT", "customer-detail"): (NEW, 200, {MANAGE}),
    ("PATCH", "customer-detail"): ({"name": "Amina"}, 200, {MANAGE}),
    ("DELETE", "customer-detail"): (None, 204, {MANAGE}),
    ("GET", "customer-timeline"): (None, 200, {VIEW, MANAGE}),
    ("GET", "my-customer"): (None, 200, None),
    ("PATCH", "my-customer"): ({"language": "sw"}, 200, None),
    ("POST", "my-phone"): ({"phone": "0722 000 000"}, 202, None),
    ("POST", "my-phone-confirm"): ({"code": "000000"}, 400, None),
}


@pytest.fixture
def call(api_as):
    customer = CustomerFactory.create()

    def call(user, route):
        method, name = route
        args = [customer.code] if name in {"customer-detail", "customer-timeline"} else []
        if user and name == "my-customer":
            CustomerFactory.create(user=user)
        path = reverse(name, args=args).removeprefix("/api/v1")
        before = list(Customer.objects.values())
        response = api_as(user)._call(method, path, ROUTES[route][0])
        if response.status_code in {401, 403}:
            assert list(Customer.objects.values()) == before
        return response

    return call


class TestRights(Rights):
    ROUTES = ROUTES
    URLS = urlpatterns
    PREDICATES = [can_manage_customers, can_see_customers]
