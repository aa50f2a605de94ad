"""Bearer tokens: what must hold (design: identity), against a provider on loopback."""

import base64
import hashlib
import hmac
import json
import threading
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from django.test import Client

from accounts.models import Identity, User
from accounts.oidc import discovery, tokens
from accounts.tests.factories import StaffFactory

from .provider import Provider, make_key

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def keys():
    return {"k1": ("RS256", make_key("RS256"))}


@pytest.fixture
def provider(settings, keys):
    made = Provider()
    made.keys = dict(keys)
    settings.OIDC_ISSUER = made.issuer
    settings.OIDC_TIMEOUT = 2
    tokens._keys.cache_clear()
    discovery._found.clear()
    yield made
    made.close()
    tokens._keys.cache_clear()
    discovery._found.clear()


@pytest.fixture
def njeri(provider):
    user = StaffFactory.create(username="njeri", permissions=["orders.view_order"])
    Identity.objects.create(issuer=provider.issuer, subject="njeri", user=user)
    return user


def get(token, path="/api/v1/me/"):
    return Client().get(path, headers={"Authorization": f"Bearer {token}"})


def test_a_good_token_says_who(provider, njeri):
    response = get(provider.token())

    assert response.status_code == 200
    assert response.json() == {
        "subject": str(njeri.subject),
        "username": "njeri",
        "name": "",
        "email": "",
        "is_staff": True,
        "permissions": ["orders.view_order"],
    }


def test_the_database_says_what_they_may(provider, njeri):
    assert get(provider.token(), "/api/v1/orders/").status_code == 200
    assert get(provider.token(), "/api/v1/customers/").status_code == 403


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
def test_each_accepted_algorithm_is_believed(provider, njeri, algorithm):
    provider.add_key("k2", algorithm)

    assert get(provider.token("k2")).status_code == 200


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_each_type_of_an_access_token_is_believed(provider, njeri, typ):
    assert get(provider.token(headers={"typ": typ})).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [{"aud": ["duka-api", "other"]}, {"typ": "Bearer"}, {"exp": int(time.time()) - 10}],
    ids=["one of several audiences", "Keycloak's typ", "clocks that differ by seconds"],
)
def test_what_is_usual_is_believed(provider, njeri, claims):
    assert get(provider.token(**claims)).status_code == 200


