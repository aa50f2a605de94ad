"""Who may do what at each of an app's addresses: the questions are the same for all apps."""

from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import AnonymousUser, Permission

from accounts.tests.factories import StaffFactory
from core.permissions import Predicate
from core.tests.rest import problem, routes_of

Route = tuple[str, str]


def pytest_generate_tests(metafunc):
    """Ask every question of every route; an app's test_permissions.py imports this with `Rights`."""
    routes = getattr(metafunc.cls, "ROUTES", {})
    if "right" in metafunc.fixturenames:
        pairs = [(route, right) for route in routes for right in sorted(routes[route][2])]
        ids = [f"{'-'.join(route)}-{right}" for route, right in pairs]
        metafunc.parametrize(("route", "right"), pairs, ids=ids)
    elif "route" in metafunc.fixturenames:
        metafunc.parametrize("route", routes, ids="-".join)
    elif "predicate" in metafunc.fixturenames:
        metafunc.parametrize("predicate", metafunc.cls.PREDICATES)


@pytest.mark.django_db
class Rights:
    """Subclass it as `TestRights`, with a fixture `call(user, route)` beside it."""

    # (method, name of the address) → (body, answer to those who may, the rights of which one is
    # needed beside being staff; none where all staff may)
    ROUTES: ClassVar[dict[Route, tuple[Any, int, set[str]]]] = {}
    URLS: ClassVar[list[Any]] = []
    PREDICATES: ClassVar[list[Predicate]] = []

    def rights(self):
        return set().union(*(needed for _, _, needed in self.ROUTES.values()))

    def test_table_has_every_route(self):
        assert set(self.ROUTES) == routes_of(self.URLS)

    def test_without_signing_in_it_is_401(self, call, route):
        response = call(None, route)

        assert response.status_code == 401
        assert response["WWW-Authenticate"] == 'Basic realm="api"'
        assert response.json() == problem(
            response,
            code="not_authenticated",
            detail="Authentication credentials were not provided.",
        )

    def test_signed_in_without_being_staff_it_is_403(self, call, route):
        response = call(StaffFactory.create(is_staff=False, permissions=self.rights()), route)

        assert response.status_code == 403
        assert response.json() == problem(
            response,
            code="permission_denied",
            detail="You do not have permission to perform this action.",
        )

    def test_staff_with_all_other_rights_may_not_where_one_is_needed(self, call, route):
        _, status, needed = self.ROUTES[route]
        # Django's own rights to change rows in the admin are among them.
        user = StaffFactory.create(permissions=all_rights() - needed)

        assert call(user, route).status_code == (403 if needed else status)

    def test_staff_with_the_right_may(self, call, route, right):
        user = StaffFactory.create(permissions=[right])

        assert call(user, route).status_code == self.ROUTES[route][1]

    def test_the_deactivated_may_nothing(self, call, route):
        user = StaffFactory.create(is_active=False, permissions=self.rights())

        assert call(user, route).status_code == 401

    def test_predicates_hold_by_themselves(self, predicate):
        """GraphQL and the admin ask them without REST's own look at `is_staff`."""
        assert predicate(StaffFactory.create(permissions=self.rights()))
        assert not predicate(StaffFactory.create(is_staff=False, permissions=self.rights()))
        assert not predicate(AnonymousUser())


def all_rights():
    return {
        f"{app}.{codename}"
        for app, codename in Permission.objects.values_list("content_type__app_label", "codename")
    }
