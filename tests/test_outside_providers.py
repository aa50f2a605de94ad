"""The shop with an outside OpenID provider: real processes, npm's oidc-provider and PyPI's mock."""

from urllib.parse import parse_qs, urlsplit

import oidc_provider_mock
import pytest
from django.contrib.sessions.models import Session

from accounts.models import Identity, Machine, Membership, User
from accounts.services.machines import create_machine
from accounts.services.memberships import employ
from accounts.tests.factories import UserFactory

from .outside import Visitor, free_address, spawn_node_provider, spawn_shop, statuses

pytestmark = pytest.mark.django_db(transaction=True)

DOWN = "The sign-in service does not answer."


@pytest.fixture(scope="module")
def node():
    with spawn_node_provider(free_address()) as provider:
        yield provider


@pytest.fixture(scope="module")
def shop(node, django_db_setup):
    with spawn_shop(node.shop, node.issuer):
        yield node.shop


@pytest.fixture
def provider(node, settings):
    """The node provider as new, and known to the test's own process too."""
    settings.OIDC_ISSUER, settings.OIDC_EMBEDDED = node.issuer, False
    node.control(accounts={}, clock=0, conformIdTokenClaims=True, down=False)
    return node


def sign_in(provider, name="njeri", **claims):
    provider.control(accounts={name: claims})
    visitor = Visitor(provider.shop)
    visitor.sign_in_as(name)
    assert (visitor.page.status, visitor.page.url) == (200, f"{provider.shop}/account/")
    return visitor


def is_signed_in(visitor):
    return visitor.get("/account/").status == 200


@pytest.mark.parametrize(
    ("verified", "kept"),
    [
        ({"email_verified": True}, "njeri@example.com"),
        ({"email_verified": False}, ""),
        ({}, ""),
    ],
    ids=["verified", "unverified", "nothing said"],
)
def test_the_first_sign_in_makes_a_person_and_the_second_finds_them(provider, shop, verified, kept):
    claims = {"email": "Njeri@Example.com", "given_name": "Njeri", "family_name": "Wambui"}
    for _ in range(2):
        visitor = sign_in(provider, **claims, **verified)

    user = User.objects.get()
    assert (user.first_name, user.last_name, user.email) == ("Njeri", "Wambui", kept)
    assert (user.is_staff, user.is_superuser, user.has_usable_password()) == (False, False, False)
    identity = Identity.objects.get()
    assert (identity.issuer, identity.subject, identity.user) == (provider.issuer, "njeri", user)
    assert "Njeri Wambui" in visitor.page.text


@pytest.mark.parametrize("verified", [False, True])
def test_the_address_of_a_superuser_takes_nothing_over(provider, shop, verified):
    owner = UserFactory.create(email="owner@example.com", is_superuser=True, is_staff=True)

    visitor = sign_in(provider, "mallory", email="owner@example.com", email_verified=verified)

    mallory = Identity.objects.get().user
    assert mallory != owner
    assert (mallory.is_staff, mallory.is_superuser) == (False, False)
    assert visitor.get("/admin/login/").status == 403


@pytest.mark.parametrize("conform", [True, False], ids=["in user info", "in the ID token"])
def test_a_membership_follows_the_roles_claim_and_leaves_the_shops_own(provider, shop, conform):
    # The last shopkeeper would stay one.
    employ(user=UserFactory.create(), role="shop-owner")
    provider.control(conformIdTokenClaims=conform)

    def after(**claims):
        sign_in(provider, **claims)
        user = Identity.objects.get().user
        return sorted(user.memberships.values_list("source", "role")), user.is_staff

    def roles(*names):
        return {"realm_access": {"roles": ["offline_access", *names]}}

    assert after() == ([], False)
    assert after(**roles("shop-employee")) == ([("oidc", "shop-employee")], False)
    assert after(**roles("shop-owner", "shop-employee")) == ([("oidc", "shop-owner")], False)
    # Without the claim nothing is said.
    assert after(realm_access={}) == ([("oidc", "shop-owner")], False)

    employ(user=Identity.objects.get().user, role="shop-employee", rights=["see_orders"])
    both = [("local", "shop-employee"), ("oidc", "shop-employee")]
    assert after(**roles("shop-employee")) == (both, True)
    assert after(**roles()) == ([("local", "shop-employee")], True)
    assert Membership.objects.get(role="shop-employee").rights == ["see_orders"]


