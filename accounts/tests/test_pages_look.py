"""The pages that people see are of one kind, and work without a mouse or a big screen."""

import re
from html.parser import HTMLParser

import pytest
from allauth.idp.oidc.models import Client as OAuthClient
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.services import invitations, memberships, people
from accounts.states import Role

pytestmark = pytest.mark.django_db

PASSWORD = "kahawa-na-maziwa"
EMAIL = "akinyi@duka.example"


class Page(HTMLParser):
    """What of a page the tests look at."""

    VISIBLE = ("input", "select", "textarea")

    def __init__(self, response):
        super().__init__()
        self.tags, self.ids, self.labelled, self.wrapped = [], [], set(), set()
        self.title, self._inside, self._label = "", None, False
        self.html = response.content.decode()
        self.feed(self.html)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        self._inside = tag
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "label":
            self._label = True
            self.labelled.add(found.get("for"))
        elif self._label and tag in self.VISIBLE:
            self.wrapped.add(id(found))

    def handle_endtag(self, tag):
        self._inside = None
        if tag == "label":
            self._label = False

    def handle_data(self, data):
        if self._inside == "title":
            self.title += data

    def all(self, *tags):
        return [attrs for tag, attrs in self.tags if tag in tags]

    def fields(self):
        return [
            each
            for each in self.all(*self.VISIBLE)
            if each.get("type") != "hidden" and "hidden" not in each
        ]


@pytest.fixture
def akinyi():
    return people.create_local_person(name="Akinyi", email=EMAIL, password=PASSWORD)


def browser(user=None):
    client = Client()
    if user:
        client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})
        # Some pages ask for it once more.
        client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    return client


def assert_looks_right(response, status=200):
    assert response.status_code == status
    page = Page(response)
    name, _, shop = page.title.strip().rpartition(" · ")
    assert name.strip() and shop == "Duka"
    assert [each.get("lang") for each in page.all("html")] == ["en"]
    assert len(page.all("h1")) == 1
    assert [each.get("id") for each in page.all("main")] == ["main"]
    assert page.all("a")[0]["href"] == "#main"
    styles = [each["href"] for each in page.all("link") if each["rel"] == "stylesheet"]
    assert styles == ["/static/accounts/pages.css"]
    assert "width=device-width" in page.html
    assert duplicates(page.ids) == set()
    # Nothing of elsewhere, and nothing that a strict content policy would refuse.
    sources = [
        each.get("src") or each.get("href") for each in page.all("link", "img", "script", "iframe")
    ]
    assert [each for each in sources if each and not each.startswith(("/static/", "data:"))] == []
    assert page.all("style") == []
    assert [each for _, each in page.tags if "style" in each or "onclick" in each] == []
    assert [
        each
        for each in page.all("script")
        if "src" not in each and each.get("type") != "application/json"
    ] == []
    # Every field has a name that can be read out, and points at words that are there.
    for field in page.fields():
        assert field.get("id") in page.labelled or id(field) in page.wrapped, field
        for described in (field.get("aria-describedby") or "").split():
            assert described in page.ids, field
    return page


@pytest.fixture(autouse=True)
def passkeys_offered(settings):
    """As at a host with a name: there is more on the pages then."""
    settings.PASSKEYS_OFFERED = True


def duplicates(found):
    return {each for each in found if found.count(each) > 1}


ANONYMOUS = ["/", "account_login", "account_signup", "account_reset_password", "account_inactive"]


@pytest.mark.parametrize("name", ANONYMOUS)
def test_pages_before_signing_in(name):
    assert_looks_right(browser().get(name if name == "/" else reverse(name)))


SIGNED_IN = [
    "account",
    "account_delete",
    "account_email",
    "account_change_password",
    "account_logout",
    "account_reauthenticate",
    "mfa_index",
    "mfa_activate_totp",
    "mfa_list_webauthn",
    "mfa_add_webauthn",
    "idp:oidc:logout",
]


@pytest.mark.parametrize("name", SIGNED_IN)
def test_pages_of_an_account(akinyi, name):
    assert_looks_right(browser(akinyi).get(reverse(name)))


SECOND_STEP = [
    "mfa_index",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_list_webauthn",
    "mfa_reauthenticate",
    "mfa_reauthenticate_webauthn",
    "mfa_edit_webauthn",
    "mfa_remove_webauthn",
]


def passkey(user):
    return Authenticator.objects.create(
        user=user,
        type="webauthn",
        data={"name": "Phone", "credential": {"clientExtensionResults": {"credProps": {}}}},
    )


