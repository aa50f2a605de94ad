"""The embedded provider's token endpoint: codes, refresh tokens, machines, limits."""

import re
import time
from datetime import timedelta

import pytest
from allauth.idp.oidc.models import Token
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Machine, SpentRefreshToken, User
from accounts.services.machines import create_machine, renew_secret, revoke_machine
from accounts.services.people import create_local_person
from core.tests.races import at_once

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


def ask(token, path="/api/v1/me/"):
    return Client().get(path, headers={"Authorization": f"Bearer {token}"})


def graphql(token):
    return Client().post(
        "/graphql/",
        {"query": "{ me { permissions } }"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


def refused(response, error="invalid_grant", status=400):
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert "access_token" not in response.json()
    return True


# Codes


def test_a_code_is_good_once(browser, till):
    code = till.code(browser)

    assert till.exchange(code).status_code == 200
    assert refused(till.exchange(code))


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"redirect_uri": "https://till.example/other"},
        {"redirect_uri": ""},
        {"code": "invented"},
    ],
)
def test_a_code_needs_its_verifier_and_its_redirect_uri(browser, till, changes):
    response = till.exchange(**{"code": till.code(browser)} | changes)

    assert response.status_code == 400
    assert response.json()["error"] in {"invalid_grant", "invalid_request"}


@pytest.mark.parametrize("public", [False, True], ids=["confidential", "public"])
def test_a_code_is_of_no_use_to_another_app(browser, till, public):
    other = App("other", public=public, redirect_uris=till.redirect_uri)
    other.redirect_uri = till.redirect_uri
    code = till.code(browser)

    assert refused(other.exchange(code))
    assert till.exchange(code).status_code == 200


def test_a_code_is_good_for_a_minute(browser, till, settings):
    settings.IDP_OIDC_AUTHORIZATION_CODE_EXPIRES_IN = 0

    assert refused(till.exchange(till.code(browser)))


def test_a_code_ends_with_the_person(browser, till):
    code = till.code(browser)
    User.objects.update(is_active=False)

    assert refused(till.exchange(code))


@pytest.mark.django_db(transaction=True)
def test_of_several_that_exchange_one_code_at_once_one_gets_tokens(browser, till):
    code = till.code(browser)

    answers = at_once([lambda: till.exchange(code)] * 6)

    assert sorted(each.status_code for each in answers) == [200] + [400] * 5


# Secrets of apps


@pytest.mark.parametrize(
    "shown",
    [
        {"client_secret": "wrong"},
        {"client_secret": ""},
        {"client_id": "nobody"},
        {"client_id": ""},
        {"client_id": "other"},
    ],
)
def test_a_wrong_secret_is_a_401(browser, till, shown):
    App("other")

    response = till.exchange(till.code(browser), **shown)

    assert refused(response, "invalid_client", 401)


@pytest.fixture
def few(settings):
    settings.IDP_OIDC_RATE_LIMITS = {"token": "600/m/ip", "token_refused": "3/m/key"}


def test_after_some_wrong_secrets_the_right_one_has_to_wait(browser, till, few):
    code = till.code(browser)
    for _ in range(3):
        assert till.exchange(code, client_secret="wrong").status_code == 401

    waits = till.exchange(code)

    assert (waits.status_code, waits["Retry-After"]) == (429, "60")
    assert waits.json()["error"] == "temporarily_unavailable"
    assert waits["Cache-Control"] == "no-store"
    # Of this client from this address only.
    assert till.exchange(code, address="10.0.0.2").status_code == 200
    assert App("other").exchange("x").status_code == 400


def test_wrong_secrets_are_counted_however_they_are_shown(till, few):
    basic = {"Authorization": "Basic dGlsbDp3cm9uZw=="}  # till:wrong
    form = {"grant_type": "client_credentials"}
    for _ in range(3):
        answer = Client().post("/identity/o/api/token", form, headers=basic)
        assert answer.status_code == 401

    assert till.exchange("x").status_code == 429


def test_right_secrets_are_not_counted_as_wrong(till, few):
    assert {till.exchange("x").status_code for _ in range(5)} == {400}


def test_requests_of_one_address_are_limited(till, settings):
    settings.IDP_OIDC_RATE_LIMITS = {"token": "3/m/ip", "token_refused": "20/m/key"}

    assert [till.exchange("x").status_code for _ in range(4)] == [400, 400, 400, 429]
    assert till.exchange("x", address="10.0.0.2").status_code == 400


def test_signing_in_at_the_shop_is_not_limited_by_its_own_requests(njeri, settings):
    settings.IDP_OIDC_RATE_LIMITS = {"token": "1/m/ip", "token_refused": "1/m/key"}

    for _ in range(3):
        assert Browser().sign_in("njeri@example.com", PASSWORD).status == 200


