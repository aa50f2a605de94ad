"""A person's own account: its beginning, their data, and that its end leaves nobody to be known."""

import json
from decimal import Decimal

import pytest
from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Client as OAuthClient
from allauth.idp.oidc.models import Token
from django.apps import apps
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from accounts.exceptions import LastShopkeeper
from accounts.models import AuditEntry, Identity, Invitation, Membership, User
from accounts.services import invitations, machines, memberships, people
from accounts.states import Action, Role
from catalog.tests.factories import VariantFactory
from core.tests.rest import pointers, problem, utc
from customers.models import Customer
from customers.services import send_phone_code, update_customer
from notifications.models import Message
from orders import services as orders

from .callers import PASSWORD, Caller, bearer, employee, fresh, keeper, membership_of, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def amina():
    return person()


def order_of(user, *, price="12.50", quantity=2, note=""):
    variant = VariantFactory.create(price=price, stock=100)
    return orders.place_order(
        customer=Customer.objects.get(user=user),
        lines=[orders.Wanted(sku=variant.sku, quantity=quantity)],
        by=user,
        note=note,
    )


class TestRegistration:
    def test_it_makes_a_customer(self, amina):
        customer = Customer.objects.get()

        assert (customer.user, customer.name, customer.email, customer.phone) == (
            amina,
            "Amina",
            "amina@example.com",
            "",
        )
        told = AuditEntry.objects.get(action=Action.REGISTERED)
        assert (told.actor, told.actor_subject, told.target) == (amina, amina.subject, "Amina")

    def test_from_an_outside_provider_without_a_verified_address_there_is_none_yet(self):
        made = people.create_person(issuer="https://login.example", subject="7", given_name="Amina")

        assert (made.email, made.has_usable_password(), made.is_staff) == ("", False, False)
        assert list(made.identities.values_list("issuer", "subject")) == [
            ("https://login.example", "7")
        ]
        assert not Customer.objects.exists()

    def test_a_record_with_the_address_stays_who_it_is(self):
        """An e-mail address in the books was typed by somebody: it proves nothing."""
        typed = Customer.objects.create(code="C1", name="Old", email="amina@example.com")

        amina = person()

        typed.refresh_from_db()
        assert typed.user is None
        assert Customer.objects.get(user=amina).code != "C1"


class TestName:
    def test_a_change_is_the_customers_too(self, amina):
        response = Caller(amina).patch("/me/", {"name": "Amina Otieno"})

        assert (response.status_code, response.json()["name"]) == (200, "Amina Otieno")
        assert fresh(amina).get_full_name() == "Amina Otieno"
        assert Customer.objects.get().name == "Amina Otieno"

    @pytest.mark.parametrize(
        "name",
        [
            "Am\nina",
            "Amina\x7f",
            "Am\x1bina",
            "\u202eanimA",
            "A\u2066mina",
            "Am\u200bina",
            "A\u2028b",
        ],
        ids=["line end", "delete", "escape", "override", "isolate", "zero width", "separator"],
    )
    def test_what_no_name_has_is_refused_by_rest_and_at_the_field(self, amina, name):
        response = Caller(amina).patch("/me/", {"name": name})
        page = Caller(amina).client.post("/account/", {"name": name})

        assert response.status_code == 400
        assert pointers(response) == [("/name", "invalid")]
        assert page.status_code == 200
        assert page.context["form"].errors == {"name": ["A name has no control characters."]}
        assert fresh(amina).get_full_name() == "Amina"

    @pytest.mark.parametrize(
        "name",
        [
            "O'Brien-Łukasz",
            "山田　太郎",
            "Amina\xa0Otieno",
            "علی‌رضا",
            "අ‍යි",
            "Nguyễn",
            "𝒜 🙂",
            "👩‍🍳",
        ],
    )
    def test_names_of_all_the_world_are_names(self, amina, name):
        assert Caller(amina).patch("/me/", {"name": name}).status_code == 200
        assert fresh(amina).get_full_name() == name

    def test_a_machine_does_not_name_itself(self):
        till, _ = machines.create_machine(by=None, name="Till", rights=["see_orders"])

        response = Caller().patch("/me/", {"name": "Njeri"}, **bearer(till.client_id))

        assert response.status_code == 403
        assert response.json() == problem(
            response,
            code="permission_denied",
            detail="A machine's name is changed by those who manage employees.",
        )
        assert fresh(till.user).get_full_name() == "Till"

    def test_the_rest_is_not_theirs_to_change(self, amina):
        body = {"name": "A", "email": "x@example.com", "is_staff": True, "roles": ["shop-owner"]}

        response = Caller(amina).patch("/me/", body)

        amina = fresh(amina)
        assert response.status_code == 200
        assert (amina.email, amina.is_staff, amina.roles) == ("amina@example.com", False, [])


