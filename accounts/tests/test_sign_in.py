"""Signing in at the shop's own pages: who is let in, who is not, and what that tells."""

import re
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from accounts.models import AuditEntry, User
from accounts.services.memberships import employ
from accounts.services.people import create_local_person

from .browser import Browser, code_in, post

pytestmark = pytest.mark.django_db

EMAIL = "njeri@example.com"
PASSWORD = "mboga na matunda 9"
WRONG = "quite another 9"


@pytest.fixture(autouse=True)
def fresh_limits(db):
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def njeri():
    return create_local_person(name="Njeri", email=EMAIL, password=PASSWORD)


@pytest.fixture
def browser(njeri):
    """Njeri's, signed in."""
    made = Browser()
    assert made.sign_in(EMAIL, PASSWORD).status == 200
    return made


def signed_in(browser):
    return SESSION_KEY in browser.client.session


def try_to_sign_in(email=EMAIL, password=PASSWORD, **browser):
    made = Browser(**browser)
    made.sign_in(email, password)
    return made


# The way in


def test_the_way_in_leads_by_openid_connect_to_where_one_wanted_to_go(njeri):
    browser = Browser()
    page = browser.open("/account/")
    assert page.url.startswith(f"{settings.SHOP_URL}/accounts/login/")

    page = browser.submit(login=EMAIL, password=PASSWORD)

    assert (page.status, page.url) == (200, f"{settings.SHOP_URL}/account/")
    paths = [url.removeprefix(settings.SHOP_URL).partition("?")[0] for url in browser.visited]
    assert paths == [
        "/account/",
        "/oidc/authenticate/",
        "/identity/o/authorize",
        "/accounts/login/",
        "/accounts/login/",
        "/identity/o/authorize",
        "/oidc/callback/",
        "/account/",
    ]
    assert AuditEntry.objects.filter(action="signed_in", actor=njeri, address="127.0.0.1").exists()


def test_the_email_address_counts_in_any_case(njeri):
    assert signed_in(try_to_sign_in("Njeri@Example.COM"))


@pytest.mark.parametrize(
    "following", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:1"]
)
def test_it_leads_to_no_other_site(njeri, following):
    browser = Browser()

    page = browser.sign_in(EMAIL, PASSWORD, following=following)

    assert page.url.startswith(f"{settings.SHOP_URL}/")


def test_a_new_session_begins_with_signing_in(njeri):
    browser = Browser()
    browser.open("/oidc/authenticate/?next=/account/")
    before = browser.client.cookies["sessionid"].value

    browser.submit(login=EMAIL, password=PASSWORD)

    assert browser.client.cookies["sessionid"].value != before


@pytest.mark.parametrize("host", ["localhost:8000", "localhost"])
def test_who_came_by_another_name_is_sent_to_the_shops_own_address_first(host):
    """Or the cookie of the beginning would be missing at the end."""
    page = Browser(host=host).get("/oidc/authenticate/?next=/account/%3Fa%3D1")

    assert (page.status, page.headers["Location"]) == (
        302,
        f"{settings.SHOP_URL}/oidc/authenticate/?next=/account/%3Fa%3D1",
    )


def lasts(browser):
    return browser.client.session.get_expiry_age()


def test_what_a_stranger_begins_lasts_an_hour_and_a_sign_in_its_full_age(njeri):
    browser = Browser()

    browser.open("/oidc/authenticate/?next=/account/")

    assert lasts(browser) == 3600
    cookie = browser.client.cookies["sessionid"]
    assert cookie["max-age"] == 3600
    kept = Session.objects.get(pk=cookie.value).expire_date - timezone.now()
    assert timedelta(minutes=59) < kept <= timedelta(hours=1)

    browser.submit(login=EMAIL, password=PASSWORD)

    assert signed_in(browser)
    assert lasts(browser) == settings.SESSION_COOKIE_AGE
    assert browser.client.cookies["sessionid"]["max-age"] == settings.SESSION_COOKIE_AGE


