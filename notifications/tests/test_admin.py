"""Messages in the admin: to be seen."""

import pytest
from django.urls import reverse

from accounts.tests.factories import StaffFactory, browser_of
from notifications.models import Message
from orders.tests.factories import OrderFactory

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
    assert admin.post(page, {"status": "sent"}).status_code == 403
    assert admin.get(reverse("admin:notifications_message_add")).status_code == 403
    message.refresh_from_db()
    assert message.status == "queued"


@pytest.mark.parametrize(
    ("permissions", "status"), [([], 403), (["notifications.view_message"], 200)]
)
def test_pages_ask_the_same_predicate_as_the_api(db, permissions, status):
    client = browser_of(StaffFactory.create(permissions=permissions))

    assert client.get(LIST).status_code == status
