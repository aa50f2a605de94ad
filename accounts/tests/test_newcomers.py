"""What people who had never seen the shop stumbled over."""

import base64
import re
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Invitation, Machine
from accounts.services import invitations, machines
from accounts.states import Action, Role
from customers.models import PhoneCode
from customers.services import update_customer

from .callers import Caller, bearer, employee, keeper, person
from .factories import browser_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_limits(db):
    cache.clear()


@pytest.fixture
def njeri():
    return keeper()


@pytest.fixture
def back_office(njeri):
    return browser_of(njeri)


def page(model, what="changelist", *args):
    return reverse(f"admin:accounts_{model}_{what}", args=args)


def text_of(response):
    return response.content.decode()


class TestAdmin:
    def test_no_name_leads_to_a_page_that_few_may_open(self, back_office, njeri):
        made, _ = invitations.invite(by=njeri)
        invitations.accept(token=invitations.invite(by=njeri)[1].split("/")[-2], user=person())
        entry = AuditEntry.objects.filter(actor=njeri).first()

        pages = [
            page("invitation", "change", made.pk),
            page("invitation", "change", Invitation.objects.get(accepted_by__isnull=False).pk),
            page("auditentry", "change", entry.pk),
            reverse("admin:customers_customer_change", args=[njeri.customer.pk]),
        ]
        shown = [text_of(back_office.get(each)) for each in pages]

        assert ["Njeri" in each for each in shown] == [True] * 4
        assert "Amina" in shown[1]
        assert [each.count(page("user")) for each in shown] == [0] * 4

    def test_an_invitation_has_nothing_to_save(self, back_office):
        made, _ = invitations.invite(by=None)

        shown = text_of(back_office.get(page("invitation", "change", made.pk)))
        assert 'name="_save"' not in shown
        assert 'name="_continue"' not in shown
        assert 'name="_save"' in text_of(back_office.get(page("invitation", "add")))

    def test_the_history_is_the_audit_log(self, back_office):
        baraka = employee("see_orders")
        machine, _ = machines.create_machine(by=None, name="Till")
        made, _ = invitations.invite(by=None)
        rows = {"membership": baraka.memberships.get(), "machine": machine, "invitation": made}
        for model, row in rows.items():
            shown = text_of(back_office.get(page(model, "change", row.pk)))
            assert page(model, "history", row.pk) not in shown
        change = page("membership", "change", rows["membership"].pk)
        audit = change.replace("/change/", "/audit/")
        assert audit in text_of(back_office.get(change))

        found = back_office.get(audit, follow=True)

        assert found.redirect_chain[0][0] == f"{page('auditentry')}?q={baraka.subject}"
        told = found.context["cl"].result_list
        assert {each.action for each in told} == {Action.REGISTERED, Action.GRANTED}
        assert all(str(baraka) == each.target for each in told)
        assert browser_of(baraka).get(audit).status_code == 403
        gone = audit.replace(f"/{rows['membership'].pk}/", "/0/")
        assert back_office.get(gone).status_code == 404

    def test_forms_say_what_is_meant(self, back_office):
        asked = text_of(back_office.get(page("invitation", "add")))
        assert asked.count("We send the link there.") == 2
        assert "can do nothing until you grant some" in asked
        machine = text_of(back_office.get(page("machine", "add")))
        assert "A shopkeeper may do everything" not in machine
        assert f"Empty: never. In the time of {settings.SHOP_TIME_ZONE}." in machine

    def test_a_machine_s_secret_comes_with_how_to_use_it(self, back_office):
        shown = text_of(back_office.post(page("machine", "add"), {"name": "Till", "rights": []}))

        codes = re.findall(r"<code[^>]*>([^<]+)</code>", shown)
        address = f"{settings.SHOP_URL}/identity/o/api/token"
        assert codes[2] == address
        assert f"&#x27;{codes[0]}:{codes[1]}&#x27; {address}" in codes[3]
        basic = base64.b64encode(":".join(codes[:2]).encode()).decode()
        form = {"grant_type": "client_credentials"}
        answer = Client().post(
            "/identity/o/api/token", form, headers={"Authorization": f"Basic {basic}"}
        )
        token = answer.json()["access_token"]
        me = Client().get("/api/v1/me/", headers={"Authorization": f"Bearer {token}"})
        assert me.json()["name"] == "Till"
        assert "<script>" not in shown.partition("shown-once")[2]
        assert "data-copy" in shown

    def test_the_audit_log_speaks_in_the_shop_s_time(self):
        entry = AuditEntry.objects.create(action=Action.INVITED)
        with timezone.override("Africa/Nairobi"):
            assert str(entry) == f"{timezone.localtime(entry.at):%Y-%m-%d %H:%M} Invited"
        assert AuditEntry._meta.verbose_name_plural == "audit entries"