def test_nobody_passes_for_the_shop_itself(till, settings):
    settings.IDP_OIDC_RATE_LIMITS = {"token": "1/m/ip"}

    answers = [
        Client(headers={"duka.in-process": "1", "Duka-In-Process": "1"}).post(
            "/identity/o/api/token", {"grant_type": "x"}
        )
        for _ in range(2)
    ]

    assert answers[1].status_code == 429


def test_a_wrong_secret_is_written_down_without_it(till):
    till.call("token", grant_type="client_credentials", client_secret="hunter2")

    entry = AuditEntry.objects.get(action="refused", target="token")
    assert entry.detail == {"client": "till"}


@pytest.mark.parametrize("endpoint", ["token", "revoke"])
@pytest.mark.parametrize("name", ["client_id", "client_secret", "code", "refresh_token", "token"])
def test_null_characters_are_refused_like_anything_that_is_wrong(till, endpoint, name):
    form = {"grant_type": "authorization_code", "token": "x", name: "a\x00b"}

    assert till.call(endpoint, **form).status_code in {200 if endpoint == "revoke" else 400, 401}


@pytest.mark.parametrize("shown", ["", "x", "////", "OjpA", "AGE6Yg==", "dGlsbA=="])
def test_basic_credentials_that_make_no_sense_are_refused(till, shown):
    answer = Client().post(
        "/identity/o/api/token",
        {"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {shown}"},
    )

    assert answer.status_code in {400, 401}


# Refresh tokens


def test_a_refresh_token_is_exchanged_for_the_next(browser, till, njeri):
    first = till.tokens(browser)

    second = till.refresh(first["refresh_token"]).json()

    assert second["refresh_token"] != first["refresh_token"]
    assert claims_of(second["access_token"])["sub"] == str(njeri.subject)
    assert ask(second["access_token"]).status_code == 200
    assert till.refresh(second["refresh_token"]).status_code == 200


def test_a_spent_refresh_token_ends_all_that_came_of_it(browser, till):
    first = till.tokens(browser)["refresh_token"]
    second = till.refresh(first).json()["refresh_token"]
    third = till.refresh(second).json()["refresh_token"]

    assert refused(till.refresh(first))

    assert refused(till.refresh(third))
    assert not Token.objects.filter(client=till.client).exists()


def test_other_families_go_on(browser, till):
    stolen = till.tokens(browser)["refresh_token"]
    phone, other_app = till.tokens(browser)["refresh_token"], App("other")
    of_another = other_app.tokens(browser)["refresh_token"]
    till.refresh(stolen)

    assert refused(till.refresh(stolen))

    assert till.refresh(phone).status_code == 200
    assert other_app.refresh(of_another).status_code == 200


def test_another_app_can_neither_use_a_refresh_token_nor_end_its_family(browser, till):
    other = App("other")
    first = till.tokens(browser)["refresh_token"]
    second = till.refresh(first).json()["refresh_token"]

    assert refused(other.refresh(first))
    assert refused(other.refresh(second))

    assert till.refresh(second).status_code == 200


def test_an_invented_refresh_token_ends_nothing(browser, till):
    good = till.tokens(browser)["refresh_token"]

    assert refused(till.refresh("invented"))
    assert refused(till.refresh(till.tokens(browser)["access_token"]))

    assert till.refresh(good).status_code == 200


def test_a_refresh_never_widens_the_scope(browser, till):
    narrow = till.tokens(browser, scope="openid")["refresh_token"]

    assert refused(till.refresh(narrow, scope="openid api"), "invalid_scope")


def test_a_refresh_token_runs_out(browser, till):
    token = till.tokens(browser)["refresh_token"]
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert refused(till.refresh(token))


def test_a_refresh_token_is_of_no_use_once_the_person_is_deactivated(browser, till):
    token = till.tokens(browser)["refresh_token"]
    User.objects.update(is_active=False)

    assert refused(till.refresh(token))


@pytest.mark.django_db(transaction=True)
def test_of_several_that_use_one_refresh_token_at_once_at_most_one_gets_the_next(browser, till):
    token = till.tokens(browser)["refresh_token"]

    answers = at_once([lambda: till.refresh(token)] * 6)

    won = [each for each in answers if each.status_code == 200]
    assert len(won) == 1
    assert {each.status_code for each in answers} == {200, 400}
    # Whether it was theft cannot be told: what the winner got is void too.
    assert refused(till.refresh(won[0].json()["refresh_token"]))
    assert SpentRefreshToken.objects.count() == 1


# Revocation


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
@pytest.mark.parametrize("hint", ["refresh_token", "access_token", ""])
def test_a_token_is_revoked_by_its_app(browser, till, kind, hint):
    made = till.tokens(browser)
    if hint not in ("", kind):
        hint = ""

    assert till.call("revoke", token=made[kind], token_type_hint=hint).status_code == 200

    kept = Token.objects.by_value(made[kind])
    assert not kept.exists()
    if kind == "refresh_token":
        assert refused(till.refresh(made[kind]))


