"""GraphQL of orders: what REST says of them, in a fixed number of statements."""

import json
from itertools import chain

import pytest
from graphene.utils.str_converters import to_camel_case
from graphql_relay import to_global_id

from accounts.tests.factories import MembershipFactory, StaffFactory, UserFactory
from catalog.tests.factories import VariantFactory
from core.tests.graph import Graph, failures, verdict
from core.tests.races import at_once
from customers.tests.factories import CustomerFactory
from orders import services
from orders.models import Order, OrderLine

from .shop import ADDRESS, DELIVERY, assert_books_agree, goods, order_of, stock, wanted

pytestmark = pytest.mark.django_db

ERRORS = "errors { field message code }"
WHOLE = """{ id number status customer customerName total currency note reference placedAt updatedAt
    deliveryMethod deliveryAddress { recipient line1 line2 city postcode country }
    lines { sku name quantity unitPrice total fulfilled returned outstanding }
    assignedTo { subject name email }
    history { verb fromStatus toStatus reason by at changes { name before after } } }"""


@pytest.fixture
def graph(shopkeeper):
    return Graph(shopkeeper)


@pytest.fixture
def amina(db):
    goods()
    user = UserFactory.create(first_name="Amina", email="amina@example.com")
    CustomerFactory.create(user=user, code="A", name="Amina Wanjiru")
    return user


@pytest.fixture
def assignee(db):
    user = StaffFactory.create(
        first_name="Baraka", email="b@example.com", permissions=["orders.handle_order"]
    )
    MembershipFactory.create(user=user)
    return user


@pytest.fixture
def storied(amina, shopkeeper, assignee):
    """Amina's order with all that may stand in one: drafted, edited, assigned, handed over, back."""
    by = {"by": shopkeeper}
    order = services.draft_order(
        customer=amina.customer,
        lines=wanted(TEA=1),
        note="Ring twice.",
        reference="W-7",
        delivery=DELIVERY,
        **by,
    )
    key = {"order_id": order.pk, **by}
    services.edit_order(**key, lines=wanted(TEA=2, CUP=1))
    services.place_draft(**key)
    services.assign_order(**key, to=assignee)
    services.edit_order(**key, note="Ring once.")
    services.accept_order(**key)
    services.fulfil_order(**key, lines=wanted(TEA=2))
    services.return_lines(**key, lines=wanted(TEA=1), restock=True, reason="Smells.")
    return Order.objects.get(pk=order.pk)


def ident(order):
    return to_global_id("Order", order.pk)


def as_rest(shown):
    """Return an order as REST would have it, but for its id."""
    order = {snake(name): value for name, value in shown.items() if name != "id"}
    order |= {name: order[name].lower() for name in ("status", "delivery_method")}
    if order["delivery_address"]:
        order["delivery_address"] = {snake(k): v for k, v in order["delivery_address"].items()}
    order["lines"] = [{snake(k): v for k, v in each.items()} for each in order["lines"]]
    order["history"] = [
        {
            "verb": each["verb"].lower(),
            "from_status": (each["fromStatus"] or "").lower(),
            "to_status": each["toStatus"].lower(),
            "changes": {one["name"]: [one["before"], one["after"]] for one in each["changes"]},
            "reason": each["reason"],
            "by": each["by"],
            "at": each["at"],
        }
        for each in order["history"]
    ]
    return json.loads(json.dumps(order).replace("+00:00", "Z"))


def snake(name):
    return {"line1": "line_1", "line2": "line_2"}.get(name) or "".join(
        f"_{each.lower()}" if each.isupper() else each for each in name
    )


def with_texts(order):
    """Return REST's order with changes as GraphQL says them: each value a text."""
    for each in order["history"]:
        each["changes"] = {
            name: [one if one is None or isinstance(one, str) else json.dumps(one) for one in pair]
            for name, pair in each["changes"].items()
        }
    return order


# What it says


