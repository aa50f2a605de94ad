"""GraphQL of customers: one's own record, and all of them for those who may see them."""

import re

import pytest
from django.conf import settings
from graphql_relay import to_global_id

from accounts.tests.callers import employee, person
from core.tests.graph import Graph, verdict
from core.tests.rest import program_with
from customers.models import Customer, PhoneCode
from customers.services import send_phone_code
from notifications.models import Message

from .factories import CustomerFactory

pytestmark = pytest.mark.django_db

PHONE = "+254722000000"
ERRORS = "errors { field message code }"
WHOLE = "{ id code name phone email language createdAt updatedAt }"


@pytest.fixture
def graph(shopkeeper):
    return Graph(shopkeeper)


@pytest.fixture
def amina():
    return person()


def ident(customer):
    return to_global_id("Customer", customer.pk)


def as_rest(shown):
    """Return a customer as REST would have it."""
    names = {"createdAt": "created_at", "updatedAt": "updated_at"}
    return {
        names.get(name, name): value.replace("+00:00", "Z")
        for name, value in shown.items()
        if name != "id"
    }


# What it says


def test_a_customer_says_what_rest_says_field_by_field(api, graph):
    customer = CustomerFactory.create(code="C1", email="a@example.com", language="sw")

    shown = graph(f'{{ customer(code: "C1") {WHOLE} }}')

    assert as_rest(shown) == api.get("/customers/C1/").json()
    assert shown["id"] == ident(customer)
    again = graph(f'{{ node(id: "{ident(customer)}") {{ ... on Customer {WHOLE} }} }}')
    assert again == shown
    assert graph('{ customer(code: "C2") { id } }') is None


def test_one_s_own_record_is_rest_s_and_made_once(api_as, amina):
    Customer.objects.all().delete()

    shown = Graph(amina)(f"{{ myCustomer {WHOLE} }}")

    assert as_rest(shown) == api_as(amina).get("/me/customer/").json()
    assert Customer.objects.get().user == amina


def test_without_phone_or_address_there_is_none_yet():
    user = person()
    Customer.objects.all().delete()
    user.email = ""
    user.save()

    assert Graph(user)("{ myCustomer { id } }") is None
    change = Graph(user).ask(
        f'mutation {{ updateMyCustomer(input: {{language: "sw"}}) {{ {ERRORS} }} }}'
    )
    assert verdict(change) == ("not_found", 404)


def test_customers_are_nobody_s_but_those_who_may_see_them(amina):
    own, otieno = Customer.objects.get(user=amina), employee("see_orders", name="Otieno")
    for asked in (
        f'{{ customer(code: "{own.code}") {{ id }} }}',
        "{ customers(first: 1) { totalCount } }",
        f'{{ node(id: "{ident(own)}") {{ id }} }}',
    ):
        assert verdict(Graph().ask(asked)) == ("not_authenticated", 401)
        for user in (amina, otieno):
            assert verdict(Graph(user).ask(asked)) == ("permission_denied", 403)


# Lists


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "abc"),
        ("ordering: NAME_DESC", "cba"),
        ("ordering: CREATED_AT_DESC", "cba"),
        ('phone: "0722 000 000"', "a"),
        ('phone: "12"', ""),
        ('email: "B@EXAMPLE.com"', "b"),
        ('language: "sw"', "c"),
        ('search: "+254722"', "a"),
    ],
)
def test_customers_are_filtered_and_ordered(graph, arguments, expected):
    CustomerFactory.create(code="a", name="A", phone=PHONE)
    CustomerFactory.create(code="b", name="B", phone="", email="b@example.com")
    CustomerFactory.create(code="c", name="C", phone="+254733000000", language="sw")

    page = graph(f"{{ customers(first: 9, {arguments}) {{ totalCount nodes {{ code }} }} }}")

    assert "".join(each["code"] for each in page["nodes"]) == expected
    assert page["totalCount"] == len(expected)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("asked", "statements"),
    [
        (f"{{ nodes {WHOLE} }}", 1),
        (f"{{ nodes {WHOLE} edges {{ node {WHOLE} cursor }} totalCount }}", 2),
    ],
)
def test_customers_take_as_many_statements_however_many_there_are(
    graph, rows, asked, statements, django_assert_num_queries
):
    CustomerFactory.create_batch(rows)

    with django_assert_num_queries(3 + statements):  # session, user, membership
        response = graph.ask(f"{{ customers(first: 9) {asked} }}")

    assert len(response.json()["data"]["customers"]["nodes"]) == rows


