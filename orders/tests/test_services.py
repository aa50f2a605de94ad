"""The verbs of orders."""

from contextlib import contextmanager
from decimal import Decimal
from itertools import product

import pytest
from django.utils import timezone

from accounts.tests.factories import UserFactory
from catalog.exceptions import OutOfStock
from catalog.models import Variant
from catalog.tests.factories import ProductFactory, VariantFactory
from core.errors import Conflict, InvalidInput
from customers.models import Customer
from customers.tests.factories import CustomerFactory
from orders import services, signals
from orders.exceptions import MoveNotAllowed, UnknownGoods
from orders.models import Order, OrderChange, OrderLine
from orders.services import MAX_LINES, MAX_QUANTITY, Wanted
from orders.states import OrderStatus

from .factories import IN_STATUS, OrderFactory

pytestmark = pytest.mark.django_db

VERBS = {
    "pending": services.place_draft,
    "accepted": services.accept_order,
    "rejected": lambda **kwargs: services.reject_order(**kwargs, reason="Closed."),
    "fulfilled": services.fulfil_order,
    "cancelled": services.cancel_order,
}
ALLOWED = {
    "draft": ["cancelled", "pending"],
    "pending": ["accepted", "cancelled", "rejected"],
    "accepted": ["cancelled", "fulfilled"],
    "fulfilled": [],
    "rejected": [],
    "cancelled": [],
}
PAIRS = list(product(IN_STATUS, VERBS))


def place(*lines, customer=None, by=None, note=""):
    """Place an order of (sku, quantity) pairs."""
    return services.place_order(
        customer=customer or CustomerFactory.create(),
        lines=[Wanted(sku=sku, quantity=quantity) for sku, quantity in lines],
        by=by,
        note=note,
    )


def stock_of(*variants):
    by_key = Variant.objects.in_bulk([variant.pk for variant in variants])
    return [by_key[variant.pk].stock for variant in variants]


def errors_of(refused):
    return [(error.path, error.code) for error in refused.value.errors]


@contextmanager
def heard(event):
    """Collect the notices of an event."""
    notices = []

    def receiver(*, notice, **more):
        notices.append((notice, more["order"]))

    event.connect(receiver)
    try:
        yield notices
    finally:
        event.disconnect(receiver)


# Placing


def test_place_order_keeps_what_was_ordered_at_today_s_names_and_prices():
    boss, customer = UserFactory.create(), CustomerFactory.create()
    tea = VariantFactory.create(sku="TEA", name="", product__name="Chai", price="12.50", stock=10)
    cup = VariantFactory.create(sku="CUP", name="Cup, red", price="0.99", stock=3)
    before = timezone.now()

    order = place(("TEA", 2), ("CUP", 3), customer=customer, by=boss, note="Ring twice.")

    order = Order.objects.get(pk=order.pk)
    assert (order.customer, order.status, order.total, order.currency, order.note) == (
        customer,
        "pending",
        Decimal("27.97"),
        "KES",
        "Ring twice.",
    )
    assert before <= order.placed_at <= timezone.now()
    assert list(order.lines.values_list("variant", "sku", "name", "unit_price", "quantity")) == [
        (tea.pk, "TEA", "Chai", Decimal("12.50"), 2),
        (cup.pk, "CUP", "Cup, red", Decimal("0.99"), 3),
    ]
    assert list(order.history.values_list("from_status", "to_status", "by", "reason")) == [
        ("", "pending", boss.pk, "")
    ]
    assert before <= order.history.get().at <= timezone.now()
    assert stock_of(tea, cup) == [8, 0]


def test_place_order_numbers_count_up():
    VariantFactory.create(sku="TEA")

    first, second = place(("TEA", 1)), place(("TEA", 1))

    assert int(second.number) == int(first.number) + 1
    assert int(first.number) > 1000


def test_place_order_keeps_the_currency_it_was_placed_in(settings):
    VariantFactory.create(sku="TEA")
    first = place(("TEA", 1))

    settings.SHOP_CURRENCY = "TZS"
    second = place(("TEA", 1))

    assert list(Order.objects.order_by("pk").values_list("pk", "currency")) == [
        (first.pk, "KES"),
        (second.pk, "TZS"),
    ]


