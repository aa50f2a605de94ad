"""The audit log: who did what, when, from where; refusals are told of, but not without end."""

from datetime import timedelta
from functools import partial

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry
from accounts.services import audit, invitations, machines, memberships, people
from accounts.services.audit import record, record_refusal
from accounts.states import Action
from core.tests.races import at_once
from core.tests.rest import parameters, utc

from .browser import Browser, code_in, post
from .callers import PASSWORD, Caller, bearer, employee, fresh, keeper, membership_of, person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_told_yet():
    cache.clear()
    yield
    cache.clear()


def entries(**wanted):
    found = AuditEntry.objects.filter(**wanted).order_by("pk")
    return [(each.actor, each.action, each.target, each.detail) for each in found]


def refusals():
    return entries(action=Action.REFUSED)


class TestRecord:
    def test_it_tells_who_what_when_from_where_and_by_which_request(self):
        njeri, baraka = keeper(), employee("see_orders")
        before = timezone.now()

        Caller(njeri, REMOTE_ADDR="192.0.2.7").post(
            f"/employees/{membership_of(baraka).pk}/suspend/", x_request_id="call-7"
        )

        told = AuditEntry.objects.latest("pk")
        assert (told.actor, told.actor_subject, told.action, told.target, told.detail) == (
            njeri,
            njeri.subject,
            Action.SUSPENDED,
            "Baraka",
            {},
        )
        assert (told.address, told.request_id) == ("192.0.2.7", "call-7")
        assert before <= told.at <= timezone.now()
        assert str(told) == f"{told.at:%Y-%m-%d %H:%M} Suspended Baraka"

    @pytest.mark.parametrize(
        ("proxies", "address"), [(0, "192.0.2.7"), (1, "203.0.113.9"), (None, "198.51.100.1")]
    )
    def test_the_address_behind_a_proxy_is_what_the_proxy_says(self, settings, proxies, address):
        if proxies is None:
            proxies, forwarded = 1, "203.0.113.9, 198.51.100.1"
        else:
            forwarded = "203.0.113.9"
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": proxies}
        caller = Caller(keeper(), REMOTE_ADDR="192.0.2.7")

        caller.post("/invitations/", {}, x_forwarded_for=forwarded)

        assert AuditEntry.objects.get(action=Action.INVITED).address == address

    @pytest.mark.parametrize("said", ["unknown", "a.b.c", "1" * 300])
    def test_an_address_that_is_none_is_left_out(self, settings, said):
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 1}

        Caller(keeper()).post("/invitations/", {}, x_forwarded_for=said)

        assert AuditEntry.objects.get(action=Action.INVITED).address is None

    def test_what_is_undone_is_not_told(self):
        njeri = keeper()
        caller = Caller(njeri)
        before = AuditEntry.objects.count()

        assert caller.delete(f"/employees/{membership_of(njeri).pk}/").status_code == 409

        assert not AuditEntry.objects.filter(action=Action.REMOVED).exists()
        assert AuditEntry.objects.count() == before

    def test_odd_targets_fit(self):
        record(Action.REFUSED, by=None, target="a\x00" * 300)

        assert AuditEntry.objects.get().target == "a" * 200

    def test_each_action_of_the_back_office_tells_of_itself(self):
        njeri, baraka = keeper(), employee(name="Baraka")
        api, key = Caller(njeri), membership_of(baraka).pk
        AuditEntry.objects.all().delete()

        api.patch(f"/employees/{key}/", {"rights": ["see_orders"]})
        api.post(f"/employees/{key}/suspend/")
        api.post(f"/employees/{key}/resume/")
        api.delete(f"/employees/{key}/")
        invitation = api.post("/invitations/", {}).json()["id"]
        api.post(f"/invitations/{invitation}/revoke/")
        till = api.post("/machines/", {"name": "Till"}).json()["id"]
        api.patch(f"/machines/{till}/", {"name": "Desk"})
        api.post(f"/machines/{till}/renew-secret/")
        api.post(f"/machines/{till}/revoke/")
        _, link = invitations.invite(by=None)
        Caller(baraka).post("/invitations/accept/", {"token": link.split("/")[-2]})

        assert [(action, target) for _, action, target, _ in entries()] == [
            (Action.GRANTED, "Baraka"),
            (Action.SUSPENDED, "Baraka"),
            (Action.RESUMED, "Baraka"),
            (Action.REMOVED, "Baraka"),
            (Action.INVITED, "Employee, by link"),
            (Action.INVITATION_REVOKED, "Employee, by link"),
            (Action.MACHINE_MADE, "Till"),
            (Action.MACHINE_CHANGED, "Desk"),
            (Action.MACHINE_CHANGED, "Desk"),
            (Action.MACHINE_REVOKED, "Desk"),
            (Action.INVITED, "Employee, by link"),
            # Who signs in by the tests' shortcut is told of, too.
            (Action.SIGNED_IN, "Baraka"),
            (Action.GRANTED, "Baraka"),
            (Action.INVITATION_ACCEPTED, "Employee, by link"),
        ]
        by = [actor for actor, *_ in entries()]
        assert by == [njeri] * 10 + [None, baraka, None, baraka]


