"""Invitations: told once to one person, used once, not for ever, and never a hint to a stranger."""

import hashlib
import re
from datetime import timedelta
from functools import partial
from threading import Event
from time import sleep

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from accounts.exceptions import AlreadyEmployed, NotInvited, NotYours, UnknownRight
from accounts.models import AuditEntry, Invitation, Membership, User
from accounts.services import invitations, machines, memberships, people
from accounts.states import Action, Role
from core.errors import InvalidInput
from core.tests.races import at_once
from core.tests.rest import problem, utc
from notifications.models import Message

from .callers import Caller, employee, fresh, keeper, membership_of, person

pytestmark = pytest.mark.django_db

TEXT = """\
Njeri invites you to work with Duka as an employee.

Open this link and sign in to accept. It can be used once, within 7 days:

{link}

If you did not expect this, you need not do anything.
"""
GONE = "This invitation is not valid. It may have been used or be too old: ask for another."


def invite(**kwargs):
    """An invitation and its token."""
    made, link = invitations.invite(**{"by": None} | kwargs)
    return made, link.removesuffix("/").rpartition("/")[2]


def mails():
    return [each.args_kwargs["kwargs"] for each in DBTaskResult.objects.order_by("enqueued_at")]


def spoilt(how):
    """A token that is not good any more, or never was."""
    made, token = invite(rights=["see_orders"])
    if how == "expired":
        Invitation.objects.update(expires_at=timezone.now())
    elif how == "revoked":
        invitations.revoke(invitation_id=made.pk, by=None)
    elif how == "used":
        invitations.accept(token=token, user=person(f"Helper {made.pk}"))
    else:
        return {"unknown": "x" * 43, "empty": "-", "odd": "\ud800", "NUL": "\x00"}[how]
    return token


SPOILT = ["expired", "revoked", "used", "unknown"]


class TestInvite:
    def test_by_email_a_mail_with_the_link_is_queued(self):
        njeri, before = keeper(), timezone.now()

        made, link = invitations.invite(
            by=njeri, rights=["handle_orders", "see_orders"], email=" Baraka@Example.com "
        )

        assert (made.role, made.rights, made.email, made.phone, made.state) == (
            Role.EMPLOYEE,
            ["see_orders", "handle_orders"],
            "baraka@example.com",
            "",
            "open",
        )
        assert before <= made.expires_at - timedelta(days=7) <= timezone.now()
        assert link.startswith("http://127.0.0.1:8000/invitations/")
        assert mails() == [
            {
                "subject": "Duka: you are invited",
                "body": TEXT.format(link=link),
                "to": "baraka@example.com",
                "tries": 0,
            }
        ]
        assert not Message.objects.exists()
        entry = AuditEntry.objects.get(action=Action.INVITED)
        assert (entry.actor, entry.target, entry.detail) == (
            njeri,
            "Employee, baraka@example.com",
            {"rights": ["see_orders", "handle_orders"]},
        )

    def test_by_sms_the_words_are_secret(self):
        made, link = invitations.invite(by=None, phone="0722 000 000")

        told = Message.objects.get()
        assert (told.event, told.occurrence, told.recipient, told.to, told.secret, told.body) == (
            "account.invited",
            str(made.pk),
            f"invitation-{made.pk}",
            "+254722000000",
            True,
            f"Duka invites you to work with it. Open {link} and sign in to accept.",
        )
        assert str(made) == "Employee, +254722000000"
        assert link not in Caller(keeper()).get("/messages/").content.decode()

    def test_by_neither_there_is_the_link_alone(self):
        made, _ = invitations.invite(by=None, role=Role.SHOPKEEPER)

        assert str(made) == "Shopkeeper, by link"
        assert mails() == []
        assert not Message.objects.exists()

    def test_only_a_digest_of_the_token_is_kept(self):
        made, token = invite()

        assert made.token_digest == hashlib.sha256(token.encode()).hexdigest()
        assert len(token) == 43
        kept = [*Invitation.objects.values_list(), *AuditEntry.objects.values_list()]
        assert token not in str(kept)

    @pytest.mark.parametrize(
        ("error", "changes", "path"),
        [
            (InvalidInput, {"email": "a@example.com", "phone": "0722000000"}, ("phone",)),
            (InvalidInput, {"phone": "12"}, ("phone",)),
            (UnknownRight, {"rights": ["see_orders", "fly"]}, ("rights", 1)),
        ],
        ids=["both addresses", "no phone number", "no such right"],
    )
    def test_what_is_wrong_is_refused(self, error, changes, path):
        with pytest.raises(error) as refused:
            invite(**changes)

        assert refused.value.errors[0].path == path
        assert not Invitation.objects.exists()

    def test_nobody_invites_to_what_they_lack(self):
        halima = employee("manage_employees", "see_orders", name="Halima")

        for lacking in ({"rights": ["see_orders", "handle_orders"]}, {"role": Role.SHOPKEEPER}):
            with pytest.raises(NotYours):
                invite(by=halima, **lacking)
        assert not Invitation.objects.exists()

        assert invite(by=halima, rights=["see_orders"])[0].rights == ["see_orders"]


