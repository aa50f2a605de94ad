"""The embedded provider's own keys: made once, readable by nobody else, rotated without a gap."""

import json
import os
import stat
import subprocess
import sys
from datetime import timedelta

import jwt
import pytest
from allauth.core.internal import jwkkit
from allauth.idp.oidc.adapter import get_adapter
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone

from accounts.oidc import keyring, tokens
from accounts.services.people import create_local_person
from core.tests.races import at_once
from tests.processes import PROJECT

from .browser import App, Browser, claims_of

PASSWORD = "mboga na matunda 9"


@pytest.fixture(autouse=True)
def file(settings, tmp_path):
    path = tmp_path / "keys" / "identity.json"
    settings.IDENTITY_FILE = str(path)
    settings.OIDC_KEYS_COOLDOWN_SECONDS = 0
    tokens._keys.cache_clear()
    yield path
    tokens._keys.cache_clear()


@pytest.fixture
def issue(db):
    """Return an access token of the API for Njeri."""
    cache.clear()
    create_local_person(name="Njeri", email="njeri@example.com", password=PASSWORD)
    browser = Browser()
    browser.sign_in("njeri@example.com", PASSWORD)
    app = App("kiosk", skip_consent=True)
    yield lambda: app.tokens(browser)["access_token"]
    cache.clear()


def me(token):
    return Client().get("/api/v1/me/", headers={"Authorization": f"Bearer {token}"}).status_code


def published():
    return [key["kid"] for key in Client().get("/.well-known/jwks.json").json()["keys"]]


def signing():
    return keyring.signing_key(get_adapter().get_signing_key().pem)[0]["kid"]


def pass_time(path, **by):
    """Let the file be older by so much than it is."""
    contents = json.loads(path.read_text())
    for key in contents["keys"]:
        for name in ("issued_at", "not_before", "expires_at"):
            if key[name]:
                then = timezone.datetime.fromisoformat(key[name]) - timedelta(**by)
                key[name] = then.isoformat()
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps(contents))
    aside.replace(path)


# The file


def test_it_is_made_on_first_use_and_nobody_else_reads_it(file):
    before = os.umask(0)
    try:
        secret = keyring.client_secret()
    finally:
        os.umask(before)

    assert len(secret) >= 43
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert keyring.client_secret() == secret


def test_it_stays_so_when_keys_are_rotated(file):
    secret = keyring.client_secret()
    keyring.rotate()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert keyring.client_secret() == secret


def test_of_several_processes_that_start_at_once_all_have_the_same_keys(file):
    script = (
        "import sys, django; django.setup()\n"
        "from accounts.oidc import keyring\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(keyring.client_secret(), keyring.public_keys()['keys'][0]['kid'])\n"
    )
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "IDENTITY_FILE": str(file),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=PROJECT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for each in processes:
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        each.stdin.write("\n")
        each.stdin.flush()
    said = {each.communicate(timeout=60)[0] for each in processes}

    assert [each.returncode for each in processes] == [0] * 4
    assert said == {f"{keyring.client_secret()} {keyring.public_keys()['keys'][0]['kid']}\n"}
    assert [each.name for each in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("wrong", ["no JSON", "a folder", "no permission", "no such key", "a list"])
def test_a_file_that_is_of_no_use_is_a_sentence(file, wrong):
    if wrong == "no permission" and os.geteuid() == 0:
        pytest.skip("only root may read everything")
    file.parent.mkdir()
    if wrong == "a folder":
        file.mkdir()
    else:
        file.write_text({"no JSON": "{", "a list": "[]"}.get(wrong, "{}"))
        file.chmod(0 if wrong == "no permission" else 0o600)

    with pytest.raises(ImproperlyConfigured, match="IDENTITY_FILE must name a file that Duka can"):
        keyring.client_secret()


def test_a_folder_that_cannot_be_made_is_a_sentence(settings, file):
    file.parent.write_text("in the way")

    with pytest.raises(ImproperlyConfigured, match="IDENTITY_FILE must name a file that Duka can"):
        keyring.public_keys()


# Rotation


@pytest.mark.django_db
def test_a_new_key_is_published_before_it_signs_and_an_old_one_after(file):
    [first] = published()

    keyring.rotate()
    assert set(published()) > {first}
    [second] = set(published()) - {first}
    assert signing() == first

    pass_time(file, seconds=91)
    assert signing() == second
    assert set(published()) == {first, second}

    pass_time(file, hours=1)
    assert published() == [second]


def test_tokens_of_both_keys_are_good_while_both_are_published(file, issue):
    old = issue()
    keyring.rotate()
    pass_time(file, seconds=91)
    new = issue()

    assert claims_of(old)["sub"] == claims_of(new)["sub"]
    assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
    assert (me(old), me(new)) == (200, 200)


def test_a_token_of_a_key_that_ran_out_is_refused(file, issue):
    old = issue()
    keyring.rotate()
    pass_time(file, hours=1, seconds=91)
    tokens._keys.cache_clear()

    assert me(issue()) == 200
    assert me(old) == 401


def test_keys_that_ran_out_are_forgotten_at_the_next_rotation(file):
    keyring.public_keys()
    keyring.rotate()
    pass_time(file, hours=1, seconds=91)

    keyring.rotate()

    contents = json.loads(file.read_text())
    assert len(contents["keys"]) == 2
    assert [bool(each["expires_at"]) for each in contents["keys"]] == [True, False]


@pytest.mark.django_db(transaction=True)
def test_two_rotations_at_once_leave_a_key_that_signs_and_never_runs_out(file):
    keyring.public_keys()

    assert at_once([keyring.rotate] * 4) == [None] * 4

    keys = json.loads(file.read_text())["keys"]
    assert any(each["expires_at"] is None for each in keys)
    assert signing()
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_worker_takes_up_a_rotation_by_another_without_a_restart(file):
    before = {key["kid"] for key in keyring.public_keys()["keys"]}
    script = "import django; django.setup()\nfrom accounts.oidc import keyring; keyring.rotate()\n"
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "config.settings.test", "IDENTITY_FILE": str(file)},
        check=True,
        timeout=60,
    )

    assert {key["kid"] for key in keyring.public_keys()["keys"]} > before


# Cost


def test_a_key_is_read_once_a_process_and_the_file_once(file, issue, monkeypatch):
    read = []
    real = keyring.load_pem
    monkeypatch.setattr(keyring, "load_pem", lambda pem: read.append(pem) or real(pem))
    monkeypatch.setattr(jwkkit, "load_pem", lambda pem: read.append(pem) or real(pem))
    keyring.signing_key.cache_clear()

    for _ in range(3):
        assert me(issue()) == 200
        published()

    assert len(read) == 1