class TestSignIn:
    def sign_in(self, email, password, **extra):
        return Client(**extra).post("/accounts/login/", {"login": email, "password": password})

    def test_signing_in_and_out_is_told(self):
        amina = person()
        client = Client()

        client.post("/accounts/login/", {"login": amina.email, "password": PASSWORD})
        client.post("/oidc/logout/")

        assert [each[:3] for each in entries()[1:]] == [
            (amina, Action.SIGNED_IN, "Amina"),
            (amina, Action.SIGNED_OUT, "Amina"),
        ]

    def test_a_refused_one_tells_the_address_that_was_tried_and_never_the_password(self):
        person()

        self.sign_in("amina@example.com", "my-secret-word", REMOTE_ADDR="192.0.2.7")

        told = AuditEntry.objects.get(action=Action.REFUSED)
        assert (told.actor, told.target, told.detail, told.address) == (
            None,
            "sign-in",
            {"email": "amina@example.com"},
            "192.0.2.7",
        )
        assert "my-secret-word" not in str(AuditEntry.objects.values_list())

    def test_an_address_that_nobody_has_is_told_alike(self):
        self.sign_in("nobody@example.com", "my-secret-word")

        assert refusals() == [(None, Action.REFUSED, "sign-in", {"email": "nobody@example.com"})]

    def test_the_same_again_is_told_once(self):
        for _ in range(3):
            self.sign_in("nobody@example.com", "wrong")
        self.sign_in("other@example.com", "wrong")

        assert [detail["email"] for *_, detail in refusals()] == [
            "nobody@example.com",
            "other@example.com",
        ]


