"""Employees, invitations, machines and the audit log in the admin."""

import re

import pytest
from django.contrib.admin import site as admin_site
from django.urls import reverse

from accounts.models import Invitation, Machine, Membership
from accounts.services import invitations, machines, memberships
from accounts.services.people import create_local_person
from accounts.states import Role
from accounts.tests.factories import SuperuserFactory, browser_of
from core.admin import DukaModelAdmin, ReadOnlyAdmin

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


def said(response):
    return [str(each) for each in response.context["messages"]]


def test_of_several_that_are_removed_all_or_none_go():
    person("Baraka", role=Role.EMPLOYEE)
    mama = person("Mama", role=Role.SHOPKEEPER)
    person("Otieno", role=Role.EMPLOYEE)
    everybody = list(Membership.objects.values_list("pk", flat=True))
    form = {"action": "delete_selected", "_selected_action": everybody, "post": "yes"}

    response = browser_of(mama).post(page("membership"), form, follow=True)

    assert said(response) == ["The shop needs a shopkeeper. Make somebody else one first."]
    assert Membership.objects.count() == 3

    others = Membership.objects.exclude(user=mama).values_list("pk", flat=True)
    browser_of(mama).post(page("membership"), form | {"_selected_action": list(others)})
    assert Membership.objects.get().user == mama


def test_a_new_secret_is_refused_in_a_sentence(back_office, mama):
    akinyi = person("Akinyi", role=Role.EMPLOYEE, rights=["manage_employees"])
    machine, secret = machines.create_machine(by=mama, name="Till", rights=["see_orders"])
    renew = page("machine", "change", machine.pk).replace("/change/", "/renew/")

    response = browser_of(akinyi).post(renew, {"confirmed": "1"}, follow=True)

    assert said(response) == ["You can't grant what you may not do yourself: See orders."]
    assert machine.client.check_secret(secret)
    machines.revoke_machine(machine_id=machine.pk, by=mama)
    response = back_office.post(renew, {"confirmed": "1"}, follow=True)
    assert (response.status_code, len(said(response))) == (200, 1)


def test_who_manages_employees_revokes_a_machine_whatever_it_may(mama):
    akinyi = person("Akinyi", role=Role.EMPLOYEE, rights=["manage_employees"])
    machine, _ = machines.create_machine(by=mama, name="Till", rights=["see_orders"])
    revoke = page("machine", "change", machine.pk).replace("/change/", "/revoke/")

    browser_of(akinyi).post(revoke, {"confirmed": "1"})

    machine.refresh_from_db()
    assert machine.revoked_at is not None


def test_who_lacks_a_right_suspends_nobody_who_has_it_and_the_page_says_why(baraka):
    akinyi = person("Akinyi", role=Role.EMPLOYEE, rights=["manage_employees"])
    membership = baraka.memberships.get()
    suspend = page("membership", "change", membership.pk).replace("/change/", "/suspend/")

    response = browser_of(akinyi).post(suspend, {"confirmed": "1"}, follow=True)

    assert said(response) == ["You can't grant what you may not do yourself: See orders."]
    membership.refresh_from_db()
    assert membership.suspended_at is None


LISTS = [
    reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    for model, its_admin in admin_site._registry.items()
    if isinstance(its_admin, DukaModelAdmin | ReadOnlyAdmin)
]
ODD = [
    "?id__exact=9999999999999999999999",
    "?pk__in=x,y",
    "?created_at__gte=9999-99-99",
    "?o=x.y",
    "?p=99999999999999999999",
    "?q=%27%22%5c%25",
]


# As in the shop: a list is read without a transaction, which a refused statement would break.
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", LISTS)
def test_an_address_of_a_list_that_was_written_by_hand_is_no_500(path):
    client = browser_of(SuperuserFactory.create(), raise_request_exception=False)

    for query in ODD:
        assert client.get(f"{path}{query}", follow=True).status_code in {200, 400}, query


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("key", ["x", "9999999999999999999999", "\x00"])
def test_nor_are_keys_that_no_row_has(path, key):
    client = browser_of(SuperuserFactory.create(), raise_request_exception=False)

    for verb in ("delete_selected", "suspend", "accept"):
        form = {"action": verb, "_selected_action": [key], "post": "yes", "confirmed": "1"}
        answer = client.post(path, form, follow=True)
        assert answer.status_code in {200, 400, 403}, verb


def test_a_list_that_cannot_be_shown_is_shown_whole_with_a_sentence(back_office, baraka):
    form = {"action": "suspend", "_selected_action": ["x"]}

    response = back_office.post(page("membership"), form, follow=True)

    assert said(response) == ["The list cannot be shown so."]
    assert "Baraka" in response.content.decode()


def test_who_may_not_manage_employees_sees_none_of_it(baraka):
    client = browser_of(baraka)

    for model in ("membership", "invitation", "machine", "auditentry", "user"):
        assert client.get(page(model)).status_code == 403
    assert page("membership") not in client.get(reverse("admin:index")).content.decode()


def test_users_are_a_superuser_s_business(back_office):
    assert back_office.get(page("user")).status_code == 403
