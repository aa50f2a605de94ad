"""`var/demo.env`: the access of a program that may do all of the back office."""

import os
import stat

import pytest
from django.conf import settings as django_settings
from django.test import Client

from accounts.models import Machine
from accounts.permissions import permissions_of_right
from accounts.services.machines import revoke_machine
from demo import demo_env

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def var(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    return tmp_path


def written(**carriers):
    demo_env.write(carriers)
    return dict(line.split("=", 1) for line in demo_env.path().read_text().splitlines())


def ask_for_token(values):
    return Client().post(
        "/identity/o/api/token",
        {
            "grant_type": "client_credentials",
            "client_id": values["DUKA_CLIENT_ID"],
            "client_secret": values["DUKA_CLIENT_SECRET"],
            "scope": values["DUKA_SCOPE"],
            "resource": values["DUKA_AUDIENCE"],
        },
    )


def ask_who_it_is(values):
    token = ask_for_token(values).json()["access_token"]
    return Client().get("/api/v1/me/", headers={"Authorization": f"Bearer {token}"})


def test_it_says_where_and_by_which_secret():
    values = written()

    secret = values.pop("DUKA_CLIENT_SECRET")
    assert len(secret) == 43
    assert values == {
        "DUKA_URL": "http://127.0.0.1:8000",
        "DUKA_TOKEN_URL": "http://127.0.0.1:8000/identity/o/api/token",
        "DUKA_CLIENT_ID": Machine.objects.get().client_id,
        "DUKA_SCOPE": "api",
        "DUKA_AUDIENCE": "http://127.0.0.1:8000/api",
    }


def test_it_leads_to_the_carriers_that_are_played_and_not_to_those_of_an_earlier_start():
    before = written(COURIER_URL="http://127.0.0.1:1/courier", PARCELPOST_USER="duka")
    after = written(COURIER_URL="http://127.0.0.1:2/courier")

    assert before["COURIER_URL"] == "http://127.0.0.1:1/courier"
    assert before["PARCELPOST_USER"] == "duka"
    assert after["COURIER_URL"] == "http://127.0.0.1:2/courier"
    assert "PARCELPOST_USER" not in after


def test_where_people_sign_in_elsewhere_it_has_the_carriers_only(settings, var):
    settings.OIDC_EMBEDDED = False
    settings.VAR_DIR = var / "not yet there"

    assert written(PARCELPOST_USER="duka") == {"PARCELPOST_USER": "duka"}
    assert Machine.objects.count() == 0


def test_where_there_is_nothing_to_say_none_of_an_earlier_start_is_left(settings):
    written()
    settings.OIDC_EMBEDDED = False
    demo_env.write({})

    assert not demo_env.path().exists()


def test_its_machine_may_all_that_can_be_granted():
    me = ask_who_it_is(written()).json()

    rights = django_settings.SHOP_RIGHTS
    granted = {each for right in rights for each in permissions_of_right(right)}
    assert set(me["permissions"]) == granted


def test_each_start_makes_a_new_secret_for_the_same_machine_and_the_old_one_is_void():
    before = written()
    after = written()

    assert before["DUKA_CLIENT_ID"] == after["DUKA_CLIENT_ID"]
    assert Machine.objects.count() == 1
    assert [ask_for_token(each).status_code for each in (before, after)] == [401, 200]


def test_after_it_was_revoked_another_is_made():
    before = written()
    revoke_machine(machine_id=Machine.objects.get().pk, by=None)
    after = written()

    assert before["DUKA_CLIENT_ID"] != after["DUKA_CLIENT_ID"]
    assert ask_who_it_is(after).status_code == 200


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_nobody_else_may_read_it_whatever_was_there_before(var, umask):
    demo_env.path().write_text("mine")
    demo_env.path().chmod(0o644)
    kept = demo_env.path().open()
    before = os.umask(umask)
    try:
        written()
    finally:
        os.umask(before)

    assert stat.S_IMODE(demo_env.path().stat().st_mode) == 0o600
    # Whoever had the old file open does not see the new one in it.
    with kept:
        assert kept.read() == "mine"
    assert list(var.glob("demo.env*")) == [demo_env.path()]