def test_signing_out_ends_the_session_here_and_there(provider, shop):
    visitor = sign_in(provider)
    id_token = Session.objects.get().get_decoded()["oidc_id_token"]

    left = visitor.post("/oidc/logout/", {"csrfmiddlewaretoken": visitor.csrf})

    address = urlsplit(left.headers["Location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{provider.issuer}/session/end"
    assert parse_qs(address.query) == {
        "client_id": ["shop"],
        "id_token_hint": [id_token],
        "post_logout_redirect_uri": [f"{shop}/"],
    }
    assert not is_signed_in(visitor)

    visitor.open(left.headers["Location"])
    assert visitor.submit("yes").url == f"{shop}/"
    # There, too, one has to say again who one is.
    assert visitor.open("/account/").url.startswith(f"{provider.issuer}/interaction/")


def test_signing_out_at_the_provider_ends_the_session_here_once(provider, shop):
    visitor, other = sign_in(provider), sign_in(provider)

    visitor.open(f"{provider.issuer}/session/end")
    visitor.submit("yes")

    assert (is_signed_in(visitor), is_signed_in(other)) == (False, True)
    used = {"logout_token": provider.logout_tokens()[-1]}
    again = other.post("/oidc/backchannel-logout/", used)
    assert again.status == 400
    assert "used before" in again.text
    assert is_signed_in(other)


def test_deleting_the_account_needs_a_new_proof_and_the_next_sign_in_makes_another(provider, shop):
    visitor = sign_in(provider)
    first = User.objects.get()

    assert visitor.open("/account/delete/").url.startswith(f"{provider.issuer}/interaction/")
    visitor.submit(login="njeri", password="any")
    assert visitor.page.url == f"{shop}/account/delete/"
    gone = visitor.post("/account/delete/", {"csrfmiddlewaretoken": visitor.csrf})

    assert (gone.status, "Your account is deleted" in gone.text) == (200, True)
    assert not User.objects.exists()
    assert not is_signed_in(visitor)
    sign_in(provider)
    assert User.objects.get().subject != first.subject


def test_a_machines_token_is_taken_once_the_shop_knows_the_machine(provider, shop):
    till, scale = provider.machine_token("till"), provider.machine_token("scale")
    assert statuses(shop, till) == (401, 401)

    create_machine(by=None, name="Till", subject="till")

    assert statuses(shop, till) == (200, 200)
    assert statuses(shop, scale) == (401, 401)
    assert Machine.objects.get().last_used_at is not None


def test_a_persons_token_of_another_client_is_taken_if_it_is_meant_for_the_shop(provider, shop):
    visitor = sign_in(provider)
    tokens = provider.person_tokens(visitor, "njeri", resource=provider.audience)

    assert statuses(shop, tokens["access_token"]) == (200, 200)


def own_id_token(provider):
    sign_in(provider)
    return Session.objects.get().get_decoded()["oidc_id_token"]


def persons(name, resource=""):
    def token(provider):
        visitor = sign_in(provider)
        tokens = provider.person_tokens(
            visitor, "njeri", resource=resource and f"{provider.shop}{resource}"
        )
        return tokens[name]

    return token


def at(seconds):
    def token(provider):
        provider.control(clock=seconds)
        return provider.machine_token()

    return token


def sign_out_there(provider):
    visitor = sign_in(provider)
    visitor.open(f"{provider.issuer}/session/end")
    visitor.submit("yes")
    return provider.logout_tokens()[-1]


@pytest.mark.parametrize(
    "attack",
    {
        "the shop's own ID token": own_id_token,
        "another client's ID token": persons("id_token"),
        "an opaque token": persons("access_token"),
        "a person's token for another API": persons("access_token", "/elsewhere"),
        "a machine's token for another API": lambda p: p.machine_token(
            resource="http://127.0.0.1:9/api"
        ),
        "a token for the issuer itself": lambda p: p.machine_token(resource=p.issuer),
        "an expired token": at(-3600),
        "a token of the future": at(3600),
        "a logout token": sign_out_there,
    }.items(),
    ids=lambda attack: attack[0],
)
def test_what_the_provider_signed_for_something_else_is_refused(provider, shop, attack):
    create_machine(by=None, name="Till", subject="till")

    assert statuses(shop, attack[1](provider)) == (401, 401)


def test_a_new_key_is_found_and_an_old_one_forgotten(provider, shop):
    create_machine(by=None, name="Till", subject="till")
    old = provider.machine_token()
    assert statuses(shop, old) == (200, 200)

    provider.control(rotate=True)

    assert statuses(shop, provider.machine_token()) == (200, 200)
    assert statuses(shop, old) == (401, 401)
    sign_in(provider)


def test_while_the_provider_is_down_tokens_go_on_and_signing_in_says_so(provider, shop):
    create_machine(by=None, name="Till", subject="till")
    token = provider.machine_token()
    assert statuses(shop, token) == (200, 200)
    signed_in = sign_in(provider)
    visitor = Visitor(shop)
    visitor.stops_at = f"{shop}/oidc/callback/"
    visitor.sign_in_as("njeri")
    provider.control(down=True)

    down = visitor.get(visitor.page.url)

    assert (down.status, DOWN in down.text) == (503, True)
    assert down.headers["Retry-After"] == "60"
    assert not is_signed_in(visitor)
    assert is_signed_in(signed_in)
    assert statuses(shop, token) == (200, 200)


def test_a_shop_that_starts_while_its_provider_is_down_goes_on_when_it_is_back(provider):
    create_machine(by=None, name="Till", subject="till")
    token = provider.machine_token()
    provider.control(down=True)
    address = free_address()
    with spawn_shop(address, provider.issuer, OIDC_AUDIENCE=provider.audience):
        visitor = Visitor(address)
        assert visitor.open("/").status == 200
        for path in ("/account/", "/admin/"):
            page = visitor.open(path)
            assert (page.status, DOWN in page.text) == (503, True)
        assert statuses(address, token) == (503, 503)

        provider.control(down=False)
        assert statuses(address, token) == (200, 200)
        assert visitor.open("/oidc/authenticate/").url.startswith(provider.issuer)


def test_oidc_provider_mock_signs_in_too(django_db_setup):
    address = free_address()
    njeri = oidc_provider_mock.User(
        sub="njeri",
        claims={"email": "njeri@example.com", "email_verified": True, "groups": ["shop-employee"]},
    )
    with oidc_provider_mock.run_server_in_thread(user_claims=[njeri]) as server:
        issuer = f"http://localhost:{server.server_port}"
        with spawn_shop(address, issuer, OIDC_ROLES_CLAIM="groups"):
            visitor = Visitor(address)
            visitor.open("/account/")
            page = visitor.submit(sub="njeri")

            assert (page.status, page.url) == (200, f"{address}/account/")
            user = User.objects.get()
            assert (user.email, user.roles) == ("njeri@example.com", ["shop-employee"])
            assert str(Identity.objects.get()) == f"njeri at {issuer}"
            left = visitor.post("/oidc/logout/", {"csrfmiddlewaretoken": visitor.csrf})
            assert left.headers["Location"].startswith(f"{issuer}/oauth2/end_session?")
            assert not is_signed_in(visitor)
