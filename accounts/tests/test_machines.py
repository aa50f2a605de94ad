"""Machines: a secret shown once, rights that nobody gives who lacks them, an end at once."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from allauth.idp.oidc.models import Client, Token
from django.contrib.auth.hashers import check_password
from django.urls import reverse
from django.utils import timezone

from accounts.exceptions import IdentityTaken, NoMachinesHere, NotYours, UnknownRight
from accounts.models import AuditEntry, Identity, Machine, User
from accounts.services import machines
from accounts.states import Action
from core.errors import InvalidInput
from core.tests.rest import pointers, problem, utc

from .callers import Caller, employee, fresh, keeper, person

pytestmark = pytest.mark.django_db

ISSUER = "https://login.example/realms/shop"


def make(**kwargs):
    return machines.create_machine(**{"by": None, "name": "Till"} | kwargs)


@pytest.fixture
def outside(settings):
    # The addresses are made at the first request: with all that the other tests need.
    reverse("home")
    settings.OIDC_EMBEDDED = False
    settings.OIDC_ISSUER = ISSUER


def told(action):
    entries = AuditEntry.objects.filter(action=action).order_by("pk")
    return [(each.actor, each.target, each.detail) for each in entries]


class TestCreate:
    def test_it_is_a_user_of_its_own_and_a_client_of_the_provider(self):
        njeri = keeper()

        till, secret = make(by=njeri, rights=["handle_orders", "see_orders"])

        assert (till.name, till.rights, till.expires_at, till.created_by) == (
            "Till",
            ["see_orders", "handle_orders"],
            None,
            njeri,
        )
        assert (till.user.is_staff, till.user.has_usable_password(), till.user.email) == (
            False,
            False,
            "",
        )
        client = Client.objects.get(pk=till.client_id)
        assert (client.get_grant_types(), client.get_scopes(), client.get_redirect_uris()) == (
            ["client_credentials"],
            ["api"],
            [],
        )
        assert client.check_secret(secret)
        assert len(secret) == 43
        assert secret not in str(Client.objects.values_list())
        assert told(Action.MACHINE_MADE) == [
            (njeri, "Till", {"rights": ["see_orders", "handle_orders"]})
        ]

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"rights": ["see_orders", "handle_orders"]}, NotYours),
            ({"rights": ["fly"]}, UnknownRight),
            ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, InvalidInput),
        ],
        ids=["more than they have", "no such right", "in the past"],
    )
    def test_what_is_refused_leaves_nothing(self, changes, error):
        halima = employee("manage_employees", "see_orders", name="Halima")

        with pytest.raises(error):
            make(by=halima, **changes)

        assert not Machine.objects.exists()
        assert not Client.objects.exists()
        assert not User.objects.filter(username__startswith="machine-").exists()


class TestChange:
    def test_name_rights_and_end_change(self):
        njeri, ends = keeper(), timezone.now() + timedelta(days=1)
        till, _ = make(rights=["see_orders"])

        changed = machines.change_machine(
            machine_id=till.pk, by=njeri, name="Desk", rights=["see_reports"], expires_at=ends
        )

        assert (changed.name, changed.rights, changed.expires_at) == ("Desk", ["see_reports"], ends)
        assert told(Action.MACHINE_CHANGED) == [(njeri, "Desk", {"rights": ["see_reports"]})]
        assert machines.change_machine(machine_id=till.pk, by=njeri, name="Till").expires_at == ends
        last = machines.change_machine(machine_id=till.pk, by=njeri, expires_at=None)
        assert last.expires_at is None

    def test_who_lacks_a_right_neither_gives_takes_nor_brings_it_back(self):
        halima = employee("manage_employees", "see_orders", name="Halima")
        till, secret = make(rights=["handle_orders"])
        Machine.objects.update(expires_at=timezone.now() - timedelta(days=1))
        before = Machine.objects.values().get()

        for attempt in (
            partial(machines.change_machine, rights=[]),
            partial(machines.change_machine, rights=["handle_orders", "see_reports"]),
            partial(machines.change_machine, expires_at=None),
            machines.renew_secret,
        ):
            with pytest.raises(NotYours):
                attempt(machine_id=till.pk, by=halima)
        assert Machine.objects.values().get() == before
        assert Client.objects.get().check_secret(secret)

        # To end what somebody may is safe.
        assert machines.revoke_machine(machine_id=till.pk, by=halima).revoked_at is not None

    def test_an_unknown_right_is_named_where_it_stands(self):
        till, _ = make(rights=["see_orders"])

        with pytest.raises(UnknownRight) as refused:
            machines.change_machine(machine_id=till.pk, by=None, rights=["see_orders", "fly"])

        assert refused.value.errors[0].path == ("rights", 1)

    def test_a_right_that_is_no_longer_goes_with_the_next_change(self):
        till, _ = make()
        Machine.objects.update(rights=["of_old"])

        njeri = keeper()
        machines.renew_secret(machine_id=till.pk, by=njeri)
        changed = machines.change_machine(machine_id=till.pk, by=njeri, rights=["see_orders"])

        assert changed.rights == ["see_orders"]


class TestEnd:
    def test_revoked_it_has_no_tokens_and_is_told_of_once(self):
        njeri = keeper()
        till, _ = make()
        Token.objects.create(
            client=till.client,
            type=Token.Type.ACCESS_TOKEN,
            hash="x",
            expires_at=timezone.now() + timedelta(minutes=5),
        )

        first = machines.revoke_machine(machine_id=till.pk, by=njeri).revoked_at
        again = machines.revoke_machine(machine_id=till.pk, by=njeri).revoked_at

        assert first == again
        assert not Token.objects.exists()
        assert told(Action.MACHINE_REVOKED) == [(njeri, "Till", {})]

    def test_a_new_secret_voids_the_old_one(self):
        till, old = make()

        _, new = machines.renew_secret(machine_id=till.pk, by=keeper())

        client = Client.objects.get()
        assert (client.check_secret(old), client.check_secret(new)) == (False, True)
        assert check_password(new, client.secret)
        assert told(Action.MACHINE_CHANGED)[0][2] == {"secret": "renewed"}

    def test_a_revoked_one_gets_no_new_secret(self):
        till, _ = make()
        machines.revoke_machine(machine_id=till.pk, by=None)

        with pytest.raises(NoMachinesHere):
            machines.renew_secret(machine_id=till.pk, by=None)

    def test_its_last_use_is_noted_once_a_minute(self):
        till, _ = make()
        machines.note_use(till)
        first = Machine.objects.get().last_used_at
        assert first is not None

        machines.note_use(till)
        assert Machine.objects.get().last_used_at == first

        Machine.objects.update(last_used_at=first - timedelta(seconds=61))
        machines.note_use(till)
        assert Machine.objects.get().last_used_at >= first


@pytest.mark.usefixtures("outside")
class TestOutsideProvider:
    def test_it_is_known_by_its_subject_there(self):
        till, secret = make(subject="till-7", rights=["see_orders"])

        assert (secret, till.client) == ("", None)
        assert User.objects.known_as(ISSUER, "till-7") == till.user
        assert fresh(till.user).has_perm("orders.view_order")

    def test_without_a_subject_it_is_refused(self):
        with pytest.raises(NoMachinesHere):
            make()
        assert not User.objects.exists()

    def test_somebody_elses_subject_is_taken(self):
        Identity.objects.create(issuer=ISSUER, subject="amina", user=person())

        with pytest.raises(IdentityTaken) as refused:
            make(subject="amina")

        assert refused.value.errors[0].path == ("subject",)
        assert not Machine.objects.exists()

    def test_rest_says_the_same(self):
        Identity.objects.create(issuer=ISSUER, subject="amina", user=person())
        api = Caller(keeper())

        without = api.post("/machines/", {"name": "Till"})
        taken = api.post("/machines/", {"name": "Till", "subject": "amina"})
        made = api.post("/machines/", {"name": "Till", "subject": "till-7"})

        assert (without.status_code, without.json()["code"]) == (409, "subject_needed")
        assert pointers(taken) == [("/subject", "taken")]
        assert (made.status_code, made.json()["client_id"], made.json()["client_secret"]) == (
            201,
            None,
            "",
        )
        renewed = api.post(f"/machines/{made.json()['id']}/renew-secret/")
        assert renewed.json()["code"] == "subject_needed"


class TestRest:
    def test_the_secret_is_shown_once_and_not_by_a_replay(self):
        api = Caller(keeper())
        body = {"name": "Till", "rights": ["see_orders"]}

        first = api.post("/machines/", body, idempotency_key="one")
        again = api.post("/machines/", body, idempotency_key="one")

        till = Machine.objects.get()
        shown = {
            "id": till.pk,
            "name": "Till",
            "client_id": till.client_id,
            "subject": str(till.user.subject),
            "rights": ["see_orders"],
            "expires_at": None,
            "revoked_at": None,
            "last_used_at": None,
            "created_at": utc(till.created_at),
        }
        secret = first.json()["client_secret"]
        assert (first.status_code, first.json()) == (201, {"client_secret": secret, **shown})
        assert till.client.check_secret(secret)
        assert (again.status_code, again.json()) == (201, {"client_secret": None, **shown})
        assert api.get(f"/machines/{till.pk}/").json() == shown

    def test_a_new_secret_is_shown_once_too(self):
        till, _ = make()
        api = Caller(keeper())

        first = api.post(f"/machines/{till.pk}/renew-secret/", idempotency_key="one")
        again = api.post(f"/machines/{till.pk}/renew-secret/", idempotency_key="one")

        assert list(first.json()) == ["client_secret"]
        assert Client.objects.get().check_secret(first.json()["client_secret"])
        assert again.json() == {"client_secret": None}

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({}, [("/name", "required")]),
            ({"name": "T", "rights": ["see_orders", "fly"]}, [("/rights/1", "unknown_right")]),
            ({"name": "T", "expires_at": "2020-01-01T00:00:00Z"}, [("/expires_at", "invalid")]),
            ({"name": "T", "secret": "x"}, [("/secret", "unknown_field")]),
        ],
    )
    def test_what_is_wrong_is_named(self, body, expected):
        assert pointers(Caller(keeper()).post("/machines/", body)) == expected

    def test_who_lacks_a_right_is_refused(self):
        response = Caller(employee("manage_employees")).post(
            "/machines/", {"name": "Till", "rights": ["see_reports"]}
        )

        assert response.status_code == 403
        assert response.json() == problem(
            response,
            code="permission_denied",
            detail="You can't grant what you may not do yourself: See reports.",
        )

    def test_it_is_changed_and_revoked(self):
        till, _ = make(rights=["see_orders"])
        api = Caller(keeper())

        changed = api.patch(f"/machines/{till.pk}/", {"rights": [], "name": "Desk"})
        revoked = api.post(f"/machines/{till.pk}/revoke/")

        assert (changed.status_code, changed.json()["rights"], changed.json()["name"]) == (
            200,
            [],
            "Desk",
        )
        assert (revoked.status_code, revoked.json()["revoked_at"] is None) == (200, False)