def test_no_app_revokes_anothers_token(browser, till):
    made, other = till.tokens(browser), App("other")

    # The answer does not tell whether there is such a token.
    assert other.call("revoke", token=made["refresh_token"]).status_code == 200

    assert till.refresh(made["refresh_token"]).status_code == 200


def test_revoking_needs_the_apps_secret(browser, till):
    made = till.tokens(browser)

    assert (
        till.call("revoke", token=made["refresh_token"], client_secret="wrong").status_code == 401
    )
    assert till.call("revoke", token="invented").status_code == 200

    assert till.refresh(made["refresh_token"]).status_code == 200


# Machines


@pytest.fixture
def machine(db):
    made, secret = create_machine(by=None, name="Stocktaker", rights=["see_orders"])
    made.secret = secret
    return made


def machine_token(machine, **changes):
    form = {
        "grant_type": "client_credentials",
        "client_id": machine.client_id,
        "client_secret": machine.secret,
        "scope": "api",
    }
    return call("token", **form | changes)


def held(machine):
    response = machine_token(machine)
    assert response.status_code == 200, response.content
    return response.json()["access_token"]


def test_a_machine_gets_a_token_and_may_what_it_was_granted(machine):
    token = held(machine)

    said = claims_of(token)
    assert (said["sub"], said["aud"]) == (machine.client_id, settings.OIDC_AUDIENCE)
    assert said["exp"] - said["iat"] == 300
    permissions = [
        "catalog.view_product",
        "notifications.view_message",
        "orders.view_order",
        "shipping.view_shipment",
    ]
    answer = ask(token)
    assert (answer.status_code, answer.json()["permissions"]) == (200, permissions)
    assert answer.json()["subject"] == str(machine.user.subject)
    answer = graphql(token)
    assert (answer.status_code, answer.json()["data"]) == (
        200,
        {"me": {"permissions": permissions}},
    )
    assert ask(token, "/api/v1/orders/").status_code == 200
    assert ask(token, "/api/v1/customers/").status_code == 403


def test_without_naming_a_scope_it_gets_the_api(machine):
    token = machine_token(machine, scope="").json()["access_token"]

    assert ask(token).status_code == 200


def test_a_machine_gets_no_refresh_token_no_id_token_and_no_code(machine, browser):
    made = machine_token(machine).json()
    assert set(made) >= {"access_token", "expires_in"}
    assert not set(made) & {"refresh_token", "id_token"}

    query = f"client_id={machine.client_id}&response_type=code&redirect_uri=https://x.example/"
    page = browser.open(f"/identity/o/authorize?{query}")
    assert page.status == 400
    assert refused(machine_token(machine, scope="openid"), "invalid_scope")


def test_a_machine_that_is_revoked_is_out_at_once_with_the_token_it_holds(machine):
    token = held(machine)

    revoke_machine(machine_id=machine.pk, by=None)

    assert ask(token).status_code == 401
    assert graphql(token).status_code == 401
    # Nor gets it another.
    assert machine_token(machine).status_code == 401


def test_a_machine_that_ran_out_is_refused(machine):
    token = held(machine)

    Machine.objects.update(expires_at=timezone.now())

    assert machine_token(machine).status_code == 401
    assert ask(token).status_code == 401
    assert graphql(token).status_code == 401


def test_a_machine_whose_user_is_deactivated_is_refused(machine):
    token = held(machine)

    User.objects.update(is_active=False)

    assert ask(token).status_code == 401


def test_a_new_secret_voids_the_old_one(machine):
    _, secret = renew_secret(machine_id=machine.pk, by=None)

    assert refused(machine_token(machine), "invalid_client", 401)
    assert machine_token(machine, client_secret=secret).status_code == 200


def test_an_unknown_machines_token_is_refused(machine):
    token = held(machine)
    Machine.objects.all().delete()

    assert ask(token).status_code == 401


def test_a_machines_secret_is_kept_as_a_quick_hash(machine, settings):
    # The tests' own hasher for passwords is quick too.
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "accounts.hashers.GeneratedSecretHasher",
    ]
    _, secret = renew_secret(machine_id=machine.pk, by=None)
    machine.client.refresh_from_db()

    assert re.fullmatch(r"generated\$-\$[0-9a-f]{64}", machine.client.secret)
    assert secret not in machine.client.secret
    began = time.process_time()
    assert machine_token(machine, client_secret=secret).status_code == 200
    # A password's rounds would be 0.3 s.
    assert time.process_time() - began < 0.2


def test_its_last_use_is_noted_once_a_minute(machine):
    token = held(machine)
    assert Machine.objects.get().last_used_at is None

    ask(token)
    first = Machine.objects.get().last_used_at
    assert timezone.now() - first < timedelta(seconds=10)
    ask(token)
    assert Machine.objects.get().last_used_at == first

    Machine.objects.update(last_used_at=first - timedelta(seconds=61))
    graphql(token)
    assert Machine.objects.get().last_used_at > first
