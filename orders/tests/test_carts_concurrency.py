"""Carts that meet at the same goods, or at one another: real threads on real PostgreSQL."""

import random
import time
from collections import Counter
from functools import partial
from threading import Event

import pytest
from django.db import connection
from django.db.models import Sum

from accounts.services import people
from accounts.tests.factories import ShopkeeperFactory, UserFactory
from catalog import services as catalogue
from catalog.models import StockMovement, Variant
from catalog.tests.factories import VariantFactory
from conftest import Api
from core.tests.races import at_once
from customers.models import Customer
from customers.tests.factories import CustomerFactory
from orders import services
from orders.exceptions import CartChanged
from orders.models import Cart, CartLine, Order, OrderLine
from orders.services import Addition, Shopper, carts, placing
from tests.processes import wait_until

from .test_concurrency import Shop, left, outcomes_of

pytestmark = pytest.mark.django_db(transaction=True)


def shopper(number=0):
    return UserFactory.create(username=f"s{number}", email=f"s{number}@example.com")


def fill(user, *lines):
    services.add_to_cart(
        shopper=Shopper(user=user),
        lines=[Addition(sku=sku, quantity=quantity) for sku, quantity in lines],
    )


def check_out(user, **headers):
    api = Api(user)
    return lambda: api.post("/cart/place/", {}, **headers)


def held(user):
    lines = CartLine.objects.filter(cart__user=user).select_related("variant")
    return {line.variant.sku: line.quantity for line in lines}


def sold():
    return dict(OrderLine.objects.values_list("sku").annotate(Sum("quantity")))


def assert_books_are_right():
    """What is on hand is what the ledger says, by its sum and by its last line."""
    sums = dict(StockMovement.objects.order_by().values_list("variant").annotate(Sum("quantity")))
    for variant in Variant.objects.all():
        assert variant.stock == sums.get(variant.pk, 0)
        last = variant.movements.first()
        assert last is None or last.on_hand == variant.stock


def someone_waits_for_a_lock():
    with connection.cursor() as cursor:
        # Not pg_stat_activity: that stands still inside a transaction.
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]


def test_two_hundred_carts_for_fifty_pieces_sell_exactly_fifty():
    VariantFactory.create(sku="TEA", price="12.50", stock=50)
    calls = []
    for number in range(200):
        user = shopper(number)
        fill(user, ("TEA", 1))
        calls.append(check_out(user))

    started = time.perf_counter()
    responses = at_once(calls, threads=40)
    print(f"200 carts in {time.perf_counter() - started:.2f} s")

    assert outcomes_of(responses) == {(201, None): 50, (409, "cart_changed"): 150}
    assert (left(), sold()) == ({"TEA": 0}, {"TEA": 50})
    assert_books_are_right()
    moves = StockMovement.objects.filter(kind="sold")
    assert moves.count() == moves.exclude(by=None).count() == 50
    assert sorted(moves.values_list("on_hand", flat=True)) == list(range(50))
    assert {each.json()["number"] for each in responses if each.status_code == 201} == set(
        Order.objects.values_list("number", flat=True)
    )
    # Who got none has their cart still, and is told why.
    assert (Cart.objects.count(), Order.objects.count()) == (150, 50)
    for response in responses:
        for error in response.json().get("errors", []):
            assert (error["pointer"], error["code"]) == ("/lines/0", "out_of_stock")


