"""Drafts, and orders that change before the shop has said anything."""

from decimal import Decimal

import pytest
from django.utils import timezone

from catalog.exceptions import OutOfStock
from catalog.models import Product, Variant
from catalog.services import remove_variant, update_variant
from catalog.tests.factories import VariantFactory
from core.errors import InvalidInput
from core.tests.rest import pointers, problem
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from orders import services
from orders.exceptions import EditNotAllowed, MoveNotAllowed, OrderChanged, UnknownGoods
from orders.models import Order
from orders.services import COLLECTION, Delivery, Wanted
from orders.states import DeliveryMethod

from .factories import IN_STATUS
from .shop import ADDRESS, DELIVERY, assert_books_agree, goods, lines_of, order_of, stock, wanted

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _goods(db):
    goods()


def edit(order, **changes):
    return services.edit_order(order_id=order.pk, by=None, **changes)


def paths(refused):
    return [(error.path, error.code) for error in refused.value.errors]


def last_change(order):
    row = order.history.last()
    return row.verb, row.from_status, row.to_status, row.changes


# Drafts


def test_a_draft_takes_nothing_and_tells_nobody_until_it_is_placed():
    order = order_of(status="draft", TEA=3, CUP=1)
    assert (order.status, order.total, stock()["TEA"]) == ("draft", Decimal("38.49"), 10)
    assert not Message.objects.exists()
    drafted = order.placed_at

    order = services.place_draft(order_id=order.pk, by=None)

    assert (order.status, stock()) == ("pending", {"TEA": 7, "CUP": 9, "POT": 10})
    assert drafted < order.placed_at < timezone.now()
    assert Message.objects.get().event == "order.placed"
    assert list(order.history.values_list("verb", "from_status", "to_status")) == [
        ("drafted", "", "draft"),
        ("placed", "draft", "pending"),
    ]
    assert_books_agree()


def test_a_draft_is_placed_at_the_prices_and_names_it_was_drafted_with():
    order = order_of(status="draft", TEA=1)
    tea = Variant.objects.get(sku="TEA")
    update_variant(variant_id=tea.pk, sku="TEA-2", price=Decimal("99.00"), name="Green")

    order = services.place_draft(order_id=order.pk, by=None)

    assert list(order.lines.values_list("sku", "name", "unit_price")) == [
        ("TEA", "Tea", Decimal("12.50"))
    ]
    assert stock()["TEA-2"] == 9


def test_a_draft_is_not_placed_where_goods_are_short_or_gone():
    order = order_of(status="draft", TEA=11, CUP=1, POT=11)

    with pytest.raises(OutOfStock) as refused:
        services.place_draft(order_id=order.pk, by=None)
    assert paths(refused) == [
        (("lines", 0, "quantity"), "out_of_stock"),
        (("lines", 2, "quantity"), "out_of_stock"),
    ]

    Product.objects.filter(variants__sku="CUP").update(is_published=False)
    with pytest.raises(UnknownGoods) as refused:
        services.place_draft(order_id=order.pk, by=None)
    assert paths(refused) == [(("lines", 1, "sku"), "unknown_sku")]
    order.refresh_from_db()
    assert (order.status, stock()) == ("draft", {"TEA": 10, "CUP": 10, "POT": 10})


def test_the_goods_that_a_draft_lacks_are_named_where_the_draft_shows_them():
    order = order_of(status="draft", TEA=1)
    services.edit_order(order_id=order.pk, by=None, lines=wanted(CUP=11, TEA=1))

    assert [line.sku for line in order.lines.all()] == ["TEA", "CUP"]
    with pytest.raises(OutOfStock) as caught:
        services.place_draft(order_id=order.pk, by=None)
    assert [error.path for error in caught.value.errors] == [("lines", 1, "quantity")]


def test_a_dropped_draft_gives_nothing_back_and_tells_nobody():
    order = order_of(status="draft", TEA=3)

    order = services.cancel_order(order_id=order.pk, by=None)

    assert (order.status, stock()["TEA"]) == ("cancelled", 10)
    assert not Message.objects.exists()
    assert_books_agree()


def test_a_draft_is_edited_beyond_what_is_in_stock():
    order = order_of(status="draft", TEA=1)

    edit(order, lines=wanted(TEA=50))

    assert (lines_of(order), stock()["TEA"]) == ({"TEA": (50, 0, 0)}, 10)


