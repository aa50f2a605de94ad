"""GraphQL of accounts: who asks."""

import pytest

from core.tests.graph import Graph, verdict
from core.tests.rest import program_with

from .callers import Caller, bearer, employee, keeper, person

pytestmark = pytest.mark.django_db

ME = "{ me { subject name email isStaff roles permissions } }"
RENAME = "mutation($input: MeInput) { updateMe(input: $input) { me { name } errors { field message code } } }"


@pytest.mark.parametrize("who", [person, employee, keeper], ids=["shopper", "employee", "keeper"])
def test_me_says_what_rest_says_field_by_field(who):
    user = who("see_orders", name="Baraka") if who is employee else who("Baraka")

    shown = Graph(user)(ME)

    shown["is_staff"] = shown.pop("isStaff")
    assert shown == Caller(user).get("/me/").json()
    assert (shown["name"], bool(shown["roles"])) == ("Baraka", who is not person)


def test_a_bearer_token_and_a_program_are_somebody():
    amina, program = person(), program_with("handle_orders")

    assert Graph(**bearer(amina.subject))(ME)["email"] == "amina@example.com"
    till = Graph(**program.headers)(ME)
    assert (till["name"], "orders.handle_order" in till["permissions"]) == ("Till", True)


@pytest.mark.parametrize(
    ("headers", "error"),
    [({}, ""), ({"authorization": "Bearer x"}, ', error="invalid_token"')],
    ids=["nothing", "a wrong token"],
)
def test_a_stranger_is_asked_to_sign_in(headers, error):
    for asked in (ME, RENAME):
        response = Graph().ask(asked, **headers)

        assert response.status_code == 401
        assert response["WWW-Authenticate"] == f'Bearer realm="api"{error}'
        assert verdict(response) == ("not_authenticated", 401)


def test_one_changes_what_one_is_called():
    amina = person()
    graph = Graph(amina)

    assert graph.done(RENAME, {"input": {"name": "Amina W."}}) == {"me": {"name": "Amina W."}}
    assert graph.done(RENAME) == {"me": {"name": "Amina W."}}
    # The customer that one is follows.
    assert graph("{ myCustomer { name } }") == {"name": "Amina W."}


@pytest.mark.parametrize(
    ("name", "code"), [("", "BLANK"), ("x" * 151, "MAX_LENGTH"), (None, "NULL"), ("\x00", "NULL_CHARACTERS_NOT_ALLOWED")]
)  # fmt: skip
def test_a_wrong_name_is_told_by_rest_s_code(name, code):
    amina = person()

    assert Graph(amina).refused(RENAME, {"input": {"name": name}}) == [("name", code)]
    [told] = Caller(amina).patch("/me/", {"name": name}).json()["errors"]
    assert told["code"].upper() == code


@pytest.mark.parametrize("name", ["email", "isStaff", "roles", "subject"])
def test_nothing_else_of_oneself_is_changed(name):
    response = Graph(person()).ask(RENAME, {"input": {name: "x"}})

    assert response.status_code == 400
    assert verdict(response) == ("invalid", None)


def test_who_asks_takes_no_statement_that_is_not_asked_for(django_assert_num_queries):
    graph = Graph(person())

    with django_assert_num_queries(2):  # session, user
        graph("{ me { name email } }")
    with django_assert_num_queries(3):  # and memberships
        graph("{ me { name roles } }")
