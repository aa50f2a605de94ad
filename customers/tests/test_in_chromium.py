"""A shopkeeper looks through a customer's timeline, in a real Chromium."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from bookings.tests.factories import BookingFactory, ServiceFactory
from conversations.tests.factories import EngagementFactory, make_interaction
from customers.tests.factories import CustomerFactory
from notifications.tests.factories import MessageFactory
from orders.tests.factories import IN_STATUS, OrderFactory
from repairs.tests.factories import JobFactory
from tests.chromium import (
    PASSWORD,
    SIZES,
    TOO_WIDE,
    make_shopkeeper,
    open_shop,
    picture,
    sign_in,
    visitor,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def shopkeeper(transactional_db):
    return make_shopkeeper()


@pytest.fixture
def customer(transactional_db):
    """Somebody of whom something of each kind is known, long words among it."""
    customer = CustomerFactory.create(name="Wanjiru Kamau", phone="+447770123456")
    for each in IN_STATUS.values():
        each.create(customer=customer)
    services = [ServiceFactory.create(name=name).pk for name in ("Haircut", "Beard trim")]
    BookingFactory.create(customer=customer, services=services)
    JobFactory.create(key=123, statuses=("NEW", "OPENED", "JOB COMPLETED"))
    MessageFactory.create_batch(
        45,
        event="by.hand",
        recipient=customer.code,
        status="delivered",
        body="Duka: thank you. Your order is on its way.",
    )
    make_interaction(
        EngagementFactory.create(name="SMS"),
        customer=customer,
        interaction_date=timezone.now() + timedelta(minutes=1),
        agent_name="Baraka Otieno",
        custom={"text": "Mna chai leo? " * 9 + "x" * 90, "direction": "in"},
    )
    OrderFactory.create(customer=customer, note="Please ring twice, the bell is broken.")
    return customer


@pytest.mark.parametrize("name", SIZES)
def test_a_shopkeeper_looks_through_a_timeline(chromium, tmp_path, shopkeeper, customer, name):
    with open_shop(tmp_path) as shop:
        page = visitor(chromium, SIZES[name])
        page.goto(f"{shop.url}/admin/customers/customer/{customer.pk}/change/")
        sign_in(page, "mama@example.com", PASSWORD)
        page.wait_for_url("**/change/")
        picture(page, f"customer-{name}")
        page.goto(f"{shop.url}/admin/customers/customer/{customer.pk}/timeline/")
        entries = page.locator("#timeline > li")
        expect(entries).to_have_count(50)
        expect(entries.first).to_contain_text("SMS from the customer with Baraka Otieno")
        picture(page, f"timeline-{name}")
        assert page.evaluate(TOO_WIDE) is False

        page.get_by_role("link", name="Older").click()
        expect(page.get_by_role("link", name="Newer")).to_be_visible()
        picture(page, f"timeline-older-{name}")
        page.get_by_role("navigation", name="Kinds").get_by_role("link", name="Bookings").click()
        expect(entries).to_have_count(1)
        picture(page, f"timeline-bookings-{name}")
        page.get_by_role("link", name="Booking of Haircut, Beard trim").click()
        page.wait_for_url("**/admin/bookings/booking/*/change/")
        assert page.errors == []
