"""Users in the roles that tests need."""

from typing import Any

import factory
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import Membership, User
from accounts.states import Role

# Any that finds a session's user: Django would take the first, which finds nobody.
BACKEND = "accounts.backends.OpenIDBackend"


def browser_of(user: User | None, **options: Any) -> Client:
    """Return a browser in which somebody is signed in."""
    browser = Client(**options)
    if user is not None:
        browser.force_login(user, backend=BACKEND)
    return browser


class UserFactory(factory.django.DjangoModelFactory[User]):
    """Somebody who may sign in and nothing more."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")


class StaffFactory(UserFactory):
    """Staff without any right; give some: `StaffFactory(permissions=["orders.view_order"])`."""

    is_staff = True

    @factory.post_generation
    def permissions(self, create, extracted, **kwargs):
        for name in extracted or []:
            app, codename = name.split(".")
            self.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )


class SuperuserFactory(UserFactory):
    """Django's own: may mend what the shop's pages cannot."""

    is_staff = True
    is_superuser = True


class MembershipFactory(factory.django.DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    role = Role.EMPLOYEE


class ShopkeeperFactory(UserFactory):
    """May do everything, as in the shop: by membership, not as a superuser."""

    is_staff = True
    membership = factory.RelatedFactory(
        MembershipFactory, factory_related_name="user", role=Role.SHOPKEEPER
    )