def test_who_is_signed_in_and_begins_anew_keeps_the_full_age(browser):
    browser.open("/oidc/authenticate/?next=/account/&again=1")

    assert lasts(browser) == settings.SESSION_COOKIE_AGE


# Who is not let in


@pytest.mark.parametrize(
    ("email", "password"),
    [(EMAIL, WRONG), ("nobody@example.com", PASSWORD), (EMAIL, PASSWORD.upper()), (EMAIL, " ")],
)
def test_a_wrong_password_lets_nobody_in(njeri, email, password):
    browser = try_to_sign_in(email, password)

    assert browser.page.status == 200
    assert not signed_in(browser)
    assert browser.get("/api/v1/me/").status == 401


def test_a_deactivated_person_is_not_let_in_and_is_out_at_once(njeri, browser):
    User.objects.update(is_active=False)

    assert browser.get("/api/v1/me/").status == 401
    assert not signed_in(try_to_sign_in())


def test_a_code_in_the_address_of_the_form_signs_nobody_in(njeri):
    """Stock, any form that signs in would take it to the provider's token endpoint."""
    browser = Browser()
    form = browser.open("/accounts/login/?code=x&state=y")

    page = browser.post(
        f"{form.url}", {"login": EMAIL, "password": WRONG, "csrfmiddlewaretoken": browser.csrf}
    )

    assert (page.status, signed_in(browser)) == (200, False)
    refusals = AuditEntry.objects.filter(action="refused").values_list("detail", flat=True)
    assert list(refusals) == [{"email": EMAIL}]


@pytest.mark.parametrize(
    "query", ["?code=x&state=y", "?code=x&state=y&nonce=z", "?error=x", "?code=x"]
)
def test_the_callback_lets_nobody_in_who_did_not_begin_here(njeri, query):
    browser = Browser(raise_request_exception=False)

    page = browser.open(f"/oidc/callback/{query}")

    assert page.status == 400
    assert "You are not signed in" in page.text
    assert not signed_in(browser)


def test_a_link_with_an_error_signs_nobody_out(browser):
    assert browser.open("/oidc/callback/?error=x").status == 400

    assert signed_in(browser)


def test_anothers_code_is_of_no_use_in_ones_own_sign_in(njeri):
    """Somebody who is led to finish an attacker's sign-in would act in the attacker's account."""
    attacker, victim = Browser(), Browser()
    for each in (attacker, victim):
        each.open("/oidc/authenticate/?next=/account/")
    following = attacker.page.query["next"]
    attacker.post(
        "/accounts/login/",
        {"login": EMAIL, "password": PASSWORD, "csrfmiddlewaretoken": attacker.csrf},
    )
    callback = attacker.get(following).headers["Location"]

    assert victim.open(callback).status == 400
    assert not signed_in(victim)


def test_refusals_are_written_down_without_the_password(njeri):
    try_to_sign_in(password=WRONG, address="10.0.0.9")

    entry = AuditEntry.objects.get(action="refused", target="sign-in")
    assert (entry.address, entry.detail, entry.actor) == ("10.0.0.9", {"email": EMAIL}, None)


# Limits


def test_after_five_wrong_passwords_the_right_one_has_to_wait(njeri):
    for _ in range(5):
        try_to_sign_in(password=WRONG)

    waits = try_to_sign_in()

    assert not signed_in(waits)
    assert waits.page.status in {200, 429}
    assert "Too many failed login attempts. Try again later." in waits.page.text


def test_wrong_passwords_from_one_address_keep_nobody_out_at_another(njeri):
    for _ in range(6):
        try_to_sign_in(password=WRONG, address="10.0.0.9")

    assert signed_in(try_to_sign_in(address="10.0.0.1"))
    assert not signed_in(try_to_sign_in(address="10.0.0.9"))