class TestData:
    def test_all_of_it_by_section(self, amina):
        customer = Customer.objects.get()
        update_customer(customer_id=customer.pk, phone="0722000000")
        order = order_of(amina, note="By the gate.")
        line, placed = order.lines.get(), order.history.get()
        # Of another: not theirs.
        order_of(person("Halima"))

        response = Caller(amina).get("/me/data/")

        customer.refresh_from_db()
        amina = fresh(amina)
        message = Message.objects.get(recipient=customer.code)
        data = response.json()
        assert [each["action"] for each in data.pop("audit")] == ["signed_in", "registered"]
        assert data == {
            "work": [],
            "repairs": [],
            "account": {
                "subject": str(amina.subject),
                "name": "Amina",
                "email": "amina@example.com",
                "joined_at": utc(amina.date_joined),
                "last_login_at": utc(amina.last_login),
                "roles": [],
                "identities": [],
            },
            "customer": {
                "code": customer.code,
                "name": "Amina",
                "phone": "+254722000000",
                "email": "amina@example.com",
                "language": "en",
                "created_at": utc(customer.created_at),
            },
            "bookings": [],
            "shipments": [],
            "standing_orders": [],
            "orders": [
                {
                    "number": order.number,
                    "status": "pending",
                    "placed_at": utc(order.placed_at),
                    "total": "25.00",
                    "currency": "KES",
                    "note": "By the gate.",
                    "delivery": {
                        "delivery_method": "collection",
                        "recipient": "",
                        "address_line_1": "",
                        "address_line_2": "",
                        "city": "",
                        "postcode": "",
                        "country": "",
                    },
                    "lines": [
                        {
                            "sku": line.sku,
                            "name": line.name,
                            "quantity": 2,
                            "unit_price": "12.50",
                        }
                    ],
                    "history": [
                        {"what": "placed", "at": utc(placed.at), "reason": "", "changes": {}}
                    ],
                }
            ],
            "messages": [
                {
                    "event": "order.placed",
                    "to": "+254722000000",
                    "body": message.body,
                    "status": "queued",
                    "created_at": utc(message.created_at),
                    "sent_at": None,
                }
            ],
        }
        assert "KES 25.00" in message.body
        assert response["Content-Disposition"] == 'attachment; filename="my-data.json"'
        assert AuditEntry.objects.get(action=Action.DATA_TAKEN).actor == amina

    def test_asked_for_in_a_loop_it_is_told_once_a_minute(self, amina):
        cache.clear()
        for _ in range(3):
            people.personal_data(user=amina)
        people.personal_data(user=person("Halima"))

        told = AuditEntry.objects.filter(action=Action.DATA_TAKEN).order_by("pk")
        assert [each.target for each in told] == ["Amina", "Halima"]

        cache.delete(f"data-taken-{amina.pk}")
        people.personal_data(user=amina)
        assert told.all().count() == 3

    def test_of_the_log_the_newest_thousand_entries_are_in_it(self, amina):
        AuditEntry.objects.bulk_create(
            AuditEntry(
                actor=amina, actor_subject=amina.subject, action=Action.REFUSED, target=f"x{number}"
            )
            for number in range(1005)
        )

        told = [each["target"] for each in people.personal_data(user=amina)["audit"]]

        assert told == [f"x{number}" for number in reversed(range(5, 1005))]

    def test_the_page_gives_the_same_by_a_post(self, amina):
        client = Caller(amina).client

        page = client.post("/account/data/")

        data, rest = json.loads(page.content), Caller(amina).get("/me/data/").json()
        for each in (data, rest):
            # Signed in once more meanwhile; and the page's times are cut to milliseconds.
            del each["account"]["joined_at"], each["account"]["last_login_at"]
            del each["customer"]["created_at"], each["audit"]
        assert data == rest
        assert page["Content-Disposition"] == 'attachment; filename="my-data.json"'
        assert client.get("/account/data/").status_code == 405

    def test_who_is_no_customer_has_an_account_alone(self):
        made = people.create_person(issuer="https://login.example", subject="7")

        data = people.personal_data(user=made)
        assert [each["action"] for each in data.pop("audit")] == ["registered"]
        assert data == {
            "work": [],
            "account": {
                "subject": str(made.subject),
                "name": "",
                "email": "",
                "joined_at": made.date_joined,
                "last_login_at": None,
                "roles": [],
                "identities": [{"issuer": "https://login.example", "subject": "7"}],
            },
        }

    def test_secret_messages_are_not_told(self, amina):
        send_phone_code(user=amina, phone="0722000000")

        assert people.personal_data(user=amina)["messages"] == []


