"""The shop signs people in by an outside provider: every hole of mozilla-django-oidc is covered.

The provider is on loopback and says what each test has it say.
"""

import base64
import json
import time
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Identity, Membership, User
from accounts.oidc.tokens import LOGOUT_EVENT
from accounts.services.machines import create_machine
from accounts.services.memberships import employ
from accounts.tests.factories import UserFactory

from .callers import BACKEND, PASSWORD, person
from .provider import CLIENT, SECRET, challenge_of, make_key, provider_for

pytestmark = pytest.mark.django_db

CALLBACK = "/oidc/callback/"


@pytest.fixture(scope="module")
def key():
    return make_key("RS256")


@pytest.fixture
def provider(settings, key):
    with provider_for(settings, key) as made:
        yield made


class Shopper:
    """A browser at the shop, sent to the provider and back again."""

    def __init__(self, provider):
        self.provider = provider
        host = urlsplit(django_settings.SHOP_URL).netloc
        self.client = Client(headers={"host": host})

    def begin(self, **query):
        """Go to the provider; return what the shop asks of it."""
        self.page = self.client.get(f"/oidc/authenticate/?{urlencode(query)}")
        if self.page.status_code == 302:
            self.asked = dict(parse_qsl(urlsplit(self.page["Location"]).query))
        return self

    def come_back(self, id_token=None, **claims):
        """Return to the shop, which gets this ID token, or a good one with these claims."""
        token = id_token or self.provider.id_token(**{"nonce": self.asked["nonce"], **claims})
        self.provider.signs_in = {"access_token": "opaque", "id_token": token}
        return self.return_with(code="the-code", state=self.asked["state"])

    def return_with(self, **query):
        self.page = self.client.get(f"{CALLBACK}?{urlencode(query)}")
        return self.page

    def sign_in(self, **claims):
        page = self.begin().come_back(**claims)
        assert (page.status_code, self.is_signed_in) == (302, True)
        return self

    @property
    def is_signed_in(self):
        return "_auth_user_id" in self.client.session

    @property
    def is_refused(self):
        return (
            self.page.status_code == 400
            and "You are not signed in" in self.page.content.decode()
            and not self.is_signed_in
        )


@pytest.fixture
def shopper(provider):
    return Shopper(provider)


@pytest.fixture
def njeri(provider):
    user = UserFactory.create(first_name="Njeri")
    Identity.objects.create(issuer=provider.issuer, subject="njeri", user=user)
    return user


def test_a_sign_in_asks_for_no_more_than_it_needs_and_proves_that_it_began_it(provider, shopper):
    callback = f"{django_settings.SHOP_URL}{CALLBACK}"

    page = shopper.begin(next="/account/").come_back()

    sent = {name: shopper.asked[name] for name in ("state", "nonce", "code_challenge")}
    assert shopper.asked == sent | {
        "response_type": "code",
        "scope": "openid email profile",
        "client_id": CLIENT,
        "redirect_uri": callback,
        "code_challenge_method": "S256",
    }
    form = provider.forms.pop()
    assert challenge_of(form.pop("code_verifier")) == sent["code_challenge"]
    assert form == {
        "grant_type": "authorization_code",
        "code": "the-code",
        "redirect_uri": callback,
        "client_id": CLIENT,
        "client_secret": SECRET,
    }
    assert (page.status_code, page["Location"]) == (302, "/account/")
    assert shopper.is_signed_in
    assert str(Identity.objects.get()) == f"njeri at {provider.issuer}"


def test_a_session_lasts_an_hour_until_somebody_is_signed_in(shopper):
    shopper.begin()
    assert shopper.client.session.get_expiry_age() == 3600

    shopper.come_back()
    assert shopper.is_signed_in
    assert shopper.client.session.get_expiry_age() == django_settings.SESSION_COOKIE_AGE


def test_from_another_name_of_the_shop_one_goes_to_its_own_first(provider):
    page = Client(headers={"host": "localhost:8000"}).get("/oidc/authenticate/?next=/account/")

    assert page["Location"] == f"{django_settings.SHOP_URL}/oidc/authenticate/?next=/account/"


def test_nobody_is_sent_on_to_another_site(provider, shopper):
    shopper.begin(next="https://evil.example/").come_back()

    assert shopper.page["Location"] == "/"


def unsigned(provider, nonce):
    parts = ({"alg": "none"}, provider.claims(aud=CLIENT, nonce=nonce))
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts)
    return f"{head.decode().rstrip('=')}.{body.decode().rstrip('=')}."


def signed_with(key, algorithm):
    def token(provider, nonce):
        claims = provider.claims(aud=CLIENT, nonce=nonce)
        return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "k1"})

    return token


