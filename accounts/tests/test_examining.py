"""What `manage.py doctor` finds of signing in."""

import json
import re
import threading
import time
from email.utils import formatdate

import pytest

from accounts.oidc import keyring
from accounts.services.examining import examine_identity, examine_issuer, examine_issuer_clock
from accounts.tests.provider import make_key, provider_for
from core import doctor


def said(check):
    return [(finding.level, finding.said) for finding in check()]


@pytest.fixture(scope="module")
def key():
    return make_key("RS256")


@pytest.fixture
def outside(settings, key):
    with provider_for(settings, key) as made:
        yield made


@pytest.fixture
def embedded(settings, tmp_path):
    settings.IDENTITY_FILE = str(tmp_path / "identity.json")
    settings.OIDC_EMBEDDED = True


def test_an_issuer_that_is_well(outside):
    assert said(examine_issuer) == [("ok", f"{outside.issuer} says who it is, and shows 1 key(s).")]
    assert said(examine_identity) == [
        ("ok", f"People sign in at {outside.issuer}; it has the keys.")
    ]


def test_the_issuers_clock_is_compared_with_ours(outside, settings, monkeypatch):
    well = [("ok", "The issuer's clock and ours say the same.")]
    handler = outside.server.RequestHandlerClass
    assert said(examine_issuer_clock) == well

    # It is ten minutes behind; or a proxy has kept its answer for so long.
    then = formatdate(time.time() - 600, usegmt=True)
    monkeypatch.setattr(handler, "date_time_string", lambda self, timestamp=None: then)
    [(level, sentence)] = said(examine_issuer_clock)
    assert level == "problem"
    assert re.fullmatch(
        r"The issuer's clock and ours are \d+ s apart: tokens may be refused.", sentence
    )
    monkeypatch.setattr(handler, "date_time_string", lambda self, timestamp=None: "soon")
    assert said(examine_issuer_clock) == [("ok", "The issuer does not tell the time.")]
    kept = f"{formatdate(time.time() - 600, usegmt=True)}\r\nAge: 600"
    monkeypatch.setattr(handler, "date_time_string", lambda self, timestamp=None: kept)
    assert said(examine_issuer_clock) == well

    settings.OIDC_EMBEDDED = True
    assert said(examine_issuer_clock) == []


def test_an_issuer_that_calls_itself_otherwise(outside):
    outside.says_issuer = f"{outside.issuer}/"

    [finding] = examine_issuer()

    assert finding.said == (
        f"{outside.issuer} calls itself '{outside.issuer}/': every token would be refused."
    )
    assert finding.level == "problem"


def test_an_issuer_that_is_down_or_has_no_keys(outside):
    outside.keys = {}
    assert said(examine_issuer) == [("problem", f"{outside.issuer} shows no keys.")]
    outside.down, outside.only = True, "/jwks"
    assert said(examine_issuer) == [
        ("problem", f"The keys of {outside.issuer} cannot be had: The sign-in provider cannot be reached (HTTPError)."),
    ]  # fmt: skip
    outside.only = ""
    assert said(examine_issuer)[0][1].startswith(f"{outside.issuer} does not say who it is: ")


def test_an_issuer_that_names_no_address(outside, monkeypatch):
    monkeypatch.setattr(outside, "document", lambda path: {"issuer": outside.issuer})

    assert said(examine_issuer) == [
        (
            "problem",
            f"{outside.issuer} names no authorization_endpoint, token_endpoint, jwks_uri.",
        )
    ]


def test_an_issuer_that_hangs_holds_up_nobody(outside, settings, monkeypatch):
    settings.OIDC_TIMEOUT = 60
    outside.gate = threading.Event()
    monkeypatch.setattr(doctor, "_checks", [])
    doctor.register("issuer", examine_issuer, network=True)

    [issuer] = doctor.examine(seconds=1)

    assert [finding.said for finding in issuer.findings] == ["It did not answer within 1 s."]


def test_the_shops_own_keys_are_shown_by_the_shop(embedded, settings, outside, monkeypatch):
    # A web server of the shop, played: it answers at SHOP_URL.
    settings.OIDC_EMBEDDED = True
    keyring.make()

    [other] = examine_issuer()
    assert other.said == (
        f"{outside.issuer} shows other keys than those in {settings.IDENTITY_FILE}."
    )
    ours = {"/jwks": keyring.public_keys()}
    document = outside.document
    monkeypatch.setattr(outside, "document", lambda path: ours.get(path) or document(path))
    assert [finding.level for finding in examine_issuer()] == ["ok"]
    # Before the first start of the web server it is no wonder.
    outside.down = True
    assert [finding.level for finding in examine_issuer()] == ["warning"]


def test_the_file_of_the_keys(embedded, settings, tmp_path):
    path = tmp_path / "identity.json"
    assert said(examine_identity) == [("problem", f"{path} is not there: nobody can sign in.")]
    assert not path.exists()

    keyring.make()
    [finding] = examine_identity()
    assert finding.level == "ok"
    assert finding.said.startswith("1 key(s) sign, the oldest since ")

    path.chmod(0o644)
    open_to_all, _ = examine_identity()
    assert open_to_all.do == f"Run `chmod o= {path}`, then `manage.py rotate_signing_keys`."

    contents = json.loads(path.read_text())
    contents["keys"][0]["expires_at"] = "2020-01-01T00:00:00Z"
    path.write_text(json.dumps(contents))
    path.chmod(0o600)
    assert said(examine_identity) == [("problem", f"No key in {path} signs now.")]

    path.write_text("{")
    [finding] = examine_identity()
    assert finding.said.startswith("IDENTITY_FILE must name a file that Duka can read and make: ")
