import pytest
from django.contrib.auth.models import AnonymousUser

from accounts.tests.factories import ShopkeeperFactory, StaffFactory, UserFactory
from notifications.permissions import can_see_messages

pytestmark = pytest.mark.django_db


def test_staff_with_the_right_and_the_shopkeeper_may_see_messages():
    assert can_see_messages(StaffFactory.create(permissions=["notifications.view_message"]))
    assert can_see_messages(ShopkeeperFactory.create())


def test_nobody_else_may():
    # The right alone is not enough: it may outlive its holder's time as staff.
    former = StaffFactory.create(permissions=["notifications.view_message"])
    former.is_staff = False
    former.save()

    assert not can_see_messages(former)
    assert not can_see_messages(StaffFactory.create())
    assert not can_see_messages(UserFactory.create())
    assert not can_see_messages(AnonymousUser())
