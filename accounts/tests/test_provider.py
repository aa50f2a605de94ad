"""The embedded provider: what it says of itself, whom it lets in, what it tells about them."""

import time

import pytest
from allauth.idp.oidc import views
from allauth.idp.oidc.models import Token
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.cache import cache
from django.test import Client
from django.urls import get_resolver

from accounts.models import User
from accounts.oidc import backchannel, keyring
from accounts.services.machines import create_machine
from accounts.services.memberships import employ
from accounts.services.people import create_local_person
from core import request_id

from .browser import App, Browser, call, claims_of

pytestmark = pytest.mark.django_db

PASSWORD = "mboga na matunda 9"


@pytest.fixture(autouse=True)
def fresh_limits(db):
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def njeri():
    return create_local_person(name="Njeri", email="njeri@example.com", password=PASSWORD)


@pytest.fixture
def browser(njeri):
    """Njeri's, signed in."""
    made = Browser()
    assert made.sign_in("njeri@example.com", PASSWORD).status == 200
    return made


@pytest.fixture
def till():
    return App("till")


# What it says of itself


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "testserver"])
def test_discovery_says_the_shops_own_address_whatever_host_was_asked(host):
    said = Client(headers={"host": host}).get("/.well-known/openid-configuration").json()

    base = settings.SHOP_URL
    assert said["issuer"] == base
    addresses = {value for name, value in said.items() if name.endswith(("_endpoint", "_uri"))}
    assert addresses == {
        f"{base}/identity/o/authorize",
        f"{base}/identity/o/api/token",
        f"{base}/identity/o/api/userinfo",
        f"{base}/identity/o/api/revoke",
        f"{base}/identity/o/logout",
        f"{base}/.well-known/jwks.json",
    }
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["response_types_supported"] == ["code"]
    assert said["grant_types_supported"] == [
        "authorization_code",
        "refresh_token",
        "client_credentials",
    ]


def test_tokens_name_the_shops_own_address_whatever_host_was_asked(browser, till):
    code = till.code(browser)
    form = {"code": code, "redirect_uri": till.redirect_uri, "code_verifier": "v" * 43}
    form |= {"grant_type": "authorization_code", "client_id": "till", "client_secret": till.secret}

    made = Client(headers={"host": "localhost"}).post("/identity/o/api/token", form).json()

    assert claims_of(made["id_token"])["iss"] == settings.SHOP_URL
    assert claims_of(made["access_token"])["iss"] == settings.SHOP_URL


def test_each_address_that_is_advertised_is_served_and_no_other():
    said = Client().get("/.well-known/openid-configuration").json()
    advertised = {
        value.removeprefix(f"{settings.SHOP_URL}/")
        for name, value in said.items()
        if name.endswith(("_endpoint", "_uri"))
    }
    served = {
        found[0][0][0]
        for name, found in _provider_routes().items()
        if Client().options(f"/{found[0][0][0]}").status_code != 404
    }

    assert served - {".well-known/openid-configuration"} == advertised


def _provider_routes():
    resolver = get_resolver().namespace_dict["idp"][1].namespace_dict["oidc"]
    prefix, inner = resolver
    return {
        name: [[[f"{prefix}{inner.reverse_dict.getlist(name)[0][0][0][0]}"]]]
        for name in inner.reverse_dict
        if isinstance(name, str)
    }


@pytest.mark.parametrize(
    "path",
    [
        "/identity/o/device",
        "/identity/o/api/device/code",
        "/identity/o/api/clients",
        "/identity/o/api/introspect",
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_devices_registration_and_introspection_are_not_served(path, method, till):
    form = {"client_id": "till", "client_secret": till.secret, "redirect_uris": ["https://x.ke/"]}

    response = getattr(Client(), method)(path, form)

    assert response.status_code == 404


@pytest.mark.parametrize("grant", ["urn:ietf:params:oauth:grant-type:device_code", "password"])
def test_no_token_is_given_for_a_grant_that_is_not_advertised(grant, njeri):
    app = App("phone", public=True)

    response = app.call(
        "token", grant_type=grant, device_code="x", username=njeri.email, password=PASSWORD
    )

    assert response.status_code == 400


def test_the_keys_are_public_halves_with_their_ids():
    response = Client().get("/.well-known/jwks.json")

    assert response.json() == keyring.public_keys()
    assert response["Cache-Control"] == "max-age=60, must-revalidate"
    [key] = response.json()["keys"]
    assert set(key) >= {"kty", "n", "e", "kid", "use", "alg"}
    assert not set(key) & {"d", "p", "q", "dp", "dq", "qi"}


def test_the_shop_asks_itself_without_a_connection_and_as_a_part_of_the_same_request(settings):
    # Where nothing listens.
    settings.SHOP_URL = "http://127.0.0.1:9"
    request_id.begin("outer-1", address="10.0.0.9")

    answer = backchannel.get("http://127.0.0.1:9/.well-known/jwks.json")

    assert (answer.status_code, answer.json()) == (200, keyring.public_keys())
    assert answer.headers["X-Request-ID"] == "outer-1"
    assert (request_id.current(), request_id.address()) == ("outer-1", "10.0.0.9")


# Code and PKCE


@pytest.mark.parametrize("public", [False, True], ids=["confidential", "public"])
@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
    ],
    ids=["no challenge", "plain", "no method, which means plain"],
)
def test_every_client_must_use_pkce_with_s256(browser, public, changes):
    app = App("phone", public=public)

    page = browser.open(app.authorize_path(**changes))

    assert page.url.startswith(app.redirect_uri)
    assert (page.query["error"], page.query["state"]) == ("invalid_request", "the-state")
    assert "code" not in page.query


