"""Who may do what at each of the notifications' addresses."""

import pytest
from django.urls import reverse

from core.tests.rights import Rights, pytest_generate_tests  # noqa: F401  asks of each route
from customers.tests.factories import CustomerFactory
from notifications.api.urls import urlpatterns
from notifications.models import Consent, Message, StatusLink, Template, TemplateVersion
from notifications.permissions import (
    can_change_consents,
    can_handle_messages,
    can_manage_templates,
    can_see_consents,
    can_see_messages,
)
from notifications.services import make_link, note_consent, sync_templates

from .factories import MessageFactory

SEE, HANDLE = "notifications.view_message", "notifications.handle_message"
TEMPLATES, CONSENTS = "notifications.manage_templates", "notifications.change_consents"
PHONE = "+254722000001"
# (method, address) → (body, answer to those who may, the rights of which one is needed)
ROUTES = {
    ("GET", "message-list"): (None, 200, {SEE}),
    ("GET", "message-detail"): (None, 200, {SEE}),
    ("POST", "message-retry"): ({}, 200, {HANDLE}),
    ("POST", "message-cancel"): ({}, 200, {HANDLE}),
    ("POST", "message-settle"): ({"outcome": "sent"}, 200, {HANDLE}),
    ("GET", "consent-list"): (None, 200, {SEE, CONSENTS}),
    ("POST", "consent-list"): ({"phone": PHONE, "opted_out": False}, 201, {CONSENTS}),
    ("GET", "consent-detail"): (None, 200, {SEE, CONSENTS}),
    ("GET", "message-template-list"): (None, 200, {TEMPLATES}),
    ("GET", "message-template-detail"): (None, 200, {TEMPLATES}),
    ("PATCH", "message-template-detail"): ({"text": "{shop}"}, 200, {TEMPLATES}),
    ("POST", "message-template-preview"): ({}, 200, {TEMPLATES}),
    ("GET", "status-link-list"): (None, 200, {HANDLE}),
    ("GET", "status-link-detail"): (None, 200, {HANDLE}),
    ("POST", "status-link-revoke"): ({}, 200, {HANDLE}),
    ("GET", "my-messages"): (None, 200, None),
    ("PUT", "my-messages"): ({"opted_out": True}, 200, None),
}
STATUSES = {"message-retry": "failed", "message-settle": "unknown"}


@pytest.fixture
def call(api_as):
    sync_templates()
    note_consent(phone=PHONE, opted_out=True, source="staff")

    def everything():
        models = (Message, Consent, StatusLink, TemplateVersion)
        return [list(model.objects.values()) for model in models]

    def call(user, route):
        method, name = route
        args = []
        if name == "consent-detail":
            args = [PHONE]
        elif name.startswith("message-template-") and not name.endswith("list"):
            args = [Template.objects.get(event="order.placed", language="en").pk]
        elif name.startswith("message-") and not name.endswith("list"):
            args = [MessageFactory.create(status=STATUSES.get(name, "queued")).pk]
        elif name in {"status-link-detail", "status-link-revoke"}:
            make_link(subject="order", reference="1001", language="en")
            args = [StatusLink.objects.latest("pk").pk]
        elif name == "my-messages" and user is not None:
            CustomerFactory.create(user=user, phone="+254722000002")
        before = everything()
        response = api_as(user)._call(
            method, reverse(name, args=args).removeprefix("/api/v1"), ROUTES[route][0]
        )
        if response.status_code in {401, 403}:
            assert everything() == before
        return response

    return call


class TestRights(Rights):
    ROUTES = ROUTES
    URLS = urlpatterns
    PREDICATES = [
        can_change_consents,
        can_handle_messages,
        can_manage_templates,
        can_see_consents,
        can_see_messages,
    ]