# Lines


def test_stock_follows_an_edit_line_by_line():
    order = order_of(TEA=3, CUP=2)

    edit(order, lines=wanted(TEA=5, POT=1))

    order.refresh_from_db()
    assert (lines_of(order), order.total) == (
        {"TEA": (5, 0, 0), "POT": (1, 0, 0)},
        Decimal("162.50"),
    )
    assert stock() == {"TEA": 5, "CUP": 10, "POT": 9}
    assert last_change(order) == (
        "edited",
        "pending",
        "pending",
        {
            "TEA quantity": [3, 5],
            "CUP quantity": [2, 0],
            "POT quantity": [0, 1],
            "total": ["39.48", "162.50"],
        },
    )
    assert Message.objects.count() == 1  # that it was placed
    assert_books_agree()


def test_an_edit_is_one_statement_for_the_stock(django_assert_max_num_queries):
    order = order_of(TEA=3, CUP=2)

    with django_assert_max_num_queries(20) as ran:
        edit(order, lines=wanted(TEA=1, CUP=3, POT=4))

    moved = [each["sql"] for each in ran.captured_queries if "catalog_stockmovement" in each["sql"]]
    assert len(moved) == 1


def test_what_was_ordered_keeps_its_price_and_what_is_new_has_today_s():
    order = order_of(TEA=1)
    Variant.objects.update(price="20.00")

    edit(order, lines=wanted(TEA=2, CUP=1))

    assert list(order.lines.values_list("sku", "unit_price")) == [
        ("TEA", Decimal("12.50")),
        ("CUP", Decimal("20.00")),
    ]
    assert Order.objects.get().total == Decimal("45.00")


def test_goods_no_longer_sold_may_stay_or_become_less_but_not_more():
    order = order_of(TEA=3, CUP=1)
    remove_variant(variant_id=Variant.objects.get(sku="TEA").pk)

    edit(order, lines=wanted(CUP=2, TEA=3))
    edit(order, lines=wanted(CUP=2, TEA=2))
    with pytest.raises(UnknownGoods) as refused:
        edit(order, lines=wanted(CUP=2, TEA=3))

    assert paths(refused) == [(("lines", 1, "sku"), "unknown_sku")]
    assert (lines_of(order)["TEA"], stock()["TEA"]) == ((2, 0, 0), 8)
    assert_books_agree()


def test_a_sku_given_to_other_goods_does_not_sell_more_of_what_was_removed():
    order = order_of(TEA=3)
    old = Variant.objects.get(sku="TEA")
    remove_variant(variant_id=old.pk)
    new = VariantFactory.create(sku="TEA", stock=10)

    with pytest.raises(UnknownGoods):
        edit(order, lines=wanted(TEA=4))

    assert order.lines.get().variant == old
    assert Variant.objects.get(pk=new.pk).stock == 10


def test_goods_with_another_sku_since_are_found_by_either():
    order = order_of(TEA=3)
    update_variant(variant_id=Variant.objects.get(sku="TEA").pk, sku="CHAI")

    edit(order, lines=wanted(tea=4))
    edit(order, lines=wanted(Chai=5))

    assert (lines_of(order), stock()["CHAI"]) == ({"TEA": (5, 0, 0)}, 5)


@pytest.mark.parametrize(
    ("lines", "error", "expected"),
    [
        ([], InvalidInput, [(("lines",), "empty")]),
        ([("NOPE", 1), ("TEA", 1)], UnknownGoods, [(("lines", 0, "sku"), "unknown_sku")]),
        ([("TEA", 1), ("CUP", 0)], InvalidInput, [(("lines", 1, "quantity"), "out_of_bounds")]),
        # Two of the eleven are in the order already.
        ([("CUP", 1), ("TEA", 13)], OutOfStock, [(("lines", 1, "quantity"), "out_of_stock")]),
    ],
)
def test_a_refused_edit_changes_nothing(lines, error, expected):
    order = order_of(TEA=2)
    before = (list(Order.objects.values()), stock())

    with pytest.raises(error) as refused:
        edit(order, note="Not kept", lines=[Wanted(sku=sku, quantity=n) for sku, n in lines])

    assert paths(refused) == expected
    assert (list(Order.objects.values()), stock()) == before
    assert order.history.count() == 1
    assert_books_agree()


