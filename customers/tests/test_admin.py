"""Customers in the admin."""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import StaffFactory, UserFactory, browser_of
from customers.models import Customer
from customers.tests.factories import CustomerFactory
from orders.tests.factories import OrderFactory

LIST = reverse("admin:customers_customer_changelist")
ADD = reverse("admin:customers_customer_add")


def form(**fields):
    return {"name": "Wanjiru", "phone": "", "email": "", "language": "en", "code": "", **fields}


def test_adding_understands_a_phone_as_people_write_it(admin):
    admin.post(ADD, form(phone="0722 000 000", email="W@Example.com"))

    customer = Customer.objects.get()
    assert (customer.phone, customer.email) == ("+254722000000", "w@example.com")
    assert customer.code.startswith("C")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"phone": "123"}, "This is not a phone number."),
        ({}, "Give a phone number or an e-mail address."),
        ({"email": "w@example.com", "code": "not good"}, "Only letters, digits"),
    ],
)
def test_adding_names_what_is_wrong(admin, fields, sentence):
    response = admin.post(ADD, form(**fields))

    assert sentence in response.content.decode()
    assert not Customer.objects.exists()


def test_changing_and_deleting(admin):
    customer = CustomerFactory.create()
    page = reverse("admin:customers_customer_change", args=[customer.pk])

    admin.post(page, form(code=customer.code, phone=customer.phone, language="sw"))
    customer.refresh_from_db()
    assert (customer.name, customer.language) == ("Wanjiru", "sw")

    admin.post(reverse("admin:customers_customer_delete", args=[customer.pk]), {"post": "yes"})
    assert not Customer.objects.exists()


def test_whose_a_record_is_cannot_be_typed_in(admin, shopkeeper):
    other = UserFactory.create()
    customer = CustomerFactory.create(user=other)
    page = reverse("admin:customers_customer_change", args=[customer.pk])

    admin.post(page, form(code=customer.code, phone=customer.phone, user=shopkeeper.pk))
    admin.post(ADD, form(phone="0733 000 000", code="NEW", user=shopkeeper.pk))

    customer.refresh_from_db()
    assert (customer.name, customer.user) == ("Wanjiru", other)
    assert Customer.objects.get(code="NEW").user is None


def test_a_forgotten_one_stays_as_it_is_and_the_page_says_why(admin):
    customer = CustomerFactory.create(name="Former customer", forgotten_at=timezone.now())
    page = reverse("admin:customers_customer_change", args=[customer.pk])

    response = admin.post(page, form(code=customer.code, phone="0722000000"), follow=True)

    said = [str(each) for each in response.context["messages"]]
    assert said == ["They asked to be forgotten. Make a new customer instead."]
    customer.refresh_from_db()
    assert customer.name == "Former customer"


def test_a_customer_with_orders_stays(admin):
    customer = OrderFactory.create().customer

    admin.post(reverse("admin:customers_customer_delete", args=[customer.pk]), {"post": "yes"})

    assert Customer.objects.get() == customer


@pytest.mark.parametrize(
    ("permissions", "see", "change"),
    [
        ([], 403, 403),
        (["customers.view_customer"], 200, 403),
        (["customers.manage_customers"], 200, 200),
    ],
)
def test_pages_ask_the_same_predicates_as_the_api(db, permissions, see, change):
    client = browser_of(StaffFactory.create(permissions=permissions))

    assert client.get(LIST).status_code == see
    assert client.get(ADD).status_code == change
