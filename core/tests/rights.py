"""Who may do what at each of an app's addresses: the questions are the same for all apps."""

from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import AnonymousUser, Permission

from accounts.tests.factories import StaffFactory, UserFactory
from core.permissions import Predicate
from core.tests.rest import problem, routes_of

Route = tuple[str, str]


def pytest_generate_tests(metafunc):
    """Ask every question of every route; an app's test_permissions.py imports this with `Rights`."""
    routes = getattr(metafunc.cls, "ROUTES", {})
    if "right" in metafunc.fixturenames:
        pairs = [(route, right) for route in routes for right in sorted(routes[route][2] or ())]
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
    # needed; None where everybody may who has signed in)
    ROUTES: ClassVar[dict[Route, tuple[Any, int, set[str] | None]]] = {}
    # The answer to everybody else where it is no 403, as they may see what is their own.
    OWN: ClassVar[dict[Route, int]] = {}
    # Those that strangers may use as well.
    PUBLIC: ClassVar[set[Route]] = set()
    URLS: ClassVar[list[Any]] = []
    PREDICATES: ClassVar[list[Predicate]] = []

    def rights(self):
        return set().union(*(needed or () for _, _, needed in self.ROUTES.values()))

    def without_right(self, route):
        """Return what is answered to somebody who lacks what the route needs."""
        _, status, needed = self.ROUTES[route]
        return status if needed is None else self.OWN.get(route, 403)

    def test_table_has_every_route(self):
        assert set(self.ROUTES) == routes_of(self.URLS)

    def test_without_signing_in_it_is_401(self, call, route):
        response = call(None, route)

        if route in self.PUBLIC:
            assert response.status_code == self.ROUTES[route][1]
            return
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == 'Bearer realm="api"'
        assert response.json() == problem(
            response,
            code="not_authenticated",
            detail="Authentication credentials were not provided.",
        )

    def test_a_shopper_may_only_what_everybody_may(self, call, route):
        response = call(UserFactory.create(), route)

        assert response.status_code == self.without_right(route)
        if response.status_code == 403:
            assert response.json() == problem(
                response,
                code="permission_denied",
                detail="You do not have permission to perform this action.",
            )

    def test_all_other_rights_and_being_staff_do_not_replace_the_one_that_is_needed(
        self, call, route
    ):
        # Django's own rights to change rows in the admin are among them.
        others = all_rights() - (self.ROUTES[route][2] or set())

        response = call(StaffFactory.create(permissions=others), route)

        assert response.status_code == self.without_right(route)

    def test_who_has_the_right_may_without_being_staff(self, call, route, right):
        user = StaffFactory.create(is_staff=False, permissions=[right])

        assert call(user, route).status_code == self.ROUTES[route][1]

    def test_the_deactivated_may_nothing(self, call, route):
        user = StaffFactory.create(is_active=False, permissions=self.rights())

        assert call(user, route).status_code == (
            self.ROUTES[route][1] if route in self.PUBLIC else 401
        )

    def test_predicates_hold_by_themselves(self, predicate):
        """GraphQL and the admin ask them without REST's own look at who has signed in."""
        assert predicate(StaffFactory.create(is_staff=False, permissions=self.rights()))
        assert not predicate(StaffFactory.create())
        assert not predicate(UserFactory.create(is_active=False, is_superuser=True))
        assert not predicate(AnonymousUser())


def all_rights():
    return {
        f"{app}.{codename}"
        for app, codename in Permission.objects.values_list("content_type__app_label", "codename")
    }