def test_place_order_makes_one_line_of_the_same_sku():
    tea = VariantFactory.create(sku="TEA", price="1.10", stock=10)
    cup = VariantFactory.create(sku="CUP", price="2.00", stock=10)

    order = place(("TEA", 1), ("CUP", 1), ("TEA", 2), ("TEA", 4))

    assert list(order.lines.values_list("sku", "quantity")) == [("TEA", 7), ("CUP", 1)]
    assert Order.objects.get(pk=order.pk).total == Decimal("9.70")
    assert stock_of(tea, cup) == [3, 9]


@pytest.mark.parametrize(
    ("goods", "total"),
    [
        ([("0.10", 3)], "0.30"),
        ([("0.01", 1), ("19.99", 7)], "139.94"),
        ([("1.10", 1), ("2.20", 1), ("3.30", 1)], "6.60"),
        ([("0.00", 5)], "0.00"),
        ([("9999999999.99", 100)], "999999999999.00"),
        ([("33.33", 1_000_000), ("0.07", 999_999)], "33399999.93"),
    ],
)
def test_totals_are_exact(goods, total):
    for index, (price, quantity) in enumerate(goods):
        VariantFactory.create(sku=f"S{index}", price=price, stock=quantity)

    order = place(*((f"S{index}", quantity) for index, (_, quantity) in enumerate(goods)))

    order = Order.objects.get(pk=order.pk)
    assert str(order.total) == total
    assert sum((line.total for line in order.lines.all()), Decimal(0)) == order.total


def test_place_order_refuses_more_than_a_total_can_hold():
    dear = VariantFactory.create(sku="DEAR", price="9999999999.99", stock=200)

    with pytest.raises(InvalidInput) as refused:
        place(("DEAR", 101))

    assert errors_of(refused) == [(("lines",), "invalid")]
    assert stock_of(dear) == [200]


@pytest.mark.parametrize("quantity", [0, -1, -MAX_QUANTITY, MAX_QUANTITY + 1])
def test_place_order_refuses_quantities_out_of_bounds(quantity):
    tea = VariantFactory.create(sku="TEA", stock=2 * MAX_QUANTITY)

    with pytest.raises(InvalidInput) as refused:
        place(("TEA", 1), ("TEA", quantity), ("TEA", MAX_QUANTITY))

    assert errors_of(refused) == [(("lines", 1, "quantity"), "out_of_bounds")]
    assert stock_of(tea) == [2 * MAX_QUANTITY]


def test_place_order_takes_the_largest_quantity():
    tea = VariantFactory.create(sku="TEA", stock=MAX_QUANTITY)

    place(("TEA", MAX_QUANTITY))

    assert stock_of(tea) == [0]


def test_place_order_refuses_no_lines_and_too_many():
    VariantFactory.create(sku="TEA", stock=1000)

    with pytest.raises(InvalidInput) as refused:
        place()
    assert errors_of(refused) == [(("lines",), "empty")]
    with pytest.raises(InvalidInput) as refused:
        place(*[("TEA", 1)] * (MAX_LINES + 1))
    assert errors_of(refused) == [(("lines",), "max_length")]

    assert place(*[("TEA", 1)] * MAX_LINES).lines.get().quantity == 200


def test_place_order_names_every_line_that_is_not_for_sale():
    tea = VariantFactory.create(sku="TEA", stock=5)
    VariantFactory.create(sku="HIDDEN", product=ProductFactory.create(is_published=False))

    with pytest.raises(UnknownGoods) as refused:
        place(("NOPE", 1), ("TEA", 1), ("HIDDEN", 1), ("", 1))

    assert [(error.path, error.code, error.detail) for error in refused.value.errors] == [
        (("lines", 0, "sku"), "unknown_sku", "NOPE is not for sale."),
        (("lines", 2, "sku"), "unknown_sku", "HIDDEN is not for sale."),
        (("lines", 3, "sku"), "unknown_sku", " is not for sale."),
    ]
    assert stock_of(tea) == [5]
    assert not Order.objects.exists()


def test_place_order_names_every_line_that_is_short_and_takes_nothing():
    tea = VariantFactory.create(sku="TEA", product__name="Chai", stock=5)
    cup = VariantFactory.create(sku="CUP", name="Cup, red", stock=0)
    pot = VariantFactory.create(sku="POT", stock=100)

    with pytest.raises(OutOfStock) as refused:
        place(("POT", 100), ("CUP", 1), ("TEA", 3), ("TEA", 3))

    assert sorted((error.path, error.code, error.detail) for error in refused.value.errors) == [
        (("lines", 1, "quantity"), "out_of_stock", "Cup, red (CUP): 0 left, 1 asked for."),
        (("lines", 2, "quantity"), "out_of_stock", "Chai (TEA): 5 left, 6 asked for."),
    ]
    assert stock_of(tea, cup, pot) == [5, 0, 100]
    assert not Order.objects.exists()
    assert not OrderLine.objects.exists()