def test_a_lock_of_one_account_is_none_of_another(njeri):
    create_local_person(name="Otieno", email="otieno@example.com", password=PASSWORD)
    for _ in range(5):
        try_to_sign_in(password=WRONG)

    assert signed_in(try_to_sign_in("otieno@example.com"))


def test_many_sign_ins_of_one_address_have_to_wait_and_the_page_is_ours(njeri, settings):
    settings.ACCOUNT_RATE_LIMITS = {"login": "3/m/ip"}

    pages = [try_to_sign_in().page for _ in range(4)]

    assert [each.status for each in pages] == [200, 200, 200, 429]
    assert "<h1>Too many tries</h1>" in pages[-1].text
    assert signed_in(try_to_sign_in(address="10.0.0.1"))


def forwarded(browser, address):
    browser.client.defaults["HTTP_X_FORWARDED_FOR"] = address
    return browser


@pytest.mark.parametrize("proxies", [0, 1])
def test_whose_address_counts_is_not_the_callers_to_choose(njeri, settings, proxies):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    # The proxy adds where the request came from, after whatever the caller had written.
    seen = "10.0.0.9, 192.0.2.1" if proxies else "10.0.0.9"
    for number in range(5):
        browser = forwarded(Browser(), seen.replace("10.0.0.9", f"10.0.0.{number}"))
        browser.sign_in(EMAIL, WRONG)

    browser = forwarded(Browser(), seen)
    browser.sign_in(EMAIL, PASSWORD)
    assert not signed_in(browser)

    browser = forwarded(Browser(address="192.0.2.2"), "192.0.2.2")
    browser.sign_in(EMAIL, PASSWORD)
    assert signed_in(browser)


@pytest.mark.parametrize(
    ("action", "path", "fields"),
    [
        (
            "signup",
            "/accounts/signup/",
            {"name": "Akinyi", "email": "akinyi@example.com", "password1": PASSWORD},
        ),
        ("reset_password", "/accounts/password/reset/", {"email": EMAIL}),
    ],
)
def test_the_other_forms_are_limited_too(njeri, settings, action, path, fields):
    settings.ACCOUNT_RATE_LIMITS = {action: "1/m/ip"}
    first, second = Browser(), Browser()
    for each in (first, second):
        each.open(path)

    assert first.submit(**fields).status == 200
    page = second.submit(**fields)
    assert (page.status, "<h1>Too many tries</h1>" in page.text) == (429, True)


# What answers tell


class CountingHasher(MD5PasswordHasher):
    """As quick as the tests' own; it tells how often it worked."""

    algorithm = "counting"
    times = 0

    def encode(self, password, salt):
        type(self).times += 1
        return super().encode(password, salt)


@pytest.fixture
def counting(settings):
    settings.PASSWORD_HASHERS = [
        f"{__name__}.CountingHasher",
        "accounts.hashers.GeneratedSecretHasher",
    ]


def told(browser, work):
    """Return what an answer tells, without what is new in each and without what was asked."""
    CountingHasher.times = 0
    mails = DBTaskResult.objects.count()
    with CaptureQueriesContext(connection) as queries:
        page = work(browser)
    text = re.sub(r'(name="csrfmiddlewaretoken" value=)"\w+"', r"\1", page.text)
    text = re.sub(r"\w+@example\.com", "ADDRESS", text)
    # Which cookies are set, not what they hold.
    cookies = sorted(browser.client.cookies)
    answer = (page.status, page.url, text, cookies)
    return answer, CountingHasher.times, DBTaskResult.objects.count() - mails, len(queries)


def fresh(path):
    cache.clear()
    browser = Browser()
    browser.open(path)
    return browser


@pytest.fixture
def three(counting):
    """One address with an account, one whose account is inactive, one with a mere beginning."""
    create_local_person(name="Known", email="known@example.com", password=PASSWORD)
    create_local_person(name="Inactive", email="inactive@example.com", password=PASSWORD)
    User.objects.filter(email="inactive@example.com").update(is_active=False)
    begun = fresh("/accounts/signup/")
    begun.submit(name="Begun", email="begun@example.com", password1=PASSWORD)
    post()


