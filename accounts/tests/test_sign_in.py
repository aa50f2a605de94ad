"""Signing in with a name and a password: wrong ones are few, right ones are cheap."""

import base64

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_counts(settings):
    settings.THROTTLE_SIGN_IN = "3/min"
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def otieno():
    return User.objects.create_user("otieno", password="right", is_staff=True)


def get(name, password, address="127.0.0.1"):
    credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
    return Client(REMOTE_ADDR=address).get(
        "/api/v1/products/", headers={"Authorization": f"Basic {credentials}"}
    )


def test_after_some_wrong_passwords_the_right_one_has_to_wait(otieno):
    assert [get("otieno", "wrong").status_code for _ in range(3)] == [401, 401, 401]

    waits = get("otieno", "right")

    assert (waits.status_code, waits["Retry-After"]) == (429, "60")
    assert waits.json()["code"] == "throttled"


def test_the_limit_is_of_one_name_and_one_address(otieno):
    User.objects.create_user("njeri", password="right", is_staff=True)
    for _ in range(3):
        get("otieno", "wrong")

    assert get("otieno", "right", address="127.0.0.2").status_code == 200
    assert get("njeri", "right").status_code == 200
    assert get("OTIENO", "right").status_code == 429


def test_a_name_that_nobody_has_is_limited_alike():
    assert [get("nobody", "wrong").status_code for _ in range(4)] == [401, 401, 401, 429]


def test_the_admins_form_has_the_same_limit(otieno):
    form = {"username": "otieno", "password": "wrong"}
    for _ in range(3):
        Client().post(reverse("admin:login"), form)

    refused = Client().post(reverse("admin:login"), form | {"password": "right"})
    assert refused.status_code == 200
    assert not refused.wsgi_request.user.is_authenticated
    assert get("otieno", "right").status_code == 429


def test_right_passwords_are_not_counted(otieno):
    assert {get("otieno", "right").status_code for _ in range(5)} == {200}


def test_a_right_password_is_worked_out_once(otieno, monkeypatch):
    checks = []
    real = User.check_password
    monkeypatch.setattr(User, "check_password", lambda *a: checks.append(1) or real(*a))

    assert {get("otieno", "right").status_code for _ in range(3)} == {200}
    assert len(checks) == 1


def test_what_was_remembered_ends_with_the_password_and_with_the_user(otieno):
    assert get("otieno", "right").status_code == 200

    otieno.set_password("new")
    otieno.save()
    assert get("otieno", "right").status_code == 401
    assert get("otieno", "new").status_code == 200

    otieno.is_active = False
    otieno.save()
    assert get("otieno", "new").status_code == 401
