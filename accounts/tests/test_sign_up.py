"""Signing up and a forgotten password: by a code that is sent to the address."""

import time
from functools import partial
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from allauth.account.models import EmailAddress
from allauth.core.internal import ratelimit
from django.contrib.auth import SESSION_KEY
from django.core.cache import cache

from accounts.models import AuditEntry, User
from accounts.services.people import create_local_person
from core.tests.races import at_once
from customers.models import Customer

from .browser import App, Browser, code_in, post

pytestmark = pytest.mark.django_db

PASSWORD = "mboga na matunda 9"
WRONG = "0000-0000"


@pytest.fixture(autouse=True)
def fresh_limits(db):
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def njeri():
    return create_local_person(name="Njeri", email="njeri@example.com", password=PASSWORD)


def sign_up(email="akinyi@example.com", **fields):
    browser = Browser()
    browser.open("/accounts/signup/")
    browser.submit(**{"name": "Akinyi", "email": email, "password1": PASSWORD} | fields)
    return browser


def signed_in(browser):
    return SESSION_KEY in browser.client.session


# Signing up


def test_somebody_signs_up_with_the_code_that_was_sent_to_them():
    browser = sign_up("Akinyi@Example.com")
    assert not signed_in(browser)
    assert not Customer.objects.exists()
    [message] = post()
    assert message.to == ["akinyi@example.com"]

    page = browser.submit(code=code_in(message))

    assert (page.status, page.url.endswith("/account/")) == (200, True)
    user = User.objects.get()
    assert (user.get_full_name(), user.email) == ("Akinyi", "akinyi@example.com")
    assert user.username == str(user.subject)
    address = EmailAddress.objects.get()
    assert (address.email, address.verified, address.primary) == (user.email, True, True)
    customer = Customer.objects.get()
    assert (customer.user, customer.name, customer.email) == (user, "Akinyi", user.email)
    assert browser.get("/api/v1/me/").status == 200
    assert "registered" in AuditEntry.objects.values_list("action", flat=True)


def test_who_signs_up_on_the_way_to_an_app_is_led_on_to_it():
    app = App("kiosk", skip_consent=True)
    browser = Browser()
    page = browser.open(app.authorize_path())
    following = page.query["next"]
    browser.open(f"/accounts/signup/?{urlencode({'next': following})}")
    browser.submit(name="Akinyi", email="akinyi@example.com", password1=PASSWORD)

    page = browser.submit(code=code_in(post()[0]))

    assert app.exchange(page.query["code"]).status_code == 200


def test_after_three_wrong_codes_the_right_one_is_of_no_use():
    browser = sign_up()
    code = code_in(post()[0])
    for _ in range(2):
        assert browser.submit(code=WRONG).url.endswith("/accounts/confirm-email/")

    page = browser.submit(code=WRONG)

    assert page.url.endswith("/accounts/login/")
    browser.open("/accounts/confirm-email/")
    assert browser.page.url.endswith("/accounts/login/")
    token = browser.csrf
    browser.post("/accounts/confirm-email/", {"code": code, "csrfmiddlewaretoken": token})
    assert not signed_in(browser)
    assert not EmailAddress.objects.filter(verified=True).exists()
    assert not Customer.objects.exists()


def test_a_code_is_of_no_use_in_another_browser():
    sign_up()
    code = code_in(post()[0])
    other = sign_up("otieno@example.com")

    page = other.submit(code=code)

    assert page.url.endswith("/accounts/confirm-email/")
    assert not EmailAddress.objects.filter(verified=True).exists()


def test_a_code_that_is_too_old_is_of_no_use(settings):
    browser = sign_up()
    code = code_in(post()[0])
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = -1

    assert browser.submit(code=code).url.endswith("/accounts/login/")
    assert not signed_in(browser)


def test_a_new_code_is_sent_on_request_and_the_old_one_is_void():
    browser = sign_up()
    old = code_in(post()[0])
    cache.clear()  # at most one in ten seconds

    browser.submit("", action="resend")

    new = code_in(post()[0])
    assert new != old
    assert browser.submit(code=old).url.endswith("/accounts/confirm-email/")
    assert browser.submit(code=new).url.endswith("/account/")