@pytest.mark.parametrize("other", ["known", "inactive", "begun"])
def test_signing_in_tells_nobody_which_addresses_are_known(three, other):
    def work(name):
        def enter(browser):
            return browser.submit(login=f"{name}@example.com", password=WRONG)

        return told(fresh("/accounts/login/"), enter)

    work("warm")
    answer, hashed, mails, statements = work("unknown")
    assert answer[0] == 200
    assert (hashed, mails) == (1, 0)
    assert work(other)[:3] == (answer, 1, 0)
    assert abs(work(other)[3] - statements) <= 2


@pytest.mark.parametrize("other", ["known", "inactive", "begun"])
def test_signing_up_tells_nobody_which_addresses_are_known(three, other):
    def work(name):
        def enter(browser):
            return browser.submit(name="Somebody", email=f"{name}@example.com", password1=PASSWORD)

        return told(fresh("/accounts/signup/"), enter)

    work("warm")
    answer, hashed, mails, statements = work("unknown")
    assert answer[0] == 200
    assert (hashed, mails) == (1, 1)
    assert work(other)[:3] == (answer, 1, 1)
    # What makes the account: a few quick statements beside the hash, which is what takes long.
    assert abs(work(other)[3] - statements) <= 15


@pytest.mark.parametrize("other", ["known", "inactive", "begun"])
def test_a_reset_tells_nobody_which_addresses_are_known(three, other):
    def work(name):
        return told(
            fresh("/accounts/password/reset/"),
            lambda browser: browser.submit(email=f"{name}@example.com"),
        )

    work("warm")
    answer, hashed, mails, statements = work("unknown")
    assert answer[0] == 200
    assert (hashed, mails) == (0, 1)
    assert work(other)[:3] == (answer, 0, 1)
    assert abs(work(other)[3] - statements) <= 3


@pytest.mark.parametrize(
    "path", ["/accounts/signup/", "/accounts/password/reset/"], ids=["sign-up", "reset"]
)
@pytest.mark.parametrize("other", ["known", "inactive"])
def test_codes_that_are_wrong_and_codes_anew_tell_nobody_either(three, path, other):
    def answers(name):
        browser = fresh(path)
        fields = {"name": "Somebody", "password1": PASSWORD} if "signup" in path else {}
        browser.submit(email=f"{name}@example.com", **fields)
        seen = []
        if "signup" in path:
            cache.clear()
            seen.append(told(browser, lambda each: each.submit("", action="resend"))[0])
        guesses = (told(browser, lambda each: each.submit(code="0000-0000")) for _ in range(3))
        return [*seen, *(answer for answer, *_ in guesses)]

    assert answers("unknown") == answers(other)


def test_limits_tell_nobody_which_addresses_are_known(three):
    def answers(name):
        cache.clear()
        browsers = [
            try_to_sign_in(f"{name}@example.com", WRONG, address=f"10.0.0.{number // 3}")
            for number in range(8)
        ]
        return [told(each, lambda each: each.page)[0][0] for each in browsers]

    assert answers("unknown") == answers("known")


# A second step


@pytest.fixture
def secret(browser):
    """Njeri adds an authenticator app at the real page; returns its secret."""
    prove(browser, "/accounts/2fa/totp/activate/")
    secret = browser.client.session[totp.SECRET_SESSION_KEY]
    assert browser.submit(code=code_now(secret)).status == 200
    cache.clear()
    return secret


def prove(browser, path):
    """Go to a page that wants the password once more, and give it."""
    assert "/accounts/reauthenticate/" in browser.open(path).url
    return browser.submit(password=PASSWORD)


