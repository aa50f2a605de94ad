"""Customers follow their accounts: one each, named alike, and each sees only their own."""

from functools import partial

import pytest

from accounts.services import machines, people
from accounts.tests.callers import Caller, bearer, employee, fresh, person
from core.tests.races import at_once
from core.tests.rest import pointers, utc
from customers.models import Customer
from customers.services import create_customer, ensure_customer_of, update_customer
from orders.tests.factories import OrderFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def amina():
    return person()


def own(user):
    return Customer.objects.get(user=user)


class TestOfAnAccount:
    def test_there_is_one_however_often_it_is_asked_for(self, amina):
        assert ensure_customer_of(user=amina) == ensure_customer_of(user=amina) == own(amina)

    @pytest.mark.django_db(transaction=True)
    def test_and_by_many_at_once(self):
        amina = person()
        Customer.objects.all().delete()

        found = at_once([partial(ensure_customer_of, user=fresh(amina))] * 4)

        assert {each.pk for each in found} == {own(amina).pk}

    def test_a_nameless_one_is_called_by_the_address(self):
        user = people.create_person(
            issuer="https://login.example", subject="7", email="amina.o@example.com"
        )

        assert own(user).name == "amina.o"

    def test_a_machine_is_no_customer(self):
        till, _ = machines.create_machine(by=None, name="Till")
        api = Caller()

        assert ensure_customer_of(user=till.user) is None
        assert api.get("/me/customer/", **bearer(till.client_id)).status_code == 404

    def test_a_new_name_and_address_are_the_customers_too(self, amina):
        update_customer(customer_id=own(amina).pk, phone="0722000000", language="sw")
        amina.email = "new@example.com"
        amina.save()

        people.change_name(user=amina, name="Amina Otieno")

        customer = own(amina)
        assert (customer.name, customer.email, customer.phone, customer.language) == (
            "Amina Otieno",
            "new@example.com",
            "+254722000000",
            "sw",
        )


class TestMyCustomer:
    def test_it_is_shown(self, amina):
        customer = own(amina)

        response = Caller(amina).get("/me/customer/")

        assert (response.status_code, response.json()) == (
            200,
            {
                "code": customer.code,
                "name": "Amina",
                "phone": "",
                "email": "amina@example.com",
                "language": "en",
                "created_at": utc(customer.created_at),
                "updated_at": utc(customer.updated_at),
            },
        )
        assert Caller().get("/me/customer/", **bearer(amina.subject)).json() == response.json()

    def test_the_language_changes_and_what_is_proved_elsewhere_does_not(self, amina):
        before = own(amina)
        body = {"language": "sw", "name": "X", "phone": "0733000000", "email": "x@example.com"}

        response = Caller(amina).patch("/me/customer/", body)

        after = own(amina)
        assert (response.status_code, response.json()["language"]) == (200, "sw")
        assert (after.language, after.name, after.phone, after.email) == (
            "sw",
            before.name,
            before.phone,
            before.email,
        )

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"language": "xx"}, [("/language", "invalid_choice")]),
            ({"user": 1}, [("/user", "unknown_field")]),
        ],
    )
    def test_what_is_wrong_is_named(self, amina, body, expected):
        assert pointers(Caller(amina).patch("/me/customer/", body)) == expected

    def test_who_has_neither_address_nor_phone_has_none(self):
        user = people.create_person(issuer="https://login.example", subject="7")

        assert Caller(user).get("/me/customer/").status_code == 404
        assert Caller(user).patch("/me/customer/", {"language": "sw"}).status_code == 404

    def test_strangers_are_401(self):
        assert Caller().get("/me/customer/").status_code == 401
        assert Caller().patch("/me/customer/", {}).status_code == 401


class TestOrders:
    """A shopper sees their own; that there are others is not told."""

    @pytest.fixture
    def orders(self, amina):
        return [
            OrderFactory.create(customer=own(amina)),
            OrderFactory.create(customer=own(person("Halima"))),
            OrderFactory.create(customer=create_customer(name="No account", phone="0722000001")),
        ]

    def numbers(self, response):
        assert response.status_code == 200
        return sorted(each["number"] for each in response.json()["results"])

    @pytest.mark.parametrize("way", ["session", "token"])
    def test_they_see_their_own_only(self, amina, orders, way):
        api = Caller(amina) if way == "session" else Caller()
        headers = {} if way == "session" else bearer(amina.subject)
        mine, *others = (each.number for each in orders)

        assert self.numbers(api.get("/orders/", **headers)) == [mine]
        assert api.get(f"/orders/{mine}/", **headers).json()["number"] == mine
        for number in (*others, "9999"):
            response = api.get(f"/orders/{number}/", **headers)
            assert (response.status_code, response.json()["code"]) == (404, "not_found")

    @pytest.mark.parametrize(
        "query", ["?search=Halima", "?customer=none", "?status=pending", "?ordering=total"]
    )
    def test_no_search_or_filter_shows_more(self, amina, orders, query):
        response = Caller(amina).get(f"/orders/{query}")

        if response.status_code == 200:
            assert set(self.numbers(response)) <= {orders[0].number}

    def test_they_call_off_their_own_and_cannot_know_of_others(self, amina, orders):
        answers = [Caller(amina).post(f"/orders/{order.number}/cancel/", {}) for order in orders]

        assert [response.status_code for response in answers] == [200, *[404] * (len(orders) - 1)]

    @pytest.mark.parametrize("verb", ["accept", "reject", "fulfil"])
    def test_verbs_are_the_shops(self, amina, orders, verb):
        for order in orders:
            response = Caller(amina).post(f"/orders/{order.number}/{verb}/", {})
            assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
            order.refresh_from_db()
            assert order.status == "pending"

    def test_nor_do_they_place_orders_for_anybody(self, amina, orders):
        body = {"customer": own(amina).code, "lines": [{"sku": "X", "quantity": 1}]}

        assert Caller(amina).post("/orders/", body).status_code == 403

    @pytest.mark.parametrize("right", ["see_orders", "handle_orders"])
    def test_who_may_see_orders_sees_all(self, orders, right):
        api = Caller(employee(right))

        assert self.numbers(api.get("/orders/")) == sorted(each.number for each in orders)
        assert api.get(f"/orders/{orders[2].number}/").status_code == 200

    def test_an_employee_without_the_right_is_a_shopper_like_others(self, orders):
        baraka = employee("manage_catalogue")
        mine = OrderFactory.create(customer=own(baraka))

        assert self.numbers(Caller(baraka).get("/orders/")) == [mine.number]
        assert Caller(baraka).get(f"/orders/{orders[0].number}/").status_code == 404

    def test_who_never_ordered_and_a_machine_without_the_right_see_none(self, orders):
        till, _ = machines.create_machine(by=None, name="Till")

        assert self.numbers(Caller(person("New")).get("/orders/")) == []
        assert self.numbers(Caller().get("/orders/", **bearer(till.client_id))) == []

    def test_strangers_are_401(self, orders):
        assert Caller().get("/orders/").status_code == 401
        assert Caller().get(f"/orders/{orders[0].number}/").status_code == 401

    @pytest.mark.parametrize("path", ["/customers/", "/messages/", "/employees/", "/audit/"])
    def test_the_shops_other_records_are_not_theirs(self, amina, orders, path):
        assert Caller(amina).get(path).status_code == 403
        assert Caller(amina).get(f"/customers/{own(amina).code}/").status_code == 403
