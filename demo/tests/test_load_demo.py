"""The demo shop: who can sign in to it, and what is there to look at."""

import pytest
from django.core.management import call_command

from accounts.models import User
from accounts.permissions import all_permissions, permissions_of_right
from bookings.models import Booking
from catalog.models import Product
from customers.models import Customer
from demo.accounts import DEMO_ACCOUNTS
from orders.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    call_command("load_demo", verbosity=0)
    return {user.email.partition("@")[0]: user for user in User.objects.all()}


def test_each_account_signs_in_by_a_verified_address_and_its_password(people):
    assert set(people) == {"shopkeeper", "employee", "shopper"}
    for account in DEMO_ACCOUNTS:
        user = people[account.email.partition("@")[0]]
        assert (user.email, user.get_full_name()) == (account.email, account.name)
        assert user.check_password(account.password)
        assert user.emailaddress_set.get().verified


def test_they_may_what_their_roles_say_and_none_is_a_superuser(people):
    rights = (
        *("see_orders", "handle_orders", "see_bookings", "handle_bookings"),
        *("see_repairs", "handle_repairs", "see_conversations", "handle_conversations"),
    )
    handles = {each for right in rights for each in permissions_of_right(right)}

    assert {
        name: (user.roles, user.is_staff, user.get_all_permissions())
        for name, user in people.items()
    } == {
        "shopkeeper": (["shop-owner"], True, all_permissions()),
        "employee": (["shop-employee"], True, handles),
        "shopper": ([], False, set()),
    }
    assert not User.objects.filter(is_superuser=True).exists()


def test_the_shopper_has_orders_of_her_own_and_sees_no_others(people, api_as):
    numbers = set(Order.objects.filter(customer__user=people["shopper"]).values_list("number"))

    seen = api_as(people["shopper"]).get("/orders/").json()["results"]

    assert {(row["number"],) for row in seen} == numbers
    assert 0 < len(numbers) < Order.objects.count()


def test_the_shopper_can_book_the_samples_services_and_sees_her_booking(people, api_as):
    shopper = api_as(people["shopper"])

    services = shopper.get("/services/").json()["results"]
    assert {(row["id"], row["name"]) for row in services} == {
        (123, "Inspection"),
        (789, "Testing"),
        (456, "Analysis"),
    }
    [own] = shopper.get("/service-orders/").json()["results"]
    assert (own["status"], own["totalfee"]) == ("pending", 100)
    assert any(day["times"] for day in shopper.get("/availability/").json()["results"])
    assert Booking.objects.filter(imported=True).count() == 3


def test_a_stranger_finds_what_is_for_sale_by_words_with_typing_errors_too(people, api_as):
    found = {
        words: [
            row["name"] for row in api_as(None).get(f"/products/?search={words}").json()["results"]
        ]
        for words in ("kahwa", "chia", "coffee", "drinks", "sabuni-1")
    }

    assert found == {
        "kahwa": ["Kahawa"],
        "chia": ["Chai"],
        "coffee": ["Kahawa"],
        "drinks": ["Kahawa", "Chai"],
        "sabuni-1": ["Sabuni"],
    }


def test_loading_twice_changes_nothing(people):
    def counted():
        return [model.objects.count() for model in (User, Customer, Product, Order)]

    before = counted()
    call_command("load_demo", verbosity=0)

    assert counted() == before == [3, 6, 8, 5]