def test_one_refused_token_request_is_written_once():
    wrong = base64.b64encode(b"till:wrong").decode()

    answer = Client().post(
        "/identity/o/api/token",
        {"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {wrong}"},
    )

    assert answer.status_code == 401
    told = AuditEntry.objects.get(action=Action.REFUSED)
    assert (told.target, told.detail) == ("token", {"client": "till"})


@pytest.mark.parametrize("offered", [True, False])
def test_passkeys_are_offered_where_they_can_work(settings, offered):
    settings.PASSKEYS_OFFERED = offered
    browser = browser_of(person())
    signed_out = text_of(Client().get(reverse("account_login")))
    found = {
        "Sign in with a passkey" in signed_out,
        "webauthn" in signed_out,
        "Passkeys and second step" in text_of(browser.get(reverse("account"))),
        "Add a passkey" in text_of(browser.get(reverse("mfa_index"))),
    }

    assert found == {offered}


class TestPhone:
    @pytest.fixture
    def amina(self):
        return person()

    def post(self, user, **form):
        return browser_of(user).post(reverse("account_phone"), form)

    def test_another_code_is_sent_to_the_same_number(self, amina):
        first = text_of(self.post(amina, phone="0722 000 000"))
        assert 'id="resend"' in first
        assert 'name="phone" value="0722 000 000"' in first

        again = text_of(self.post(amina, phone="0722 000 000", again="1"))

        assert PhoneCode.objects.filter(phone="+254722000000").count() == 2
        assert "A new code is on its way." in again
        assert 'name="code"' in again

    def test_where_that_is_refused_the_code_can_still_be_typed_in(self, amina):
        for _ in range(20):
            said = text_of(self.post(amina, phone="0722 000 000", again="1"))

        assert "Too many codes were sent." in said
        assert 'name="code"' in said
        assert self.post(amina, again="1").status_code == 200

    def test_the_account_shows_the_number(self, amina):
        browser = browser_of(amina)
        assert "Add<span" in text_of(browser.get(reverse("account")))

        update_customer(customer_id=amina.customer.pk, phone="0722 000 000")

        assert "+254722000000 · " in text_of(browser.get(reverse("account")))


@pytest.mark.parametrize(
    ("role", "said"), [(Role.EMPLOYEE, "an employee"), (Role.SHOPKEEPER, "a shopkeeper")]
)
def test_an_invitation_s_mail_says_who_invites_and_as_what(njeri, role, said, settings):
    mails = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "accounts.services.invitations.queue_mail", lambda **mail: mails.append(mail["body"])
        )
        njeri.first_name = "N'jeri & Sons"
        njeri.save()
        invitations.invite(by=njeri, role=role, email="a@example.com")
        invitations.invite(by=None, role=role, email="a@example.com")

    shop = settings.SHOP_NAME
    assert [each.splitlines()[0] for each in mails] == [
        f"N'jeri & Sons invites you to work with {shop} as {said}.",
        f"{shop} invites you to work with {shop} as {said}.",
    ]


def test_a_machine_is_told_that_it_is_revoked_not_deleted():
    machine, _ = machines.create_machine(by=None, name="Till")

    answer = Caller().delete("/me/", **bearer(machine.client_id))

    assert answer.status_code == 403
    assert answer.json()["detail"] == "A machine's access is revoked, not deleted."
    assert Machine.objects.get() == machine


def test_signing_out_is_said(njeri):
    browser = browser_of(njeri)

    assert "You are signed out." in text_of(browser.post(reverse("sign_out"), follow=True))
    assert "You are signed out." not in text_of(browser.get("/"))


def test_the_mark_is_found_where_browsers_look():
    answer = Client().get("/favicon.ico", follow=True)

    assert answer.redirect_chain[0][0].endswith("accounts/mark.svg")


def test_create_shopkeeper_says_where_it_sent_the_link(capsys):
    call_command("create_shopkeeper", email="mama@example.com")
    assert "Also sent to mama@example.com." in capsys.readouterr().err
    call_command("create_shopkeeper")
    assert "Also sent" not in capsys.readouterr().err


def test_without_django_manage_py_says_what_to_do_first():
    ended = subprocess.run(
        # Without site-packages: as a Python that has only itself.
        [sys.executable, "-S", "manage.py", "check"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("Run `make run` or `make test` once: ")
    assert ended.stderr.count("\n") == 1