@pytest.mark.parametrize("whose", ["the shop's", "the shopper's"])
def test_an_order_says_what_rest_says_field_by_field(api_as, shopkeeper, amina, storied, whose):
    user = shopkeeper if whose == "the shop's" else amina
    rest = api_as(user).get(f"/orders/{storied.number}/").json()

    shown = Graph(user)(f'{{ order(number: "{storied.number}") {WHOLE} }}')

    assert as_rest(shown) == with_texts(rest)
    assert shown["id"] == ident(storied)
    assert shown["deliveryAddress"] == {to_camel_case(name): each for name, each in ADDRESS.items()}


def test_a_shopper_learns_nothing_of_the_shop_s_own_affairs(graph, amina, storied, assignee):
    asked = f'{{ order(id: "{ident(storied)}") {WHOLE} }}'

    own, shop = Graph(amina)(asked), graph(asked)

    assert [each["verb"] for each in shop["history"]] == [
        "DRAFTED", "EDITED", "PLACED", "ASSIGNED", "EDITED", "ACCEPTED", "PART_FULFILLED", "RETURNED",
    ]  # fmt: skip
    assert shop["assignedTo"] == {
        "subject": str(assignee.subject),
        "name": "Baraka",
        "email": "b@example.com",
    }
    assert None not in [each["by"] for each in shop["history"]]
    assert [(each["verb"], each["fromStatus"]) for each in own["history"]] == [
        ("PLACED", None), ("EDITED", "PENDING"), ("ACCEPTED", "PENDING"),
        ("PART_FULFILLED", "ACCEPTED"), ("RETURNED", "ACCEPTED"),
    ]  # fmt: skip
    assert own["assignedTo"] is None
    assert {each["by"] for each in own["history"]} == {None}
    assert {each["reason"] for each in own["history"]} == {""}
    # That it is sold again is in the shop's part alone.
    assert "restocked" in str(shop["history"][-1]["changes"])
    assert "restocked" not in str(own["history"][-1]["changes"])
    assert not {"DRAFT", "Baraka", "Smells."} & set(json.dumps(own).split('"'))


@pytest.mark.parametrize("status", ["draft", "pending"])
def test_others_orders_and_drafts_are_found_by_no_path(amina, status):
    own = order_of(status=status, customer=amina.customer, TEA=1)
    other = order_of(CUP=1)
    paths = "".join(
        f'n{n}: node(id: "{ident(each)}") {{ id }} i{n}: order(id: "{ident(each)}") {{ id }}'
        f' m{n}: order(number: "{each.number}") {{ id }} '
        for n, each in enumerate((other, own))
    )

    found = Graph(amina)(
        f"{{ {paths} orders(first: 9) {{ totalCount nodes {{ number }} edges {{ cursor }} }} }}"
    )

    listed = found.pop("orders")
    shown = [] if status == "draft" else [own]
    assert [each["number"] for each in listed["nodes"]] == [each.number for each in shown]
    assert listed["totalCount"] == len(listed["edges"]) == len(shown)
    assert {name for name, each in found.items() if each} == (
        set() if status == "draft" else {"n1", "i1", "m1"}
    )


@pytest.mark.parametrize(
    "asked",
    [
        "{ orders(first: 1) { totalCount } }",
        '{ order(number: "1001") { id } }',
        f'{{ node(id: "{to_global_id("Order", 1)}") {{ id }} }}',
        "{ orderCounts { pending } }",
    ],
)
def test_strangers_are_asked_to_sign_in(asked):
    response = Graph().ask(asked)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    assert verdict(response) == ("not_authenticated", 401)


def test_counts_are_rest_s(api, graph, amina):
    for status in ("draft", "pending", "pending", "accepted", "fulfilled"):
        order_of(status=status, TEA=1)

    counts = graph(
        "{ orderCounts { draft pending accepted fulfilled rejected cancelled waiting } }"
    )

    assert counts == api.get("/orders/counts/").json()
    assert (counts["pending"], counts["waiting"], counts["rejected"]) == (2, 2, 0)
    assert verdict(Graph(amina).ask("{ orderCounts { draft } }")) == ("permission_denied", 403)


# Lists