def test_place_order_refuses_a_customer_who_was_deleted_meanwhile():
    tea = VariantFactory.create(sku="TEA", stock=5)
    customer = CustomerFactory.create()
    Customer.objects.all().delete()

    with pytest.raises(InvalidInput) as refused:
        place(("TEA", 1), customer=customer)

    assert errors_of(refused) == [(("customer",), "does_not_exist")]
    assert stock_of(tea) == [5]


def test_place_order_announces_to_the_customer_as_they_are_now(settings):
    settings.SHOP_NAME = "Duka la Amina"
    VariantFactory.create(sku="TEA", price="1250.00")
    stale = CustomerFactory.create(name="Amina", phone="+254722000001", language="en")
    Customer.objects.filter(pk=stale.pk).update(
        name="Amina O.", phone="+254722000002", language="sw"
    )

    with heard(signals.order_placed) as notices:
        order = place(("TEA", 2), customer=stale)

    [(notice, announced)] = notices
    assert announced == order
    assert (notice.occurrence, notice.subject, notice.reference) == (
        str(order.history.get().pk),
        "order",
        order.number,
    )
    assert (notice.recipient.reference, notice.recipient.phone, notice.recipient.language) == (
        stale.code,
        "+254722000002",
        "sw",
    )
    assert notice.data == {
        "customer": "Amina O.",
        "number": order.number,
        "total": "KES 2,500.00",
        "shop": "Duka la Amina",
        "reason": "",
    }


def test_a_receiver_that_fails_rolls_the_order_back():
    tea = VariantFactory.create(sku="TEA", stock=5)

    def fail(**_):
        raise RuntimeError("The outbox is on fire.")

    signals.order_placed.connect(fail)
    try:
        with pytest.raises(RuntimeError, match="on fire"):
            place(("TEA", 2))
    finally:
        signals.order_placed.disconnect(fail)

    assert stock_of(tea) == [5]
    assert not Order.objects.exists()
    assert not OrderLine.objects.exists()
    assert not OrderChange.objects.exists()


# Moving


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_every_verb_on_every_status(before, after):
    order = IN_STATUS[before].create()
    boss = UserFactory.create()
    variants = Variant.objects.order_by("pk").values()
    stock = [row["stock"] for row in variants]
    unchanged = (list(Order.objects.values()), list(order.history.values()), list(variants.all()))

    if after in ALLOWED[before]:
        VERBS[after](order_id=order.pk, by=boss)

        placed = order.updated_at
        order.refresh_from_db()
        assert (order.status, order.updated_at > placed) == (after, True)
        assert order.history.count() == len(unchanged[1]) + 1
        last = order.history.last()
        assert (last.from_status, last.to_status, last.by) == (before, after, boss)
        change = {"pending": -1, "rejected": 1, "cancelled": 0 if before == "draft" else 1}
        assert [row["stock"] for row in variants.all()] == [stock[0] + change.get(after, 0)]
    else:
        with pytest.raises(MoveNotAllowed) as refused:
            VERBS[after](order_id=order.pk, by=boss)

        assert (refused.value.present, refused.value.allowed) == (before, ALLOWED[before])
        assert refused.value.detail == (
            f"Order {order.number} is {before}; it cannot become {after}."
        )
        assert unchanged == (
            list(Order.objects.values()),
            list(order.history.values()),
            list(variants.all()),
        )


def test_what_is_checked_is_the_row_and_not_the_caller_s_copy():
    order = OrderFactory.create()
    services.cancel_order(order_id=order.pk, by=None)

    assert order.status == "pending"
    with pytest.raises(MoveNotAllowed):
        services.accept_order(order_id=order.pk, by=None)