def test_the_whole_stock_and_what_is_in_the_order_may_be_taken():
    order = order_of(TEA=2)

    edit(order, lines=wanted(TEA=10))

    assert stock()["TEA"] == 0


def test_an_edit_to_what_it_is_already_leaves_no_trace():
    order = order_of(TEA=2)
    before = Order.objects.values().get()

    edit(order, lines=wanted(tea=1, TEA=1), note="", delivery=COLLECTION)

    assert Order.objects.values().get() == before
    assert order.history.count() == 1


def test_who_decides_on_what_they_saw_is_told_when_it_has_changed():
    order = order_of(TEA=2)
    seen = order.updated_at
    edit(order, note="Ring twice.")

    with pytest.raises(OrderChanged):
        edit(order, note="Ring once.", seen=seen)

    order.refresh_from_db()
    assert order.note == "Ring twice."
    edit(order, note="Ring once.", seen=order.updated_at)


@pytest.mark.parametrize("status", ["accepted", "fulfilled", "rejected", "cancelled"])
def test_what_is_decided_is_not_edited(api, status):
    order = IN_STATUS[status].create()
    before = Order.objects.values().get()

    response = api.patch(f"/orders/{order.number}/", {"note": "Late"})

    assert response.status_code == 409
    allowed = {"accepted": ["cancelled", "fulfilled"]}.get(status, [])
    assert response.json() == problem(
        response,
        code="illegal_move",
        detail=f"Order {order.number} is {status}; only drafts and pending orders can be edited.",
        status_now=status,
        allowed=allowed,
    )
    with pytest.raises(EditNotAllowed):
        edit(order, lines=wanted(TEA=1))
    assert Order.objects.values().get() == before


# Delivery


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({}, ["recipient:required", "line_1:required", "city:required"]),
        ({"recipient": " ", "address_line_1": "x", "city": "x"}, ["recipient:required"]),
        (
            {
                "recipient": "r" * 201,
                "address_line_1": "x" * 201,
                "city": "c" * 101,
                "postcode": "p" * 21,
                "country": "KEN",
            },
            [
                "recipient:max_length",
                "line_1:max_length",
                "city:max_length",
                "postcode:max_length",
                "country:max_length",
                "country:invalid",
            ],
        ),
        (
            {"recipient": "x", "address_line_1": "x", "city": "x", "country": "ke"},
            ["country:invalid"],
        ),
    ],
)
def test_a_delivery_needs_a_good_address(address, expected):
    with pytest.raises(InvalidInput) as refused:
        Delivery(delivery_method=DeliveryMethod.DELIVERY, **address).check()

    assert [f"{each.path[1]}:{each.code}" for each in refused.value.errors] == expected


def test_delivery_and_note_are_edited_with_before_and_after():
    order = order_of(TEA=1)

    order = edit(order, delivery=DELIVERY, note="Ring twice.")

    assert Delivery.of(Order.objects.get()) == DELIVERY
    assert last_change(order)[3] == {
        "note": ["", "Ring twice."],
        "delivery_method": ["collection", "delivery"],
        "recipient": ["", "Wanjiru Kamau"],
        "address_line_1": ["", "Moi Avenue 12"],
        "city": ["", "Nairobi"],
        "postcode": ["", "00100"],
        "country": ["", "KE"],
    }


# REST


def test_rest_drafts_edits_and_places(api):
    CustomerFactory.create(code="C")
    body = {
        "customer": "C",
        "lines": [{"sku": "TEA", "quantity": 2}],
        "delivery_method": "delivery",
        "delivery_address": {k: v for k, v in ADDRESS.items() if v},
        "reference": "WEB-7",
        "draft": True,
    }

    drafted = api.post("/orders/", body)
    assert drafted.status_code == 201
    order = drafted.json()
    assert (order["status"], order["delivery_method"], order["delivery_address"]) == (
        "draft",
        "delivery",
        ADDRESS,
    )
    assert order["reference"] == "WEB-7"
    path = f"/orders/{order['number']}/"

    edited = api.patch(
        path, {"lines": [{"sku": "TEA", "quantity": 1}], "delivery_method": "collection"}
    )
    assert edited.status_code == 200
    assert (edited.json()["delivery_address"], edited.json()["total"]) == (None, "12.50")
    placed = api.post(f"{path}place/", if_match=edited["ETag"])
    assert (placed.status_code, placed.json()["status"], stock()["TEA"]) == (200, "pending", 9)