def test_carts_direct_orders_counts_and_prices_at_once_lose_nothing_and_never_deadlock():
    dice = random.Random(20261121)
    initial = {f"S{n}": stock for n, stock in enumerate((30, 40, 50, 20, 60, 1))}
    goods = {sku: VariantFactory.create(sku=sku, stock=stock) for sku, stock in initial.items()}
    till, customer = Shop(threads=24), CustomerFactory.create()

    def lines():
        return [
            (sku, 1 if sku == "S5" else dice.randint(1, 4)) for sku in dice.sample(list(initial), 3)
        ]

    calls = []
    for number in range(70):
        user = shopper(number)
        fill(user, *lines())
        calls.append(check_out(user))
    # Nobody counts or prices this one anew: carts that hold it alone are placed whatever else is.
    VariantFactory.create(sku="S6", stock=5)
    for number in range(70, 73):
        user = shopper(number)
        fill(user, ("S6", 1))
        calls.append(check_out(user))
    calls += [partial(till.order, customer, lines()) for _ in range(40)]
    for sku in dice.choices(list(initial), k=20):
        count = dice.randint(0, 40)
        calls.append(
            lambda sku=sku, count=count: catalogue.count_stock(
                variant_id=goods[sku].pk, counted=count
            )
        )
    for sku in dice.choices(list(initial), k=10):
        price = f"{dice.randint(1, 20)}.00"
        calls.append(
            lambda sku=sku, price=price: catalogue.update_variant(
                variant_id=goods[sku].pk, price=price
            )
        )
    dice.shuffle(calls)

    outcomes = at_once(calls, threads=24)

    responses = [each for each in outcomes if not isinstance(each, Variant)]
    assert len(responses) == 113
    assert set(outcomes_of(responses)) <= {
        (201, None),
        (409, "cart_changed"),
        (409, "out_of_stock"),
    }
    assert Order.objects.count() == outcomes_of(responses)[201, None] > 10
    assert min(left().values()) >= 0
    assert_books_are_right()
    taken = StockMovement.objects.filter(kind="sold").values_list("variant__sku")
    assert sold() == {sku: -pieces for sku, pieces in taken.annotate(Sum("quantity"))}
    # What somebody paid from a cart is what they had seen when they filled it.
    own = OrderLine.objects.filter(order__customer__user__username__startswith="s")
    assert set(own.values_list("unit_price", flat=True)) == {10}


def test_a_double_click_places_one_order():
    VariantFactory.create(sku="TEA", stock=50)
    for number in range(3):
        user = shopper(number)
        fill(user, ("TEA", 3))

        responses = at_once([check_out(user) for _ in range(6)])

        assert outcomes_of(responses) == {(201, None): 1, (409, "cart_empty"): 5}
        # They became a customer meanwhile, once.
        assert Order.objects.filter(customer=Customer.objects.get(user=user)).count() == 1
    assert left() == {"TEA": 41}


def test_a_double_click_with_one_key_gets_one_answer():
    VariantFactory.create(sku="TEA", stock=50)
    user = shopper()
    fill(user, ("TEA", 3))

    responses = at_once([check_out(user, idempotency_key="once") for _ in range(8)])

    assert set(outcomes_of(responses)) <= {(201, None), (409, "idempotency_in_flight")}
    numbers = {each.json()["number"] for each in responses if each.status_code == 201}
    assert numbers == {Order.objects.get().number}
    assert left() == {"TEA": 47}


def test_what_is_added_while_a_cart_is_placed_is_ordered_or_still_there():
    VariantFactory.create(sku="TEA", stock=1000)
    VariantFactory.create(sku="CUP", stock=1000)
    for number in range(12):
        user = shopper(number)
        fill(user, ("TEA", 2))
        api = Api(user)

        def add(api=api, number=number):
            time.sleep(number / 1000)  # to meet the order at each of its steps
            return api.post("/cart/lines/", {"sku": "CUP", "quantity": 1})

        placed, added = at_once([check_out(user), add])

        assert (placed.status_code, added.status_code) == (201, 200)
        ordered = {each["sku"]: each["quantity"] for each in placed.json()["lines"]}
        assert Counter(ordered) + Counter(held(user)) == {"TEA": 2, "CUP": 1}
        assert ordered["TEA"] == 2