class TestLeaving:
    def test_orders_and_amounts_stay_without_who_it_was(self, amina):
        update_customer(customer_id=Customer.objects.get().pk, phone="0722000000")
        order = order_of(amina, note="By the gate.")
        orders.accept_order(order_id=order.pk, by=None)
        Message.objects.filter(event="order.placed").update(status="sent")

        people.delete_account(user=amina)

        customer = Customer.objects.get()
        assert (customer.name, customer.phone, customer.email, customer.user) == (
            "Former customer",
            "",
            "",
            None,
        )
        assert customer.forgotten_at is not None
        order.refresh_from_db()
        assert (order.customer, order.status, order.total, order.note) == (
            customer,
            "accepted",
            Decimal("25.00"),
            "",
        )
        line = order.lines.get()
        assert (line.quantity, line.unit_price) == (2, Decimal("12.50"))
        assert [each.by for each in order.history.order_by("pk")] == [None, None]
        told = Message.objects.order_by("pk").values_list("event", "status", "body", "to")
        assert list(told) == [
            ("order.placed", "sent", "", ""),
            ("order.accepted", "suppressed", "", ""),
        ]
        # They can be handled to their end; nobody is told.
        orders.fulfil_order(order_id=order.pk, by=None)
        assert Message.objects.latest("pk").status == "suppressed"
        assert "Amina" not in Message.objects.latest("pk").body

    def test_what_opened_the_shop_to_them_is_gone(self, amina):
        Identity.objects.create(issuer="https://login.example", subject="7", user=amina)
        Token.objects.create(
            client=OAuthClient.objects.create(name="App"),
            user=amina,
            type=Token.Type.REFRESH_TOKEN,
            hash="x",
            expires_at=timezone.now(),
        )
        memberships.employ(user=amina, role=Role.EMPLOYEE)
        keeper()
        session, token = Caller(amina), bearer(amina.subject)
        assert session.get("/me/").status_code == 200
        assert Caller().get("/me/", **token).status_code == 200

        people.delete_account(user=amina)

        assert not User.objects.filter(pk=amina.pk).exists()
        assert (Identity.objects.count(), Token.objects.count()) == (0, 0)
        assert not EmailAddress.objects.filter(email="amina@example.com").exists()
        assert Membership.objects.count() == 1
        users = User.objects.count()
        refused = Caller().get("/me/", **token)
        assert (refused.status_code, refused.json()["detail"]) == (
            401,
            "Nobody here is known by this token.",
        )
        assert session.get("/me/").status_code == 401
        assert session.client.get("/account/").status_code == 302
        assert User.objects.count() == users

    def test_no_table_holds_who_they_were(self, amina):
        """Not even the audit log, the queue of mails or what was repeated for a key."""
        njeri = keeper()
        markers = ["Amina", "amina", "722000000", str(amina.subject)]
        update_customer(customer_id=Customer.objects.get(user=amina).pk, phone="0722000000")
        order_of(amina, note="For Amina")
        api = Caller(amina)
        _, link = invitations.invite(by=njeri, email="amina@example.com")
        api.post("/invitations/accept/", {"token": link.split("/")[-2]})
        key = membership_of(amina).pk
        Caller(njeri).patch(f"/employees/{key}/", {"rights": ["see_orders"]})
        Caller(njeri).delete(f"/employees/{key}/")
        Client().post("/accounts/login/", {"login": "amina@example.com", "password": "wrong"})
        api.post("/me/phone/", {"phone": "0722000000"})
        api.patch("/me/", {"name": "Amina Otieno"})
        api.get("/me/data/")

        people.delete_account(user=fresh(amina))

        kept = {
            f"{model.__name__}: {row}"
            for model in apps.get_models()
            # Mails that are done with go within a day.
            if model is not DBTaskResult
            for row in map(str, model.objects.values_list())
            # Of the audit log the subject stays, to tell what was done by one and the same.
            if any(each in row for each in (markers[:3] if model is AuditEntry else markers))
        }
        assert sorted(kept) == []

    def test_others_of_the_same_name_keep_their_entries(self, amina):
        other = people.create_local_person(name="Amina", email="2@example.com", password=PASSWORD)
        memberships.employ(user=other, role=Role.EMPLOYEE, rights=["see_orders"], by=keeper())

        people.delete_account(user=amina)

        told = AuditEntry.objects.filter(action=Action.GRANTED).latest("pk")
        assert (told.target, told.detail) == (
            "Amina",
            {"role": "shop-employee", "rights": ["see_orders"]},
        )

    def test_the_log_tells_that_somebody_left(self, amina):
        people.delete_account(user=amina)

        told = AuditEntry.objects.get(action=Action.LEFT)
        assert (told.actor, told.target, told.detail) == (None, str(amina.subject), {})
        registered = AuditEntry.objects.get(action=Action.REGISTERED)
        assert (registered.actor, registered.actor_subject, registered.target) == (
            None,
            amina.subject,
            str(amina.subject),
        )

    def test_what_they_made_for_the_shop_goes_on(self):
        keeper("Stays")
        njeri = keeper()
        till, _ = machines.create_machine(by=njeri, name="Till", rights=["see_orders"])
        invitations.invite(by=njeri)

        people.delete_account(user=njeri)

        till.refresh_from_db()
        assert (till.created_by, till.is_usable) == (None, True)
        assert Invitation.objects.get().invited_by is None


