"""Bearer tokens: what must hold (design: identity), against a provider on loopback."""

import base64
import hashlib
import hmac
import json
import threading
import time
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from django.test import Client
from django.utils import timezone

from accounts.models import Identity, Machine, User
from accounts.oidc import tokens
from accounts.services.machines import create_machine, revoke_machine
from accounts.services.memberships import employ
from accounts.tests.factories import UserFactory
from tests.processes import wait_until

from .callers import BACKEND
from .provider import AUDIENCE, Provider, forget_providers, make_key, provider_for

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def key():
    return make_key("RS256")


@pytest.fixture
def provider(settings, key):
    with provider_for(settings, key) as made:
        yield made


@pytest.fixture
def njeri(provider):
    user = UserFactory.create(first_name="Njeri")
    employ(user=user, role="shop-employee", rights=["see_orders"])
    Identity.objects.create(issuer=provider.issuer, subject="njeri", user=user)
    return user


def get(token, path="/api/v1/me/", scheme="Bearer"):
    return Client().get(path, headers={"Authorization": f"{scheme} {token}"})


def ask(token, scheme="Bearer"):
    return Client().post(
        "/graphql/",
        {"query": "{me{name}}"},
        content_type="application/json",
        headers={"Authorization": f"{scheme} {token}"},
    )


def code_of(response):
    body = response.json()
    return body["code"] if "code" in body else body["errors"][0]["extensions"]["code"]


def statuses(token, **how):
    """What REST and GraphQL answer: they must say the same."""
    return get(token, **how).status_code, ask(token, **how).status_code


def test_a_good_token_says_who(provider, njeri):
    token = provider.token()

    assert get(token).json() == {
        "subject": str(njeri.subject),
        "name": "Njeri",
        "email": "",
        "is_staff": True,
        "roles": ["shop-employee"],
        "permissions": [
            "catalog.view_product",
            "notifications.view_message",
            "orders.view_order",
            "shipping.view_shipment",
        ],
    }
    assert ask(token).json()["data"] == {"me": {"name": "Njeri"}}


def test_the_database_says_what_they_may(provider, njeri):
    assert get(provider.token(), "/api/v1/orders/").status_code == 200
    assert get(provider.token(), "/api/v1/customers/").status_code == 403


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
def test_each_accepted_algorithm_is_believed(provider, njeri, algorithm):
    provider.add_key("k2", algorithm)

    assert statuses(provider.token("k2")) == (200, 200)


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_each_type_of_an_access_token_is_believed(provider, njeri, typ):
    assert statuses(provider.token(headers={"typ": typ})) == (200, 200)


@pytest.mark.parametrize(
    "claims",
    [{"aud": [AUDIENCE, "other"]}, {"typ": "Bearer"}],
    ids=["one of several audiences", "Keycloak's typ"],
)
def test_what_is_usual_is_believed(provider, njeri, claims):
    assert statuses(provider.token(**claims)) == (200, 200)


def test_clocks_may_differ_by_seconds(provider, njeri):
    now = int(time.time())

    assert statuses(provider.token(exp=now - 10)) == (200, 200)
    assert statuses(provider.token(iat=now + 10, nbf=now + 10)) == (200, 200)
    assert statuses(provider.token(exp=now - 31)) == (401, 401)


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
# However long the tests take.
FUTURE = NOW + 10**6
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
    "the audience of the shop's own client": lambda p: p.token(aud="shop"),
    "the issuer as audience": lambda p: p.token(aud=p.issuer),
    "no audience": lambda p: p.token(aud=None),
    "another issuer": lambda p: p.token(iss="https://evil.example"),
    "the issuer with a slash": lambda p: p.token(iss=p.issuer + "/"),
    "no issuer": lambda p: p.token(iss=None),
    "no subject": lambda p: p.token(sub=None),
    "no expiry": lambda p: p.token(exp=None),
    "expired": lambda p: p.token(exp=NOW - 3600),
    "an expiry that is no number": lambda p: p.token(exp="later"),
    "no time of issue": lambda p: p.token(iat=None),
    "issued in the future": lambda p: p.token(iat=FUTURE),
    "not valid before the future": lambda p: p.token(nbf=FUTURE),
    "an ID token by its at_hash": lambda p: p.token(at_hash="x"),
    "an ID token by its nonce": lambda p: p.token(nonce="x"),
    "an ID token by its typ": lambda p: p.token(typ="ID"),
    "a refresh token by its typ": lambda p: p.token(typ="Refresh"),
    "an ID token for the shop's own client": lambda p: p.id_token(nonce="x"),
    "a logout token by its events": lambda p: p.token(events={}),
    "a logout token by its header": lambda p: p.token(headers={"typ": "logout+jwt"}),
}