class TestOwnAccount:
    def test_a_new_name_is_told_and_the_same_is_not(self):
        amina = person()
        AuditEntry.objects.all().delete()

        for name in ("Amina", "Amina Otieno", "Amina Otieno"):
            people.change_name(user=fresh(amina), name=name)

        detail = {"was": "Amina", "name": "Amina Otieno"}
        assert [each[:2] + each[3:] for each in entries()] == [(amina, Action.RENAMED, detail)]

    @pytest.fixture
    def browser(self):
        browser = Browser()
        browser.sign_in(person().email, PASSWORD)
        AuditEntry.objects.all().delete()
        return browser

    def prove(self, browser, path):
        browser.open(path)
        if "/reauthenticate/" in browser.page.url:
            browser.submit(password=PASSWORD)

    def told(self):
        return [(action, detail) for _, action, _, detail in entries()]

    def test_so_is_a_new_password(self, browser):
        browser.open("/accounts/password/change/")
        new = "kahawa na chai 9"
        browser.submit(oldpassword=PASSWORD, password1=new, password2=new)

        assert self.told() == [(Action.NEW_PASSWORD, {})]
        assert new not in str(AuditEntry.objects.values_list())

    def test_and_one_by_a_reset(self):
        amina, browser = person(), Browser()
        AuditEntry.objects.all().delete()
        browser.open("/accounts/password/reset/")
        browser.submit(email=amina.email)
        browser.submit(code=code_in(post()[0]))
        browser.submit(password1="kahawa na chai 9", password2="kahawa na chai 9")

        assert entries() == [(amina, Action.NEW_PASSWORD, "Amina", {})]

    def test_and_another_address(self, browser):
        browser.open("/accounts/email/")
        browser.submit("action_add", email="new@example.com")
        browser.submit(password=PASSWORD)
        assert self.told() == []
        browser.submit(code=code_in(next(each for each in post() if "new@" in each.to[0])))

        assert self.told() == [(Action.NEW_EMAIL, {})]

    @pytest.mark.django_db(transaction=True)
    def test_and_each_change_of_the_second_step(self, browser):
        self.prove(browser, "/accounts/2fa/totp/activate/")
        secret = browser.client.session[totp.SECRET_SESSION_KEY]
        value = totp.hotp_value(secret, int(totp.time.time()) // 30)
        browser.submit(code=totp.format_hotp_value(value))
        assert self.told() == [
            (Action.SECOND_STEP, {"kind": "totp"}),
            (Action.SECOND_STEP, {"kind": "recovery_codes"}),
        ]
        AuditEntry.objects.all().delete()

        self.prove(browser, "/accounts/2fa/recovery-codes/generate/")
        browser.submit("")
        assert self.told() == [(Action.SECOND_STEP, {"kind": "recovery_codes"})]
        AuditEntry.objects.all().delete()

        self.prove(browser, "/accounts/2fa/totp/deactivate/")
        browser.submit("")
        assert (Action.SECOND_STEP, {"kind": "totp"}) in self.told()


class TestRefusals:
    def test_the_same_is_told_once_a_minute(self, monkeypatch):
        amina = person()
        for _ in range(3):
            record_refusal(by=amina, target="x", status=403)
        record_refusal(by=amina, target="y", status=403)
        record_refusal(by=amina, target="x", status=401)
        record_refusal(by=person("Halima"), target="x", status=403)
        assert len(refusals()) == 4

        cache.clear()
        monkeypatch.setattr(audit, "REFUSAL_SECONDS", -1)
        for _ in range(2):
            record_refusal(by=amina, target="x", status=403)
        assert len(refusals()) == 6

    def test_of_one_caller_twenty_a_minute_at_most(self):
        amina = person()
        for number in range(40):
            record_refusal(by=amina, target=f"x{number}")
        record_refusal(by=person("Halima"), target="x")

        assert len(refusals()) == 21

    @pytest.mark.django_db(transaction=True)
    def test_at_once_the_same_is_told_once(self):
        amina = person()

        at_once([partial(record_refusal, by=amina, target="x")] * 8)

        assert len(refusals()) == 1

    def test_a_403_of_somebody_signed_in_is_told(self):
        amina = person()
        api = Caller(amina, REMOTE_ADDR="192.0.2.7")

        for _ in range(3):
            assert api.get("/employees/").status_code == 403
        api.get("/machines/")

        assert refusals() == [
            (amina, Action.REFUSED, "GET /api/v1/employees/", {"status": 403}),
            (amina, Action.REFUSED, "GET /api/v1/machines/", {"status": 403}),
        ]
        assert AuditEntry.objects.filter(action=Action.REFUSED)[0].address == "192.0.2.7"

    def test_so_is_that_of_a_token_and_of_a_machine(self):
        amina = person()
        till, _ = machines.create_machine(by=None, name="Till")

        Caller().get("/employees/", **bearer(amina.subject))
        Caller().get("/employees/", **bearer(till.client_id))

        assert [each[:3] for each in refusals()] == [
            (amina, Action.REFUSED, "GET /api/v1/employees/"),
            (till.user, Action.REFUSED, "GET /api/v1/employees/"),
        ]

    def test_a_token_that_is_not_believed_is_told_and_showing_none_is_not(self):
        assert Caller().get("/employees/").status_code == 401
        assert refusals() == []

        assert Caller().get("/employees/", Authorization="Bearer a.b.c").status_code == 401
        assert refusals() == [(None, Action.REFUSED, "GET /api/v1/employees/", {"status": 401})]
        assert "a.b.c" not in str(AuditEntry.objects.values_list())

    def test_what_a_right_does_not_allow_is_told_though_its_transaction_is_undone(self):
        halima = employee("manage_employees", name="Halima")

        response = Caller(halima).post(
            "/invitations/", {"role": "shop-owner"}, idempotency_key="one"
        )

        assert response.status_code == 403
        assert [each[:3] for each in refusals()] == [
            (halima, Action.REFUSED, "POST /api/v1/invitations/")
        ]

    def test_the_admin_tells_who_stood_at_its_door(self):
        amina = person()

        assert Caller(amina).client.get("/admin/login/").status_code == 403

        assert refusals() == [(amina, Action.REFUSED, "GET /admin/login/", {"status": 403})]

    def test_an_invitations_link_is_not_told(self):
        _, link = invitations.invite(by=None)
        token = link.split("/")[-2]

        client = Caller(person(), enforce_csrf_checks=True).client
        assert client.post(f"/invitations/{token}/").status_code == 403

        assert token not in str(AuditEntry.objects.values_list())

    def test_nor_does_the_log_of_requests_tell_it(self, caplog):
        _, link = invitations.invite(by=None)
        token = link.split("/")[-2]

        with caplog.at_level("INFO"):
            Caller().client.get(f"/invitations/{token}/")

        assert "/invitations/" in caplog.text
        assert token not in caplog.text


class TestRest:
    def test_an_entry_is_this(self):
        njeri = keeper()
        Caller(njeri, REMOTE_ADDR="192.0.2.7").post(
            "/invitations/", {"rights": ["see_orders"]}, x_request_id="call-7"
        )
        told = AuditEntry.objects.latest("pk")
        shown = {
            "id": told.pk,
            "at": utc(told.at),
            "actor": "Njeri",
            "actor_subject": str(njeri.subject),
            "action": "invited",
            "target": "Employee, by link",
            "address": "192.0.2.7",
            "request_id": "call-7",
            "detail": {"rights": ["see_orders"]},
        }
        api = Caller(njeri)

        assert api.get("/audit/?action=invited").json()["results"] == [shown]
        assert api.get(f"/audit/{told.pk}/").json() == shown

    @pytest.fixture
    def told(self):
        """Three entries, an hour apart, of which the last is of nobody."""
        njeri, amina = keeper(), person()
        AuditEntry.objects.all().delete()
        record(Action.SUSPENDED, by=njeri, target="Baraka")
        record(Action.SIGNED_IN, by=amina, target="Amina")
        record(Action.REFUSED, by=None, target="sign-in")
        now = timezone.now()
        for age, each in enumerate(AuditEntry.objects.order_by("-pk")):
            AuditEntry.objects.filter(pk=each.pk).update(at=now - timedelta(hours=age))
        return njeri, amina, now

    def listed(self, njeri, query):
        # By a token: a session's own sign-in would be one entry more.
        response = Caller().get(f"/audit/{query}", **bearer(njeri.subject))
        assert response.status_code == 200, response.content
        return [each["target"] for each in response.json()["results"]]

    def test_the_newest_come_first_and_filters_narrow_them(self, told):
        njeri, amina, now = told
        listed = partial(self.listed, njeri)

        assert listed("") == ["sign-in", "Amina", "Baraka"]
        assert listed("?action=suspended") == ["Baraka"]
        assert listed(f"?actor={amina.subject}") == ["Amina"]
        assert listed(f"?after={utc(now - timedelta(minutes=90))}") == ["sign-in", "Amina"]
        assert listed(f"?before={utc(now - timedelta(minutes=30))}") == ["Amina", "Baraka"]
        assert listed("?search=bara") == ["Baraka"]
        assert listed("?ordering=at") == ["Baraka", "Amina", "sign-in"]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("?action=flown", [("action", "invalid")]),
            ("?actor=amina", [("actor", "invalid")]),
            ("?after=yesterday", [("after", "invalid")]),
            ("?before=0001-01-01T00:00:00%2B23:59", [("before", "invalid")]),
            ("?who=me", [("who", "invalid")]),
        ],
    )
    def test_what_is_no_filter_is_refused(self, query, expected):
        assert parameters(Caller(keeper()).get(f"/audit/{query}")) == expected

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_nobody_changes_it(self, method):
        njeri = keeper()
        key = AuditEntry.objects.latest("pk").pk

        for path in ("/audit/", f"/audit/{key}/"):
            assert Caller(njeri).call(method, path, {}).status_code == 405

    def test_a_shopper_of_a_known_name_does_not_see_it(self):
        assert Caller(employee("see_orders", "see_reports")).get("/audit/").status_code == 403


def test_the_log_survives_whom_it_tells_of():
    njeri, baraka = keeper(), employee()
    memberships.suspend(membership_id=membership_of(baraka).pk, by=njeri)

    baraka.delete()

    assert entries(action=Action.SUSPENDED) == [(njeri, Action.SUSPENDED, "Baraka", {})]