def test_what_is_added_once_a_cart_is_being_placed_begins_the_next(monkeypatch):
    VariantFactory.create(sku="TEA")
    VariantFactory.create(sku="CUP")
    user = shopper()
    fill(user, ("TEA", 2))
    being_placed = Event()
    place = carts.place_order

    def late(**kwargs):
        being_placed.set()
        wait_until(someone_waits_for_a_lock)
        return place(**kwargs)

    def add():
        assert being_placed.wait(timeout=90)
        return fill(user, ("CUP", 1))

    monkeypatch.setattr(carts, "place_order", late)

    order, _ = at_once([lambda: services.place_cart(user=user), add])

    assert [(line.sku, line.quantity) for line in order.lines.all()] == [("TEA", 2)]
    assert held(user) == {"CUP": 1}


def test_a_first_cart_is_made_once():
    VariantFactory.create(sku="TEA", stock=100)
    user = shopper()
    apis = [Api(user) for _ in range(8)]

    responses = at_once(
        [lambda api=api: api.post("/cart/lines/", {"sku": "TEA", "quantity": 1}) for api in apis]
    )

    assert outcomes_of(responses) == {(200, None): 8}
    assert held(user) == {"TEA": 8}


def test_a_stranger_s_cart_comes_along_once_whoever_brings_it_however_often():
    VariantFactory.create(sku="TEA", stock=100)
    for number in range(4):
        one, other = shopper(f"{number}a"), shopper(f"{number}b")
        fill(one, ("TEA", 1))
        _, token = services.add_to_cart(shopper=Shopper(), lines=[Addition(sku="TEA", quantity=5)])
        apis = [Api(user) for user in (one, other) for _ in range(4)]

        responses = at_once(
            [lambda api=api, token=token: api.get("/cart/", x_cart_token=token) for api in apis]
        )

        assert outcomes_of(responses) == {(200, None): 8}
        assert (held(one), held(other)) in [({"TEA": 6}, {}), ({"TEA": 1}, {"TEA": 5})]
        assert not Cart.objects.filter(user=None).exists()


def test_a_stranger_who_adds_while_the_cart_comes_along_loses_nothing_unsaid():
    VariantFactory.create(sku="TEA", stock=100)
    for number in range(8):
        user = shopper(number)
        _, token = services.add_to_cart(shopper=Shopper(), lines=[Addition(sku="TEA", quantity=5)])
        mine, theirs = Api(user), Api(None)

        def add(theirs=theirs, token=token, number=number):
            time.sleep(number / 2000)
            return theirs.post("/cart/lines/", {"sku": "TEA", "quantity": 1}, x_cart_token=token)

        merged, added = at_once(
            [lambda mine=mine, token=token: mine.get("/cart/", x_cart_token=token), add]
        )

        assert merged.status_code == 200
        assert (added.status_code, held(user)) in [(200, {"TEA": 6}), (404, {"TEA": 5})]


@pytest.mark.parametrize("what", ["product", "variant"])
def test_what_is_deleted_while_a_cart_is_placed_is_either_ordered_or_deleted(what):
    boss = ShopkeeperFactory.create()
    for attempt in range(16):
        tea, cup = VariantFactory.create(), VariantFactory.create()
        user = shopper(attempt)
        fill(user, (tea.sku, 1), (cup.sku, 1))
        path = {
            "product": f"/products/{tea.product_id}/",
            "variant": f"/variants/{tea.pk}/",
        }[what]

        def delete(path=path, attempt=attempt):
            time.sleep(attempt / 1000)  # to meet the order at each of its steps
            return Api(boss).delete(path)

        placed, deleted = at_once([check_out(user), delete])

        assert deleted.status_code in {200, 204}, deleted.content
        ordered = OrderLine.objects.filter(order__customer__user=user)
        assert placed.status_code in {201, 409}, placed.content
        assert ordered.count() == len(placed.json().get("lines", []))
        assert Variant.objects.filter(pk=tea.pk).exists() == ordered.filter(sku=tea.sku).exists()


