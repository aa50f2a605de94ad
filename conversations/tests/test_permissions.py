"""Who may do what at each address of conversations, in both dialects."""

import json

import pytest
from django.urls import reverse

from conversations.api import extended_urls, urls
from conversations.models import Client, Engagement, Interaction
from conversations.permissions import can_handle_conversations, can_see_conversations
from conversations.services import record_contact
from conversations.states import Channel, Direction
from core import clock
from core.tests.rest import program_with
from core.tests.rights import Rights, pytest_generate_tests  # noqa: F401  asks of each route
from notifications.models import Message

from .factories import ClientFactory, EngagementFactory, make_interaction
from .rest import SAMPLE, Caller

VIEW, HANDLE = "conversations.view_interaction", "conversations.handle_interaction"
SEE = {VIEW, HANDLE}
CONTACT = {"phone": "0722000001", "text": "Asked for blue ones."}
DATE = {"": "2020-05-16T12:00:00Z", "extended-": {"$date": 0}}
NAMES = {
    "": ("interaction_date", "engagement", "client"),
    "extended-": ("interactionDate", "engagementId", "clientId"),
}


def of_dialect(prefix):
    """Return what the routes of a dialect take, where `{parent}` is whose it is."""
    when, engagement, client = NAMES[prefix]
    whole = {when: DATE[prefix], engagement: "{parent}"}
    routes = {
        ("GET", "client-list"): (None, 200, SEE),
        ("POST", "client-list"): ({"name": "Acme"}, 201, {HANDLE}),
        ("GET", "client-detail"): (None, 200, SEE),
        ("PUT", "client-detail"): ({"name": "Acme"}, 200, {HANDLE}),
        ("PATCH", "client-detail"): ({}, 200, {HANDLE}),
        ("DELETE", "client-detail"): (None, 204, {HANDLE}),
        ("GET", "client-engagement-list"): (None, 200, SEE),
        ("POST", "client-engagement-list"): ({"name": "SMS"}, 201, {HANDLE}),
        ("GET", "engagement-list"): (None, 200, SEE),
        ("POST", "engagement-list"): ({"name": "SMS", client: "{parent}"}, 201, {HANDLE}),
        ("GET", "engagement-detail"): (None, 200, SEE),
        ("PUT", "engagement-detail"): ({"name": "SMS"}, 200, {HANDLE}),
        ("PATCH", "engagement-detail"): ({}, 200, {HANDLE}),
        ("DELETE", "engagement-detail"): (None, 204, {HANDLE}),
        ("GET", "engagement-interaction-list"): (None, 200, SEE),
        ("POST", "engagement-interaction-list"): ({when: DATE[prefix]}, 201, {HANDLE}),
        ("POST", "engagement-interaction-bulk"): ([{when: DATE[prefix]}], 200, {HANDLE}),
        ("GET", "interaction-list"): (None, 200, SEE),
        ("POST", "interaction-list"): (whole, 201, {HANDLE}),
        ("GET", "interaction-counts"): (None, 200, SEE),
        ("POST", "interaction-bulk"): ([whole], 200, {HANDLE}),
        ("GET", "interaction-detail"): (None, 200, SEE),
        ("PUT", "interaction-detail"): (whole, 200, {HANDLE}),
        ("PATCH", "interaction-detail"): ({"sentiment": "Good"}, 200, {HANDLE}),
        ("DELETE", "interaction-detail"): (None, 204, {HANDLE}),
    }
    return {(method, prefix + name): each for (method, name), each in routes.items()}


# (method, address) → (body, answer to those who may, the rights of which one is needed)
ROUTES = {
    **of_dialect(""),
    **of_dialect("extended-"),
    ("POST", "contact-list"): (CONTACT, 201, {HANDLE}),
    ("POST", "interaction-reply"): ({"text": "Yes."}, 201, {HANDLE}),
}


@pytest.fixture
def call(db):
    def everything():
        models = (Client, Engagement, Interaction, Message)
        return [list(model.objects.order_by("pk").values()) for model in models]

    def call(user, route):
        method, name = route
        noun = name.removeprefix("extended-")
        client = ClientFactory.create()
        whose = client.pk
        if noun not in {"client-detail", "client-engagement-list", "engagement-list"}:
            whose = EngagementFactory.create(client=client).pk
        ident = whose
        if noun == "interaction-detail":
            ident = make_interaction(Engagement.objects.get(pk=whose)).pk
        if noun == "interaction-reply":
            ident = record_contact(
                channel=Channel.SMS,
                direction=Direction.IN,
                text="Tea?",
                at=clock.now(),
                phone="+254722000001",
            ).pk
        many = noun in {"client-list", "engagement-list", "contact-list"} or (
            noun.startswith("interaction-")
            and noun not in {"interaction-detail", "interaction-reply"}
        )
        path = reverse(name, args=[] if many else [ident])
        if noun == "interaction-counts":
            path += "?by=day"
        oid = json.dumps({"$oid": whose} if name != noun else whose)
        body = json.dumps(ROUTES[route][0]).replace('"{parent}"', oid)
        before = everything()
        response = Caller(user)(method, path, "" if ROUTES[route][0] is None else body)
        if response.status_code in {401, 403}:
            assert everything() == before
        return response

    return call


class TestRights(Rights):
    ROUTES = ROUTES
    # The slash at the end of the root's addresses leads to the same views.
    URLS = [*urls.urlpatterns, *(each for each in extended_urls.urlpatterns if each.name)]
    PREDICATES = [can_see_conversations, can_handle_conversations]


def shown(route, slash=""):
    """Return what an address is and does, but for where it is described."""
    view = route.callback
    options = {key: value for key, value in view.initkwargs.items() if key != "schema"}
    # A server adds HEAD once it has answered.
    actions = {key: value for key, value in view.actions.items() if key != "head"}
    return f"{route.pattern}{slash}", view.cls, actions, options


def test_with_a_slash_at_the_end_the_views_are_the_same():
    named = [each for each in extended_urls.urlpatterns if each.name]
    assert len(named) == 11
    assert [shown(each, "/") for each in named] == list(map(shown, extended_urls.with_slash))


@pytest.mark.django_db
def test_programs_come_by_the_right_that_the_shopkeeper_gave_them(client):
    EngagementFactory.create(id="5f18d12f42262eec0d435583")
    answers = {}
    for right in ("see_conversations", "handle_conversations", "see_orders"):
        headers = program_with(right).headers
        options = {"headers": headers, "content_type": "application/json"}
        answers[right] = [
            client.get("/interactions", headers=headers).status_code,
            client.get("/api/v1/clients/", headers=headers).status_code,
            client.post("/interactions", SAMPLE, **options).status_code,
        ]

    assert answers == {
        "see_conversations": [200, 200, 403],
        "handle_conversations": [200, 200, 201],
        "see_orders": [403, 403, 403],
    }
