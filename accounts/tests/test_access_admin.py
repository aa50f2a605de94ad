"""Employees, invitations, machines and the audit log in the admin."""

import re

import pytest
from django.urls import reverse

from accounts.models import Invitation, Machine, Membership
from accounts.services import invitations, machines, memberships
from accounts.services.people import create_local_person
from accounts.states import Role
from accounts.tests.factories import browser_of

pytestmark = pytest.mark.django_db


def person(name, **employed):
    user = create_local_person(name=name, email=f"{name.lower()}@example.com", password="x")
    if employed:
        memberships.employ(user=user, **employed)
    user.refresh_from_db()
    return user


@pytest.fixture
def mama():
    return person("Mama", role=Role.SHOPKEEPER)


@pytest.fixture
def baraka(mama):
    return person("Baraka", role=Role.EMPLOYEE, rights=["see_orders"])


@pytest.fixture
def back_office(mama):
    return browser_of(mama)


def page(model, what="changelist", *args):
    return reverse(f"admin:accounts_{model}_{what}", args=args)


def errors(response):
    return [
        error for errors in response.context["adminform"].form.errors.values() for error in errors
    ]


def test_the_lists_say_who_may_what(back_office, baraka):
    invitations.invite(by=None, email="akinyi@example.com", rights=["see_reports"])
    machines.create_machine(by=None, name="Till", rights=["handle_orders"])

    for model, shown in {
        "membership": ["Mama", "Everything", "Baraka", "See orders", "Active"],
        "invitation": ["akinyi@example.com", "See reports", "Open"],
        "machine": ["Till", "Handle orders", "Active"],
        "auditentry": ["Changed rights", "Made a machine"],
    }.items():
        body = back_office.get(page(model)).content.decode()
        assert [text for text in shown if text not in body] == []


def test_an_employee_s_rights_are_ticked(back_office, baraka):
    membership = baraka.memberships.get()
    form = back_office.get(page("membership", "change", membership.pk))
    assert form.context["adminform"].form.initial["rights"] == ["see_orders"]

    back_office.post(
        page("membership", "change", membership.pk),
        {"role": Role.EMPLOYEE, "rights": ["see_orders", "manage_catalogue"]},
    )

    membership.refresh_from_db()
    assert membership.rights == ["see_orders", "manage_catalogue"]


def test_nobody_ticks_what_they_lack_and_the_form_says_so(baraka):
    akinyi = person("Akinyi", role=Role.EMPLOYEE, rights=["manage_employees", "see_orders"])
    membership = baraka.memberships.get()

    response = browser_of(akinyi).post(
        page("membership", "change", membership.pk),
        {"role": Role.EMPLOYEE, "rights": ["see_orders", "handle_orders"]},
    )

    assert errors(response) == ["You can't grant what you may not do yourself: Handle orders."]
    membership.refresh_from_db()
    assert membership.rights == ["see_orders"]


def test_a_shopkeeper_is_made_by_a_shopkeeper_alone(baraka):
    akinyi = person("Akinyi", role=Role.EMPLOYEE, rights=["manage_employees", "see_orders"])
    membership = baraka.memberships.get()

    response = browser_of(akinyi).post(
        page("membership", "change", membership.pk),
        {"role": Role.SHOPKEEPER, "rights": ["see_orders"]},
    )

    assert errors(response) == ["Only a shopkeeper can make a shopkeeper."]


def test_the_last_shopkeeper_stays_and_the_page_says_why(back_office, mama):
    membership = mama.memberships.get()

    response = back_office.post(
        page("membership", "change", membership.pk), {"role": Role.EMPLOYEE}, follow=True
    )

    said = [str(each) for each in response.context["messages"]]
    assert said == ["The shop needs a shopkeeper. Make somebody else one first."]
    membership.refresh_from_db()
    assert membership.role == Role.SHOPKEEPER


def test_suspend_resume_and_remove(back_office, baraka):
    membership = baraka.memberships.get()
    change = page("membership", "change", membership.pk)
    assert "Suspend" in back_office.get(change).content.decode()

    back_office.post(change.replace("/change/", "/suspend/"), {"confirmed": "1"})
    membership.refresh_from_db()
    assert not membership.is_active
    assert "Resume" in back_office.get(change).content.decode()

    back_office.post(change.replace("/change/", "/resume/"), {"confirmed": "1"})
    membership.refresh_from_db()
    assert membership.is_active

    back_office.post(page("membership", "delete", membership.pk), {"post": "yes"})
    assert not Membership.objects.filter(user=baraka).exists()
    baraka.refresh_from_db()
    assert not baraka.is_staff


def test_an_invitation_s_link_is_shown_once_and_works(back_office):
    made = back_office.post(
        page("invitation", "add"),
        {"role": Role.EMPLOYEE, "rights": ["see_orders"], "email": "akinyi@example.com"},
    )

    assert "no-store" in made["Cache-Control"]
    token = re.search(r"/invitations/([\w-]+)/", made.content.decode())[1]
    assert invitations.find(token=token).email == "akinyi@example.com"
    assert token not in back_office.get(page("invitation")).content.decode()
    invitation = Invitation.objects.get()
    shown = back_office.get(page("invitation", "change", invitation.pk)).content.decode()
    assert token not in shown
    assert "Revoke" in shown

    revoke = page("invitation", "change", invitation.pk).replace("/change/", "/revoke/")
    back_office.post(revoke, {"confirmed": "1"})
    invitation.refresh_from_db()
    assert invitation.revoked_at is not None


def test_a_machine_s_secret_is_shown_once_and_renewed(back_office):
    made = back_office.post(page("machine", "add"), {"name": "Till", "rights": ["see_orders"]})

    machine = Machine.objects.get()
    secrets = re.findall(r"<code[^>]*>([^<]+)</code>", made.content.decode())
    assert (secrets[0], machine.client.check_secret(secrets[1])) == (machine.client_id, True)
    change = page("machine", "change", machine.pk)
    assert secrets[1] not in back_office.get(change).content.decode()

    renew = change.replace("/change/", "/renew/")
    # A link alone changes nothing.
    assert back_office.get(renew).status_code == 200
    machine.client.refresh_from_db()
    assert machine.client.check_secret(secrets[1])
    renewed = back_office.post(renew, {"confirmed": "1"})
    machine.client.refresh_from_db()
    assert not machine.client.check_secret(secrets[1])
    new = re.findall(r"<code[^>]*>([^<]+)</code>", renewed.content.decode())[1]
    assert machine.client.check_secret(new)

    back_office.post(change, {"name": "Old till", "rights": []})
    back_office.post(change.replace("/change/", "/revoke/"), {"confirmed": "1"})
    machine.refresh_from_db()
    assert (machine.name, machine.rights, machine.is_usable) == ("Old till", [], False)
    assert "New secret" not in back_office.get(change).content.decode()


def test_a_machine_of_an_outside_provider_is_entered_by_its_subject(back_office, settings):
    settings.OIDC_EMBEDDED = False
    settings.OIDC_ISSUER = "https://id.example"

    back_office.post(page("machine", "add"), {"name": "Till", "rights": [], "subject": "service-7"})

    assert Machine.objects.get().user.identities.get().subject == "service-7"


def test_who_may_not_manage_employees_sees_none_of_it(baraka):
    client = browser_of(baraka)

    for model in ("membership", "invitation", "machine", "auditentry", "user"):
        assert client.get(page(model)).status_code == 403
    assert page("membership") not in client.get(reverse("admin:index")).content.decode()


def test_users_are_a_superuser_s_business(back_office):
    assert back_office.get(page("user")).status_code == 403