@pytest.mark.parametrize("name", SECOND_STEP)
def test_pages_of_an_account_with_a_second_step(akinyi, monkeypatch, name):
    client = browser(akinyi)
    Authenticator.objects.create(user=akinyi, type="totp", data={"secret": "x"})
    RecoveryCodes.activate(akinyi)
    key = passkey(akinyi)
    # The stored key is no real one, which only the browser would be asked about.
    monkeypatch.setattr("allauth.mfa.webauthn.internal.auth.get_credentials", lambda user: [])

    pk = {"pk": key.pk} if name in ("mfa_edit_webauthn", "mfa_remove_webauthn") else None
    assert_looks_right(client.get(reverse(name, kwargs=pk)))


def test_the_second_step_itself(akinyi, monkeypatch):
    Authenticator.objects.create(user=akinyi, type="totp", data={"secret": "x"})
    monkeypatch.setattr("allauth.mfa.webauthn.internal.auth.get_credentials", lambda user: [])
    client = Client()
    client.post(reverse("account_login"), {"login": EMAIL, "password": PASSWORD})

    page = assert_looks_right(client.get(reverse("mfa_authenticate")))
    assert [each.get("autocomplete") for each in page.fields()] == ["one-time-code"]


def test_signing_in_offers_what_there_is_in_the_order_in_which_it_is_wanted():
    page = Page(browser().get(reverse("account_login")))

    assert [(each["name"], each["autocomplete"]) for each in page.fields()] == [
        ("login", "email"),
        ("password", "current-password"),
    ]
    order = ["Password", "Sign in<", "Sign in with a passkey", "Forgot your", "Create an account"]
    places = [page.html.index(words, page.html.index("</h1>")) for words in order]
    assert places == sorted(places)


def test_what_was_wrong_is_said_beside_the_field():
    form = {"name": "Akinyi", "email": "nowhere", "password1": "123"}

    page = assert_looks_right(browser().post(reverse("account_signup"), form))
    assert page.title.strip().startswith("Error: ")
    wrong = {
        each["name"]: each["aria-describedby"]
        for each in page.fields()
        if each.get("aria-invalid") == "true"
    }
    assert wrong == {
        "email": "id_email_error",
        "password1": "id_password1_helptext id_password1_error",
    }
    assert [each for _, each in page.tags if each.get("role") == "alert"] != []


def test_a_wrong_password_is_told_to_a_screen_reader(akinyi):
    form = {"login": EMAIL, "password": "wrong"}

    page = assert_looks_right(browser().post(reverse("account_login"), form))
    assert [tag for tag, each in page.tags if each.get("role") == "alert"] == ["div"]


def test_the_page_for_the_code_of_a_new_account():
    client = browser()
    form = {"name": "Akinyi", "email": EMAIL, "password1": PASSWORD}

    page = assert_looks_right(client.post(reverse("account_signup"), form, follow=True))
    assert EMAIL in page.html
    assert [each["autocomplete"] for each in page.fields()] == ["one-time-code"]


def test_the_page_for_the_code_of_a_new_password(akinyi):
    client = browser()

    form = {"email": EMAIL}
    page = assert_looks_right(client.post(reverse("account_reset_password"), form, follow=True))
    assert [each["autocomplete"] for each in page.fields()] == ["one-time-code"]


def test_signing_in_says_nothing_about_it(akinyi):
    page = Page(browser(akinyi).get(reverse("account")))

    assert "Successfully" not in page.html
    assert str(akinyi.subject) not in page.html


def test_a_passkey_is_kept_under_the_persons_name(akinyi):
    page = browser(akinyi).get(reverse("mfa_add_webauthn"))

    options = page.context["js_data"]["creation_options"]["publicKey"]
    assert (options["user"]["name"], options["user"]["displayName"]) == (EMAIL, "Akinyi")


def test_the_account_says_what_somebody_is_in_the_shop(akinyi):
    memberships.employ(user=akinyi, role=Role.EMPLOYEE, rights=["see_orders", "handle_orders"])

    html = Page(browser(akinyi).get(reverse("account"))).html
    assert re.findall(r"<li>((?:See|Handle)[^<]*)</li>", html) == ["See orders", "Handle orders"]
    assert 'href="/admin/"' in html


@pytest.mark.parametrize("who", [None, "akinyi"])
def test_an_invitation(akinyi, who):
    _, link = invitations.invite(by=None, rights=["see_orders"])

    page = assert_looks_right(browser(akinyi if who else None).get(link[link.index("/inv") :]))
    assert "<li>See orders</li>" in page.html
    assert ("Sign in to accept" in page.html) is (who is None)


