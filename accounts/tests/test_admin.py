"""Users in the admin."""

import pytest
from django.urls import reverse

from accounts.models import User
from accounts.tests.factories import StaffFactory, SuperuserFactory, browser_of


@pytest.fixture
def superuser(db):
    """The admin as a superuser."""
    return browser_of(SuperuserFactory.create())


@pytest.mark.parametrize(
    ("page", "keepers", "superusers"),
    [
        ("accounts_user", 403, 200),
        ("auth_group", 403, 200),
        ("core_periodicjob", 200, 200),
        ("core_worker", 200, 200),
    ],
)
def test_users_and_groups_are_a_superuser_s_and_the_machinery_a_shopkeeper_s_too(
    admin, superuser, page, keepers, superusers
):
    address = reverse(f"admin:{page}_changelist")

    assert admin.get(address).status_code == keepers
    assert superuser.get(address).status_code == superusers


def test_users_are_neither_made_nor_deleted_here(superuser):
    user = StaffFactory.create()

    assert superuser.get(reverse("admin:accounts_user_add")).status_code == 403
    delete = reverse("admin:accounts_user_delete", args=[user.pk])
    assert superuser.post(delete, {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=user.pk).exists()


def test_menu_shows_what_may_be_opened(db):
    client = browser_of(StaffFactory.create(permissions=["orders.view_order"]))

    page = client.get(reverse("admin:index")).content.decode()

    assert reverse("admin:orders_order_changelist") in page
    assert reverse("admin:accounts_user_changelist") not in page
    assert reverse("admin:notifications_message_changelist") not in page


def test_an_identity_is_entered_with_its_user_and_belongs_to_one(superuser):
    one, other = StaffFactory.create(), StaffFactory.create()

    def enter(user):
        return superuser.post(
            reverse("admin:accounts_user_change", args=[user.pk]),
            {
                "username": user.username,
                "date_joined_0": "2026-11-21",
                "date_joined_1": "08:00:00",
                "identities-TOTAL_FORMS": 1,
                "identities-INITIAL_FORMS": 0,
                "identities-0-issuer": "https://id.example",
                "identities-0-subject": "njeri",
            },
        )

    assert enter(one).status_code == 302
    assert "This identity belongs to a user already." in enter(other).content.decode()
    assert str(one.identities.get()) == "njeri at https://id.example"