def test_history_says_who_when_and_why():
    clerk, boss = UserFactory.create(), UserFactory.create()
    VariantFactory.create(sku="TEA")
    times = [timezone.now()]
    order = place(("TEA", 1), by=clerk)
    times.append(timezone.now())
    services.accept_order(order_id=order.pk, by=boss)
    times.append(timezone.now())
    services.cancel_order(order_id=order.pk, by=None, reason="Changed their mind.")
    times.append(timezone.now())

    rows = list(order.history.all())
    assert [(row.from_status, row.to_status, row.by, row.reason) for row in rows] == [
        ("", "pending", clerk, ""),
        ("pending", "accepted", boss, ""),
        ("accepted", "cancelled", None, "Changed their mind."),
    ]
    for row, earliest, latest in zip(rows, times[:-1], times[1:], strict=True):
        assert earliest <= row.at <= latest


@pytest.mark.parametrize("reason", ["", "   ", "\n\t"])
def test_reject_order_needs_a_reason(reason):
    order = OrderFactory.create()

    with pytest.raises(InvalidInput) as refused:
        services.reject_order(order_id=order.pk, by=None, reason=reason)

    assert errors_of(refused) == [(("reason",), "required")]
    order.refresh_from_db()
    assert order.state is OrderStatus.PENDING


@pytest.mark.parametrize("verb", ["rejected", "cancelled"])
def test_goods_given_back_are_exactly_those_taken(verb):
    tea, cup, pot = (
        VariantFactory.create(sku=sku, stock=stock)
        for sku, stock in (("TEA", 10), ("CUP", 7), ("POT", 5))
    )
    order = place(("CUP", 7), ("TEA", 3), ("TEA", 1))
    place(("TEA", 2))
    Variant.objects.filter(pk=cup.pk).update(stock=40)
    assert stock_of(tea, cup, pot) == [4, 40, 5]

    VERBS[verb](order_id=order.pk, by=None)

    assert stock_of(tea, cup, pot) == [8, 47, 5]


def test_goods_that_cannot_be_counted_any_more_leave_the_order_as_it_was():
    tea = VariantFactory.create(sku="TEA", stock=10)
    order = place(("TEA", 5))
    Variant.objects.filter(pk=tea.pk).update(stock=2_147_483_643)

    with pytest.raises(Conflict, match="stock cannot exceed"):
        services.cancel_order(order_id=order.pk, by=None)

    order.refresh_from_db()
    assert (order.status, stock_of(tea)) == ("pending", [2_147_483_643])
    Variant.objects.filter(pk=tea.pk).update(stock=2_147_483_642)
    services.cancel_order(order_id=order.pk, by=None)
    assert stock_of(tea) == [2_147_483_647]


@pytest.mark.parametrize(
    ("before", "after", "event", "reason"),
    [
        ("pending", "accepted", signals.order_accepted, ""),
        ("pending", "rejected", signals.order_rejected, "Closed."),
        ("accepted", "fulfilled", signals.order_fulfilled, ""),
        ("accepted", "cancelled", signals.order_cancelled, ""),
    ],
)
def test_every_move_is_announced_once_for_its_row_of_history(before, after, event, reason):
    order = IN_STATUS[before].create()

    with heard(event) as notices:
        VERBS[after](order_id=order.pk, by=None)

    [(notice, _)] = notices
    assert notice.occurrence == str(order.history.get(to_status=after).pk)
    assert notice.data["reason"] == reason


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        ("pending", "accepted", signals.order_accepted),
        ("pending", "rejected", signals.order_rejected),
        ("accepted", "fulfilled", signals.order_fulfilled),
        ("pending", "cancelled", signals.order_cancelled),
    ],
)
def test_a_receiver_that_fails_rolls_the_move_back(before, after, event):
    order = IN_STATUS[before].create()
    stock = list(Variant.objects.values_list("stock"))

    def fail(**_):
        raise RuntimeError("The outbox is on fire.")

    event.connect(fail)
    try:
        with pytest.raises(RuntimeError, match="on fire"):
            VERBS[after](order_id=order.pk, by=None)
    finally:
        event.disconnect(fail)

    order.refresh_from_db()
    assert order.status == before
    assert not order.history.filter(to_status=after).exists()
    assert list(Variant.objects.values_list("stock")) == stock


def test_a_sku_is_found_in_capitals_or_not(db):
    tea = VariantFactory.create(sku="Tea-1", stock=10)

    order = services.place_order(
        customer=CustomerFactory.create(),
        lines=[
            services.Wanted(sku="tea-1", quantity=2),
            services.Wanted(sku="TEA-1", quantity=3),
        ],
        by=None,
    )

    assert list(order.lines.values_list("sku", "quantity")) == [("Tea-1", 5)]
    tea.refresh_from_db()
    assert tea.stock == 5