def signed(provider, header, secret, digest=hashlib.sha256):
    """A token with any header, signed by HMAC."""

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    body = part(header) + b"." + part(provider.claims())
    signature = hmac.new(secret, body, digest).digest() if secret is not None else b""
    return (body + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def public_pem(provider):
    return (
        provider.keys["k1"][1]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def foreign(provider, **headers):
    """Signed by a key that is not the provider's, under the name of one that is."""
    return jwt.encode(
        provider.claims(), make_key("RS256"), algorithm="RS256", headers={"kid": "k1", **headers}
    )


def tampered(provider):
    head, _, signature = provider.token().split(".")
    claims = json.dumps(provider.claims(sub="shopkeeper")).encode()
    return ".".join([head, base64.urlsafe_b64encode(claims).rstrip(b"=").decode(), signature])


NOW = int(time.time())
ATTACKS = {
    "nothing": lambda p: "",
    "no token": lambda p: "abc",
    "not a JWT": lambda p: "a.b.c",
    "alg none": lambda p: signed(p, {"alg": "none", "kid": "k1"}, None),
    "alg None": lambda p: signed(p, {"alg": "None", "kid": "k1"}, None),
    "HS256 with the public key": lambda p: signed(p, {"alg": "HS256", "kid": "k1"}, public_pem(p)),
    "HS256 with the JWKS": lambda p: signed(
        p, {"alg": "HS256", "kid": "k1"}, json.dumps(p.document("/jwks")).encode()
    ),
    "HS256 with a client secret": lambda p: signed(p, {"alg": "HS256", "kid": "k1"}, b"secret"),
    "a foreign key": foreign,
    "a foreign key with its jwk": lambda p: foreign(p, jwk=p.jwk("k1")),
    "a foreign key with a jku": lambda p: foreign(p, jku="http://127.0.0.1:1/jwks"),
    "an unknown kid": lambda p: p.token(headers={"kid": "k9"}),
    "a kid that is no text": lambda p: signed(p, {"alg": "RS256", "kid": 1}, b"x"),
    "tampered claims": tampered,
    "crit": lambda p: p.token(headers={"crit": ["b64"], "b64": True}),
    "a crit that PyJWT knows": lambda p: signed(
        p, {"alg": "RS256", "kid": "k1", "crit": ["b64"], "b64": True}, b"x"
    ),
    "another audience": lambda p: p.token(aud="till"),
    "no audience": lambda p: p.token(aud=None),
    "another issuer": lambda p: p.token(iss="https://evil.example"),
    "the issuer with a slash": lambda p: p.token(iss=p.issuer + "/"),
    "no issuer": lambda p: p.token(iss=None),
    "no subject": lambda p: p.token(sub=None),
    "no expiry": lambda p: p.token(exp=None),
    "expired": lambda p: p.token(exp=NOW - 3600),
    "an expiry that is no number": lambda p: p.token(exp="later"),
    "no time of issue": lambda p: p.token(iat=None),
    "issued in the future": lambda p: p.token(iat=NOW + 3600),
    "not valid before the future": lambda p: p.token(nbf=NOW + 3600),
    "an ID token by its at_hash": lambda p: p.token(at_hash="x"),
    "an ID token by its nonce": lambda p: p.token(nonce="x"),
    "an ID token by its typ": lambda p: p.token(typ="ID"),
    "a refresh token by its typ": lambda p: p.token(typ="Refresh"),
    "a logout token by its events": lambda p: p.token(events={}),
    "a logout token by its header": lambda p: p.token(headers={"typ": "logout+jwt"}),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_what_is_no_access_token_for_us_is_refused(provider, njeri, attack):
    response = get(attack(provider))

    assert response.status_code == 401
    assert response.json()["code"] == "not_authenticated"
    assert not User.objects.filter(username="shopkeeper").exists()


def test_a_client_that_is_not_listed_is_refused(provider, njeri, settings):
    settings.OIDC_ACCEPTED_CLIENTS = ["till"]

    assert get(provider.token(client_id="till")).status_code == 200
    assert get(provider.token(client_id="other")).status_code == 401
    assert get(provider.token(client_id="till", azp="other")).status_code == 401


def test_a_token_never_makes_a_user(provider):
    assert get(provider.token(sub="stranger", email="njeri@example.com")).status_code == 401
    assert not User.objects.exists()


def test_the_same_subject_of_another_issuer_is_somebody_else(provider):
    Identity.objects.create(
        issuer="https://other.example", subject="njeri", user=StaffFactory.create()
    )

    assert get(provider.token()).status_code == 401


def test_a_deactivated_or_deleted_user_is_refused_at_once(provider, njeri):
    token = provider.token()
    assert get(token).status_code == 200

    njeri.is_active = False
    njeri.save()
    assert get(token).status_code == 401

    njeri.delete()
    assert get(token).status_code == 401
    assert not User.objects.exists()


def test_without_an_issuer_no_token_is_taken(provider, njeri, settings):
    token = provider.token()
    settings.OIDC_ISSUER = ""

    assert get(token).status_code == 401


def test_keys_are_fetched_once_for_many_requests(provider, njeri):
    for _ in range(5):
        get(provider.token())

    assert provider.fetches == ["/.well-known/openid-configuration", "/jwks"]


def test_known_keys_go_on_working_while_the_provider_is_down_and_the_rest_is_503(
    provider, njeri, settings
):
    settings.OIDC_KEYS_SECONDS = settings.OIDC_KEYS_COOLDOWN_SECONDS = 0
    assert get(provider.token()).status_code == 200
    provider.down = True
    provider.add_key("k2")

    assert get(provider.token()).status_code == 200
    unknown = get(provider.token("k2"))
    assert (unknown.status_code, unknown.json()["code"]) == (503, "unavailable")
    assert unknown["Retry-After"] == "10"

    provider.down = False
    assert get(provider.token("k2")).status_code == 200


def test_a_provider_that_was_down_from_the_start_is_503_until_it_is_back(provider, njeri, settings):
    settings.OIDC_KEYS_COOLDOWN_SECONDS = 0
    provider.down = True
    assert get(provider.token()).status_code == 503

    provider.down = False
    assert get(provider.token()).status_code == 200


def test_a_rotated_key_is_found_after_the_cool_down_and_invented_ones_cost_nothing(
    provider, njeri, settings
):
    settings.OIDC_KEYS_COOLDOWN_SECONDS = 0.5
    assert get(provider.token()).status_code == 200
    fetched = len(provider.fetches)
    for number in range(20):
        assert get(provider.token(headers={"kid": f"made-up-{number}"})).status_code == 401
    assert len(provider.fetches) <= fetched + 1

    provider.add_key("k2")
    del provider.keys["k1"]
    time.sleep(0.6)
    assert get(provider.token("k2")).status_code == 200


def test_a_slow_provider_holds_up_nobody_whose_key_is_known(provider, njeri, settings):
    settings.OIDC_KEYS_SECONDS = settings.OIDC_KEYS_COOLDOWN_SECONDS = 0
    token = provider.token()
    tokens.validate(token)
    provider.gate.clear()
    fetched = len(provider.fetches)
    slow = threading.Thread(target=tokens.validate, args=[token])
    slow.start()
    while len(provider.fetches) == fetched:
        time.sleep(0.01)

    started = time.monotonic()
    assert tokens.validate(token).subject == "njeri"
    assert time.monotonic() - started < 1

    provider.gate.set()
    slow.join()


def test_without_a_key_id_the_only_key_counts_and_of_several_none(provider, njeri, settings):
    settings.OIDC_KEYS_COOLDOWN_SECONDS = 0
    assert get(provider.token(headers={"kid": None})).status_code == 200

    provider.add_key("k2")
    tokens._keys.cache_clear()
    assert get(provider.token(headers={"kid": None})).status_code == 401


def test_a_discovery_document_of_another_issuer_is_not_believed(provider, njeri):
    provider.says_issuer = "https://evil.example"

    response = get(provider.token())

    assert response.status_code == 503
    assert "OIDC_ISSUER must be just that" in response.json()["detail"]


def test_keys_that_are_nonsense_or_symmetric_are_no_keys(provider, njeri, settings, monkeypatch):
    settings.OIDC_KEYS_COOLDOWN_SECONDS = 0
    octets = {"kty": "oct", "k": "c2VjcmV0", "kid": "k1", "alg": "HS256"}
    for document in ({"keys": "none"}, {}, {"keys": [octets]}, [1]):
        tokens._keys.cache_clear()
        discovery._found.clear()
        monkeypatch.setattr(
            provider,
            "document",
            lambda path, document=document: (
                Provider.document(provider, path) if "well-known" in path else document
            ),
        )
        assert get(provider.token()).status_code in {401, 503}


def test_basic_and_session_go_on_beside_it(provider, njeri):
    client = Client()
    client.force_login(njeri)

    assert client.get("/api/v1/me/").json()["username"] == "njeri"
    assert Client().get("/api/v1/me/").status_code == 401