def test_codes_cannot_be_had_without_end():
    browser = sign_up()
    post()

    # At once: one in ten seconds.
    assert browser.submit("", action="resend").status == 429
    browser.open("/accounts/confirm-email/")
    for _ in range(2):
        cache.clear()
        assert browser.submit("", action="resend").status == 200

    assert 'value="resend"' not in browser.page.text
    assert len(post()) == 2


def test_who_left_before_the_code_gets_a_new_one_at_the_next_sign_in():
    sign_up()
    post()
    cache.clear()
    browser = Browser()

    page = browser.sign_in("akinyi@example.com", PASSWORD)
    assert page.url.endswith("/accounts/confirm-email/")
    assert not signed_in(browser)

    browser.submit(code=code_in(post()[0]))
    assert signed_in(browser)
    assert Customer.objects.count() == 1


def test_an_address_that_has_an_account_gets_no_second_one(njeri):
    browser = sign_up("NJERI@example.com", name="Mallory", password1="something else 9")

    assert browser.page.url.endswith("/accounts/confirm-email/")
    [message] = post()
    assert message.to == ["njeri@example.com"]
    assert message.subject == "Duka: You have an account already"
    for _ in range(3):
        browser.submit(code=WRONG)
    assert not signed_in(browser)
    assert User.objects.get() == njeri
    assert User.objects.get().check_password(PASSWORD)


@pytest.mark.parametrize(
    "fields",
    [
        {"password1": "12345"},
        {"password1": "akinyi@example.com"},
        {"email": "x"},
        {"name": ""},
        {"name": "Aki\nnyi"},
        {"name": "\u202eiyn"},
    ],
)
def test_what_is_not_good_enough_makes_no_account(fields):
    browser = sign_up(**fields)

    assert browser.page.url.endswith("/accounts/signup/")
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("times", range(3))
def test_two_who_sign_up_at_once_with_one_address_make_one_account(settings, times):
    # Else the limit of mails to one address may answer before the account does.
    settings.ACCOUNT_RATE_LIMITS = {"confirm_email": None}
    browsers = {"One": Browser(), "Other": Browser()}
    calls = []
    for name, email in (("One", "akinyi@example.com"), ("Other", "Akinyi@Example.com")):
        browsers[name].open("/accounts/signup/")
        submit = browsers[name].submit
        calls.append(partial(submit, name=name, email=email, password1=PASSWORD))

    pages = at_once(calls)

    user = User.objects.get()
    assert EmailAddress.objects.count() == 1
    confirm = f"{settings.SHOP_URL}/accounts/confirm-email/"
    assert [(each.status, each.url) for each in pages] == [(200, confirm)] * 2
    messages = {each.subject: each for each in post()}
    assert sorted(messages) == ["Duka: You have an account already", "Duka: Your code"]
    code = code_in(messages["Duka: Your code"])
    first = browsers.pop(user.first_name)
    [second] = browsers.values()
    assert second.submit(code=code).url == confirm
    assert not signed_in(second)
    assert first.submit(code=code).url.endswith("/account/")
    assert signed_in(first)


def test_signing_up_proves_no_address_that_is_not_ones_own(njeri):
    """Whoever signs up with another's address and is never confirmed keeps them out of nothing."""
    sign_up("otieno@example.com", name="Mallory", password1="the attacker's 9")
    post()
    cache.clear()

    browser = Browser()
    browser.open("/accounts/password/reset/")
    browser.submit(email="otieno@example.com")
    browser.submit(code=code_in(post()[0]))
    browser.submit(password1=PASSWORD, password2=PASSWORD)

    cache.clear()
    assert Browser().sign_in("otieno@example.com", PASSWORD).url.endswith("/account/")
    intruder = Browser()
    intruder.sign_in("otieno@example.com", "the attacker's 9")
    assert not signed_in(intruder)


def test_an_odd_name_is_refused_at_its_field():
    page = sign_up(name="\u202eiynikA").page

    assert (page.status, "A name has no control characters." in page.text) == (200, True)


