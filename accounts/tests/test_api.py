"""REST of accounts: exact answers, strict input, few statements."""

from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, Invitation, Machine, Membership
from accounts.services import invitations, machines, memberships, people
from accounts.states import Action, Role
from core.tests.rest import parameters, pointers, problem, utc

from .callers import Caller, bearer, employee, fresh, keeper, membership_of, person

pytestmark = pytest.mark.django_db

ALL = [
    "accounts.manage_employees",
    "accounts.see_reports",
    "bookings.handle_booking",
    "bookings.manage_services",
    "bookings.view_booking",
    "catalog.manage_catalogue",
    "catalog.view_product",
    "conversations.handle_interaction",
    "conversations.view_interaction",
    "core.change_periodicjob",
    "core.view_periodicjob",
    "core.view_worker",
    "customers.manage_customers",
    "customers.view_customer",
    "notifications.change_consents",
    "notifications.handle_message",
    "notifications.manage_templates",
    "notifications.view_message",
    "orders.handle_order",
    "orders.view_order",
    "repairs.handle_job",
    "repairs.manage_sources",
    "repairs.view_job",
    "shipping.handle_shipment",
    "shipping.handle_standingorder",
    "shipping.manage_carriers",
    "shipping.view_shipment",
]


@pytest.fixture
def njeri():
    return keeper()


@pytest.fixture
def api(njeri):
    return Caller(njeri)


def shown(membership, **changes):
    """An employee as the API shows them."""
    membership.refresh_from_db()
    return {
        "id": membership.pk,
        "subject": str(membership.user.subject),
        "name": membership.user.first_name,
        "email": membership.user.email,
        "role": membership.role,
        "source": "local",
        "rights": membership.rights,
        "suspended_at": membership.suspended_at and utc(membership.suspended_at),
        "created_at": utc(membership.created_at),
    } | changes


class TestMe:
    def test_a_shopkeeper(self, njeri, api):
        assert api.get("/me/").json() == {
            "subject": str(njeri.subject),
            "name": "Njeri",
            "email": "njeri@example.com",
            "is_staff": True,
            "roles": ["shop-owner"],
            "permissions": ALL,
        }

    def test_a_shopper_by_session_and_token_alike(self):
        amina = person()
        expected = {
            "subject": str(amina.subject),
            "name": "Amina",
            "email": "amina@example.com",
            "is_staff": False,
            "roles": [],
            "permissions": [],
        }

        assert Caller(amina).get("/me/").json() == expected
        assert Caller().get("/me/", **bearer(amina.subject)).json() == expected

    def test_a_machine(self):
        till, _ = machines.create_machine(by=None, name="Till", rights=["see_reports"])

        assert Caller().get("/me/", **bearer(till.client_id)).json() == {
            "subject": str(till.user.subject),
            "name": "Till",
            "email": "",
            "is_staff": False,
            "roles": [],
            "permissions": ["accounts.see_reports", "catalog.view_product"],
        }

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"nickname": "A"}, [("/nickname", "unknown_field")]),
            ({"name": ""}, [("/name", "blank")]),
            ({"name": "x" * 151}, [("/name", "max_length")]),
            ({"name": None}, [("/name", "null")]),
            ({"name": "a\x00"}, [("/name", "null_characters_not_allowed")]),
        ],
    )
    def test_what_is_wrong_is_named(self, api, body, expected):
        assert pointers(api.patch("/me/", body)) == expected

    def test_nothing_changes_nothing(self, njeri, api):
        assert api.patch("/me/", {}).json()["name"] == "Njeri"
        assert fresh(njeri).first_name == "Njeri"