class TestAccept:
    def test_the_one_who_is_signed_in_becomes_what_it_says(self):
        njeri, amina = keeper(), person()
        made, token = invite(by=njeri, rights=["see_orders"], email="other@example.com")

        invitations.accept(token=token, user=amina)

        assert (membership_of(amina).role, membership_of(amina).rights) == (
            Role.EMPLOYEE,
            ["see_orders"],
        )
        made.refresh_from_db()
        assert (made.state, made.accepted_by) == ("accepted", amina)
        told = AuditEntry.objects.filter(actor=amina, action=Action.INVITATION_ACCEPTED)
        assert [each.target for each in told] == ["Employee, other@example.com"]
        granted = AuditEntry.objects.filter(action=Action.GRANTED).latest("pk")
        assert (granted.actor, granted.target) == (njeri, "Amina")

    def test_who_works_here_leaves_it_open_for_another(self):
        baraka = employee()
        made, token = invite(role=Role.SHOPKEEPER)

        with pytest.raises(AlreadyEmployed):
            invitations.accept(token=token, user=baraka)
        made.refresh_from_db()
        assert made.state == "open"

        invitations.accept(token=token, user=person("Halima"))
        assert fresh(baraka).roles == ["shop-employee"]

    @pytest.mark.parametrize("how", [*SPOILT, "empty", "odd", "NUL"])
    def test_of_what_is_not_open_nothing_is_told(self, how):
        amina, token = person(), spoilt(how)

        for attempt in (
            partial(invitations.accept, user=amina, token=token),
            partial(invitations.find, token=token),
        ):
            with pytest.raises(NotInvited) as refused:
                attempt()
            assert refused.value.detail == GONE
        assert not Membership.objects.filter(user=amina).exists()

    @pytest.mark.parametrize("loss", ["rights", "role", "suspended", "removed", "deactivated"])
    def test_it_ends_with_what_the_inviter_could_give(self, loss):
        keeper()
        inviter = (
            keeper("Otieno")
            if loss == "role"
            else employee("manage_employees", "see_orders", name="Halima")
        )
        role = Role.SHOPKEEPER if loss == "role" else Role.EMPLOYEE
        _, token = invite(by=inviter, role=role, rights=["see_orders"])
        key, amina = membership_of(inviter).pk, person()
        if loss == "rights":
            memberships.change_membership(membership_id=key, by=None, rights=["manage_employees"])
        elif loss == "role":
            memberships.change_membership(membership_id=key, by=None, role=Role.EMPLOYEE)
        elif loss == "suspended":
            memberships.suspend(membership_id=key, by=None)
        elif loss == "removed":
            memberships.remove(membership_id=key, by=None)
        else:
            type(inviter).objects.filter(pk=inviter.pk).update(is_active=False)

        for user in (amina, inviter) if loss == "removed" else (amina,):
            with pytest.raises(NotInvited):
                invitations.accept(token=token, user=user)
            assert fresh(user).roles == []

    def test_it_ends_with_the_inviters_account(self):
        keeper()
        inviter = keeper("Otieno")
        made, token = invite(by=inviter, role=Role.SHOPKEEPER)

        people.delete_account(user=inviter)

        with pytest.raises(NotInvited):
            invitations.accept(token=token, user=person())
        made.refresh_from_db()
        assert made.state == "revoked"

    def test_a_machine_works_here_by_its_own_rights_only(self):
        till, _ = machines.create_machine(by=None, name="Till", rights=["see_orders"])
        _, token = invite(role=Role.SHOPKEEPER)

        with pytest.raises(NotInvited):
            invitations.accept(token=token, user=till.user)

        assert not Membership.objects.exists()

    def test_a_right_that_is_no_longer_is_left_out(self):
        amina = person()
        made, token = invite(rights=["see_orders"])
        Invitation.objects.filter(pk=made.pk).update(rights=["of_old", "see_orders"])

        page = Caller().client.get(f"/invitations/{token}/")
        invitations.accept(token=token, user=amina)

        assert page.status_code == 200
        assert membership_of(amina).rights == ["see_orders"]

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("times", range(3))
    def test_of_two_who_accept_at_once_one_works_here(self, times):
        _, token = invite()
        users = [person("Amina"), person("Halima")]

        outcomes = at_once([partial(invitations.accept, token=token, user=each) for each in users])

        assert sorted(type(each).__name__ for each in outcomes) == ["Membership", "NotInvited"]
        assert Membership.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("times", range(5))
    def test_the_inviter_who_leaves_meanwhile_is_no_deadlock(self, times):
        keeper("Stays")
        inviter, amina = keeper("Inviter"), person()
        _, token = invite(by=inviter)

        left, accepted = at_once(
            [
                partial(people.delete_account, user=inviter),
                partial(invitations.accept, token=token, user=amina),
            ]
        )

        assert isinstance(left, list)
        assert isinstance(accepted, Membership | NotInvited)

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("times", range(5))
    def test_who_leaves_and_accepts_at_once_leaves_nothing_behind(self, times):
        keeper()
        amina = person()
        made, token = invite(email="amina@example.com", rights=["see_orders"])
        AuditEntry.objects.all().delete()

        left, answer = at_once(
            [
                partial(people.delete_account, user=amina),
                partial(Caller(amina).post, "/invitations/accept/", {"token": token}),
            ]
        )

        assert isinstance(left, list)
        # 401: they were gone before it was looked at who asks.
        assert answer.status_code in {200, 401, 404}, answer.content
        assert not Membership.objects.filter(role=Role.EMPLOYEE).exists()
        made.refresh_from_db()
        assert made.accepted_by is None
        if answer.status_code == 200:
            assert (made.state, made.email) == ("accepted", "")
            assert "amina" not in str(AuditEntry.objects.values_list()).lower()
        else:
            assert (made.state, made.email) == ("revoked", "")

    @pytest.mark.django_db(transaction=True)
    def test_who_leaves_just_after_accepting_is_named_by_it_nowhere(self):
        keeper()
        amina = person()
        made, token = invite(email="amina@example.com")
        accepted = Event()

        def accept():
            with transaction.atomic():
                invitations.accept(token=token, user=amina)
                accepted.set()
                # Meanwhile the other one waits for the user.
                sleep(1)

        def leave():
            accepted.wait(60)
            people.delete_account(user=amina)

        assert at_once([accept, leave]) == [None, None]

        made.refresh_from_db()
        assert (made.state, made.email, made.accepted_by) == ("accepted", "", None)
        assert "amina@example.com" not in str(AuditEntry.objects.values_list())

    def test_who_is_gone_by_then_is_told_that_it_is_for_somebody_with_an_account(self):
        amina = person()
        made, token = invite()
        User.objects.filter(pk=amina.pk).delete()

        with pytest.raises(NotInvited, match="An invitation is for somebody with an account"):
            invitations.accept(token=token, user=amina)

        made.refresh_from_db()
        assert made.state == "open"


