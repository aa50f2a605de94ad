"""Orders that are handed over in part, come back, and are seen to by somebody."""

from itertools import product

import pytest

from accounts.tests.factories import MembershipFactory, ShopkeeperFactory, UserFactory
from catalog.models import StockMovement
from catalog.tests.factories import VariantFactory
from core.errors import InvalidInput
from core.tests.rest import pointers
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from orders import services
from orders.exceptions import (
    EditNotAllowed,
    MoveNotAllowed,
    OrderChanged,
    StillWithCustomer,
)
from orders.models import Order

from .factories import IN_STATUS
from .shop import assert_books_agree, goods, lines_of, order_of, stock, wanted

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _goods(db):
    goods()


def fulfil(order, **pieces):
    lines = wanted(**pieces) if pieces else None
    return services.fulfil_order(order_id=order.pk, by=None, lines=lines)


def take_back(order, *, restock=True, reason="", **pieces):
    return services.return_lines(
        order_id=order.pk, by=None, lines=wanted(**pieces), restock=restock, reason=reason
    )


def told(order):
    return list(
        Message.objects.filter(reference=order.number)
        .order_by("pk")
        .values_list("event", flat=True)
    )


# In part


def test_an_order_is_fulfilled_with_its_last_piece_and_told_once():
    order = order_of(status="accepted", TEA=3, CUP=1)

    order = fulfil(order, TEA=2)
    assert (order.status, lines_of(order)) == ("accepted", {"TEA": (3, 2, 0), "CUP": (1, 0, 0)})
    assert told(order) == ["order.placed", "order.accepted"]
    order = fulfil(order, tea=1)
    assert order.status == "accepted"
    order = fulfil(order)

    assert (order.status, lines_of(order)) == ("fulfilled", {"TEA": (3, 3, 0), "CUP": (1, 1, 0)})
    assert told(order) == ["order.placed", "order.accepted", "order.fulfilled"]
    rows = order.history.values_list("verb", "from_status", "to_status", "changes")
    assert list(rows)[2:] == [
        ("part_fulfilled", "accepted", "accepted", {"TEA fulfilled": [0, 2]}),
        ("part_fulfilled", "accepted", "accepted", {"TEA fulfilled": [2, 3]}),
        ("fulfilled", "accepted", "fulfilled", {"CUP fulfilled": [0, 1]}),
    ]
    assert stock() == {"TEA": 7, "CUP": 9, "POT": 10}
    assert_books_agree()


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], [(("lines",), "empty")]),
        ([("TEA", 4)], [(("lines", 0, "quantity"), "out_of_bounds")]),
        ([("TEA", 2), ("TEA", 2)], [(("lines", 1, "quantity"), "out_of_bounds")]),
        ([("TEA", 0), ("TEA", -1)], [(("lines", n, "quantity"), "out_of_bounds") for n in (0, 1)]),
        ([("TEA", 1), ("POT", 1)], [(("lines", 1, "sku"), "unknown_sku")]),
    ],
)
def test_no_more_is_handed_over_than_was_ordered(pieces, expected):
    order = order_of(status="accepted", TEA=3)
    lines = [services.Wanted(sku=sku, quantity=quantity) for sku, quantity in pieces]

    with pytest.raises(InvalidInput) as refused:
        services.fulfil_order(order_id=order.pk, by=None, lines=lines)

    assert [(error.path, error.code) for error in refused.value.errors] == expected
    assert lines_of(order) == {"TEA": (3, 0, 0)}


def test_a_second_click_on_what_was_seen_hands_nothing_over_twice():
    order = order_of(status="accepted", TEA=3)
    seen = order.updated_at
    arguments = {"order_id": order.pk, "by": None, "lines": wanted(TEA=1), "seen": seen}
    services.fulfil_order(**arguments)

    with pytest.raises(OrderChanged):
        services.fulfil_order(**arguments)
    with pytest.raises(OrderChanged):
        services.return_lines(**arguments, restock=True)

    assert lines_of(order) == {"TEA": (3, 1, 0)}


# Back again