def code_now(secret, periods=0):
    return totp.format_hotp_value(totp.hotp_value(secret, int(totp.time.time()) // 30 + periods))


def test_with_an_authenticator_app_a_password_is_not_enough(secret):
    browser = try_to_sign_in()
    assert browser.page.url.endswith("/accounts/2fa/authenticate/")
    assert not signed_in(browser)
    assert browser.get("/api/v1/me/").status == 401

    assert not signed_in_after(browser, "000000")
    assert signed_in_after(browser, code_now(secret))
    assert browser.page.url.endswith("/account/")


def signed_in_after(browser, code):
    browser.submit(code=code)
    return signed_in(browser)


def test_a_code_of_the_app_is_good_once_and_not_for_long(secret):
    code = code_now(secret)
    assert signed_in_after(try_to_sign_in(), code)

    assert not signed_in_after(try_to_sign_in(), code)
    assert not signed_in_after(try_to_sign_in(), code_now(secret, periods=-3))


def test_guesses_of_the_second_step_are_few(secret):
    browser = try_to_sign_in()
    for _ in range(5):
        browser.submit(code="000000")

    assert "Too many failed login attempts" in browser.submit(code=code_now(secret)).text
    assert not signed_in(browser)


def test_a_recovery_code_is_good_once(secret, njeri):
    instance = Authenticator.objects.get(user=njeri, type=Authenticator.Type.RECOVERY_CODES)
    code = RecoveryCodes(instance).get_unused_codes()[0]

    assert signed_in_after(try_to_sign_in(), code)
    assert not signed_in_after(try_to_sign_in(), code)


def test_a_password_that_was_reset_does_not_pass_the_second_step(secret):

    post()
    browser = Browser()
    browser.open("/accounts/password/reset/")
    browser.submit(email=EMAIL)
    browser.submit(code=code_in(post()[0]))
    browser.submit(password1=WRONG, password2=WRONG)

    assert not signed_in(browser)
    assert try_to_sign_in(password=WRONG).page.url.endswith("/accounts/2fa/authenticate/")


# Proving again


def let_it_be_long_ago(browser):
    session = browser.client.session
    for record in session["account_authentication_methods"]:
        record["at"] -= settings.ACCOUNT_REAUTHENTICATION_TIMEOUT + 1
    session.save()


SENSITIVE = [
    "/accounts/2fa/totp/activate/",
    "/accounts/2fa/webauthn/add/",
    "/account/delete/",
]


@pytest.mark.parametrize("path", SENSITIVE)
def test_what_is_sensitive_needs_a_proof_of_the_last_five_minutes(browser, path):
    assert "/accounts/reauthenticate/" in browser.open(path).url
    assert "/accounts/reauthenticate/" in browser.submit(password=WRONG).url
    assert browser.submit(password=PASSWORD).url.endswith(path)
    assert browser.open(path).url.endswith(path)

    let_it_be_long_ago(browser)

    assert "/accounts/reauthenticate/" in browser.open(path).url


def test_another_email_address_needs_it_and_a_code_that_is_sent_there(browser, njeri):
    browser.open("/accounts/email/")
    page = browser.submit("action_add", email="new@example.com")
    assert "/accounts/reauthenticate/" in page.url
    assert post() == []

    # What was held up goes on.
    browser.submit(password=PASSWORD)
    assert User.objects.get().email == EMAIL
    [message] = [each for each in post() if each.to == ["new@example.com"]]
    browser.submit(code=code_in(message))

    assert User.objects.get().email == "new@example.com"
    assert User.objects.get().customer.email == "new@example.com"
    assert {EMAIL} == {address for each in post() for address in each.to}


@pytest.mark.parametrize(
    "path", ["/accounts/2fa/totp/deactivate/", "/accounts/2fa/recovery-codes/"]
)
def test_the_second_step_is_taken_away_by_its_owner_only(secret, browser, path):
    assert browser.open(path).url.endswith(path)

    let_it_be_long_ago(browser)

    assert "reauthenticate" in browser.open(path).url


def test_an_account_is_not_deleted_by_who_finds_a_session_open(browser, njeri):
    token = {"csrfmiddlewaretoken": browser.csrf}

    assert browser.post("/account/delete/", token).status == 302
    page = browser.client.delete("/api/v1/me/", headers={"X-CSRFToken": browser.csrf})
    assert page.status_code in {401, 403}

    assert User.objects.get() == njeri


def test_an_account_is_deleted_by_who_proved_it(browser):
    prove(browser, "/account/delete/")
    browser.post("/account/delete/", {"csrfmiddlewaretoken": browser.csrf})

    assert not User.objects.exists()
    assert browser.get("/api/v1/me/").status == 401
    assert not signed_in(try_to_sign_in())


def test_guesses_of_the_password_are_few_when_proving_again(browser):
    browser.open("/account/delete/")
    for _ in range(10):
        browser.submit(password=WRONG)

    assert "/account/delete/" not in browser.submit(password=PASSWORD).url


# Sessions and CSRF


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        ("/api/v1/me/", "PATCH", '{"name": "Akinyi"}'),
        ("/graphql/", "POST", '{"query": "{ me { name } }"}'),
    ],
    ids=["REST", "GraphQL"],
)
def test_a_session_needs_a_csrf_token_to_change_anything(browser, njeri, path, method, body):
    def send(**headers):
        answer = browser.client.generic(
            method, path, body, content_type="application/json", headers=headers
        )
        return answer.status_code

    assert send() == 403
    assert send(**{"X-CSRFToken": "x" * 32}) == 403
    assert User.objects.get().first_name == "Njeri"
    assert send(**{"X-CSRFToken": browser.csrf}) == 200