class TestRevoke:
    def test_it_is_void_and_told_once(self):
        njeri = keeper()
        made, _ = invite()

        for _ in range(2):
            assert invitations.revoke(invitation_id=made.pk, by=njeri).state == "revoked"

        told = AuditEntry.objects.filter(action=Action.INVITATION_REVOKED)
        assert [(each.actor, each.target) for each in told] == [(njeri, "Employee, by link")]

    @pytest.mark.parametrize("how", ["used", "expired"])
    def test_what_is_not_open_stays_what_it_was(self, how):
        spoilt(how)
        made = Invitation.objects.get()

        state = invitations.revoke(invitation_id=made.pk, by=None).state

        assert state == {"used": "accepted", "expired": "expired"}[how]

    def test_a_shopkeepers_is_revoked_by_shopkeepers_only(self):
        halima = employee("manage_employees", name="Halima")
        made, _ = invite(role=Role.SHOPKEEPER)

        with pytest.raises(NotYours):
            invitations.revoke(invitation_id=made.pk, by=halima)

        made.refresh_from_db()
        assert made.state == "open"


class TestRest:
    def test_the_link_is_shown_once_and_not_by_a_replay(self):
        njeri = keeper()
        api = Caller(njeri)
        body = {"email": "baraka@example.com", "rights": ["see_orders"]}

        first = api.post("/invitations/", body, idempotency_key="one")
        again = api.post("/invitations/", body, idempotency_key="one")

        made = Invitation.objects.get()
        shown = {
            "id": made.pk,
            "role": "shop-employee",
            "rights": ["see_orders"],
            "email": "baraka@example.com",
            "phone": "",
            "state": "open",
            "invited_by": "Njeri",
            "created_at": utc(made.created_at),
            "expires_at": utc(made.expires_at),
            "accepted_at": None,
            "revoked_at": None,
        }
        link = first.json()["link"]
        assert (first.status_code, first.json()) == (201, {"link": link, **shown})
        assert hashlib.sha256(link.split("/")[-2].encode()).hexdigest() == made.token_digest
        assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")
        assert again.json() == {"link": None, **shown}
        assert len(mails()) == 1
        assert api.get(f"/invitations/{made.pk}/").json() == shown
        assert api.get("/invitations/").json()["results"] == [shown]
        assert first["Location"].endswith(f"/api/v1/invitations/{made.pk}/")

    @pytest.mark.parametrize(
        ("lacking", "detail"),
        [
            (
                {"rights": ["handle_orders"]},
                "You can't grant what you may not do yourself: Handle orders.",
            ),
            ({"role": "shop-owner"}, "Only a shopkeeper can make a shopkeeper."),
        ],
        ids=["a right", "a shopkeeper"],
    )
    def test_who_lacks_it_cannot_invite_to_it(self, lacking, detail):
        response = Caller(employee("manage_employees", "see_orders")).post("/invitations/", lacking)

        assert response.status_code == 403
        assert response.json() == problem(response, code="permission_denied", detail=detail)
        assert not Invitation.objects.exists()

    def test_accepting_answers_what_they_are_now(self):
        amina = person()
        _, token = invite(rights=["manage_catalogue"])

        response = Caller(amina).post("/invitations/accept/", {"token": token})

        assert (response.status_code, response.json()) == (
            200,
            {
                "subject": str(amina.subject),
                "name": "Amina",
                "email": "amina@example.com",
                "is_staff": True,
                "roles": ["shop-employee"],
                "permissions": [
                    "bookings.manage_services",
                    "catalog.manage_catalogue",
                    "catalog.view_product",
                ],
            },
        )

    def test_who_works_here_is_told_so(self):
        _, token = invite()

        response = Caller(employee()).post("/invitations/accept/", {"token": token})

        assert (response.status_code, response.json()["code"]) == (409, "already_employed")

    def test_all_that_is_not_open_is_the_same_answer_by_the_same_work(self):
        api, work, said = Caller(person()), [], []
        for token in map(spoilt, SPOILT):
            with CaptureQueriesContext(connection) as asked:
                response = api.post("/invitations/accept/", {"token": token})
            assert response.status_code == 404
            said.append({**response.json(), "request_id": None})
            statements = [each["sql"].split(" WHERE ")[0] for each in asked.captured_queries]
            # Savepoints are counted.
            work.append([re.sub(r"s\d+_x\d+", "", each) for each in statements])

        assert [each for each in said if each != said[0]] == []
        assert (said[0]["code"], said[0]["detail"]) == ("invitation_not_valid", GONE)
        assert [each for each in work if each != work[0]] == []

    def test_it_is_revoked(self):
        made, _ = invite()

        response = Caller(keeper()).post(f"/invitations/{made.pk}/revoke/")

        assert (response.status_code, response.json()["state"]) == (200, "revoked")