@pytest.fixture
def four(amina, assignee):
    """Four orders, each a day after the other: 1 TEA, 2 TEA, 1 CUP, 1 CUP of Amina's."""
    made = []
    for n, (pieces, customer) in enumerate(
        (({"TEA": 1}, None), ({"TEA": 2}, None), ({"CUP": 1}, None), ({"CUP": 1}, amina.customer))
    ):
        order = order_of(customer=customer, **pieces)
        Order.objects.filter(pk=order.pk).update(
            placed_at=f"2026-11-0{n + 1}T08:00Z", reference=f"R-{n}"
        )
        made.append(order)
    services.accept_order(order_id=made[1].pk, by=None)
    services.assign_order(order_id=made[0].pk, by=None, to=assignee)
    return made


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", [3, 2, 1, 0]),
        ("ordering: PLACED_AT", [0, 1, 2, 3]),
        ("ordering: TOTAL", [2, 3, 0, 1]),
        ("ordering: TOTAL_DESC", [1, 0, 3, 2]),
        ("status: ACCEPTED", [1]),
        ("status: DRAFT", []),
        ('customer: "A"', [3]),
        ('sku: "tea"', [1, 0]),
        ('reference: "R-2"', [2]),
        ('assignedTo: "b@example.com"', [0]),
        ('assignedTo: "me"', []),
        ('placedAfter: "2026-11-02T08:00:00Z"', [3, 2, 1]),
        ('placedBefore: "2026-11-02T11:00:00+03:00"', [0]),
        ('search: "wanjiru"', [3]),
        ('status: PENDING, sku: "TEA"', [0]),
    ],
)
def test_orders_are_filtered_and_ordered(graph, four, arguments, expected):
    page = graph(f"{{ orders(first: 9, {arguments}) {{ nodes {{ number }} totalCount }} }}")

    numbers = [each.number for each in four]
    assert [numbers.index(each["number"]) for each in page["nodes"]] == expected
    assert page["totalCount"] == len(expected)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("by", ["PLACED_AT", "PLACED_AT_DESC", "TOTAL", "TOTAL_DESC"])
