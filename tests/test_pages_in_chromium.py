"""People at the shop's pages, in a real Chromium."""

import json
import re
import time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from playwright.sync_api import expect

from accounts.models import User
from accounts.services import invitations, memberships, people
from accounts.states import Role
from customers.models import Customer, PhoneCode
from customers.services import create_customer

from .chromium import PHONE, open_shop, picture, sign_in, visitor

PASSWORD = "mboga-na-matunda-7"
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def person(name, address, **employed):
    user = people.create_local_person(name=name, email=address, password=PASSWORD)
    # The shop runs without the tests' quick hasher.
    user.password = PBKDF2PasswordHasher().encode(PASSWORD, "salt")
    user.save()
    if employed:
        memberships.employ(user=user, **employed)
    return user


@pytest.fixture
def shopkeeper(transactional_db):
    return person("Mama Njeri", "mama@example.com", role=Role.SHOPKEEPER)


def test_a_shopper_signs_up_proves_a_phone_takes_the_data_and_leaves(chromium, tmp_path):
    known = create_customer(name="W. Kamau", phone="0722 000 009")
    with open_shop(tmp_path) as shop:
        page = visitor(chromium, PHONE)
        page.goto(shop.url)
        picture(page, "home")
        page.get_by_role("link", name="Create an account").click()
        picture(page, "sign-up")
        page.get_by_label("Your name").fill("Wanjiru Kamau")
        page.get_by_label(re.compile("e-?mail", re.IGNORECASE)).fill("wanjiru@example.com")
        page.get_by_label("Password").fill("short")
        page.get_by_role("button", name="Create").click()
        expect(page.locator("[aria-invalid=true]")).to_have_count(1)
        picture(page, "sign-up-refused")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create").click()
        page.wait_for_url("**/confirm-email/")
        picture(page, "sign-up-code")
        page.get_by_label(re.compile("code", re.IGNORECASE)).fill(
            code_in(shop.mail_to("wanjiru@example.com"))
        )
        page.keyboard.press("Enter")

        page.wait_for_url("**/account/")
        expect(page.get_by_label("Your name")).to_have_value("Wanjiru Kamau")
        picture(page, "account")
        page.goto(f"{shop.url}/account/phone/")
        page.get_by_label("Phone number").fill("0722 000 009")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Code")).to_be_visible()
        picture(page, "phone-code")
        page.get_by_label("Code").fill("000000x")
        page.keyboard.press("Enter")
        expect(page.locator("[aria-invalid=true]")).to_have_count(1)
        page.get_by_label("Code").fill(shop.code_to("+254722000009"))
        page.keyboard.press("Enter")
        page.wait_for_url("**/account/")
        assert Customer.objects.get(user__email="wanjiru@example.com").code == known.code

        with page.expect_download() as download:
            page.get_by_role("button", name="Download my data").click()
        data = json.loads(download.value.path().read_text())
        assert data["customer"]["phone"] == "+254722000009"
        assert data["account"]["email"] == "wanjiru@example.com"

        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("link", name="Sign in").click()
        sign_in(page, "wanjiru@example.com", PASSWORD)
        page.wait_for_url("**/account/")
        page.get_by_role("link", name="Delete my account").click()
        # Who deletes proves who they are, now.
        page.get_by_label("Password").fill(PASSWORD)
        picture(page, "prove-again")
        page.keyboard.press("Enter")
        page.wait_for_url("**/account/delete/")
        picture(page, "delete")
        page.get_by_role("button", name=re.compile("delete", re.IGNORECASE)).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("deleted")
        assert not User.objects.filter(email="wanjiru@example.com").exists()
        known.refresh_from_db()
        assert (known.name, known.phone) == ("Former customer", "")
        assert page.errors == []