def test_what_was_read_can_be_sent_back(api):
    order = order_of(status="draft", TEA=1, CUP=2)
    edit(order, delivery=DELIVERY)
    read = api.get(f"/orders/{order.number}/")

    response = api.patch(f"/orders/{order.number}/", read.json(), if_match=read["ETag"])

    assert (response.status_code, response.json()) == (200, read.json())


@pytest.mark.parametrize(
    ("before", "body", "method", "city"),
    [
        (COLLECTION, {"delivery_method": "collection"}, "collection", None),
        (COLLECTION, {"delivery_address": None}, "collection", None),
        (
            COLLECTION,
            {"delivery_method": "delivery", "delivery_address": ADDRESS},
            "delivery",
            "Nairobi",
        ),
        (DELIVERY, {"delivery_method": "delivery"}, "delivery", "Nairobi"),
        (DELIVERY, {"delivery_address": {**ADDRESS, "city": "Thika"}}, "delivery", "Thika"),
        (DELIVERY, {"delivery_method": "collection"}, "collection", None),
        (
            DELIVERY,
            {"delivery_method": "collection", "delivery_address": None},
            "collection",
            None,
        ),
        (DELIVERY, {"note": "x"}, "delivery", "Nairobi"),
    ],
)
def test_patch_of_delivery_keeps_what_was_not_sent(api, before, body, method, city):
    order = order_of(TEA=1)
    edit(order, delivery=before)

    answer = api.patch(f"/orders/{order.number}/", body).json()

    assert answer["delivery_method"] == method
    assert (answer["delivery_address"] or {}).get("city") == city


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"delivery_address": ADDRESS}, [("/delivery_address", "not_allowed")]),
        (
            {"delivery_method": "delivery"},
            [
                ("/delivery_address/recipient", "required"),
                ("/delivery_address/line_1", "required"),
                ("/delivery_address/city", "required"),
            ],
        ),
        (
            {"delivery_method": "delivery", "delivery_address": {**ADDRESS, "country": "k3"}},
            [("/delivery_address/country", "invalid")],
        ),
        (
            {"delivery_method": "delivery", "delivery_address": {**ADDRESS, "street": "x"}},
            [("/delivery_address/street", "unknown_field")],
        ),
        ({"delivery_address": "Moi Avenue"}, [("/delivery_address", "invalid")]),
        ({"delivery_method": "drone"}, [("/delivery_method", "invalid_choice")]),
        ({"lines": []}, [("/lines", "empty")]),
        ({"lines": [{"sku": "TEA"}]}, [("/lines/0/quantity", "required")]),
        ({"lines": [{"quantity": 1}]}, [("/lines/0/sku", "required")]),
        ({"note": "n" * 2001, "draft": True}, [("/draft", "unknown_field"), ("/note", "max_length")]),
    ],
)  # fmt: skip
def test_patch_points_at_what_is_wrong(api, body, expected):
    order = order_of(TEA=1)

    assert pointers(api.patch(f"/orders/{order.number}/", body)) == expected


def test_patch_honours_if_match(api):
    order = order_of(TEA=1)
    seen = api.get(f"/orders/{order.number}/")["ETag"]
    first = api.patch(f"/orders/{order.number}/", {"note": "First"}, if_match=seen)

    late = api.patch(f"/orders/{order.number}/", {"note": "Second"}, if_match=seen)

    assert (first.status_code, late.status_code) == (200, 412)
    assert Order.objects.get().note == "First"


def test_a_reference_is_of_one_order(api):
    CustomerFactory.create(code="C")
    body = {"customer": "C", "lines": [{"sku": "TEA", "quantity": 1}], "reference": "WEB-7"}
    assert api.post("/orders/", body).status_code == 201

    for draft in (False, True):
        again = api.post("/orders/", body | {"draft": draft})
        assert pointers(again) == [("/reference", "taken")]
    assert (Order.objects.count(), stock()["TEA"]) == (1, 9)
    assert api.post("/orders/", body | {"reference": None}).status_code == 201


def test_an_order_is_not_placed_twice():
    order = order_of(status="draft", TEA=1)
    services.place_draft(order_id=order.pk, by=None)

    with pytest.raises(MoveNotAllowed):
        services.place_draft(order_id=order.pk, by=None)

    assert stock()["TEA"] == 9
