"""A shopkeeper at the messages' pages and a customer at a status link, in a real Chromium."""

import re

import pytest
from django.apps import apps
from playwright.sync_api import expect

from customers.tests.factories import CustomerFactory
from notifications.models import Callback, InboundMessage, Message, MessageEvent, Template
from notifications.services import note_consent, sync_templates
from notifications.states import Happening
from orders import services as orders
from orders.tests.shop import goods, order_of
from tests.chromium import (
    PASSWORD,
    PHONE,
    SIZES,
    TOO_WIDE,
    make_shopkeeper,
    open_shop,
    picture,
    sign_in,
    visitor,
)

from .factories import MessageFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def shopkeeper(transactional_db):
    return make_shopkeeper()


@pytest.fixture(params=["desk", "phone"])
def name(request):
    return request.param


@pytest.fixture
def order(transactional_db):
    goods()
    return order_of(customer=CustomerFactory.create(name="Wanjiru Kamau"), TEA=3)


def unknown_message():
    message = MessageFactory.create(
        status="unknown",
        to="+254722000123",
        attempts=1,
        transport="africastalking",
        error_code="unknown",
        error="ReadTimeout: HTTPConnectionPool(host='api.africastalking.com', port=443): Read timed"
        " out. (read timeout=9.05)",
    )
    for what, detail in ((Happening.BEGUN, ""), (Happening.LOST, message.error)):
        MessageEvent.objects.create(
            message=message, what=what, transport="africastalking", detail=detail
        )
    return message


def test_a_shopkeeper_tries_words_saves_them_and_settles_a_message(
    chromium, tmp_path, shopkeeper, order, name
):
    sync_templates()
    unknown = unknown_message()
    MessageFactory.create(segments=1, status="sent", cost_amount="0.8", cost_currency="KES")
    note_consent(phone="+254722000123", opted_out=True, source="message", detail="ACHA")
    InboundMessage.objects.create(
        transport="vonage", gateway_id="1", phone="+254722000123", text="Mna chai leo?"
    )
    Callback.objects.create(
        transport="vonage",
        kind="report",
        key="1",
        state="unmatched",
        gateway_id="aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab",
        detail="No message has this id.",
        body=b'{"message_uuid": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab", "status": "delivered"}',
    )
    template = Template.objects.get(event="order.accepted", language="en")
    with open_shop(tmp_path) as shop:
        page = visitor(chromium, SIZES[name])
        admin = f"{shop.url}/admin/notifications"
        page.goto(f"{shop.url}/admin/")
        sign_in(page, "mama@example.com", PASSWORD)
        page.wait_for_url("**/admin/")

        page.goto(f"{admin}/template/")
        picture(page, f"words-list-{name}")
        page.goto(f"{admin}/template/{template.pk}/change/")
        picture(page, f"words-{name}")
        words = page.get_by_label("Text")
        words.fill("Karibu {customr}, {number}!")
        page.get_by_label("Try it on").fill(order.number)
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_text("Unknown: {customr}.")).to_be_visible()
        picture(page, f"words-unknown-{name}")
        words.fill("Karibu {customer}, oda {number} ya {total}!")
        page.get_by_label("Try it on").press("Enter")
        expect(page.get_by_text(f"Karibu Wanjiru Kamau, oda {order.number} ya")).to_be_visible()
        expect(page.get_by_text("1 SMS, about KES 0.80")).to_be_visible()
        picture(page, f"words-shown-{name}")
        assert not template.versions.exists()
        assert not page.evaluate(TOO_WIDE)
        page.get_by_role("button", name="Save", exact=True).click()
        page.wait_for_url("**/template/")
        assert template.versions.get().text == "Karibu {customer}, oda {number} ya {total}!"

        page.goto(f"{admin}/message/?q=%2B254722000123")
        picture(page, f"messages-{name}")
        page.goto(f"{admin}/message/{unknown.pk}/change/")
        picture(page, f"message-{name}")
        assert not page.evaluate(TOO_WIDE)
        if name == "phone":
            page.locator("span:visible", has_text="more_horiz").click()
        page.get_by_role("link", name="Settle").click()
        page.get_by_label("Outcome").select_option("delivered")
        page.get_by_label("Reason").fill("They rang.")
        picture(page, f"message-settle-{name}")
        page.get_by_role("button", name="Settle").click()
        expect(page.get_by_text("They rang.")).to_be_visible()
        picture(page, f"message-settled-{name}")

        for model in ("consent", "inboundmessage", "callback"):
            page.goto(f"{admin}/{model}/")
            picture(page, f"{model}s-{name}")
            row = apps.get_model("notifications", model).objects.get()
            page.goto(f"{admin}/{model}/{row.pk}/change/")
            picture(page, f"{model}-{name}")
            assert not page.evaluate(TOO_WIDE)
        assert page.errors == []
    assert Message.objects.get(pk=unknown.pk).status == "delivered"


@pytest.mark.parametrize(
    ("language", "state", "step"),
    [("en", "Accepted", "Placed"), ("sw", "Imekubaliwa", "Imewekwa")],
)
def test_a_customer_reads_a_status_link_on_a_phone(chromium, tmp_path, language, state, step):
    goods()
    order = order_of(
        customer=CustomerFactory.create(name="Wanjiru Kamau", language=language), TEA=3
    )
    orders.accept_order(order_id=order.pk, by=None)
    told = Message.objects.get(event="order.accepted")
    [path] = re.findall("/t/[0-9A-Za-z_-]+", told.body)
    with open_shop(tmp_path) as shop:
        page = visitor(chromium, PHONE)

        page.goto(f"{shop.url}{path}")
        picture(page, f"status-{language}")
        expect(page.get_by_role("heading")).to_contain_text(order.number)
        expect(page.locator(".state")).to_have_text(state)
        expect(page.get_by_text(step)).to_be_visible()
        assert not page.evaluate(TOO_WIDE)
        assert "Wanjiru" not in page.content()

        page.goto(f"{shop.url}{path}x")
        picture(page, f"status-none-{language}")
        expect(page.get_by_role("heading")).to_have_text("There is nothing here")
        assert page.errors == []
