"""What the shop knows of a customer by their orders: to be taken along, and to be forgotten."""

import json

import pytest

from accounts.services.people import delete_account, personal_data
from accounts.tests.factories import ShopkeeperFactory, UserFactory
from customers.tests.factories import CustomerFactory
from orders import services
from orders.models import Order, OrderChange
from orders.services import Delivery

from .shop import DELIVERY, assert_books_agree, goods, order_of, wanted

pytestmark = pytest.mark.django_db

# What no row may say any more once they left.
PERSONAL = ("Wanjiru", "Moi Avenue", "Nairobi", "00100", "My knee", "Ring")


@pytest.fixture
def shopper(db):
    return UserFactory.create(email="wanjiru@example.com", first_name="Wanjiru")


@pytest.fixture
def order(shopper):
    """A delivery that was edited by the shop and called off by the shopper."""
    goods()
    boss = ShopkeeperFactory.create()
    order = order_of(customer=CustomerFactory.create(user=shopper, name="Wanjiru"), TEA=2)
    act = {"order_id": order.pk, "by": boss}
    services.edit_order(**act, note="Ring twice.", delivery=DELIVERY)
    services.edit_order(**act, note="Ring once.", lines=wanted(TEA=3))
    services.assign_order(**act, to=boss)
    return services.cancel_own_order(order_id=order.pk, by=shopper, reason="My knee hurts.")


def test_what_is_kept_is_handed_out_with_address_and_history(shopper, order):
    [kept] = personal_data(user=shopper)["orders"]

    assert kept["delivery"] == DELIVERY.as_fields()
    assert kept["note"] == "Ring once."
    # Who of the shop sees to it is not about them.
    assert [(each["what"], each["reason"]) for each in kept["history"]] == [
        ("placed", ""),
        ("edited", ""),
        ("edited", ""),
        ("cancelled", "My knee hurts."),
    ]
    assert kept["history"][1]["changes"]["city"] == ["", "Nairobi"]


def test_what_is_forgotten_stays_right_in_the_books(shopper, order):
    other = order_of(TEA=1)
    services.edit_order(order_id=other.pk, by=None, delivery=DELIVERY, note="Ring.")

    delete_account(user=shopper)

    order.refresh_from_db()
    assert Delivery.of(order) == Delivery(
        delivery_method="delivery",
        recipient="–",
        address_line_1="–",
        city="–",
        country="KE",
    )
    assert (order.note, order.status, str(order.total)) == ("", "cancelled", "37.50")
    changes = list(order.history.values_list("verb", "changes", "reason"))
    assert changes[:3] == [
        ("placed", {}, ""),
        ("edited", {"delivery_method": ["collection", "delivery"], "country": ["", "KE"]}, ""),
        ("edited", {"TEA quantity": [2, 3], "total": ["25.00", "37.50"]}, ""),
    ]
    assert changes[4] == ("cancelled", {}, "")
    said = json.dumps(
        [
            *Order.objects.filter(pk=order.pk).values(),
            *OrderChange.objects.filter(order=order).values(),
        ],
        default=str,
    )
    assert [each for each in PERSONAL if each in said] == []
    # Of nobody else.
    other.refresh_from_db()
    assert (Delivery.of(other), other.note) == (DELIVERY, "Ring.")
    assert other.history.last().changes["city"] == ["", "Nairobi"]
    assert_books_agree()


def test_an_employee_who_leaves_leaves_no_name_in_the_history():
    goods()
    order = order_of(TEA=1)
    ShopkeeperFactory.create()
    boss = ShopkeeperFactory.create(first_name="Baraka", email="baraka@example.com")
    services.assign_order(order_id=order.pk, by=boss, to=boss)

    delete_account(user=boss)

    said = json.dumps(list(OrderChange.objects.values()), default=str)
    assert "Baraka" not in said
    assert "baraka" not in said