def changed(**changes):
    return lambda provider, nonce: provider.id_token(**{"nonce": nonce, **changes})


NOW = int(time.time())
# However long the tests take.
FUTURE = NOW + 10**6
BAD_ID_TOKENS = {
    "another audience": changed(aud="till"),
    "no audience": changed(aud=None),
    "another issuer": changed(iss="https://evil.example"),
    "no issuer": changed(iss=None),
    "no subject": changed(sub=None),
    "no expiry": changed(exp=None),
    "expired": changed(exp=NOW - 3600),
    "no time of issue": changed(iat=None),
    "of the future": changed(iat=FUTURE),
    "another nonce": changed(nonce="another"),
    "no nonce": changed(nonce=None),
    "a nonce that is no text": changed(nonce=[]),
    "several audiences, issued to another": changed(aud=[CLIENT, "till"], azp="till"),
    "several audiences, issued to nobody": changed(aud=[CLIENT, "till"]),
    "issued to another": changed(azp="till"),
    "an access token": lambda p, nonce: p.token(),
    "an access token for the shop, by its header": lambda p, nonce: p.token(
        aud=CLIENT, nonce=nonce
    ),
    "an access token for the shop, by its typ": changed(typ="Bearer"),
    "an access token for the shop, by its use": changed(token_use="access"),
    "a logout token": lambda p, nonce: p.logout_token(nonce=nonce),
    "signed by nobody": unsigned,
    "signed with the client secret": signed_with(SECRET.ljust(32), "HS256"),
    "signed by a foreign key": signed_with(make_key("RS256"), "RS256"),
    "no token": lambda p, nonce: "abc",
}


@pytest.mark.parametrize("bad", BAD_ID_TOKENS.values(), ids=BAD_ID_TOKENS)
def test_what_is_no_id_token_for_this_sign_in_signs_nobody_in(provider, shopper, njeri, bad):
    shopper.begin()

    shopper.come_back(bad(provider, shopper.asked["nonce"]))

    assert shopper.is_refused
    assert User.objects.get() == njeri
    assert AuditEntry.objects.get(action="refused").target == "sign-in"


@pytest.mark.parametrize(
    "usual",
    [{"aud": [CLIENT]}, {"aud": [CLIENT, "till"], "azp": CLIENT}, {"typ": "ID"}],
    ids=["a list of one", "of several, issued to the shop", "Keycloak's typ"],
)
def test_a_usual_id_token_signs_in(shopper, njeri, usual):
    assert shopper.sign_in(**usual).client.session["_auth_user_id"] == str(njeri.pk)


@pytest.mark.parametrize(
    "answer", [{}, {"id_token": "x"}, {"access_token": "x"}, {"id_token": 1, "access_token": 1}, []]
)
def test_an_answer_without_tokens_signs_nobody_in(provider, shopper, answer):
    shopper.begin()
    provider.signs_in = answer

    shopper.return_with(code="the-code", state=shopper.asked["state"])

    assert shopper.is_refused


@pytest.mark.parametrize("sub", ["owner", "", None])
def test_user_info_of_somebody_else_is_not_used(provider, shopper, sub):
    provider.userinfo = {"sub": sub, "email": "owner@example.com", "email_verified": True}

    shopper.begin().come_back()

    assert shopper.is_refused
    assert not User.objects.exists()


def test_user_info_adds_to_the_id_token_and_never_overrules_it(provider, shopper):
    provider.userinfo = {"sub": "njeri", "given_name": "Njeri", "email_verified": True, "iss": "x"}

    shopper.sign_in(email="njeri@example.com", email_verified=False)

    user = Identity.objects.get(issuer=provider.issuer).user
    assert (user.first_name, user.email) == ("Njeri", "")


@pytest.mark.parametrize(
    ("claims", "kept"),
    [
        ({"email": "Njeri@Example.com ", "email_verified": True}, "njeri@example.com"),
        ({"email": "njeri@example.com", "email_verified": "true"}, "njeri@example.com"),
        ({"email": "njeri@example.com", "email_verified": False}, ""),
        ({"email": "njeri@example.com", "email_verified": "false"}, ""),
        ({"email": "njeri@example.com", "email_verified": 1.5}, ""),
        ({"email": "njeri@example.com"}, ""),
        ({"email": "njeri", "email_verified": True}, ""),
        ({"email": ["njeri@example.com"], "email_verified": True}, ""),
        ({"email": "n@example.com\x00", "email_verified": True}, "n@example.com"),
    ],
)
def test_only_a_verified_address_is_kept(shopper, claims, kept):
    shopper.sign_in(**claims)

    assert User.objects.get().email == kept


