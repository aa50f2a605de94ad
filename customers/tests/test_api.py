"""REST of customers."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from core.sequences import next_value
from core.tests.rest import parameters, pointers, problem, utc
from customers.models import Customer
from orders.tests.factories import OrderFactory

from .factories import CustomerFactory

pytestmark = pytest.mark.django_db


def body_of(customer):
    """What a GET answers."""
    customer.refresh_from_db()
    return {
        "code": customer.code,
        "name": customer.name,
        "phone": customer.phone,
        "email": customer.email,
        "language": customer.language,
        "created_at": utc(customer.created_at),
        "updated_at": utc(customer.updated_at),
    }


def codes(response):
    assert response.status_code == 200, response.content
    return [row["code"] for row in response.json()["results"]]


# Creating


def test_create_with_a_phone_alone_makes_code_and_language(api):
    last = next_value("customer_code")

    response = api.post("/customers/", {"name": "Wanjiru Kamau", "phone": "0722 000 000"})

    assert response.status_code == 201
    customer = Customer.objects.get()
    assert response.json() == {
        "code": f"C{last + 1}",
        "name": "Wanjiru Kamau",
        "phone": "+254722000000",
        "email": "",
        "language": "en",
        "created_at": utc(customer.created_at),
        "updated_at": utc(customer.updated_at),
    }
    assert response["Location"] == f"http://testserver/api/v1/customers/C{last + 1}/"
    assert timezone.now() - customer.created_at < timedelta(minutes=1)


def test_create_with_everything_answers_everything(api):
    response = api.post(
        "/customers/",
        {
            "code": "VIP_1.a-b",
            "name": "  Wanjiru Kamau ",
            "phone": "+447770 123456",
            "email": "Wanjiru@Example.com",
            "language": "sw",
        },
    )

    assert response.status_code == 201
    customer = Customer.objects.get()
    assert response.json() == body_of(customer)
    assert body_of(customer) | {"created_at": "", "updated_at": ""} == {
        "code": "VIP_1.a-b",
        "name": "Wanjiru Kamau",
        "phone": "+447770123456",
        "email": "wanjiru@example.com",
        "language": "sw",
        "created_at": "",
        "updated_at": "",
    }


def test_create_names_an_impossible_phone(api):
    response = api.post("/customers/", {"name": "Amina", "phone": "0722"})

    detail = (
        "This is not a phone number. Write it as 0722 000 000 or with its country code,"
        " +254 722 000 000."
    )
    assert response.status_code == 400
    assert response.json() == problem(
        response,
        code="impossible_phone",
        detail=detail,
        errors=[("/phone", "impossible_phone", detail)],
    )
    assert not Customer.objects.exists()


def test_create_without_phone_and_email_names_both(api):
    response = api.post("/customers/", {"name": "Amina"})

    detail = "Give a phone number or an e-mail address."
    assert response.status_code == 400
    assert response.json() == problem(
        response,
        code="invalid",
        detail=detail,
        errors=[("/phone", "required", detail), ("/email", "required", detail)],
    )


def test_create_names_a_taken_code(api):
    CustomerFactory.create(code="A")

    response = api.post("/customers/", {"name": "Amina", "phone": "0722000000", "code": "A"})

    detail = "Another customer has this code."
    assert response.status_code == 400
    assert response.json() == problem(
        response, code="taken", detail=detail, errors=[("/code", "taken", detail)]
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": ""}, [("/name", "blank")]),
        ({"name": "   "}, [("/name", "blank")]),
        ({"name": None}, [("/name", "null")]),
        ({"name": "n" * 201}, [("/name", "max_length")]),
        ({"name": "\x00"}, [("/name", "null_characters_not_allowed")]),
        ({"name": ["Amina"]}, [("/name", "invalid")]),
        ({"phone": "0" * 33}, [("/phone", "max_length")]),
        ({"phone": None}, [("/phone", "null")]),
        ({"email": "amina"}, [("/email", "invalid")]),
        ({"email": "a" * 250 + "@example.com"}, [("/email", "max_length")]),
        ({"code": ""}, [("/code", "blank")]),
        ({"code": "a b"}, [("/code", "invalid")]),
        ({"code": "a/b"}, [("/code", "invalid")]),
        ({"code": "é"}, [("/code", "invalid")]),
        ({"code": "c" * 33}, [("/code", "invalid")]),
        ({"language": "de"}, [("/language", "invalid_choice")]),
        ({"colour": "red"}, [("/colour", "unknown_field")]),
        (
            {"name": "", "email": "x", "language": "x", "x": 1},
            [
                ("/x", "unknown_field"),
                ("/name", "blank"),
                ("/email", "invalid"),
                ("/language", "invalid_choice"),
            ],
        ),
    ],
)
def test_create_names_every_wrong_field_at_once(api, fields, expected):
    response = api.post("/customers/", {"name": "Amina", "phone": "0722 000 000", **fields})

    assert sorted(pointers(response)) == sorted(expected)
    assert not Customer.objects.exists()


def test_create_without_a_name_says_it_is_required(api):
    assert pointers(api.post("/customers/", {"phone": "0722 000 000"})) == [("/name", "required")]


# Reading


def test_get_one(api):
    customer = CustomerFactory.create(email="a@example.com", language="sw")

    response = api.get(f"/customers/{customer.code}/")

    assert response.status_code == 200
    assert response.json() == body_of(customer)
    assert re.fullmatch(r'"[0-9a-f]{32}"', response["ETag"])


@pytest.mark.parametrize("code", ["nobody", "cust-1", "CUST-1 ", "%00", "a%2Fb"])
def test_get_somebody_who_is_not_there_is_404(api, code):
    CustomerFactory.create(code="CUST-1")

    response = api.get(f"/customers/{code}/")

    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


def test_list_has_whole_customers_by_name(api):
    second = CustomerFactory.create(name="Zawadi")
    first = CustomerFactory.create(name="Amina")

    response = api.get("/customers/?count=true")

    assert response.status_code == 200
    assert response.json() == {
        "next": None,
        "previous": None,
        "count": 2,
        "results": [body_of(first), body_of(second)],
    }


@pytest.mark.parametrize("rows", [1, 3])
def test_list_takes_the_same_statements_for_one_row_and_three(api, rows, django_assert_num_queries):
    CustomerFactory.create_batch(rows)

    with django_assert_num_queries(4):  # session, user, membership, customers
        response = api.get("/customers/")

    assert len(response.json()["results"]) == rows


def test_list_pages_without_losing_anybody_of_the_same_name(api):
    people = CustomerFactory.create_batch(5, name="Amina")

    seen, path = [], "/customers/?page_size=2"
    while path:
        page = api.get(path.removeprefix("http://testserver/api/v1")).json()
        seen += [row["code"] for row in page["results"]]
        path = page["next"]

    assert seen == [customer.code for customer in people]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("phone=0722 000 001", ["AMINA"]),
        ("phone=%2B254722000001", ["AMINA"]),
        ("phone=254722000001", ["AMINA"]),
        ("phone=0722000009", []),
        ("phone=nonsense", []),
        ("phone=", ["AMINA", "JOHN", "ZAWADI"]),
        ("email=JOHN@example.com", ["JOHN"]),
        ("email=john", []),
        ("language=sw", ["ZAWADI"]),
        ("search=ami", ["AMINA"]),
        ("search=AMINA otieno", ["AMINA"]),
        ("search=amina kamau", []),
        ("search=zaw", ["ZAWADI"]),
        ("search=72200000", ["AMINA", "ZAWADI"]),
        ("search=john@", ["JOHN"]),
        ("search=nobody", []),
        ("ordering=-name", ["ZAWADI", "JOHN", "AMINA"]),
        ("ordering=created_at", ["ZAWADI", "AMINA", "JOHN"]),
        ("ordering=-created_at", ["JOHN", "AMINA", "ZAWADI"]),
        ("search=72200000&language=sw", ["ZAWADI"]),
    ],
)
def test_list_filters_searches_and_orders(api, query, found):
    now = timezone.now()
    CustomerFactory.create(
        code="ZAWADI",
        name="Zawadi Kamau",
        phone="+254722000002",
        language="sw",
        created_at=now - timedelta(days=3),
    )
    CustomerFactory.create(
        code="AMINA",
        name="Amina Otieno",
        phone="+254722000001",
        created_at=now - timedelta(days=2),
    )
    CustomerFactory.create(
        code="JOHN", name="John", phone="", email="john@example.com", created_at=now
    )

    assert codes(api.get(f"/customers/?{query}")) == found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name=Amina", [("name", "invalid")]),
        ("ordering=phone", [("ordering", "invalid")]),
        ("page_size=0", [("page_size", "invalid")]),
        ("x=1&y=2", [("x", "invalid"), ("y", "invalid")]),
    ],
)
def test_list_refuses_unknown_parameters(api, query, expected):
    assert parameters(api.get(f"/customers/?{query}")) == expected


# Changing


def test_put_back_what_was_read_changes_nothing(api):
    customer = CustomerFactory.create(phone="", email="a@example.com", language="sw")
    read = api.get(f"/customers/{customer.code}/").json()

    response = api.put(f"/customers/{customer.code}/", read)

    assert response.status_code == 200
    assert response.json() == read | {"updated_at": response.json()["updated_at"]}
    assert response.json() == body_of(customer)


def test_patch_changes_what_it_names_and_reads_phones_as_written(api):
    customer = CustomerFactory.create(code="A", name="Amina", email="a@example.com")

    response = api.patch("/customers/A/", {"phone": "0733 000 000", "language": "sw"})

    assert response.status_code == 200
    customer.refresh_from_db()
    assert (customer.name, customer.phone, customer.email, customer.language) == (
        "Amina",
        "+254733000000",
        "a@example.com",
        "sw",
    )
    assert response.json() == body_of(customer)


def test_put_needs_a_name_and_patch_does_not(api):
    customer = CustomerFactory.create()

    assert pointers(api.put(f"/customers/{customer.code}/", {"email": "a@example.com"})) == [
        ("/name", "required")
    ]
    assert api.patch(f"/customers/{customer.code}/", {}).status_code == 200


def test_patch_of_the_code_moves_the_address(api):
    CustomerFactory.create(code="OLD")

    response = api.patch("/customers/OLD/", {"code": "NEW"})

    assert (response.status_code, response.json()["code"]) == (200, "NEW")
    assert api.get("/customers/OLD/").status_code == 404
    assert api.get("/customers/NEW/").status_code == 200


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"phone": ""}, [("/phone", "required"), ("/email", "required")]),
        ({"phone": "0722"}, [("/phone", "impossible_phone")]),
        ({"code": "TAKEN"}, [("/code", "taken")]),
        ({"name": ""}, [("/name", "blank")]),
    ],
)
def test_patch_that_is_wrong_changes_nothing(api, change, expected):
    CustomerFactory.create(code="TAKEN")
    customer = CustomerFactory.create(code="A", phone="+254722000000")
    before = body_of(customer)

    response = api.patch("/customers/A/", {"language": "sw", **change})

    assert pointers(response) == expected
    assert body_of(customer) == before


def test_change_and_delete_of_what_changed_since_it_was_read_is_412(api):
    customer = CustomerFactory.create(name="Amina")
    etag = api.get(f"/customers/{customer.code}/")["ETag"]
    changed = api.patch(f"/customers/{customer.code}/", {"name": "Amina O."}, if_match=etag)
    assert (changed.status_code, changed["ETag"] != etag) == (200, True)

    for response in (
        api.patch(f"/customers/{customer.code}/", {"name": "Lost"}, if_match=etag),
        api.put(f"/customers/{customer.code}/", {"name": "Lost"}, if_match=etag),
        api.delete(f"/customers/{customer.code}/", if_match=etag),
    ):
        assert (response.status_code, response.json()["code"]) == (412, "precondition_failed")

    customer.refresh_from_db()
    assert customer.name == "Amina O."
    assert api.delete(f"/customers/{customer.code}/", if_match=changed["ETag"]).status_code == 204


# Deleting


def test_delete_removes_who_never_ordered(api):
    customer = CustomerFactory.create()

    response = api.delete(f"/customers/{customer.code}/")

    assert (response.status_code, response.content) == (204, b"")
    assert not Customer.objects.exists()
    assert api.delete(f"/customers/{customer.code}/").status_code == 404


def test_delete_of_who_has_ordered_is_409(api):
    order = OrderFactory.create()

    response = api.delete(f"/customers/{order.customer.code}/")

    assert response.status_code == 409
    assert response.json() == problem(
        response, code="in_use", detail="They have orders, so they cannot be deleted."
    )
    assert Customer.objects.count() == 1


@pytest.mark.parametrize("code", [".", "..", "-1", "_x"])
def test_a_code_that_would_vanish_from_an_address_is_refused(api, code):
    response = api.post("/customers/", {"name": "W", "phone": "0722 000 000", "code": code})

    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == ["/code"]


@pytest.mark.parametrize("method", ["patch", "put"])
def test_a_forgotten_customer_cannot_be_changed(api, method):
    customer = CustomerFactory.create(code="C7", phone="", email="", forgotten_at=timezone.now())
    before = body_of(customer)

    response = getattr(api, method)("/customers/C7/", {"name": "Amina", "phone": "0722000000"})

    assert response.status_code == 409
    assert response.json() == problem(
        response,
        code="forgotten",
        detail="They asked to be forgotten. Make a new customer instead.",
    )
    assert body_of(customer) == before