@pytest.mark.parametrize("call", [get, ask], ids=["REST", "GraphQL"])
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_what_is_no_access_token_for_us_is_refused(provider, njeri, attack, call):
    response = call(attack(provider))

    assert response.status_code == 401
    assert code_of(response) == "not_authenticated"
    assert response["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'
    assert User.objects.get() == njeri


@pytest.mark.parametrize("scheme", ["Basic", "Digest", "Token", "DPoP"])
def test_another_scheme_is_refused_even_with_a_good_token(provider, njeri, scheme):
    assert statuses(provider.token(), scheme=scheme) == (401, 401)


def test_the_name_of_the_scheme_may_be_in_any_letters(provider, njeri):
    assert statuses(provider.token(), scheme="bearer") == (200, 200)


def test_a_bad_token_is_refused_beside_a_good_session(provider, njeri):
    client = Client()
    client.force_login(njeri, backend=BACKEND)

    assert client.get("/api/v1/me/").json()["name"] == "Njeri"
    assert client.get("/api/v1/me/", headers={"Authorization": "Bearer x"}).status_code == 401
    assert Client().get("/api/v1/me/").status_code == 401


def test_a_client_that_is_not_listed_is_refused(provider, njeri, settings):
    settings.OIDC_ACCEPTED_CLIENTS = ["till"]

    assert statuses(provider.token(client_id="till")) == (200, 200)
    assert statuses(provider.token(client_id="other")) == (401, 401)
    assert statuses(provider.token(client_id="till", azp="other")) == (401, 401)
    assert statuses(provider.token(client_id=None)) == (401, 401)


def test_a_token_never_makes_a_user(provider):
    stranger = provider.token(sub="stranger", email="njeri@example.com", email_verified=True)

    assert statuses(stranger) == (401, 401)
    assert not User.objects.exists()


def test_a_subject_is_no_user_of_ours_by_itself(provider, njeri):
    """An outside issuer that learns the UUID of somebody here is not believed by it."""
    assert statuses(provider.token(sub=str(njeri.subject))) == (401, 401)


def test_the_same_subject_of_another_issuer_is_somebody_else(provider):
    Identity.objects.create(
        issuer="https://other.example", subject="njeri", user=UserFactory.create()
    )

    assert statuses(provider.token()) == (401, 401)


def test_a_deactivated_or_deleted_user_is_refused_at_once(provider, njeri):
    token = provider.token()
    assert statuses(token) == (200, 200)

    njeri.is_active = False
    njeri.save()
    assert statuses(token) == (401, 401)

    njeri.delete()
    assert statuses(token) == (401, 401)
    assert not User.objects.exists()


@pytest.fixture
def till(provider):
    return create_machine(by=None, name="Till", rights=["see_orders"], subject="till")[0]


def test_a_machine_is_refused_once_revoked(provider, till):
    token = provider.token(sub="till")
    assert statuses(token) == (200, 200)
    till.refresh_from_db()
    assert till.last_used_at is not None

    revoke_machine(machine_id=till.pk, by=None)
    assert statuses(token) == (401, 401)


def test_a_machine_is_refused_once_its_time_is_over(provider, till):
    Machine.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert statuses(provider.token(sub="till")) == (401, 401)


def test_keys_are_fetched_once_for_many_requests(provider, njeri):
    for _ in range(3):
        assert statuses(provider.token()) == (200, 200)

    assert provider.fetches == ["/.well-known/openid-configuration", "/jwks"]


def test_known_keys_go_on_working_while_the_provider_is_down_and_the_rest_is_503(
    provider, njeri, settings
):
    settings.OIDC_KEYS_SECONDS = settings.OIDC_KEYS_COOLDOWN_SECONDS = 0
    assert statuses(provider.token()) == (200, 200)
    provider.down = True
    provider.add_key("k2")

    assert statuses(provider.token()) == (200, 200)
    for call in (get, ask):
        unknown = call(provider.token("k2"))
        assert (unknown.status_code, code_of(unknown)) == (503, "unavailable")
        assert unknown["Retry-After"] == "10"

    provider.down = False
    assert statuses(provider.token("k2")) == (200, 200)


def test_a_provider_that_was_down_from_the_start_is_503_until_it_is_back(provider, njeri, settings):
    settings.OIDC_KEYS_COOLDOWN_SECONDS = 0
    provider.down = True
    assert statuses(provider.token()) == (503, 503)

    provider.down = False
    assert statuses(provider.token()) == (200, 200)


def test_a_rotated_key_is_found_after_the_cool_down_and_invented_ones_cost_nothing(
    provider, njeri, settings
):
    settings.OIDC_KEYS_COOLDOWN_SECONDS = 10
    now = [0.0]
    tokens._keys(provider.issuer)._clock = lambda: now[0]
    assert statuses(provider.token()) == (200, 200)
    fetched = len(provider.fetches)
    provider.add_key("k2")
    del provider.keys["k1"]

    for number in range(20):
        assert get(provider.token("k2", headers={"kid": f"made-up-{number}"})).status_code == 401
    assert statuses(provider.token("k2")) == (401, 401)
    assert len(provider.fetches) == fetched

    now[0] += 10
    assert statuses(provider.token("k2")) == (200, 200)
    assert len(provider.fetches) == fetched + 1


def test_a_slow_provider_holds_up_nobody_whose_key_is_known(provider, njeri, settings):
    settings.OIDC_KEYS_SECONDS = settings.OIDC_KEYS_COOLDOWN_SECONDS = 0
    token = provider.token()
    tokens.validate(token)
    provider.gate.clear()
    fetched = len(provider.fetches)
    slow = threading.Thread(target=tokens.validate, args=[token])
    slow.start()
    wait_until(lambda: len(provider.fetches) > fetched)

    # Were it held up, it would be for as long as the gate is shut.
    assert tokens.validate(token).subject == "njeri"
    assert slow.is_alive()

    provider.gate.set()
    slow.join()


def test_without_a_key_id_the_only_key_counts_and_of_several_none(provider, njeri, settings):
    settings.OIDC_KEYS_COOLDOWN_SECONDS = 0
    assert statuses(provider.token(headers={"kid": None})) == (200, 200)

    provider.add_key("k2")
    forget_providers()
    assert statuses(provider.token(headers={"kid": None})) == (401, 401)


def test_a_discovery_document_of_another_issuer_is_not_believed(provider, njeri):
    provider.says_issuer = "https://evil.example"

    response = get(provider.token())

    assert response.status_code == 503
    assert "OIDC_ISSUER must be just that" in response.json()["detail"]


SYMMETRIC = {"kty": "oct", "k": "c2VjcmV0", "kid": "k1", "alg": "HS256"}


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ({"keys": "none"}, 503),
        ({}, 503),
        ([1], 503),
        ({"keys": []}, 503),
        ({"keys": [SYMMETRIC]}, 401),
    ],
)
def test_keys_that_are_nonsense_or_symmetric_are_no_keys(
    provider, njeri, monkeypatch, keys, status
):
    def document(path):
        return keys if path == "/jwks" else Provider.document(provider, path)

    monkeypatch.setattr(provider, "document", document)

    assert statuses(provider.token()) == (status, status)