@pytest.mark.parametrize("verified", [False, True])
def test_nobody_is_known_by_an_address(shopper, verified):
    owner = UserFactory.create(email="owner@example.com", is_staff=True, is_superuser=True)

    shopper.sign_in(sub="mallory", email="OWNER@example.com", email_verified=verified)

    assert shopper.client.session["_auth_user_id"] != str(owner.pk)
    assert User.objects.filter(is_superuser=True).get() == owner
    assert not owner.identities.exists()


@pytest.mark.parametrize("page", ["account_login", "account_signup"])
def test_a_form_with_a_code_in_its_address_does_not_ask_the_provider(provider, shopper, page):
    shopper.begin()
    provider.signs_in = {
        "access_token": "x",
        "id_token": provider.id_token(nonce=shopper.asked["nonce"]),
    }
    person("Amina")

    shopper.client.post(
        f"{reverse(page)}?{urlencode({'code': 'the-code', 'state': shopper.asked['state']})}",
        {"login": "amina@example.com", "password": f"not {PASSWORD}"},
    )

    assert (provider.forms, shopper.is_signed_in) == ([], False)


def test_a_state_counts_in_its_own_session_and_once(provider, shopper, njeri):
    victim = Shopper(provider)
    for each in (shopper, victim):
        # Before and after the victim has begun a sign-in of their own.
        shopper.begin()
        victim.asked = shopper.asked
        victim.come_back()
        assert victim.is_refused
        each.begin()
    assert provider.forms == []

    shopper.begin().come_back()
    assert shopper.is_signed_in
    again = Client(headers={"host": shopper.client.defaults["HTTP_HOST"]})
    again.cookies = shopper.client.cookies
    assert again.get(shopper.page.wsgi_request.get_full_path()).status_code == 400
    assert len(provider.forms) == 1


@pytest.mark.parametrize("query", ["error=access_denied", "error=", "", "code=x", "state=x"])
def test_an_error_of_the_provider_signs_nobody_out(provider, shopper, njeri, query):
    shopper.sign_in()

    page = shopper.client.get(f"{CALLBACK}?{query}")

    assert (page.status_code, shopper.is_signed_in) == (400, True)


def test_the_deactivated_are_not_signed_in_nor_given_a_role(shopper, njeri):
    User.objects.update(is_active=False)

    shopper.begin().come_back(groups=["shop-owner"])

    assert shopper.is_refused
    assert not Membership.objects.exists()
    assert refusals() == ["The account is deactivated."]


def test_a_machine_does_not_sign_in_by_browser(shopper):
    create_machine(by=None, name="Till", rights=["see_orders"], subject="till")

    shopper.begin().come_back(sub="till")

    assert shopper.is_refused
    assert refusals() == ["A machine does not sign in by browser."]


def refusals():
    return [each.detail["reason"] for each in AuditEntry.objects.filter(action="refused")]


@pytest.mark.parametrize("way", ["slow", "down"])
@pytest.mark.parametrize("where", ["/.well-known", "/token", "/jwks", "/userinfo"])
def test_a_provider_that_does_not_answer_is_a_page_that_says_so(
    provider, shopper, settings, where, way
):
    settings.OIDC_TIMEOUT = 0.2
    provider.userinfo = {"sub": "njeri"}
    provider.only = where
    provider.down = way == "down"
    if way == "slow":
        provider.gate.clear()

    shopper.begin()
    if where != "/.well-known":
        shopper.come_back()

    assert shopper.page.status_code == 503
    assert "The sign-in service does not answer." in shopper.page.content.decode()
    assert shopper.page["Retry-After"] == "60"
    assert not shopper.is_signed_in
    assert not User.objects.exists()


def test_the_admin_says_so_too(provider, shopper):
    provider.down = True

    page = shopper.client.get("/admin/", follow=True)

    assert page.status_code == 503
    assert "The sign-in service does not answer." in page.content.decode()


def test_the_admin_is_open_only_for_the_roles_that_a_setting_names(shopper, settings):
    def after(**claims):
        shopper.sign_in(**claims)
        user = Identity.objects.get().user
        return user.is_staff, user.is_superuser

    assert after(groups=["shop-owner"]) == (False, False)
    settings.OIDC_STAFF_ROLES = ["shop-owner"]
    assert after(groups=["shop-owner"]) == (True, False)
    assert after() == (True, False)
    settings.OIDC_STAFF_ROLES = ["boss"]
    assert after(groups=["shop-owner"]) == (False, False)


def test_the_last_shopkeeper_stays_one_whatever_the_provider_says(shopper):
    shopper.sign_in(groups=["shop-owner"])
    shopper.sign_in(groups=[])
    assert Membership.objects.get().role == "shop-owner"

    employ(user=UserFactory.create(), role="shop-owner")
    shopper.sign_in(groups=[])
    assert not Membership.objects.filter(source="oidc").exists()


