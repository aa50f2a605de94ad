"""A shopkeeper at the orders' pages, in a real Chromium."""

import pytest
from playwright.sync_api import expect

from customers.tests.factories import CustomerFactory
from orders import services
from orders.models import Order
from tests.chromium import PASSWORD, make_shopkeeper, open_shop, picture, sign_in, visitor

from .shop import goods, order_of, stock, wanted

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def shopkeeper(transactional_db):
    return make_shopkeeper()


def test_a_shopkeeper_edits_accepts_hands_over_in_part_and_takes_back(
    chromium, tmp_path, shopkeeper
):
    goods()
    customer = CustomerFactory.create(name="Wanjiru Kamau")
    order = order_of(customer=customer, TEA=3, CUP=2)
    order_of(customer=customer, status="accepted", POT=1)
    services.draft_order(customer=customer, lines=wanted(TEA=50), by=shopkeeper)
    with open_shop(tmp_path) as shop:
        page = visitor(chromium)
        page.set_default_timeout(60_000)
        page.goto(f"{shop.url}/admin/")
        sign_in(page, "mama@example.com", PASSWORD)
        page.wait_for_url("**/admin/")
        picture(page, "orders-start")
        page.get_by_role("link", name="1 waiting for you").click()
        picture(page, "orders-list")
        page.get_by_role("link", name=order.number, exact=True).click()

        page.get_by_label("Note").fill("Ring twice.")
        page.get_by_label("Delivery method").select_option("delivery")
        page.get_by_label("Recipient").fill("Wanjiru")
        page.get_by_label("Address line 1").fill("Moi Avenue 12")
        page.locator("#id_lines-0-quantity").fill("2")
        picture(page, "orders-edit")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Needed for a delivery.")).to_be_visible()
        picture(page, "orders-edit-refused")
        page.get_by_label("City").fill("Nairobi")
        page.get_by_role("button", name="Save and continue editing").click()
        expect(page.get_by_text("TEA: 3 → 2")).to_be_visible()
        picture(page, "orders-edited")

        page.get_by_role("link", name="Accept").click()
        page.get_by_role("button", name="Accept").click()
        page.get_by_role("link", name="Fulfil").click()
        picture(page, "orders-fulfil")
        page.get_by_label("Tea (TEA)").fill("1")
        page.get_by_role("button", name="Fulfil").click()
        expect(page.get_by_text("fulfilled in part.")).to_be_visible()
        page.get_by_role("link", name="Return").click()
        page.get_by_label("Cup (CUP)").fill("1")
        page.get_by_label("Reason").fill("Wrong colour.")
        picture(page, "orders-return")
        page.get_by_role("button", name="Return").click()
        page.get_by_role("link", name="Assign").click()
        picture(page, "orders-assign")
        page.get_by_label("Who sees to it").select_option("Mama Njeri")
        page.get_by_role("button", name="Assign").click()
        expect(page.get_by_text("nobody → Mama Njeri")).to_be_visible()
        picture(page, "orders-handed-over")

        page.goto(f"{shop.url}/admin/orders/order/add/")
        picture(page, "orders-add")
        assert page.errors == []
    order = Order.objects.get(pk=order.pk)
    assert (order.status, order.city, order.assigned_to) == ("accepted", "Nairobi", shopkeeper)
    assert stock() == {"TEA": 8, "CUP": 9, "POT": 9}