@pytest.mark.parametrize("restock", [True, False])
def test_what_comes_back_is_sold_again_where_it_is_fit(restock):
    order = order_of(status="fulfilled", TEA=3, CUP=1)

    order = take_back(order, TEA=2, restock=restock, reason="Wrong kind.")

    assert (order.status, lines_of(order)["TEA"]) == ("fulfilled", (3, 3, 2))
    assert stock()["TEA"] == (9 if restock else 7)
    last = order.history.last()
    assert (last.verb, last.reason, last.changes) == (
        "returned",
        "Wrong kind.",
        {"TEA returned": [0, 2], "restocked": [None, restock]},
    )
    moved = StockMovement.objects.filter(kind="returned")
    assert list(moved.values_list("quantity", "order", "reason")) == (
        [(2, order.number, "Wrong kind.")] if restock else []
    )
    assert_books_agree()


def test_no_more_comes_back_than_the_customer_has():
    order = order_of(status="accepted", TEA=3)
    fulfil(order, TEA=2)
    take_back(order, TEA=1)

    with pytest.raises(InvalidInput) as refused:
        take_back(order, TEA=2)

    assert [(error.path, error.detail) for error in refused.value.errors] == [
        (("lines", 0, "quantity"), "1 of TEA is with the customer.")
    ]
    assert (lines_of(order)["TEA"], stock()["TEA"]) == ((3, 2, 1), 8)


def test_an_order_in_part_with_its_customer_is_cancelled_once_that_came_back():
    order = order_of(status="accepted", TEA=3, CUP=1, POT=1)
    fulfil(order, TEA=2, CUP=1)

    with pytest.raises(StillWithCustomer):
        services.cancel_order(order_id=order.pk, by=None)
    take_back(order, TEA=2, restock=False)
    take_back(order, CUP=1)
    order = services.cancel_order(order_id=order.pk, by=None)

    # Two teas came back unfit; the cup came back when it was booked, and nothing twice.
    assert (order.status, stock()) == ("cancelled", {"TEA": 8, "CUP": 10, "POT": 10})
    assert_books_agree()


def test_a_line_that_came_back_whole_does_not_stop_a_cancellation():
    order = order_of(status="accepted", TEA=1, CUP=1)
    fulfil(order, TEA=1)
    take_back(order, TEA=1)

    services.cancel_order(order_id=order.pk, by=None)

    assert stock() == {"TEA": 10, "CUP": 10, "POT": 10}


# Every verb, every status

CALLS = {
    "place": services.place_draft,
    "edit": lambda **who: services.edit_order(**who, note="x"),
    "accept": services.accept_order,
    "reject": lambda **who: services.reject_order(**who, reason="Closed."),
    "fulfil": services.fulfil_order,
    "return": lambda **who: services.return_lines(**who, lines=wanted(GOODS=1), restock=True),
    "cancel": services.cancel_order,
    "cancel_own": services.cancel_own_order,
    "assign": lambda **who: services.assign_order(**who, to=None),
}
# What each verb leads to from where it may start; `assign` may always, as it moves nothing.
LEADS = {
    ("draft", "place"): "pending",
    ("draft", "edit"): "draft",
    ("draft", "cancel"): "cancelled",
    ("pending", "edit"): "pending",
    ("pending", "accept"): "accepted",
    ("pending", "reject"): "rejected",
    ("pending", "cancel"): "cancelled",
    ("pending", "cancel_own"): "cancelled",
    ("accepted", "fulfil"): "fulfilled",
    ("accepted", "return"): "accepted",
    ("accepted", "cancel"): "cancelled",
    ("fulfilled", "return"): "fulfilled",
    **{(status, "assign"): status for status in IN_STATUS},
}
BODIES = {
    "edit": {"note": "x"},
    "reject": {"reason": "Closed."},
    "return": {"lines": [{"sku": "GOODS", "quantity": 1}], "restock": True},
    "assign": {"to": None},
}


def in_status(status):
    """Return an order of two pieces; of an accepted one the customer has one already."""
    order = IN_STATUS[status].create(lines=wanted(GOODS=2))
    return fulfil(order, GOODS=1) if status == "accepted" else order


@pytest.fixture
def shelf(db):
    VariantFactory.create(sku="GOODS", stock=10)