def test_a_public_client_gets_tokens_by_its_verifier_alone(browser):
    app = App("phone", public=True)

    made = app.tokens(browser)

    assert claims_of(made["access_token"])["client_id"] == "phone"


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "https://till.example/callback/../other"},
        {"redirect_uri": "https://till.example.evil.example/callback"},
        {"redirect_uri": None},
        {"client_id": "nobody"},
        {"client_id": None},
    ],
)
def test_a_wrong_client_or_redirect_uri_is_told_to_the_person_and_leads_nowhere(
    browser, till, changes
):
    page = browser.open(till.authorize_path(**changes))

    assert page.url.startswith(settings.SHOP_URL)
    assert "Location" not in page.headers
    assert page.status == 400


@pytest.mark.parametrize("more", ["?x=1", "/", "#x"])
def test_a_redirect_uri_counts_to_the_letter(browser, till, more):
    browser.open(till.authorize_path(redirect_uri=till.redirect_uri + more))

    assert browser.page.status == 400


def test_not_even_on_this_machine_does_another_port_count(browser):
    app = App("tool", redirect_uris="http://127.0.0.1:7000/callback")

    browser.open(app.authorize_path(redirect_uri="http://127.0.0.1:7001/callback"))

    assert browser.page.status == 400


@pytest.mark.parametrize("claims", ["{", "[1]", "1", '{"userinfo": {"sub": null}}'])
def test_claims_asked_for_one_by_one_are_passed_over(browser, till, claims):
    assert till.tokens(browser, claims=claims)["token_type"] == "Bearer"


def test_a_new_password_ends_what_apps_were_given(browser, till):
    made = till.tokens(browser)
    browser.open("/accounts/password/change/")
    browser.submit(oldpassword=PASSWORD, password1="another-one-8", password2="another-one-8")

    assert till.refresh(made["refresh_token"]).status_code == 400


@pytest.mark.parametrize("response_type", ["token", "id_token", "code token", "none"])
def test_only_codes_are_given_by_way_of_the_browser(browser, till, response_type):
    page = browser.open(till.authorize_path(response_type=response_type))

    assert "access_token" not in page.url
    assert "id_token=" not in page.url
    assert "error" in page.query


def test_a_scope_that_the_client_does_not_have_is_refused(browser):
    app = App("phone", scopes="openid")

    page = browser.open(app.authorize_path())

    assert page.query["error"] == "invalid_scope"


# What tokens say


def test_the_id_token_says_who_to_whom_and_for_which_request(browser, till, njeri):
    employ(user=njeri, role="shop-employee", rights=["see_orders"])
    before = int(time.time())

    made = till.tokens(browser)
    said = claims_of(made["id_token"])

    assert said["iss"] == settings.SHOP_URL
    assert said["sub"] == str(njeri.subject)
    assert said["aud"] in ("till", ["till"])
    assert said["nonce"] == "the-nonce"
    assert said["groups"] == ["shop-employee"]
    assert (said["email"], said["email_verified"]) == ("njeri@example.com", True)
    assert said["exp"] - said["iat"] == 300
    assert before <= said["iat"] <= time.time()
    assert "at_hash" in said


def test_the_access_token_is_for_the_api_and_for_five_minutes(browser, till, njeri):
    made = till.tokens(browser)
    said = claims_of(made["access_token"])

    assert made["expires_in"] == 300
    assert said["exp"] - said["iat"] == 300
    assert said["aud"] == settings.OIDC_AUDIENCE
    assert said["sub"] == str(njeri.subject)
    assert said["client_id"] == "till"
    assert said["groups"] == []
    assert set(said["scope"].split()) == {"openid", "profile", "email", "api"}


def test_a_token_without_the_scope_is_not_for_the_api(browser, till):
    made = till.tokens(browser, scope="openid")
    said = claims_of(made["access_token"])

    assert "aud" not in said
    assert me(made["access_token"]).status_code == 401