def test_orders_are_walked_both_ways(graph, four, by, size):
    asked = """query($by: OrderOrdering, $first: Int, $after: String, $last: Int, $before: String) {
        orders(ordering: $by, first: $first, after: $after, last: $last, before: $before) {
            nodes { number } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    Order.objects.update(placed_at="2026-11-01T08:00Z")  # the key breaks the tie

    def walk(count, cursor, end, more):
        given = {"by": by, count: size}
        while True:
            page = graph(asked, given)
            yield [each["number"] for each in page["nodes"]]
            if not page["pageInfo"][more]:
                return
            given[cursor] = page["pageInfo"][end]

    forwards = list(walk("first", "after", "endCursor", "hasNextPage"))
    backwards = list(walk("last", "before", "startCursor", "hasPreviousPage"))

    whole = list(chain(*forwards))
    assert len(whole) == 4
    assert whole == list(chain(*reversed(backwards)))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ('search: "\\u0000"', "search"),
        ('customer: "\\u0000"', "customer"),
        (f'search: "{"x" * 201}"', "search"),
    ],
    ids=["nul in a search", "nul in a filter", "long"],
)
def test_a_wrong_filter_is_named(graph, arguments, name):
    refused = graph.ask(f"{{ orders(first: 1, {arguments}) {{ totalCount }} }}")

    assert failures(refused) == [(name, "invalid")]


def test_a_shopper_s_filters_find_only_what_is_theirs(amina, four):
    for arguments in ('sku: "TEA"', 'customer: "x"', 'assignedTo: "none"', 'reference: "R-1"'):
        page = Graph(amina)(f"{{ orders(first: 9, {arguments}) {{ totalCount }} }}")
        assert page == {"totalCount": 0}
    # Who sees to it is not theirs to ask.
    assert Graph(amina)('{ orders(first: 9, sku: "CUP") { totalCount } }') == {"totalCount": 1}


# Verbs


def move(verb, kind="", inner="{ status }"):
    given = "$id: ID!" + (f", $input: {kind}" if kind else "")
    passed = "id: $id" + (", input: $input" if kind else "")
    return f"mutation({given}) {{ {verb}({passed}) {{ order {inner} {ERRORS} }} }}"


PLACE = (
    f"mutation($input: NewOrderInput!) {{ placeOrder(input: $input) {{ order {WHOLE} {ERRORS} }} }}"
)
TEA = {"sku": "TEA", "quantity": 2}


def test_an_order_is_placed_as_by_rest(api, graph, shopkeeper, amina):
    address = {to_camel_case(name): value for name, value in ADDRESS.items()}

    placed = graph.done(
        PLACE,
        {
            "input": {
                "customer": "A",
                "lines": [TEA, {"sku": "cup", "quantity": 1}],
                "note": "Ring twice.",
                "reference": "W-1",
                "deliveryMethod": "DELIVERY",
                "deliveryAddress": address,
            }
        },
    )["order"]

    order = Order.objects.get()
    rest = api.get(f"/orders/{order.number}/").json()
    assert as_rest(placed) == rest
    assert (rest["total"], rest["delivery_address"], rest["reference"]) == ("25.99", ADDRESS, "W-1")
    assert rest["history"][0]["by"] == str(shopkeeper)
    assert stock() == {"TEA": 8, "CUP": 9, "POT": 10}


def test_a_draft_takes_nothing_until_it_is_placed(graph, amina):
    drafted = graph.done(PLACE, {"input": {"customer": "A", "lines": [TEA], "draft": True}})[
        "order"
    ]
    assert (drafted["status"], stock()["TEA"]) == ("DRAFT", 10)

    placed = graph.done(move("placeDraft"), {"id": drafted["id"]})

    assert (placed, stock()["TEA"]) == ({"order": {"status": "PENDING"}}, 8)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"customer": "x"}, [("customer", "DOES_NOT_EXIST")]),
        ({"lines": []}, [("lines", "EMPTY")]),
        ({"lines": [TEA] * 201}, [("lines", "MAX_LENGTH")]),
        ({"lines": [TEA, {"sku": "x", "quantity": 1}]}, [("lines.1.sku", "UNKNOWN_SKU")]),
        ({"lines": [{"sku": "TEA", "quantity": 0}, {"sku": "", "quantity": 1}]}, [("lines.0.quantity", "MIN_VALUE"), ("lines.1.sku", "BLANK")]),
        ({"lines": [{"sku": "TEA", "quantity": 1_000_001}]}, [("lines.0.quantity", "MAX_VALUE")]),
        ({"lines": [TEA, {"sku": "CUP", "quantity": 11}]}, [("lines.1.quantity", "OUT_OF_STOCK")]),
        ({"deliveryMethod": "DELIVERY"}, [(f"deliveryAddress.{name}", "REQUIRED") for name in ("recipient", "line1", "city")]),
        ({"deliveryMethod": "DELIVERY", "deliveryAddress": {"recipient": "A", "line1": "B", "city": "C", "postcode": "x" * 21, "country": "KEN"}}, [("deliveryAddress.postcode", "MAX_LENGTH"), ("deliveryAddress.country", "MAX_LENGTH")]),
        ({"deliveryMethod": "DELIVERY", "deliveryAddress": {"recipient": "A", "line1": "B", "city": "C", "country": "K1"}}, [("deliveryAddress.country", "INVALID")]),
        ({"deliveryAddress": {"recipient": "A", "line1": "B", "city": "C"}}, [("deliveryAddress", "NOT_ALLOWED")]),
        ({"note": "x" * 2001, "reference": "x" * 65}, [("note", "MAX_LENGTH"), ("reference", "MAX_LENGTH")]),
        ({"note": None}, [("note", "NULL")]),
        ({"reference": "W"}, [("reference", "TAKEN")]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_field_by_rest_s_code(api, graph, amina, given, expected):
    order_of(POT=1)
    Order.objects.update(reference="W")
    given = {"customer": "A", "lines": [TEA], **given}

    assert graph.refused(PLACE, {"input": given}) == expected

    body = {snake(name): value for name, value in given.items()}
    body |= {"delivery_method": "delivery"} if "deliveryMethod" in given else {}
    if "deliveryAddress" in given:
        body["delivery_address"] = {snake(k): v for k, v in given["deliveryAddress"].items()}
    told = api.post("/orders/", body).json()["errors"]
    paths = [
        (
            ".".join(to_camel_case(each) for each in one["pointer"][1:].split("/")),
            one["code"].upper(),
        )
        for one in told
    ]
    assert paths == expected
    assert (Order.objects.count(), stock()["TEA"]) == (1, 10)


def test_an_edit_changes_what_it_names_and_the_stock_follows(graph, amina):
    order = order_of(TEA=2)

    edited = graph.done(
        move("editOrder", "OrderInput", "{ note total lines { sku quantity } }"),
        {"id": ident(order), "input": {"lines": [{"sku": "TEA", "quantity": 5}]}},
    )["order"]

    assert edited == {"note": "", "total": "62.50", "lines": [{"sku": "TEA", "quantity": 5}]}
    assert stock()["TEA"] == 5
    again = graph.done(
        move("editOrder", "OrderInput", "{ note total }"),
        {"id": ident(order), "input": {"note": "Soon."}},
    )["order"]
    assert again == {"note": "Soon.", "total": "62.50"}


def test_an_edit_of_the_delivery_keeps_what_is_not_named(graph, amina):
    order = order_of(TEA=2)
    edit = move("editOrder", "OrderInput", "{ deliveryMethod deliveryAddress { city line2 } }")
    address = {"recipient": "A", "line1": "B", "city": "C"}

    def edited(**given):
        return graph(edit, {"id": ident(order), "input": given})

    assert edited(deliveryMethod="DELIVERY", deliveryAddress=address)["order"] == {
        "deliveryMethod": "DELIVERY",
        "deliveryAddress": {"city": "C", "line2": ""},
    }
    assert edited(deliveryMethod="DELIVERY")["order"]["deliveryAddress"]["city"] == "C"
    assert edited(deliveryAddress=None)["errors"][0]["field"] == "deliveryAddress.recipient"
    assert edited(deliveryMethod="COLLECTION")["order"] == {
        "deliveryMethod": "COLLECTION",
        "deliveryAddress": None,
    }


def test_an_order_goes_its_way(graph, amina, assignee):
    order = order_of(TEA=3)
    key = {"id": ident(order)}

    assert graph.done(move("acceptOrder"), key) == {"order": {"status": "ACCEPTED"}}
    assigned = graph.done(
        move("assignOrder", "AssignInput!", "{ assignedTo { name } }"),
        {**key, "input": {"to": "b@example.com"}},
    )
    assert assigned == {"order": {"assignedTo": {"name": "Baraka"}}}
    nobody = graph.done(
        move("assignOrder", "AssignInput!", "{ assignedTo { name } }"),
        {**key, "input": {"to": None}},
    )
    assert nobody == {"order": {"assignedTo": None}}
    lines = "{ status lines { fulfilled returned outstanding } }"
    some = graph.done(
        move("fulfilOrder", "FulfilInput", lines),
        {**key, "input": {"lines": [{"sku": "TEA", "quantity": 1}]}},
    )
    assert some["order"] == {
        "status": "ACCEPTED",
        "lines": [{"fulfilled": 1, "returned": 0, "outstanding": 2}],
    }
    assert graph.done(move("fulfilOrder", "FulfilInput"), key) == {"order": {"status": "FULFILLED"}}
    back = graph.done(
        move("returnOrderLines", "ReturnInput!", lines),
        {**key, "input": {"lines": [{"sku": "tea", "quantity": 2}], "restock": True}},
    )
    assert back["order"]["lines"] == [{"fulfilled": 3, "returned": 2, "outstanding": 0}]
    assert stock()["TEA"] == 9
    assert_books_agree()


def test_an_order_is_rejected_with_a_reason(graph, amina):
    order = order_of(TEA=3)
    reject = move("rejectOrder", "ReasonInput!", "{ status history { reason } }")

    assert graph.refused(reject, {"id": ident(order), "input": {"reason": " "}}) == [
        ("reason", "BLANK")
    ]
    done = graph.done(reject, {"id": ident(order), "input": {"reason": "Closed."}})
    assert done["order"] == {
        "status": "REJECTED",
        "history": [{"reason": ""}, {"reason": "Closed."}],
    }
    assert stock()["TEA"] == 10


@pytest.mark.parametrize(
    ("verb", "kind", "given"),
    [
        ("placeDraft", "", None),
        ("acceptOrder", "", None),
        ("rejectOrder", "ReasonInput!", {"reason": "Closed."}),
        ("fulfilOrder", "FulfilInput", None),
        ("cancelOrder", "OptionalReasonInput", {"reason": "Late."}),
        ("editOrder", "OrderInput", {"note": "x"}),
    ],
)
def test_what_its_status_forbids_is_a_failure_of_the_whole(graph, amina, verb, kind, given):
    order = order_of(status="fulfilled", TEA=1)

    refused = graph.refused(move(verb, kind), {"id": ident(order), "input": given})

    assert refused == [(None, "ILLEGAL_MOVE")]
    assert (Order.objects.get().status, stock()["TEA"]) == ("fulfilled", 9)


@pytest.mark.parametrize(
    ("verb", "kind", "given", "expected"),
    [
        ("returnOrderLines", "ReturnInput!", {"lines": [{"sku": "CUP", "quantity": 1}, {"sku": "TEA", "quantity": 9}], "restock": False}, [("lines.0.sku", "UNKNOWN_SKU"), ("lines.1.quantity", "OUT_OF_BOUNDS")]),
        ("returnOrderLines", "ReturnInput!", {"lines": [], "restock": False}, [("lines", "EMPTY")]),
        ("assignOrder", "AssignInput!", {"to": "nobody@example.com"}, [("to", "DOES_NOT_EXIST")]),
        ("assignOrder", "AssignInput!", {}, [("to", "REQUIRED")]),
    ],
)  # fmt: skip
def test_a_verb_s_failures_are_told_at_their_fields(  # noqa: PLR0917  fixtures, and the table
    graph, amina, verb, kind, given, expected
):
    order = order_of(status="accepted", TEA=2)

    assert graph.refused(move(verb, kind), {"id": ident(order), "input": given}) == expected


def test_a_shopper_calls_off_their_own_pending_order_and_no_other(amina):
    own, accepted, draft, other = (
        order_of(customer=amina.customer, TEA=1),
        order_of(status="accepted", customer=amina.customer, TEA=1),
        order_of(status="draft", customer=amina.customer, TEA=1),
        order_of(TEA=1),
    )
    graph, cancel = Graph(amina), move("cancelOrder", "OptionalReasonInput")

    assert graph.done(cancel, {"id": ident(own)}) == {"order": {"status": "CANCELLED"}}
    assert graph.refused(cancel, {"id": ident(accepted)}) == [(None, "ILLEGAL_MOVE")]
    for each in (draft, other):
        assert verdict(graph.ask(cancel, {"id": ident(each)})) == ("not_found", 404)
    assert stock()["TEA"] == 8


def test_an_order_that_was_handed_out_in_part_is_not_called_off(graph, amina):
    order = order_of(status="accepted", TEA=2)
    services.fulfil_order(order_id=order.pk, by=None, lines=wanted(TEA=1))

    refused = graph.refused(move("cancelOrder", "OptionalReasonInput"), {"id": ident(order)})

    assert refused == [(None, "STILL_WITH_CUSTOMER")]


def test_verbs_of_one_document_are_done_in_their_order_and_each_by_itself(graph, amina):
    order = order_of(TEA=1)

    answer = graph(
        f"""mutation($id: ID!) {{ one: acceptOrder(id: $id) {{ order {{ status }} {ERRORS} }}
            two: acceptOrder(id: $id) {{ order {{ status }} {ERRORS} }}
            three: fulfilOrder(id: $id) {{ order {{ status }} {ERRORS} }} }}""",
        {"id": ident(order)},
    )

    assert answer["one"]["order"] == {"status": "ACCEPTED"}
    assert [each["code"] for each in answer["two"]["errors"]] == ["ILLEGAL_MOVE"]
    assert answer["three"]["order"] == {"status": "FULFILLED"}


@pytest.mark.django_db(transaction=True)
def test_fifty_orders_at_once_for_twenty_pieces_sell_exactly_twenty(shopkeeper):
    VariantFactory.create(sku="TEA", stock=20)
    CustomerFactory.create(code="A")
    asked = f"mutation($input: NewOrderInput!) {{ placeOrder(input: $input) {{ order {{ number }} {ERRORS} }} }}"
    given = {"input": {"customer": "A", "lines": [{"sku": "TEA", "quantity": 1}]}}
    graphs = [Graph(shopkeeper) for _ in range(50)]

    answers = at_once([lambda graph=graph: graph(asked, given) for graph in graphs], threads=25)

    numbers = [each["order"]["number"] for each in answers if each["order"]]
    assert sorted(numbers) == sorted(Order.objects.values_list("number", flat=True))
    assert (len(numbers), stock(), OrderLine.objects.count()) == (20, {"TEA": 0}, 20)
    refused = [each["errors"] for each in answers if not each["order"]]
    assert {(each["field"], each["code"]) for [each] in refused} == {
        ("lines.0.quantity", "OUT_OF_STOCK")
    }
    assert_books_agree()


# Statements


@pytest.fixture
def many(rows, amina, assignee, shopkeeper):
    """So many orders, each with two lines and a history by different people."""
    for _ in range(rows):
        order = order_of(customer=CustomerFactory.create(), TEA=1, CUP=1)
        services.assign_order(order_id=order.pk, by=shopkeeper, to=assignee)
        services.accept_order(order_id=order.pk, by=assignee)


rows_1_and_3 = pytest.mark.parametrize("rows", [1, 3])


@rows_1_and_3
@pytest.mark.parametrize(
    ("inner", "statements"),
    [
        ("number status total deliveryAddress { city }", 1),
        ("customer customerName", 1),
        ("assignedTo { name }", 1),
        ("lines { sku total outstanding }", 2),
        ("history { verb at changes { name } }", 2),
        ("history { verb by }", 2),
        (WHOLE.strip()[1:-1], 3),
        ("lines { sku } other: lines { name } ... on Order { history { verb } }", 3),
        ("number lines @skip(if: true) { sku } history @include(if: false) { by }", 1),
    ],
)
def test_orders_take_as_many_statements_however_many_there_are(  # noqa: PLR0917  fixtures, and the table
    many, graph, django_assert_num_queries, inner, statements, rows
):
    # Session, user, membership; then what is asked.
    with django_assert_num_queries(3 + statements):
        response = graph.ask(f"{{ orders(first: 9) {{ nodes {{ {inner} }} }} }}")

    assert len(response.json()["data"]["orders"]["nodes"]) == rows


@rows_1_and_3
def test_a_shopper_s_own_orders_take_as_many(rows, amina, django_assert_num_queries):
    for _ in range(rows):
        order_of(customer=amina.customer, TEA=1)
    graph = Graph(amina)

    # Session, user, their rights (4), which customers they are; then orders, lines, history.
    with django_assert_num_queries(10):
        response = graph.ask(f"{{ orders(first: 9) {{ nodes {WHOLE} }} }}")

    assert len(response.json()["data"]["orders"]["nodes"]) == rows


def test_the_whole_list_is_counted_only_where_it_is_asked_for(
    graph, amina, django_assert_num_queries
):
    with django_assert_num_queries(3 + 1):
        graph.ask("{ orders(first: 9) { nodes { number } pageInfo { hasNextPage endCursor } } }")
    with django_assert_num_queries(3 + 2):
        graph.ask("{ orders(first: 9) { nodes { number } totalCount again: totalCount } }")