@pytest.mark.parametrize(("status", "verb"), list(product(IN_STATUS, CALLS)))
def test_no_verb_leads_where_it_must_not(shelf, status, verb):
    order = in_status(status)
    if verb == "cancel" and status == "accepted":
        take_back(order, GOODS=1)
    before = (Order.objects.values().get(), lines_of(order), order.history.count(), stock())

    if (status, verb) in LEADS:
        CALLS[verb](order_id=order.pk, by=None)
        order.refresh_from_db()
        assert order.status == LEADS[status, verb]
    else:
        with pytest.raises(MoveNotAllowed if verb != "edit" else EditNotAllowed):
            CALLS[verb](order_id=order.pk, by=None)
        after = (Order.objects.values().get(), lines_of(order), order.history.count(), stock())
        assert after == before
    assert_books_agree()


@pytest.mark.parametrize(
    ("status", "verb"), list(product(IN_STATUS, [verb for verb in CALLS if verb != "cancel_own"]))
)
def test_no_verb_of_rest_leads_where_it_must_not(shelf, api, status, verb):
    order = in_status(status)
    if verb == "cancel" and status == "accepted":
        take_back(order, GOODS=1)
    before = Order.objects.values().get()
    path = f"/orders/{order.number}/" + ("" if verb == "edit" else f"{verb}/")

    response = api._call("PATCH" if verb == "edit" else "POST", path, BODIES.get(verb))

    if (status, verb) in LEADS:
        assert response.status_code == 200, response.content
        assert response.json()["status"] == LEADS[status, verb]
    else:
        assert (response.status_code, response.json()["code"]) == (409, "illegal_move")
        assert response.json()["status_now"] == status
        assert Order.objects.values().get() == before


# REST


def test_rest_hands_over_and_takes_back(api):
    order = order_of(status="accepted", TEA=3)
    path = f"/orders/{order.number}/"

    part = api.post(f"{path}fulfil/", {"lines": [{"sku": "tea", "quantity": 2}]})
    back = api.post(
        f"{path}return/",
        {"lines": [{"sku": "TEA", "quantity": 1}], "restock": True, "reason": "Wrong kind."},
        if_match=part["ETag"],
    )

    [line] = back.json()["lines"]
    assert (line["fulfilled"], line["returned"], line["outstanding"]) == (2, 1, 1)
    assert [row["verb"] for row in back.json()["history"]] == [
        "placed",
        "accepted",
        "part_fulfilled",
        "returned",
    ]
    assert back.json()["history"][-1]["changes"] == {
        "TEA returned": [0, 1],
        "restocked": [None, True],
    }
    assert stock()["TEA"] == 8


@pytest.mark.parametrize(
    ("verb", "body", "expected"),
    [
        ("fulfil", {"lines": []}, [("/lines", "empty")]),
        ("fulfil", {"lines": None}, [("/lines", "null")]),
        ("fulfil", {"lines": [{"sku": "TEA", "quantity": 9}]}, [("/lines/0/quantity", "out_of_bounds")]),
        ("fulfil", {"lines": [{"sku": "CUP", "quantity": 1}]}, [("/lines/0/sku", "unknown_sku")]),
        ("fulfil", {"all": True}, [("/all", "unknown_field")]),
        ("return", {}, [("/lines", "required"), ("/restock", "required")]),
        ("return", {"lines": [{"sku": "TEA", "quantity": 1}], "restock": "maybe"}, [("/restock", "invalid")]),
        ("return", {"lines": [{"sku": "TEA", "quantity": 1}], "restock": True}, [("/lines/0/quantity", "out_of_bounds")]),
        ("assign", {}, [("/to", "required")]),
        ("assign", {"to": True}, [("/to", "does_not_exist")]),
        ("assign", {"to": 0}, [("/to", "does_not_exist")]),
        ("assign", {"to": 10**30}, [("/to", "does_not_exist")]),
        ("assign", {"to": "a\x00@example.com"}, [("/to", "does_not_exist")]),
        ("assign", {"to": {"id": 1}}, [("/to", "does_not_exist")]),
        ("assign", {"to": "shopper@example.com"}, [("/to", "does_not_exist")]),
        ("assign", {"to": "clerk@example.com"}, [("/to", "not_allowed")]),
    ],
)  # fmt: skip
def test_verbs_point_at_what_is_wrong(api, verb, body, expected):
    UserFactory.create(email="shopper@example.com")
    MembershipFactory.create(user__email="clerk@example.com", rights=["see_orders"])
    order = order_of(status="accepted", TEA=3)

    assert pointers(api.post(f"/orders/{order.number}/{verb}/", body)) == expected
    assert lines_of(order) == {"TEA": (3, 0, 0)}


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("fulfil", {"lines": [{"sku": "TEA", "quantity": 1}]}),
        ("return", {"lines": [{"sku": "TEA", "quantity": 1}], "restock": True}),
        ("cancel", None),
        ("assign", {"to": None}),
    ],
)
def test_a_verb_sent_again_with_its_key_has_one_effect(api, verb, body):
    order = order_of(status="accepted", TEA=3)
    if verb == "return":
        fulfil(order, TEA=2)
    path = f"/orders/{order.number}/{verb}/"

    first = api.post(path, body, idempotency_key="once")
    again = api.post(path, body, idempotency_key="once")

    assert (first.status_code, again.json(), again["Idempotent-Replayed"]) == (
        200,
        first.json(),
        "true",
    )
    assert_books_agree()