def test_a_shopkeeper_invites_in_the_admin_and_the_employee_accepts(chromium, tmp_path, shopkeeper):
    person("Baraka Mwangi", "baraka@example.com")
    with open_shop(tmp_path) as shop:
        page = visitor(chromium)
        page.goto(f"{shop.url}/admin/")
        picture(page, "sign-in")
        sign_in(page, "mama@example.com", "wrong-password")
        expect(page.get_by_role("alert").first).to_be_visible()
        picture(page, "sign-in-refused")
        sign_in(page, "mama@example.com", PASSWORD)
        page.wait_for_url("**/admin/")
        picture(page, "admin")
        page.goto(f"{shop.url}/admin/accounts/invitation/add/")
        page.get_by_label("E-mail").fill("baraka@example.com")
        page.get_by_label("See orders").check()
        page.get_by_role("button", name="Save", exact=True).click()
        picture(page, "invitation-made")
        link = page.locator("code").inner_text()
        assert link in shop.mail_to("baraka@example.com")

        guest = visitor(chromium, PHONE)
        guest.goto(f"{shop.url}/admin/")
        sign_in(guest, "baraka@example.com", PASSWORD)
        # Signed in, but nobody here yet: a page that says so, and no loop.
        expect(guest.get_by_role("button", name="Sign out")).to_be_visible()
        assert "/admin/login/" in guest.url
        picture(guest, "not-staff")
        guest.goto(link)
        picture(guest, "invitation")
        guest.get_by_role("button", name=re.compile("accept", re.IGNORECASE)).click()
        guest.wait_for_url("**/account/")
        guest.goto(f"{shop.url}/admin/orders/order/")
        expect(guest.get_by_role("link", name="Orders").first).to_be_visible()
        guest.goto(link)
        expect(guest.get_by_role("heading", level=1)).to_contain_text("not valid")

        page.goto(f"{shop.url}/admin/accounts/membership/")
        page.get_by_role("link", name="Baraka Mwangi").click()
        picture(page, "employee")
        page.get_by_role("link", name="Suspend").click()
        page.get_by_role("button", name="Suspend").click()
        assert guest.goto(f"{shop.url}/admin/orders/order/").status == 403
        assert page.errors == guest.errors == []


def test_a_link_from_the_command_line_makes_the_first_shopkeeper(chromium, tmp_path):
    _, link = invitations.invite(by=None, role=Role.SHOPKEEPER)
    person("Mama Njeri", "mama@example.com")
    with open_shop(tmp_path) as shop:
        page = visitor(chromium)
        page.goto(shop.url + link[link.index("/invitations/") :])
        page.get_by_role("button", name=re.compile("sign in", re.IGNORECASE)).click()
        sign_in(page, "mama@example.com", PASSWORD)
        # Back at the invitation, which nobody accepts by accident.
        page.get_by_role("button", name="Accept").click()
        page.wait_for_url("**/account/")
        page.get_by_role("link", name="Back office").click()
        page.wait_for_url("**/admin/")
        assert page.errors == []


def test_a_password_is_reset_by_a_code(chromium, tmp_path, shopkeeper):
    with open_shop(tmp_path) as shop:
        page = visitor(chromium, PHONE)
        page.goto(f"{shop.url}/oidc/authenticate/")
        page.get_by_role("link", name=re.compile("forgot", re.IGNORECASE)).click()
        page.get_by_label(re.compile("e-?mail", re.IGNORECASE)).fill("mama@example.com")
        picture(page, "reset")
        page.keyboard.press("Enter")
        page.get_by_label(re.compile("code", re.IGNORECASE)).fill(
            code_in(shop.mail_to("mama@example.com"))
        )
        page.keyboard.press("Enter")
        page.get_by_label("New Password", exact=True).fill("a-new-and-better-1")
        page.get_by_label("New Password (again)").fill("a-new-and-better-1")
        picture(page, "reset-new-password")
        page.keyboard.press("Enter")
        page.wait_for_url("**/done/**")
        page.goto(f"{shop.url}/oidc/authenticate/")
        sign_in(page, "mama@example.com", "a-new-and-better-1")
        page.wait_for_url("**/account/")
        assert page.errors == []


def test_an_authenticator_app_is_asked_for_at_sign_in(chromium, tmp_path, shopkeeper):
    with open_shop(tmp_path) as shop:
        page = visitor(chromium, PHONE)
        page.goto(f"{shop.url}/oidc/authenticate/")
        sign_in(page, "mama@example.com", PASSWORD)
        page.wait_for_url("**/account/")
        page.goto(f"{shop.url}/accounts/2fa/totp/activate/")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/totp/activate/")
        picture(page, "totp")
        secret = page.locator("code").inner_text().strip()
        page.get_by_label(re.compile("code", re.IGNORECASE)).fill(totp(secret))
        page.keyboard.press("Enter")
        page.wait_for_url("**/recovery-codes/**")
        picture(page, "recovery-codes")

        other = visitor(chromium, PHONE)
        other.goto(f"{shop.url}/oidc/authenticate/")
        sign_in(other, "mama@example.com", PASSWORD)
        other.wait_for_url("**/2fa/authenticate/**")
        picture(other, "totp-asked")
        other.get_by_label(re.compile("code", re.IGNORECASE)).first.fill("000000")
        other.keyboard.press("Enter")
        expect(other.locator("[aria-invalid=true]")).to_have_count(1)
        # One code counts once: the next one's time has come, or its window has not passed.
        other.get_by_label(re.compile("code", re.IGNORECASE)).first.fill(
            next_totp(secret, after=totp(secret))
        )
        other.keyboard.press("Enter")
        other.wait_for_url("**/account/")
        assert page.errors == other.errors == []


