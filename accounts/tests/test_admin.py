"""Users in the admin."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.tests.factories import StaffFactory


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
    client = Client()
    client.force_login(StaffFactory.create(permissions=["orders.view_order"]))

    page = client.get(reverse("admin:index")).content.decode()

    assert reverse("admin:orders_order_changelist") in page
    assert reverse("admin:accounts_user_changelist") not in page
    assert reverse("admin:notifications_message_changelist") not in page