class TestLeavingByRest:
    def prove(self, caller):
        response = caller.client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        assert response.status_code == 302

    def refused(self, response):
        assert response.status_code == 403
        assert response.json() == problem(
            response,
            code="reauthentication_required",
            detail="Sign in again, in the browser, before you delete your account.",
        )

    def test_a_session_alone_is_not_enough(self, amina):
        caller = Caller(amina)

        self.refused(caller.delete("/me/"))
        self.prove(caller)
        left = caller.delete("/me/")

        assert (left.status_code, left.content) == (204, b"")
        assert not User.objects.exists()
        assert caller.get("/me/").status_code == 401

    def test_a_wrong_password_proves_nothing(self, amina):
        caller = Caller(amina)
        caller.client.post("/accounts/reauthenticate/", {"password": "wrong"})

        self.refused(caller.delete("/me/"))

    def test_a_proof_of_long_ago_is_none(self, amina, settings):
        caller = Caller(amina)
        self.prove(caller)
        settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = -1

        self.refused(caller.delete("/me/"))

    def test_a_token_never_is(self, amina):
        self.refused(Caller().delete("/me/", **bearer(amina.subject)))

        # Nor one beside a session that has proved it.
        caller = Caller(amina)
        self.prove(caller)
        self.refused(caller.delete("/me/", **bearer(amina.subject)))
        assert fresh(amina).is_active

    def test_without_a_csrf_token_it_is_refused(self, amina):
        caller = Caller(amina, enforce_csrf_checks=True)

        assert caller.delete("/me/").status_code == 403
        assert fresh(amina).is_active

    def test_the_last_shopkeeper_is_told_to_make_another(self):
        njeri = keeper()
        caller = Caller(njeri)
        self.prove(caller)

        response = caller.delete("/me/")

        assert response.status_code == 409
        assert response.json() == problem(
            response,
            code="last_shopkeeper",
            detail="The last shopkeeper cannot leave. Make somebody else one first.",
        )
        assert fresh(njeri).roles == ["shop-owner"]
        # Nor are they signed out by it.
        assert caller.get("/me/").status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_the_page_does_the_same(self, amina):
        client = Caller(amina).client
        assert client.post("/account/delete/")["Location"] == (
            "/accounts/reauthenticate/?next=%2Faccount%2Fdelete%2F"
        )
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        assert client.get("/account/delete/").status_code == 200
        assert User.objects.filter(pk=amina.pk).exists()

        gone = client.post("/account/delete/")
        assert (gone.status_code, gone.context["title"]) == (200, "Your account is deleted")
        assert not gone.wsgi_request.user.is_authenticated
        assert not User.objects.exists()

    def test_an_employee_may_go_whatever_they_are(self):
        keeper()
        baraka = employee("manage_employees")

        people.delete_account(user=baraka)

        assert not Membership.objects.filter(role=Role.EMPLOYEE).exists()

    def test_nothing_is_forgotten_where_leaving_is_refused(self):
        njeri = keeper()

        with pytest.raises(LastShopkeeper):
            people.delete_account(user=njeri)

        assert Customer.objects.get().name == "Njeri"
        assert not AuditEntry.objects.filter(action=Action.LEFT).exists()