def test_an_employee_by_the_claim_needs_no_shopkeeper_first(shopper):
    shopper.sign_in(groups=["shop-employee"])

    assert Membership.objects.get().role == "shop-employee"


@pytest.mark.parametrize(
    ("path", "claims"),
    [
        ("groups", {"groups": ["/shop-owner"]}),
        ("groups", {"groups": "staff shop-owner"}),
        ("resource_access.shop.roles", {"resource_access": {"shop": {"roles": ["shop-owner"]}}}),
        ("[https://shop.example/roles]", {"https://shop.example/roles": ["shop-owner"]}),
        ("[a.b].c", {"a.b": {"c": ["shop-owner"]}}),
    ],
)
def test_roles_stand_where_the_setting_says(shopper, settings, path, claims):
    settings.OIDC_ROLES_CLAIM = path

    shopper.sign_in(**claims)

    assert User.objects.get().roles == ["shop-owner"]


@pytest.mark.parametrize("nonsense", ["", 1, {"a": 1}, [1, None], True])
def test_a_roles_claim_that_is_nonsense_grants_nothing(shopper, nonsense):
    shopper.sign_in(groups=nonsense)

    assert User.objects.get().roles == []


def test_what_cannot_be_taken_back_needs_a_proof_of_the_last_minutes(provider, shopper, njeri):
    def may_delete():
        return shopper.client.get("/account/delete/").status_code == 200

    shopper.sign_in()
    assert not may_delete()
    shopper.sign_in(auth_time=int(time.time()) - 301)
    assert not may_delete()

    shopper.begin(again="1", next="/account/delete/")
    assert (shopper.asked["prompt"], shopper.asked["max_age"]) == ("login", "0")
    shopper.come_back(auth_time=int(time.time()))
    assert may_delete()


def test_without_an_end_of_session_there_signing_out_is_local(shopper, njeri):
    shopper.sign_in()

    left = shopper.client.post("/oidc/logout/")

    assert (left.status_code, left["Location"], shopper.is_signed_in) == (302, "/", False)


def tell(token):
    return Client().post("/oidc/backchannel-logout/", {"logout_token": token})


BAD_LOGOUT_TOKENS = {
    "no events": {"events": None},
    "other events": {"events": {"urn:other": {}}},
    "events that are a list": {"events": [LOGOUT_EVENT]},
    "a nonce": {"nonce": "x"},
    "too old": {"iat": NOW - 600},
    "of the future": {"iat": FUTURE},
    "expired": {"exp": NOW - 3600},
    "another audience": {"aud": "till"},
    "no audience": {"aud": None},
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "no time of issue": {"iat": None},
    "no id": {"jti": None},
    "neither person nor session": {"sub": None, "sid": None},
}


@pytest.mark.parametrize("changes", BAD_LOGOUT_TOKENS.values(), ids=BAD_LOGOUT_TOKENS)
def test_what_is_no_logout_token_ends_nothing(provider, shopper, njeri, changes):
    shopper.sign_in(sid="s1")

    answer = tell(provider.logout_token(**changes))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert shopper.is_signed_in


@pytest.mark.parametrize("kind", ["id_token", "token"])
def test_another_token_is_no_logout_token(provider, shopper, njeri, kind):
    shopper.sign_in(sid="s1")

    assert tell(getattr(provider, kind)()).status_code == 400
    assert tell("").status_code == 400
    assert shopper.is_signed_in


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({}, True),
        ({"sub": None}, True),
        ({"sid": None}, True),
        ({"headers": {"typ": None}}, True),
        ({"jti": "a long id " * 50}, True),
        ({"sid": "s2"}, False),
        ({"sub": "somebody else"}, False),
    ],
    ids=[
        "both",
        "the session",
        "the person",
        "no typ",
        "a long id",
        "another session",
        "of somebody else",
    ],
)
def test_a_logout_token_ends_the_sessions_that_it_names_once(
    provider, shopper, njeri, changes, ended
):
    shopper.sign_in(sid="s1")
    token = provider.logout_token(**changes)

    assert tell(token).status_code == 200

    assert shopper.is_signed_in is not ended
    assert tell(token).status_code == 400


def test_a_session_begun_elsewhere_is_not_the_providers(provider, njeri):
    """Nothing that an outside provider says ends a session that did not come of it."""
    client = Client()
    client.force_login(njeri, backend=BACKEND)

    assert tell(provider.logout_token(sid=None)).status_code == 200

    assert "_auth_user_id" in client.session