# Assigning


def test_an_order_is_assigned_to_somebody_and_to_nobody_again(api, shopkeeper):
    order = order_of(TEA=1)
    baraka = MembershipFactory.create(
        user__first_name="Baraka", user__email="baraka@example.com", rights=["handle_orders"]
    )
    path = f"/orders/{order.number}/assign/"
    person = {
        "subject": str(baraka.user.subject),
        "name": "Baraka",
        "email": "baraka@example.com",
    }

    for name in (baraka.pk, str(baraka.pk), "BARAKA@example.com", str(baraka.user.subject)):
        assert api.post(path, {"to": name}).json()["assigned_to"] == person
    answer = api.post(path, {"to": None}).json()

    assert answer["assigned_to"] is None
    # The same again is nothing new.
    assert [row["changes"] for row in answer["history"][1:]] == [
        {"assigned_to": [None, str(baraka.user.subject)]},
        {"assigned_to": [str(baraka.user.subject), None]},
    ]
    assert api.get("/orders/?assigned_to=none").json()["results"] == [answer]
    assert told(order) == ["order.placed"]


def test_an_address_of_two_employees_says_too_little(api):
    MembershipFactory.create_batch(2, user__email="team@example.com", rights=["handle_orders"])
    order = order_of(TEA=1)

    response = api.post(f"/orders/{order.number}/assign/", {"to": "team@example.com"})

    assert pointers(response) == [("/to", "does_not_exist")]


def test_orders_of_who_leaves_are_nobody_s():
    order = order_of(TEA=1)
    boss = ShopkeeperFactory.create()
    services.assign_order(order_id=order.pk, by=boss, to=boss)

    boss.delete()

    order.refresh_from_db()
    assert (order.assigned_to, order.history.last().by) == (None, None)


# Counting


def test_counts_are_of_all_statuses_in_one_statement(api, django_assert_num_queries):
    for status in ("draft", "pending", "pending", "accepted", "rejected"):
        IN_STATUS[status].create()

    with django_assert_num_queries(1):
        counts = services.count_by_status()

    expected = {
        "draft": 1,
        "pending": 2,
        "accepted": 1,
        "fulfilled": 0,
        "rejected": 1,
        "cancelled": 0,
    }
    assert counts == expected
    assert api.get("/orders/counts/").json() == {**expected, "waiting": 2}


# Shoppers


@pytest.fixture
def shopper(db):
    return UserFactory.create(email="wanjiru@example.com")


@pytest.fixture
def own(shopper):
    return CustomerFactory.create(user=shopper)


def test_a_shopper_cancels_their_own_pending_order(api_as, shopper, own):
    order = order_of(customer=own, TEA=2)

    response = api_as(shopper).post(f"/orders/{order.number}/cancel/", {"reason": "Too late."})

    assert (response.status_code, response.json()["status"]) == (200, "cancelled")
    assert response.json()["history"][-1]["reason"] == "Too late."
    assert order.history.last().by == shopper
    assert (stock()["TEA"], told(order)) == (10, ["order.placed", "order.cancelled"])