def test_rights_are_told_in_a_shopkeepers_words(api):
    assert api.get("/rights/").json() == [
        {
            "code": "see_orders",
            "label": "See orders",
            "permissions": [
                "orders.view_order",
                "shipping.view_shipment",
                "catalog.view_product",
                "notifications.view_message",
            ],
        },
        {
            "code": "handle_orders",
            "label": "Handle orders",
            "permissions": [
                "orders.view_order",
                "orders.handle_order",
                "shipping.view_shipment",
                "shipping.handle_shipment",
                "shipping.handle_standingorder",
                "catalog.view_product",
                "customers.view_customer",
                "notifications.view_message",
                "notifications.handle_message",
            ],
        },
        {
            "code": "manage_carriers",
            "label": "Manage carriers",
            "permissions": [
                "shipping.view_shipment",
                "shipping.manage_carriers",
                "catalog.view_product",
            ],
        },
        {
            "code": "see_bookings",
            "label": "See bookings",
            "permissions": [
                "bookings.view_booking",
                "catalog.view_product",
                "notifications.view_message",
            ],
        },
        {
            "code": "handle_bookings",
            "label": "Handle bookings",
            "permissions": [
                "bookings.view_booking",
                "bookings.handle_booking",
                "catalog.view_product",
                "customers.view_customer",
                "notifications.view_message",
                "notifications.handle_message",
            ],
        },
        {
            "code": "see_repairs",
            "label": "See repairs",
            "permissions": [
                "repairs.view_job",
                "catalog.view_product",
                "notifications.view_message",
            ],
        },
        {
            "code": "handle_repairs",
            "label": "Handle repairs",
            "permissions": [
                "repairs.view_job",
                "repairs.handle_job",
                "catalog.view_product",
                "notifications.view_message",
                "notifications.handle_message",
            ],
        },
        {
            "code": "manage_sources",
            "label": "Manage clients' databases",
            "permissions": [
                "repairs.view_job",
                "repairs.manage_sources",
                "catalog.view_product",
            ],
        },
        {
            "code": "see_conversations",
            "label": "See conversations",
            "permissions": [
                "conversations.view_interaction",
                "catalog.view_product",
                "customers.view_customer",
            ],
        },
        {
            "code": "handle_conversations",
            "label": "Handle conversations",
            "permissions": [
                "conversations.view_interaction",
                "conversations.handle_interaction",
                "catalog.view_product",
                "customers.view_customer",
                "notifications.view_message",
            ],
        },
        {
            "code": "manage_catalogue",
            "label": "Manage catalogue",
            "permissions": [
                "catalog.view_product",
                "catalog.manage_catalogue",
                "bookings.manage_services",
            ],
        },
        {
            "code": "manage_customers",
            "label": "Manage customers",
            "permissions": [
                "catalog.view_product",
                "customers.view_customer",
                "customers.manage_customers",
                "notifications.change_consents",
            ],
        },
        {
            "code": "see_reports",
            "label": "See reports",
            "permissions": ["catalog.view_product", "accounts.see_reports"],
        },
        {
            "code": "manage_employees",
            "label": "Manage employees",
            "permissions": ["catalog.view_product", "accounts.manage_employees"],
        },
    ]