def test_a_cart_is_placed_or_gone_where_its_account_is_deleted_meanwhile():
    VariantFactory.create(sku="TEA", stock=100)
    for attempt in range(10):
        user = shopper(attempt)
        CustomerFactory.create(user=user)
        fill(user, ("TEA", 1))

        def leave(user=user, attempt=attempt):
            time.sleep(attempt / 1000)
            people.delete_account(user=user)

        placed, gone = at_once([check_out(user), leave])

        assert gone is None
        assert (placed.status_code, placed.json().get("code")) in {
            (201, None),
            (401, "not_authenticated"),
            (409, "cart_empty"),
        }
    assert not Cart.objects.exists()


def test_an_expired_cart_that_is_removed_while_somebody_comes_back_is_begun_anew():
    VariantFactory.create(sku="TEA", stock=100)
    VariantFactory.create(sku="CUP", stock=100)
    for number in range(8):
        user = shopper(number)
        fill(user, ("TEA", 1))
        Cart.objects.update(expires_at="2020-01-01T00:00Z")
        api = Api(user)

        added, removed = at_once(
            [
                lambda api=api: api.post("/cart/lines/", {"sku": "CUP", "quantity": 2}),
                services.remove_expired_carts,
            ]
        )

        assert added.status_code == 200
        assert removed in range(number + 2)
        assert held(user) == {"CUP": 2}


# What comes in between looking at the cart and ordering what is in it


def elsewhere(call):
    """Do and commit it on another connection, now."""
    (outcome,) = at_once([call])
    if isinstance(outcome, Exception):
        raise outcome


def raise_price(tea):
    catalogue.update_variant(variant_id=tea.pk, price="99.00")


def sell_out(tea):
    catalogue.count_stock(variant_id=tea.pk, counted=0)


def sell_some(tea):
    catalogue.count_stock(variant_id=tea.pk, counted=1)


def hide(tea):
    catalogue.update_product(product_id=tea.product_id, is_published=False)


def give_its_sku_to_another(tea):
    catalogue.update_variant(variant_id=tea.pk, sku="TEA-OLD")
    VariantFactory.create(sku="TEA")


@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (raise_price, ["Chai (TEA) costs 99.00 now; it was 10.00."]),
        (sell_out, ["Chai (TEA) is sold out."]),
        (sell_some, ["Only 1 of Chai (TEA) left."]),
        (hide, ["Chai (TEA) is not for sale any more."]),
        # Placed again it is ordered by its new SKU.
        (give_its_sku_to_another, []),
    ],
)
def test_what_happens_at_the_last_moment_is_told_as_if_it_had_been_before(
    monkeypatch, happens, told
):
    tea = VariantFactory.create(sku="TEA", name="Chai")
    user = shopper()
    fill(user, ("TEA", 2))
    place = carts.place_order

    def late(**kwargs):
        elsewhere(lambda: happens(tea))
        return place(**kwargs)

    monkeypatch.setattr(carts, "place_order", late)
    with pytest.raises(CartChanged) as caught:
        services.place_cart(user=user)

    assert [each.detail for each in caught.value.errors] == told
    assert {each.path for each in caught.value.errors} <= {("lines", 0)}
    # Nothing stays of the try, not even a customer.
    assert not Order.objects.exists()
    assert not Customer.objects.exists()
    assert sum(held(user).values()) == 2
    assert_books_are_right()


def test_the_price_that_was_seen_is_the_one_that_is_paid(monkeypatch):
    """It changes when the order has looked it up, but not been committed."""
    tea = VariantFactory.create(sku="TEA")
    user = shopper()
    fill(user, ("TEA", 2))
    next_number = placing.next_value

    def late(sequence):
        elsewhere(lambda: raise_price(tea))
        return next_number(sequence)

    monkeypatch.setattr(placing, "next_value", late)

    order = services.place_cart(user=user)

    assert (order.total, order.lines.get().unit_price) == (20, 10)
    assert Variant.objects.get().price == 99