@pytest.mark.parametrize("status", ["accepted", "fulfilled", "rejected", "cancelled"])
def test_a_shopper_cancels_nothing_that_the_shop_has_answered(api_as, shopper, own, status):
    order = IN_STATUS[status].create(customer=own)

    response = api_as(shopper).post(f"/orders/{order.number}/cancel/")

    assert (response.status_code, response.json()["code"]) == (409, "illegal_move")
    assert response.json()["allowed"] == []
    order.refresh_from_db()
    assert order.status == status


@pytest.mark.parametrize("verb", ["place", "accept", "reject", "fulfil", "return", "assign"])
def test_a_shopper_does_nothing_else_even_to_their_own(api_as, shopper, own, verb):
    order = order_of(customer=own, TEA=1)

    assert api_as(shopper).post(f"/orders/{order.number}/{verb}/").status_code == 403
    assert api_as(shopper).patch(f"/orders/{order.number}/", {"note": "x"}).status_code == 403
    assert api_as(shopper).get("/orders/counts/").status_code == 403


def test_who_sees_all_orders_cancels_but_their_own(api_as):
    clerk = MembershipFactory.create(rights=["see_orders"]).user
    own, other = order_of(customer=CustomerFactory.create(user=clerk), TEA=1), order_of(TEA=1)

    assert api_as(clerk).post(f"/orders/{other.number}/cancel/").status_code == 403
    assert api_as(clerk).post(f"/orders/{own.number}/cancel/").status_code == 200


def test_a_shopper_sees_no_draft_and_nothing_of_who_works_in_the_shop(api, api_as, shopper, own):
    boss = ShopkeeperFactory.create()
    draft, order = (order_of(status="draft", customer=own, TEA=2) for _ in range(2))
    act = {"order_id": order.pk, "by": boss}
    services.edit_order(**act, note="Thought of twice")
    services.place_draft(**act)
    services.edit_order(**act, note="Ring twice.")
    services.assign_order(**act, to=boss)
    services.accept_order(**act)
    services.fulfil_order(**act)
    services.return_lines(
        **act, lines=wanted(TEA=1), restock=False, reason="They broke it themselves."
    )

    page = api_as(shopper).get("/orders/")

    [seen] = page.json()["results"]
    assert (seen["number"], seen["assigned_to"]) == (order.number, None)
    assert [
        (row["verb"], row["from_status"], row["changes"], row["reason"], row["by"])
        for row in seen["history"]
    ] == [
        ("placed", "", {}, "", None),
        ("edited", "pending", {"note": ["Thought of twice", "Ring twice."]}, "", None),
        ("accepted", "pending", {}, "", None),
        ("fulfilled", "accepted", {"TEA fulfilled": [0, 2]}, "", None),
        ("returned", "fulfilled", {"TEA returned": [0, 1]}, "", None),
    ]
    assert str(boss.subject) not in page.content.decode()
    assert api_as(shopper).get(f"/orders/{draft.number}/").status_code == 404
    services.cancel_order(order_id=draft.pk, by=boss)
    assert api_as(shopper).get(f"/orders/{draft.number}/").status_code == 404
    for who in ("me", "none", str(boss.subject)):
        assert api_as(shopper).get(f"/orders/?assigned_to={who}").json()["results"] == []
    assert len(api.get(f"/orders/{order.number}/").json()["history"]) == 8


@pytest.mark.parametrize("rows", [1, 3])
def test_a_shopper_s_list_takes_the_same_statements(
    api_as, shopper, own, rows, django_assert_num_queries
):
    for _ in range(rows):
        order_of(customer=own, TEA=1)
    caller = api_as(shopper)
    caller.get("/orders/")

    # session, user, what they may (4), which customer they are; orders, lines, history
    with django_assert_num_queries(10):
        assert len(caller.get("/orders/").json()["results"]) == rows


def test_a_quiet_order_tells_nobody():
    services.place_order(
        customer=CustomerFactory.create(), lines=wanted(TEA=1), by=None, quietly=True
    )

    assert not Message.objects.exists()
    assert stock()["TEA"] == 9