def test_somebody_who_does_not_work_here_is_shown_the_way_out(akinyi):
    client = browser(akinyi)

    page = assert_looks_right(client.get("/admin/login/"), status=403)
    assert {"action": "/oidc/logout/", "method": "post"} in page.all("form")


def authorize(**changes):
    query = {
        "response_type": "code",
        "scope": "openid email",
        "redirect_uri": "https://app.example/back",
        "state": "s",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    return reverse("idp:oidc:authorization"), query | changes


def test_consent_names_the_application_the_shop_and_who_is_asked(akinyi):
    app = OAuthClient(name="Delivery app", type=OAuthClient.Type.PUBLIC)
    app.set_scopes(["openid", "email"])
    app.set_grant_types(["authorization_code"])
    app.set_response_types(["code"])
    app.set_redirect_uris(["https://app.example/back"])
    app.save()

    address, query = authorize(client_id=app.id)
    page = assert_looks_right(browser(akinyi).get(address, query))
    assert page.title == "Let Delivery app in? · Duka"
    assert EMAIL in page.html
    assert [each["value"] for each in page.all("button")] == ["grant", "cancel"]


def test_an_application_that_nobody_knows(akinyi):
    address, query = authorize(client_id="unknown")

    assert_looks_right(browser(akinyi).get(address, query), status=400)


@pytest.mark.parametrize("name", ["403.html", "404.html", "403_csrf.html", "429.html"])
def test_pages_of_errors_need_nothing_of_the_request(name):
    body = render_to_string(name, request=RequestFactory().get("/"))

    page = Page(type("Response", (), {"content": body.encode()}))
    assert page.title.endswith(" · Duka")
    assert len(page.all("h1")) == 1


def test_a_form_without_its_token():
    client = Client(enforce_csrf_checks=True)

    assert_looks_right(client.post(reverse("account_login"), {}), status=403)


@pytest.mark.parametrize("step", ["number", "code"])
def test_the_page_of_a_phone_number(step):
    context = {"customer": None, "form": {}, "step": step, "phone": "+254700000000"}
    body = render_to_string("pages/phone.html", context, request=RequestFactory().get("/"))

    page = Page(type("Response", (), {"content": body.encode()}))
    expected = {"number": ("phone", "tel"), "code": ("code", "one-time-code")}[step]
    assert [(each["name"], each["autocomplete"]) for each in page.fields()] == [expected]


def test_with_an_outside_provider_only_what_the_shop_has_is_offered(akinyi, settings):
    request = RequestFactory().get("/")
    request.user = akinyi
    context = {"memberships": [], "form": {}}
    settings.OIDC_EMBEDDED = False
    settings.OIDC_ACCOUNT_URL = "https://id.example/me"

    assert "Create an account" not in render_to_string("pages/home.html", request=request)
    account = render_to_string("pages/account.html", context, request=request)
    assert 'href="https://id.example/me"' in account
    assert 'href="/accounts/' not in account
    gone = render_to_string("pages/delete.html", request=request)
    assert 'href="https://id.example/me"' in gone


MAILS = {
    "account/email/email_confirmation": {"code": "ABCD-EFGH"},
    "account/email/email_confirmation_signup": {"code": "ABCD-EFGH"},
    "account/email/password_reset_code": {"code": "ABCD-EFGH"},
    "account/email/account_already_exists": {"email": EMAIL, "password_reset_url": "http://s/r"},
    "account/email/unknown_account": {"email": EMAIL, "signup_url": "http://s/u"},
    "account/email/email_changed": {"from_email": "a@b.c", "to_email": EMAIL},
    "account/email/password_changed": {},
    "account/email/password_reset": {},
    "mfa/email/totp_activated": {},
    "mfa/email/totp_deactivated": {},
    "mfa/email/webauthn_added": {},
    "mfa/email/webauthn_removed": {},
    "mfa/email/recovery_codes_generated": {},
}


@pytest.mark.parametrize("prefix", MAILS)
def test_mails_are_short_and_name_the_shop(prefix):
    context = MAILS[prefix] | {"ip": "127.0.0.1", "user_agent": "O'Browser & Co"}
    request = RequestFactory().get("/")

    subject = render_to_string(f"{prefix}_subject.txt", context).strip()
    body = render_to_string(f"{prefix}_message.txt", context, request).strip()
    assert "\n" not in subject and "example.com" not in subject
    assert body.endswith("\n\nDuka")
    assert "example.com" not in body and "&" not in body.replace("& Co", "")
    assert all(str(value) in body for value in MAILS[prefix].values())
    assert len(body) < 500