@pytest.fixture
def later(monkeypatch):
    """`later(61)`: so many seconds pass for the limits."""
    clock = SimpleNamespace(passed=0, sleep=time.sleep, monotonic=time.monotonic)
    clock.time = lambda: time.time() + clock.passed
    monkeypatch.setattr(ratelimit, "time", clock)

    def later(seconds):
        clock.passed += seconds

    return later


@pytest.mark.parametrize("known", [False, True])
def test_no_address_gets_more_than_ten_mails_an_hour_by_signing_up(later, request, known):
    if known:
        request.getfixturevalue("njeri")
    pages = []
    for number in range(12):
        browser = Browser(address=f"10.0.0.{number}")
        browser.open("/accounts/signup/")
        email = "NJERI@example.com" if number % 2 else "njeri@example.com"
        pages.append(browser.submit(name="Somebody", email=email, password1=PASSWORD).status)
        later(11)

    assert pages == [200] * 10 + [429] * 2
    assert len(post()) == 10
    later(3600)
    assert sign_up("njeri@example.com").page.status == 200


@pytest.mark.parametrize("email", ["njeri@example.com", "nobody@example.com"])
def test_nor_by_resets(njeri, later, email):
    pages = []
    for number in range(12):
        pages.append(ask_for_reset(email, address=f"10.0.0.{number}").page.status)
        later(61)

    assert pages == [200] * 10 + [429] * 2
    assert len(post()) == 10
    assert ask_for_reset("other@example.com").page.status == 200
    later(3600)
    assert ask_for_reset(email).page.status == 200


def test_a_mail_is_kept_until_a_worker_sends_it(mailoutbox):
    sign_up()

    assert mailoutbox == []
    assert len(post()) == 1


# A forgotten password


def ask_for_reset(email="njeri@example.com", **browser):
    made = Browser(**browser)
    made.open("/accounts/password/reset/")
    made.submit(email=email)
    return made


def test_a_forgotten_password_is_changed_by_the_code_that_is_sent(njeri):
    before = Browser()
    before.sign_in("njeri@example.com", PASSWORD)
    browser = ask_for_reset()
    [message] = post()
    assert message.to == ["njeri@example.com"]

    browser.submit(code=code_in(message))
    page = browser.submit(password1="another one 9", password2="another one 9")

    assert page.status == 200
    assert Browser().sign_in("njeri@example.com", "another one 9").url.endswith("/account/")
    assert not signed_in_after(Browser(), PASSWORD)
    # Whoever was signed in by the old one is not any more.
    assert before.get("/api/v1/me/").status == 401
    assert [each.subject for each in post()] == ["Duka: Your password was changed"]


def signed_in_after(browser, password):
    browser.sign_in("njeri@example.com", password)
    return signed_in(browser)


def test_after_three_wrong_reset_codes_the_right_one_is_of_no_use(njeri):
    browser = ask_for_reset()
    code = code_in(post()[0])
    for _ in range(3):
        browser.submit(code=WRONG)

    token = browser.csrf
    browser.post("/accounts/password/reset/confirm/", {"code": code, "csrfmiddlewaretoken": token})
    browser.open("/accounts/password/reset/complete/")
    assert "password1" not in browser.page.text
    assert User.objects.get().check_password(PASSWORD)


def test_a_reset_for_an_address_without_an_account_says_so_by_mail_alone():
    browser = ask_for_reset("nobody@example.com")

    assert browser.page.url.endswith("/accounts/password/reset/confirm/")
    [message] = post()
    assert (message.to, message.subject) == (
        ["nobody@example.com"],
        "Duka: There is no account with this address",
    )


def test_a_reset_does_not_pass_a_deactivated_account(njeri):
    User.objects.update(is_active=False)
    browser = ask_for_reset()
    messages = post()

    assert browser.page.url.endswith("/accounts/password/reset/confirm/")
    assert len(messages) == 1
    assert messages[0].subject == "Duka: There is no account with this address"


def test_resets_for_one_address_are_limited_and_the_page_is_ours(njeri):
    pages = [ask_for_reset().page for _ in range(6)]

    assert [each.status for each in pages] == [200] * 5 + [429]
    assert "<h1>Too many tries</h1>" in pages[-1].text
    assert ask_for_reset("other@example.com").page.status == 200