def test_the_forms_of_the_pages_need_one_too(browser):
    for path in ("/accounts/login/", "/accounts/signup/", "/account/", "/account/data/"):
        assert browser.post(path, {"name": "x"}).status == 403, path


# The admin's door


def test_the_admin_leads_a_stranger_to_sign_in_and_back(njeri):
    employ(user=njeri, role="shop-owner")
    User.objects.update(is_staff=True)
    browser = Browser()

    page = browser.open("/admin/")
    assert page.url.startswith(f"{settings.SHOP_URL}/accounts/login/")
    page = browser.submit(login=EMAIL, password=PASSWORD)

    assert (page.status, page.url) == (200, f"{settings.SHOP_URL}/admin/")
    assert f"{settings.SHOP_URL}/oidc/callback/" in [url.split("?")[0] for url in browser.visited]


def test_a_shopper_at_the_admin_is_told_so_and_not_sent_round_for_ever(browser, njeri):
    browser.visited.clear()

    page = browser.open("/admin/orders/order/")

    assert page.status == 403
    assert len(browser.visited) <= 2
    assert signed_in(browser)
    assert AuditEntry.objects.filter(action="refused", actor=njeri).exists()


@pytest.mark.parametrize(
    ("embedded", "lead"), [(True, "/accounts/password/change/"), (False, "/account/")]
)
@pytest.mark.parametrize("path", ["/admin/password_change/", "/admin/password_change/done/"])
def test_a_password_is_changed_where_tries_are_counted(browser, settings, embedded, lead, path):
    User.objects.update(is_staff=True, is_superuser=True)
    settings.OIDC_EMBEDDED = embedded

    answer = browser.get(path)
    assert (answer.status, answer.headers["Location"]) == (302, lead)
    form = {"old_password": PASSWORD, "new_password1": "x9 y8 z7", "new_password2": "x9 y8 z7"}
    assert browser.post(path, form | {"csrfmiddlewaretoken": browser.csrf}).status == 405
    assert User.objects.get().check_password(PASSWORD)


def test_the_admin_has_no_form_of_its_own(njeri):
    User.objects.update(is_staff=True, is_superuser=True)
    browser = Browser()
    form = {"username": str(njeri.subject), "password": PASSWORD}
    browser.open("/")

    answer = browser.post("/admin/login/", form | {"csrfmiddlewaretoken": browser.csrf})

    assert answer.status in {403, 405}
    assert not signed_in(browser)