# What the shop does

CREATE = f"mutation($input: CustomerInput!) {{ createCustomer(input: $input) {{ customer {WHOLE} {ERRORS} }} }}"
UPDATE = f"mutation($id: ID!, $input: CustomerChangeInput) {{ updateCustomer(id: $id, input: $input) {{ customer {WHOLE} {ERRORS} }} }}"


def test_a_customer_is_created_as_by_rest(api, graph):
    made = graph.done(CREATE, {"input": {"name": "Wanjiru", "phone": "0722 000 000"}})["customer"]

    customer = Customer.objects.get()
    assert as_rest(made) == api.get(f"/customers/{customer.code}/").json()
    assert (made["phone"], made["language"]) == (PHONE, settings.LANGUAGE_CODE)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "A"}, [("phone", "REQUIRED"), ("email", "REQUIRED")]),
        ({"name": "", "email": "x"}, [("name", "BLANK"), ("email", "INVALID")]),
        ({"name": "A", "phone": "12"}, [("phone", "IMPOSSIBLE_PHONE")]),
        ({"name": "A", "phone": PHONE, "code": "TAKEN"}, [("code", "TAKEN")]),
        ({"name": "A", "phone": PHONE, "code": "a b"}, [("code", "INVALID")]),
        ({"name": "A", "phone": PHONE, "language": "xx"}, [("language", "INVALID_CHOICE")]),
        ({"name": "x" * 201, "phone": PHONE}, [("name", "MAX_LENGTH")]),
    ],
)
def test_what_is_wrong_is_told_at_its_field_by_rest_s_code(api, graph, given, expected):
    customer = CustomerFactory.create(code="TAKEN")

    assert graph.refused(CREATE, {"input": given}) == expected
    told = api.post("/customers/", given).json()["errors"]
    assert [(each["pointer"][1:], each["code"].upper()) for each in told] == expected
    assert list(Customer.objects.all()) == [customer]


def test_an_update_changes_what_it_names_and_no_more(graph):
    customer = CustomerFactory.create(code="C1", phone=PHONE, email="a@example.com")
    key = {"id": ident(customer)}

    changed = graph.done(UPDATE, {**key, "input": {"name": "New", "email": ""}})["customer"]

    assert (changed["name"], changed["email"], changed["phone"]) == ("New", "", PHONE)
    assert graph.refused(UPDATE, {**key, "input": {"phone": ""}}) == [
        ("phone", "REQUIRED"),
        ("email", "REQUIRED"),
    ]
    assert graph.done(UPDATE, key)["customer"]["name"] == "New"
    customer.refresh_from_db()
    assert customer.phone == PHONE


def test_who_asked_to_be_forgotten_stays_so(graph):
    customer = CustomerFactory.create(forgotten_at="2026-11-01T08:00Z")

    refused = graph.refused(UPDATE, {"id": ident(customer), "input": {"name": "New"}})

    assert refused == [(None, "FORGOTTEN")]


def test_one_changes_one_s_own_language_and_nothing_else(amina):
    change = f"mutation($input: MyCustomerInput) {{ updateMyCustomer(input: $input) {{ customer {{ language name }} {ERRORS} }} }}"
    graph = Graph(amina)

    assert graph.done(change, {"input": {"language": "sw"}}) == {
        "customer": {"language": "sw", "name": "Amina"}
    }
    assert graph.refused(change, {"input": {"language": "xx"}}) == [("language", "INVALID_CHOICE")]
    named = graph.ask(change, {"input": {"name": "Other"}})
    assert named.status_code == 400


