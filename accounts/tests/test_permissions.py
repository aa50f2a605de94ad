"""Who may do what at each of the accounts' addresses."""

import pytest
from django.urls import reverse

from accounts.api.urls import urlpatterns
from accounts.models import AuditEntry, Invitation, Machine, Membership, User
from accounts.permissions import can_manage_employees
from accounts.services import audit, invitations, machines
from accounts.states import Action
from core.tests.rights import Rights, pytest_generate_tests  # noqa: F401  asks of each route

from .callers import PASSWORD, employee, keeper, membership_of

MANAGE = {"accounts.manage_employees"}
# (method, address) → (body, answer to those who may, the rights of which one is needed;
# None: everybody who has signed in, for their own)
ROUTES = {
    ("GET", "me"): (None, 200, None),
    ("PATCH", "me"): ({"name": "Amina"}, 200, None),
    ("DELETE", "me"): (None, 204, None),
    ("GET", "me-data"): (None, 200, None),
    ("GET", "rights"): (None, 200, MANAGE),
    ("GET", "employee-list"): (None, 200, MANAGE),
    ("GET", "employee-detail"): (None, 200, MANAGE),
    ("PATCH", "employee-detail"): ({}, 200, MANAGE),
    ("DELETE", "employee-detail"): (None, 204, MANAGE),
    ("POST", "employee-suspend"): (None, 200, MANAGE),
    ("POST", "employee-resume"): (None, 200, MANAGE),
    ("GET", "invitation-list"): (None, 200, MANAGE),
    ("POST", "invitation-list"): ({"email": "amina@example.com"}, 201, MANAGE),
    ("GET", "invitation-detail"): (None, 200, MANAGE),
    ("POST", "invitation-revoke"): (None, 200, MANAGE),
    ("POST", "invitation-accept"): ({"token": "x"}, 404, None),
    ("GET", "machine-list"): (None, 200, MANAGE),
    ("POST", "machine-list"): ({"name": "Till"}, 201, MANAGE),
    ("GET", "machine-detail"): (None, 200, MANAGE),
    ("PATCH", "machine-detail"): ({"name": "Till"}, 200, MANAGE),
    ("POST", "machine-revoke"): (None, 200, MANAGE),
    ("POST", "machine-renew-secret"): (None, 200, MANAGE),
    ("GET", "audit-list"): (None, 200, MANAGE),
    ("GET", "audit-detail"): (None, 200, MANAGE),
}


@pytest.fixture
def call(api_as):
    keeper()
    audit.record(Action.REFUSED, by=None)
    things = {
        "employee": membership_of(employee()).pk,
        "invitation": invitations.invite(by=None)[0].pk,
        "machine": machines.create_machine(by=None, name="Till")[0].pk,
        "audit": AuditEntry.objects.latest("pk").pk,
    }

    def everything():
        return [list(model.objects.values()) for model in (Membership, Invitation, Machine)]

    def call(user, route):
        method, name = route
        kind, _, address = name.partition("-")
        args = [things[kind]] if address not in {"", "list", "accept", "data"} else []
        if user and route == ("DELETE", "me"):
            user.email = "leaver@example.com"
            user.set_password(PASSWORD)
            user.save()
        caller = api_as(user)
        if route == ("DELETE", "me"):
            # A session alone does not do: see test_people.
            caller.client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        before, users = everything(), User.objects.count()
        response = caller._call(
            method, reverse(name, args=args).removeprefix("/api/v1"), ROUTES[route][0]
        )
        if response.status_code in {401, 403}:
            assert (everything(), User.objects.count()) == (before, users)
        return response

    return call


class TestRights(Rights):
    ROUTES = ROUTES
    URLS = urlpatterns
    PREDICATES = [can_manage_employees]