class TestPage:
    def test_it_shows_what_is_offered_to_anybody_with_the_link(self):
        _, token = invite(rights=["see_orders", "handle_orders"])

        response = Caller().client.get(f"/invitations/{token}/")

        assert response.status_code == 200
        assert response.context["rights"] == ["See orders", "Handle orders"]
        assert (
            response["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
        )
        assert not Membership.objects.exists()

    def test_accepting_without_signing_in_leads_there_and_back(self):
        made, token = invite()

        response = Caller().client.post(f"/invitations/{token}/")

        assert (response.status_code, response["Location"]) == (
            302,
            f"/oidc/authenticate/?next=%2Finvitations%2F{token}%2F",
        )
        made.refresh_from_db()
        assert made.state == "open"

    def test_signed_in_it_is_accepted_by_a_post_alone(self):
        amina = person()
        _, token = invite()
        page = Caller(amina).client

        assert page.get(f"/invitations/{token}/").status_code == 200
        assert not Membership.objects.exists()

        response = page.post(f"/invitations/{token}/")
        assert (response.status_code, response["Location"]) == (302, "/account/")
        assert fresh(amina).roles == ["shop-employee"]

    def test_it_cannot_be_forced_from_another_site(self):
        _, token = invite()
        client = Caller(person(), enforce_csrf_checks=True).client

        assert client.post(f"/invitations/{token}/").status_code == 403
        assert not Membership.objects.exists()

    @pytest.mark.parametrize("signed_in", [False, True])
    def test_what_is_not_open_is_the_same_page(self, signed_in):
        client = Caller(person() if signed_in else None).client
        for method in (client.get, client.post):
            pages = set()
            for how in SPOILT:
                response = method(f"/invitations/{spoilt(how)}/")
                assert response.status_code == 404
                assert response.context["text"] == GONE
                pages.add(response.context["title"])
            assert pages == {"This invitation is not valid"}
