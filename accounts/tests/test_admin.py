"""Users in the admin."""

import pytest
from django.urls import reverse

from accounts.models import User
from accounts.tests.factories import StaffFactory, browser_of


def test_a_user_is_added_with_a_password(admin):
    admin.post(
        reverse("admin:accounts_user_add"),
        {
            "username": "akinyi",
            "usable_password": "true",
            "password1": "correct horse 9",
            "password2": "correct horse 9",
        },
    )

    assert User.objects.get(username="akinyi").check_password("correct horse 9")


@pytest.mark.parametrize("page", ["accounts_user", "auth_group", "core_periodicjob", "core_worker"])
def test_lists_of_the_system_open(admin, page):
    assert admin.get(reverse(f"admin:{page}_changelist")).status_code == 200


def test_menu_shows_what_may_be_opened(db):
    client = browser_of(StaffFactory.create(permissions=["orders.view_order"]))

    page = client.get(reverse("admin:index")).content.decode()

    assert reverse("admin:orders_order_changelist") in page
    assert reverse("admin:accounts_user_changelist") not in page
    assert reverse("admin:notifications_message_changelist") not in page


def test_an_identity_is_entered_with_its_user_and_belongs_to_one(admin):
    one, other = StaffFactory.create(), StaffFactory.create()

    def enter(user):
        return admin.post(
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