def test_an_access_token_opens_rest_and_graphql_and_an_id_token_neither(browser, till, njeri):
    made = till.tokens(browser)

    answer = me(made["access_token"])
    assert (answer.status_code, answer.json()["subject"]) == (200, str(njeri.subject))
    assert graphql(made["access_token"]).status_code == 200
    assert me(made["id_token"]).status_code == 401
    assert graphql(made["id_token"]).status_code == 401
    assert me(made["refresh_token"]).status_code == 401


def me(token):
    return Client().get("/api/v1/me/", headers={"Authorization": f"Bearer {token}"})


def graphql(token):
    return Client().post(
        "/graphql/",
        {"query": "{ me { subject } }"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


# Consent


def test_what_an_app_asks_is_shown_and_granted(browser, till):
    page = browser.open(till.authorize_path())
    assert page.status == 200
    assert "Till" in page.text
    assert "Act for you in the shop: see and change what you may" in page.text

    page = browser.submit("grant")

    assert page.url.startswith(f"{till.redirect_uri}?")
    assert set(page.query) >= {"code", "state"}


def test_what_an_app_asks_is_denied(browser, till):
    browser.open(till.authorize_path())

    page = browser.submit("cancel")

    assert page.url == f"{till.redirect_uri}?error=access_denied&state=the-state"
    assert not Token.objects.filter(client=till.client).exists()


def test_another_site_cannot_grant_in_somebodys_name(browser, till):
    page = browser.open(till.authorize_path())
    signed = page.text.split('name="request" value="')[1].split('"')[0]
    form = {"request": signed, "action": "grant", "scopes": ["openid"]}

    assert browser.post("/identity/o/authorize", form).status == 403


def test_without_a_session_the_person_signs_in_first(till, njeri):
    stranger = Browser()
    stranger.open(till.authorize_path())

    stranger.submit(login="njeri@example.com", password=PASSWORD)
    page = stranger.submit("grant")

    assert till.exchange(page.query["code"]).status_code == 200


# Without a question


def silently(browser, app, **changes):
    return browser.open(app.authorize_path(prompt="none", **changes)).query


def test_signing_in_at_the_shop_is_no_consent_to_anothers_app(browser, till):
    # The shop's own client has tokens of all these scopes.
    assert Token.objects.filter(client_id=settings.OIDC_RP_CLIENT_ID).exists()

    answer = silently(browser, till, scope="openid profile email")

    assert "code" not in answer
    assert answer["error"] in {"consent_required", "interaction_required"}
    assert answer["state"] == "the-state"


def test_consent_to_one_app_is_none_to_another(browser, till):
    till.tokens(browser)

    assert "code" not in silently(browser, App("other"))


def test_after_its_own_consent_an_app_gets_a_code_for_that_much(browser, till):
    till.tokens(browser, scope="openid email")

    assert "code" in silently(browser, till, scope="openid email")
    assert "code" in silently(browser, till, scope="openid")
    assert "code" not in silently(browser, till, scope="openid api")


def test_an_app_that_the_shop_trusts_gets_a_code_without_a_question(browser):
    app = App("kiosk", skip_consent=True)

    assert "code" in silently(browser, app)
    assert browser.open(app.authorize_path()).query["state"] == "the-state"


def test_without_a_session_nobody_is_let_in_silently(till):
    trusted = App("kiosk", skip_consent=True)

    assert silently(Browser(), till)["error"] == "login_required"
    assert silently(Browser(), trusted)["error"] == "login_required"


def test_asked_to_prove_again_the_person_has_to(browser):
    app = App("kiosk", skip_consent=True)

    page = browser.open(app.authorize_path(prompt="login"))

    assert page.status == 200
    assert "/accounts/reauthenticate/" in page.url
    page = browser.submit(password=PASSWORD)
    assert "code" in page.query


# Resources


@pytest.mark.parametrize("resource", ["https://other.example/api", "foo", "", "http://[", "/api"])
def test_authorize_knows_no_resource_but_the_api(browser, till, resource):
    page = browser.open(till.authorize_path(resource=resource))

    assert page.status == 400
    assert "code" not in page.query


@pytest.mark.parametrize("resource", ["https://other.example/api", "foo", "http://[", "/api"])
def test_the_token_endpoint_knows_no_resource_but_the_api(browser, till, resource):
    code = till.code(browser)

    response = till.exchange(code, resource=resource)

    assert (response.status_code, response.json()["error"]) == (400, "invalid_target")
    # It was not used up by that.
    assert till.exchange(code).status_code == 200


def test_the_api_itself_may_be_asked_for_as_the_resource(browser, till):
    made = till.tokens(browser, resource=settings.OIDC_AUDIENCE)

    assert claims_of(made["access_token"])["aud"] == settings.OIDC_AUDIENCE
    assert me(made["access_token"]).status_code == 200


# User info


def test_user_info_tells_what_the_scopes_allow(browser, till, njeri):
    def info(scope):
        token = till.tokens(browser, scope=scope)["access_token"]
        return Client().get(
            "/identity/o/api/userinfo", headers={"Authorization": f"Bearer {token}"}
        )

    assert info("openid").json() == {"sub": str(njeri.subject), "groups": []}
    told = info("openid profile email").json()
    assert (told["sub"], told["email"], told["email_verified"], told["name"]) == (
        str(njeri.subject),
        "njeri@example.com",
        True,
        "Njeri",
    )


@pytest.mark.parametrize("change", ["deactivate", "delete", "revoke"])
def test_user_info_ends_with_the_person_and_with_the_token(browser, till, njeri, change):
    made = till.tokens(browser)
    if change == "deactivate":
        User.objects.update(is_active=False)
    elif change == "delete":
        njeri.delete()
    else:
        till.call("revoke", token=made["access_token"])

    response = Client().get(
        "/identity/o/api/userinfo", headers={"Authorization": f"Bearer {made['access_token']}"}
    )

    assert response.status_code == 401


def test_user_info_is_not_for_machines():
    machine, secret = create_machine(by=None, name="Till", rights=["see_orders"])
    made = call(
        "token",
        grant_type="client_credentials",
        client_id=machine.client_id,
        client_secret=secret,
    ).json()

    response = Client().get(
        "/identity/o/api/userinfo", headers={"Authorization": f"Bearer {made['access_token']}"}
    )

    assert response.status_code in {401, 403}


# Sign-out


def signed_in(browser):
    return SESSION_KEY in browser.client.session


def test_an_app_that_knows_who_it_was_signs_them_out_and_gets_them_back(browser, till):
    made = till.tokens(browser)
    hint = made["id_token"]

    page = browser.open(
        f"/identity/o/logout?id_token_hint={hint}&state=x"
        "&post_logout_redirect_uri=https://till.example/callback"
    )

    assert page.url == "https://till.example/callback?state=x"
    assert not signed_in(browser)
    assert not Token.objects.filter(user__email="njeri@example.com").exists()


def test_it_leads_to_no_address_that_is_not_the_apps(browser, till):
    hint = till.tokens(browser)["id_token"]

    page = browser.open(
        f"/identity/o/logout?id_token_hint={hint}&post_logout_redirect_uri=https://evil.example/"
    )

    assert page.url.startswith(settings.SHOP_URL)
    assert "evil.example" not in page.headers.get("Location", "")


@pytest.mark.parametrize("hint", ["", "abc", "of somebody else"])
def test_without_the_persons_own_token_they_are_asked(browser, till, hint):
    if hint == "of somebody else":
        create_local_person(name="Otieno", email="otieno@example.com", password=PASSWORD)
        other = Browser()
        other.sign_in("otieno@example.com", PASSWORD)
        hint = till.tokens(other)["id_token"]

    page = browser.open(f"/identity/o/logout?id_token_hint={hint}")

    assert page.status == 200
    assert signed_in(browser)
    browser.submit("logout")
    assert not signed_in(browser)


@pytest.mark.parametrize("path", ["/oidc/logout/", "/admin/logout/", "/accounts/logout/"])
def test_signing_out_anywhere_ends_the_session_and_every_refresh_token(browser, till, path):
    refresh = till.tokens(browser)["refresh_token"]
    stolen = {key: value.value for key, value in browser.client.cookies.items()}

    browser.post(path, {"csrfmiddlewaretoken": browser.csrf})

    assert not signed_in(browser)
    assert not Token.objects.filter(user__email="njeri@example.com").exists()
    assert till.refresh(refresh).json()["error"] == "invalid_grant"
    again = Client()
    again.cookies.load(stolen)
    assert again.get("/api/v1/me/").status_code == 401


@pytest.mark.parametrize("path", ["/oidc/logout/", "/admin/logout/"])
def test_a_link_signs_nobody_out(browser, path):
    assert browser.get(path).status == 405
    assert browser.post(path, {}).status == 403
    assert signed_in(browser)


def test_deleting_a_person_ends_their_tokens(browser, till, njeri):
    made = till.tokens(browser)
    njeri.delete()

    assert me(made["access_token"]).status_code == 401
    assert till.refresh(made["refresh_token"]).status_code == 400
    assert not User.objects.exists()


def test_the_shops_own_client_follows_the_address_and_secret(browser, settings):
    own = views.Client.objects.get(id=settings.OIDC_RP_CLIENT_ID)
    own.secret = "generated$-$old"
    own.redirect_uris = "https://old.example/oidc/callback/"
    own.save()

    assert Browser().sign_in("njeri@example.com", PASSWORD).status == 200
