"""Messages in the admin: to be seen, and moved by hand."""

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.tests.factories import StaffFactory, browser_of
from notifications.models import Callback, InboundMessage, Message
from notifications.services import note_consent
from orders.tests.factories import OrderFactory

from .factories import MessageFactory
from .outbox import statuses

LIST = reverse("admin:notifications_message_changelist")


def test_messages_are_listed_filtered_and_found(admin):
    order = OrderFactory.create()

    for query in ({}, {"status__exact": "queued"}, {"q": order.number}):
        response = admin.get(LIST, query)
        assert [row.reference for row in response.context["cl"].result_list] == [order.number]
    assert not admin.get(LIST, {"status__exact": "sent"}).context["cl"].result_list


def test_a_message_is_shown_and_cannot_be_typed_in(admin):
    OrderFactory.create()
    message = Message.objects.get()
    page = reverse("admin:notifications_message_change", args=[message.pk])

    assert message.body in admin.get(page).content.decode()
    timeline = {"timeline-TOTAL_FORMS": "0", "timeline-INITIAL_FORMS": "0"}
    with CaptureQueriesContext(connection) as seen:
        admin.post(page, {"status": "sent", "body": "Other", **timeline})
    assert not [each for each in seen if 'UPDATE "notifications_message"' in each["sql"]]
    assert admin.get(reverse("admin:notifications_message_add")).status_code == 403
    before = message.body
    message.refresh_from_db()
    assert (message.status, message.body) == ("queued", before)


@pytest.mark.parametrize(
    ("status", "verb", "form", "became"),
    [
        ("failed", "retry", {"reason": "It is mended."}, "queued"),
        ("parked", "cancel", {"reason": "Too late."}, "suppressed"),
        ("unknown", "settle", {"outcome": "delivered", "reason": "They rang."}, "delivered"),
    ],
)
def test_the_buttons_ask_then_do_it_and_the_page_tells_it(admin, status, verb, form, became):
    message = MessageFactory.create(status=status)
    page = reverse("admin:notifications_message_change", args=[message.pk])
    button = reverse(f"admin:notifications_message_{verb}_this", args=[message.pk])
    assert button in admin.get(page).content.decode()

    asked = admin.get(button)
    assert (asked.status_code, statuses()) == (200, [status])

    shown = admin.post(button, {**form, "confirmed": "yes"}, follow=True).content.decode()
    assert statuses() == [became]
    assert form["reason"] in shown
    assert f"now {became}." in shown
    assert message.timeline.get().by.is_staff


def test_only_the_moves_that_a_status_allows_are_offered(admin):
    message = MessageFactory.create(status="sent")
    page = reverse("admin:notifications_message_change", args=[message.pk])

    text = admin.get(page).content.decode()

    assert not [verb for verb in ("retry", "cancel", "settle") if f"{page[:-7]}{verb}" in text]


@pytest.mark.parametrize("name", ["consent", "inboundmessage", "callback"])
def test_what_came_in_is_shown_and_cannot_be_written(admin, name):
    note_consent(phone="+254722000001", opted_out=True, source="staff", detail="At the counter")
    InboundMessage.objects.create(transport="vonage", gateway_id="1", phone="+254722000001")
    Callback.objects.create(transport="vonage", kind="report", key="1", body=b"\xff{}")
    model = apps.get_model("notifications", name)

    assert admin.get(reverse(f"admin:notifications_{name}_changelist")).status_code == 200
    page = reverse(f"admin:notifications_{name}_change", args=[model.objects.get().pk])
    assert admin.get(page).status_code == 200
    assert admin.post(page, {}).status_code == 403
    assert admin.get(reverse(f"admin:notifications_{name}_add")).status_code == 403


@pytest.mark.parametrize(
    ("permissions", "status"), [([], 403), (["notifications.view_message"], 200)]
)
def test_pages_ask_the_same_predicate_as_the_api(db, permissions, status):
    client = browser_of(StaffFactory.create(permissions=permissions))

    assert client.get(LIST).status_code == status
