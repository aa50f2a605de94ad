import pytest
from django.contrib.auth.models import AnonymousUser

from accounts.tests.factories import ShopkeeperFactory, StaffFactory, UserFactory
from notifications.permissions import can_see_messages

pytestmark = pytest.mark.django_db


def test_who_has_the_right_and_the_shopkeeper_may_see_messages():
    may = ["notifications.view_message"]
    assert can_see_messages(StaffFactory.create(is_staff=False, permissions=may))
    assert can_see_messages(ShopkeeperFactory.create())


def test_nobody_else_may():
    assert not can_see_messages(StaffFactory.create())
    assert not can_see_messages(UserFactory.create())
    assert not can_see_messages(AnonymousUser())