# A phone of one's own

SEND = f"mutation($phone: String!) {{ sendPhoneCode(input: {{phone: $phone}}) {{ phoneCode {{ phone expiresAt }} {ERRORS} }} }}"
CONFIRM = f"mutation($code: String!) {{ confirmPhone(input: {{code: $code}}) {{ customer {{ phone }} {ERRORS} }} }}"


def sent_code():
    return re.search(r"\d{6}", Message.objects.get(event="customer.phone_code").body)[0]


def wrong(code):
    return f"{(int(code) + 1) % 10**6:06}"


def test_a_phone_is_proved_by_the_code_that_it_gets(amina):
    graph = Graph(amina)

    sent = graph.done(SEND, {"phone": "0722 000 000"})["phoneCode"]
    confirmed = graph.done(CONFIRM, {"code": sent_code()})

    code = PhoneCode.objects.get()
    assert sent == {"phone": PHONE, "expiresAt": code.expires_at.isoformat()}
    assert confirmed == {"customer": {"phone": PHONE}}
    assert Customer.objects.get().user == amina


def test_no_answer_says_the_code(amina):
    answer = Graph(amina).ask(SEND, {"phone": PHONE})

    assert sent_code().encode() not in answer.content


def test_a_try_that_failed_stays_used_up(amina):
    graph = Graph(amina)
    graph.done(SEND, {"phone": PHONE})
    code = sent_code()

    for left in (4, 3, 2, 1, 0):
        assert graph.refused(CONFIRM, {"code": wrong(code)}) == [("code", "WRONG_CODE")]
        assert PhoneCode.objects.get().tries_left == left
    assert graph.refused(CONFIRM, {"code": code}) == [("code", "WRONG_CODE")]
    assert not Customer.objects.filter(phone=PHONE).exists()


def test_neither_an_idempotency_key_nor_many_in_one_document_bring_more_tries(amina):
    graph = Graph(amina)
    graph.done(SEND, {"phone": PHONE})
    code = sent_code()
    tries = " ".join(
        f'n{n}: confirmPhone(input: {{code: "{wrong(code)}"}}) {{ {ERRORS} }}' for n in range(5)
    )

    graph.ask(f"mutation {{ {tries} }}", idempotency_key="once")

    assert PhoneCode.objects.get().tries_left == 0
    assert graph.refused(CONFIRM, {"code": code}) == [("code", "WRONG_CODE")]


def test_codes_are_sent_so_many_and_no_more(amina):
    for _ in range(5):
        send_phone_code(user=amina, phone=PHONE)

    refused = Graph(amina).ask(SEND, {"phone": PHONE})

    assert refused.status_code == 429
    assert verdict(refused) == ("throttled", 429)
    assert PhoneCode.objects.count() == 5


@pytest.mark.parametrize("phone", ["12", "0900 123 456", ""])
def test_what_is_no_mobile_gets_none(amina, phone):
    assert Graph(amina).refused(SEND, {"phone": phone}) == [
        ("phone", "IMPOSSIBLE_PHONE" if phone else "BLANK")
    ]


def test_a_number_that_another_account_has_proved_is_theirs(amina):
    other = Customer.objects.get(user=person("Otieno"))
    Customer.objects.filter(pk=other.pk).update(phone=PHONE)
    send_phone_code(user=amina, phone=PHONE)

    assert Graph(amina).refused(CONFIRM, {"code": sent_code()}) == [(None, "PHONE_TAKEN")]


def test_a_program_has_no_phone():
    program = program_with("handle_orders")

    refused = Graph(**program.headers).refused(SEND, {"phone": PHONE})

    assert refused == [(None, "NOT_FOR_MACHINES")]
