"""Users in the roles that tests need."""

import factory
from django.contrib.auth.models import Permission

from accounts.models import User


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


class ShopkeeperFactory(UserFactory):
    """May do everything."""

    is_staff = True
    is_superuser = True