class TestEmployees:
    @pytest.fixture
    def baraka(self):
        return membership_of(employee("see_orders"))

    def test_one_is_this(self, api, baraka):
        response = api.get(f"/employees/{baraka.pk}/")

        assert (response.status_code, response.json()) == (
            200,
            {
                "id": baraka.pk,
                "subject": str(baraka.user.subject),
                "name": "Baraka",
                "email": "baraka@example.com",
                "role": "shop-employee",
                "source": "local",
                "rights": ["see_orders"],
                "suspended_at": None,
                "created_at": utc(baraka.created_at),
            },
        )
        assert api.get("/employees/9999/").status_code == 404
        assert api.get("/employees/x/").status_code == 404

    def test_the_list_is_narrowed(self, njeri, api, baraka):
        memberships.suspend(membership_id=baraka.pk, by=njeri)
        keeper_of_it = membership_of(njeri)

        def listed(query):
            response = api.get(f"/employees/{query}")
            assert response.status_code == 200, response.content
            return [each["name"] for each in response.json()["results"]]

        assert api.get("/employees/").json()["results"] == [shown(keeper_of_it), shown(baraka)]
        assert listed("?role=shop-owner") == ["Njeri"]
        assert listed("?suspended=true") == ["Baraka"]
        assert listed("?suspended=false") == ["Njeri"]
        assert listed("?source=oidc") == []
        assert listed("?search=BARAKA@") == ["Baraka"]
        assert listed("?ordering=-created_at") == ["Baraka", "Njeri"]
        assert parameters(api.get("/employees/?suspended=maybe")) == [("suspended", "invalid")]

    def test_rights_and_role_change(self, api, baraka):
        changed = api.patch(f"/employees/{baraka.pk}/", {"rights": ["see_reports", "see_orders"]})
        promoted = api.patch(f"/employees/{baraka.pk}/", {"role": "shop-owner"})

        assert (changed.status_code, changed.json()) == (
            200,
            shown(baraka, role="shop-employee", rights=["see_orders", "see_reports"]),
        )
        assert promoted.json() == shown(baraka, role="shop-owner")
        assert promoted["ETag"] == api.get(f"/employees/{baraka.pk}/")["ETag"]

    def test_what_was_read_can_be_sent_back(self, api, baraka):
        read = api.get(f"/employees/{baraka.pk}/").json()

        assert api.patch(f"/employees/{baraka.pk}/", read).json() == read

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"rights": ["see_orders", "fly"]}, [("/rights/1", "unknown_right")]),
            ({"rights": "see_orders"}, [("/rights", "not_a_list")]),
            ({"rights": [["see_orders"]]}, [("/rights/0", "invalid")]),
            ({"role": "shop-cat"}, [("/role", "invalid_choice")]),
            (
                {"right": ["see_orders"], "role": "shop-cat"},
                [("/right", "unknown_field"), ("/role", "invalid_choice")],
            ),
        ],
    )
    def test_what_is_wrong_is_named_and_changes_nothing(self, api, baraka, body, expected):
        assert pointers(api.patch(f"/employees/{baraka.pk}/", body)) == expected
        baraka.refresh_from_db()
        assert (baraka.role, baraka.rights) == (Role.EMPLOYEE, ["see_orders"])

    def test_who_lacks_a_right_is_refused(self, baraka):
        halima = employee("manage_employees", name="Halima")

        response = Caller(halima).patch(
            f"/employees/{baraka.pk}/", {"rights": ["see_orders", "see_reports"]}
        )

        assert response.status_code == 403
        assert response.json() == problem(
            response,
            code="permission_denied",
            detail="You can't grant what you may not do yourself: See reports.",
        )

    def test_suspended_and_back(self, api, baraka):
        suspended = api.post(f"/employees/{baraka.pk}/suspend/")
        assert (suspended.status_code, suspended.json()) == (200, shown(baraka))
        assert suspended.json()["suspended_at"] is not None

        resumed = api.post(f"/employees/{baraka.pk}/resume/", {})
        assert (resumed.status_code, resumed.json()) == (200, shown(baraka, suspended_at=None))
        assert pointers(api.post(f"/employees/{baraka.pk}/suspend/", {"for": "ever"})) == [
            ("/for", "unknown_field")
        ]

    def test_removed(self, api, baraka):
        response = api.delete(f"/employees/{baraka.pk}/")

        assert (response.status_code, response.content) == (204, b"")
        assert api.get(f"/employees/{baraka.pk}/").status_code == 404
        assert fresh(baraka.user).is_active

    def test_the_last_shopkeeper_stays(self, njeri, api):
        me = membership_of(njeri).pk
        detail = "The shop needs a shopkeeper. Make somebody else one first."

        for attempt in (
            partial(api.delete, f"/employees/{me}/"),
            partial(api.patch, f"/employees/{me}/", {"role": "shop-employee"}),
            partial(api.post, f"/employees/{me}/suspend/"),
        ):
            response = attempt()
            assert response.status_code == 409
            assert response.json() == problem(response, code="last_shopkeeper", detail=detail)
        assert fresh(njeri).roles == ["shop-owner"]

    def test_what_the_provider_decides_is_told(self, njeri, api):
        amina = person()
        memberships.follow_claims(user=amina, roles={"shop-employee"})
        key = membership_of(amina).pk

        for response in (
            api.delete(f"/employees/{key}/"),
            api.patch(f"/employees/{key}/", {"role": "shop-owner"}),
        ):
            assert (response.status_code, response.json()["code"]) == (409, "provider_decides")
        assert api.patch(f"/employees/{key}/", {"rights": ["see_orders"]}).status_code == 200

    def test_they_are_not_made_but_invited(self, api):
        assert api.post("/employees/", {"role": "shop-owner"}).status_code == 405

    @pytest.mark.parametrize("verb", ["patch", "delete", "suspend", "resume"])
    def test_what_changed_meanwhile_is_not_overwritten(self, njeri, api, baraka, verb):
        path = f"/employees/{baraka.pk}/"
        old = api.get(path)["ETag"]
        memberships.change_membership(membership_id=baraka.pk, by=njeri, rights=["see_reports"])
        before = Membership.objects.filter(pk=baraka.pk).values().get()
        calls = {
            "patch": partial(api.patch, path, {"rights": []}),
            "delete": partial(api.delete, path),
            "suspend": partial(api.post, f"{path}suspend/"),
            "resume": partial(api.post, f"{path}resume/"),
        }

        refused = calls[verb](if_match=old)
        assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
        assert Membership.objects.filter(pk=baraka.pk).values().get() == before

        assert calls[verb](if_match=api.get(path)["ETag"]).status_code in {200, 204}