def test_a_passkey_signs_in_without_a_password(chromium, tmp_path, shopkeeper):
    # A passkey belongs to a name, which 127.0.0.1 is not.
    with open_shop(tmp_path, host="localhost") as shop:
        page = visitor(chromium)
        device = page.context.new_cdp_session(page)
        device.send("WebAuthn.enable")
        device.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        page.goto(f"{shop.url}/oidc/authenticate/")
        sign_in(page, "mama@example.com", PASSWORD)
        page.wait_for_url("**/account/")
        page.goto(f"{shop.url}/accounts/2fa/webauthn/add/")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/webauthn/add/")
        picture(page, "passkey-add")
        page.get_by_label("Name").fill("My phone")
        if page.get_by_label(re.compile("passwordless", re.IGNORECASE)).count():
            page.get_by_label(re.compile("passwordless", re.IGNORECASE)).check()
        page.get_by_role("button", name=re.compile("add", re.IGNORECASE)).click()
        page.wait_for_url(re.compile(r"recovery-codes|webauthn/$"))
        picture(page, "passkeys")
        page.goto(f"{shop.url}/account/")
        page.get_by_role("button", name="Sign out").click()
        page.goto(f"{shop.url}/oidc/authenticate/")
        page.get_by_role("button", name=re.compile("passkey", re.IGNORECASE)).click()
        page.wait_for_url("**/account/")
        assert page.errors == []


def test_the_pages_work_by_keyboard_and_fit_a_phone(chromium, tmp_path, shopkeeper):
    with open_shop(tmp_path) as shop:
        page = visitor(chromium, PHONE)
        page.goto(f"{shop.url}/oidc/authenticate/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent").strip() == "Skip to the page"
        reached = []
        for _ in range(12):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate(
                    "(e => e.name || e.textContent.trim().slice(0, 40))(document.activeElement)"
                )
            )
        wanted = ["login", "password", "Sign in"]
        assert [each for each in reached if each in wanted][:3] == wanted
        sign_in(page, "mama@example.com", PASSWORD)
        page.wait_for_url("**/account/")
        for path in (
            "/account/",
            "/account/phone/",
            "/accounts/email/",
            "/accounts/password/change/",
            "/accounts/2fa/",
            "/accounts/logout/",
        ):
            page.goto(shop.url + path)
            too_wide = page.evaluate(
                "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            )
            assert not too_wide, path
            assert page.locator("h1").count() == 1, path
        assert page.errors == []


def test_a_double_click_sends_once_and_a_secret_is_copied(chromium, tmp_path, shopkeeper):
    with open_shop(tmp_path, host="localhost") as shop:
        page = visitor(chromium)
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"{shop.url}/oidc/authenticate/")
        sign_in(page, "mama@example.com", PASSWORD)
        page.wait_for_url("**/account/")
        page.goto(f"{shop.url}/account/phone/")
        page.get_by_label("Phone number").fill("0722 000 009")
        page.get_by_role("button", name="Send the code").dblclick()
        expect(page.get_by_label("Code")).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert PhoneCode.objects.count() == 1
        # A page that one comes back to sends again.
        page.go_back()
        page.get_by_label("Phone number").fill("0722 000 009")
        page.get_by_role("button", name="Send the code").click()
        expect(page.get_by_label("Code")).to_be_visible()
        assert PhoneCode.objects.count() == 2

        page.goto(f"{shop.url}/admin/accounts/machine/add/")
        page.get_by_label("Name").fill("Till")
        page.get_by_role("button", name="Save", exact=True).click()
        secret = page.locator("code").nth(1).inner_text()
        page.get_by_role("button", name="Copy").nth(1).click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == secret
        page.set_viewport_size({"width": 390, "height": 800})
        for code in page.locator("code").all():
            assert code.evaluate("e => e.scrollWidth <= e.clientWidth")
        picture(page, "machine-made")
        assert page.errors == []


def code_in(words):
    """Return the code that stands on a line of its own in a mail."""
    return re.search(r"^\s*([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})\s*$", words, re.MULTILINE)[1]


def totp(secret):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def next_totp(secret, *, after):
    deadline = time.monotonic() + 40
    while totp(secret) == after:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return totp(secret)