class TestIfMatch:
    """Of what else can be changed."""

    def test_an_invitation(self, api):
        made, _ = invitations.invite(by=None)
        path = f"/invitations/{made.pk}/"
        old = api.get(path)["ETag"]
        Invitation.objects.update(email="new@example.com")

        assert api.post(f"{path}revoke/", if_match=old).status_code == 412
        assert api.get(path).json()["state"] == "open"
        assert api.post(f"{path}revoke/", if_match=api.get(path)["ETag"]).status_code == 200

    @pytest.mark.parametrize("verb", ["patch", "revoke", "renew-secret"])
    def test_a_machine(self, api, verb):
        made, secret = machines.create_machine(by=None, name="Till")
        path = f"/machines/{made.pk}/"
        old = api.get(path)["ETag"]
        Machine.objects.update(name="Desk")

        def call(etag):
            if verb == "patch":
                return api.patch(path, {"name": "Other"}, if_match=etag).status_code
            return api.post(f"{path}{verb}/", if_match=etag).status_code

        assert call(old) == 412
        made.refresh_from_db()
        assert (made.name, made.revoked_at) == ("Desk", None)
        assert made.client.check_secret(secret)
        assert call(api.get(path)["ETag"]) == 200


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/invitations/", {"mail": "a@example.com"}, [("/mail", "unknown_field")]),
        ("/invitations/", {"email": "nobody"}, [("/email", "invalid")]),
        ("/invitations/", {"phone": "12"}, [("/phone", "impossible_phone")]),
        ("/invitations/", {"role": "cat"}, [("/role", "invalid_choice")]),
        ("/invitations/", {"rights": ["fly"]}, [("/rights/0", "unknown_right")]),
        (
            "/invitations/",
            {"email": "a@example.com", "phone": "0722000000"},
            [("/phone", "invalid")],
        ),
        ("/invitations/accept/", {}, [("/token", "required")]),
        ("/invitations/accept/", {"token": "x" * 201}, [("/token", "max_length")]),
        ("/invitations/accept/", {"token": "x", "user": 1}, [("/user", "unknown_field")]),
    ],
)
def test_what_is_wrong_with_an_invitation_is_named(api, path, body, expected):
    assert pointers(api.post(path, body)) == expected
    assert not Invitation.objects.exists()


class TestLists:
    """As many statements at three rows as at one."""

    def make_employees(self, number):
        employee("see_orders", name=f"Employee {number}")

    def make_invitations(self, number):
        invitations.invite(by=keeper(f"Inviter {number}"))

    def make_machines(self, number):
        machines.create_machine(by=None, name=f"Till {number}")

    def make_audit(self, number):
        people.register(user=person(f"Person {number}"))

    @pytest.mark.parametrize("name", ["employees", "invitations", "machines", "audit"])
    def test_it_asks_as_much_for_three_as_for_one(self, njeri, name):
        api, counts, rows = Caller(njeri), [], []
        for number in range(3):
            getattr(self, f"make_{name}")(number)
            with CaptureQueriesContext(
                connection,
            ) as asked:
                response = api.get(f"/{name}/")
            counts.append(len(asked))
            rows.append(len(response.json()["results"]))

        assert counts[0] == counts[2]
        assert rows[2] >= rows[0] + 2

    def test_pages_lead_to_one_another(self, api):
        for number in range(3):
            self.make_machines(number)

        first = api.get("/machines/?page_size=2").json()
        second = api.get(first["next"].partition("/api/v1")[2]).json()

        assert [each["name"] for each in first["results"]] == ["Till 0", "Till 1"]
        assert [each["name"] for each in second["results"]] == ["Till 2"]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [("", ["Desk", "Till"]), ("?revoked=true", ["Till"]), ("?revoked=false", ["Desk"])],
    )
    def test_machines_are_narrowed(self, api, query, expected):
        machines.create_machine(by=None, name="Desk")
        till, _ = machines.create_machine(by=None, name="Till")
        machines.revoke_machine(machine_id=till.pk, by=None)

        results = api.get(f"/machines/{query}").json()["results"]
        assert [each["name"] for each in results] == expected
        assert parameters(api.get("/machines/?revoked=2")) == [("revoked", "invalid")]

    def test_invitations_show_what_became_of_them(self, njeri, api):
        states = {}
        for state in ("open", "expired", "revoked", "accepted"):
            made, link = invitations.invite(by=njeri, email=f"{state}@example.com")
            if state == "expired":
                Invitation.objects.filter(pk=made.pk).update(expires_at=timezone.now())
            elif state == "revoked":
                invitations.revoke(invitation_id=made.pk, by=njeri)
            elif state == "accepted":
                invitations.accept(token=link.split("/")[-2], user=person())
            states[made.pk] = state

        results = api.get("/invitations/").json()["results"]

        assert {each["id"]: each["state"] for each in results} == states
        found = api.get("/invitations/?search=expired&role=shop-employee").json()["results"]
        assert [each["email"] for each in found] == ["expired@example.com"]


def test_a_refused_deletion_undoes_all_of_it(njeri, api):
    """The check comes after the deletion, in the same transaction."""
    key = membership_of(njeri).pk

    api.delete(f"/employees/{key}/", idempotency_key="x")

    assert Membership.objects.filter(pk=key).exists()
    assert not AuditEntry.objects.filter(action=Action.REMOVED).exists()
