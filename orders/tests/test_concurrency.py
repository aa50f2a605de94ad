"""Orders that meet at the same goods, or at the same order: real threads on real PostgreSQL."""

import random
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from threading import Event, Thread

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from accounts.tests.factories import ShopkeeperFactory, UserFactory
from catalog import services as catalogue
from catalog.models import Product, Variant
from catalog.tests.factories import VariantFactory
from conftest import Api
from core.tests.races import at_once
from core.tests.test_database_errors import wait_for_a_blocked_session
from customers.models import Customer
from customers.tests.factories import CustomerFactory
from orders import services
from orders.models import Order, OrderChange, OrderLine
from orders.services import Wanted

from .factories import AcceptedOrderFactory, OrderFactory
from .shop import assert_books_agree

pytestmark = pytest.mark.django_db(transaction=True)


class Shop:
    """A shop with so many tills: each signed in, and used by one thread at a time."""

    def __init__(self, threads):
        self.tills = SimpleQueue()
        boss = ShopkeeperFactory.create()
        for _ in range(threads):
            self.tills.put(Api(boss))

    @contextmanager
    def till(self):
        till = self.tills.get()
        try:
            yield till
        finally:
            self.tills.put(till)

    def order(self, customer, lines, **headers):
        with self.till() as api:
            body = {
                "customer": customer.code,
                "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines],
            }
            return api.post("/orders/", body, **headers)

    def call(self, method, path, body=None, **headers):
        with self.till() as api:
            return api._call(method, path, body, **headers)


def sold():
    """Pieces by SKU in orders that keep their goods."""
    return dict(
        OrderLine.objects.exclude(order__status__in=["rejected", "cancelled"])
        .values_list("sku")
        .annotate(Sum("quantity"))
    )


def left():
    return dict(Variant.objects.values_list("sku", "stock"))


def outcomes_of(responses):
    return Counter((response.status_code, response.json().get("code")) for response in responses)


def test_two_hundred_orders_for_fifty_pieces_sell_exactly_fifty():
    VariantFactory.create(sku="TEA", price="12.50", stock=50)
    customer = CustomerFactory.create()
    shop = Shop(threads=40)

    started = time.perf_counter()
    responses = at_once([lambda: shop.order(customer, [("TEA", 1)])] * 200, threads=40)
    print(f"200 orders in {time.perf_counter() - started:.2f} s")

    assert outcomes_of(responses) == {(201, None): 50, (409, "out_of_stock"): 150}
    assert left() == {"TEA": 0}
    assert sold() == {"TEA": 50}
    assert (Order.objects.count(), OrderLine.objects.count()) == (50, 50)
    assert set(OrderLine.objects.values_list("quantity", "unit_price")) == {(1, 12.50)}
    assert OrderChange.objects.count() == 50
    numbers = {response.json()["number"] for response in responses if response.status_code == 201}
    assert numbers == set(Order.objects.values_list("number", flat=True))
    told = shop.call("GET", "/messages/?event=order.placed&count=true&page_size=200").json()
    assert {row["reference"] for row in told["results"]} == numbers
    assert told["count"] == 50


def test_orders_for_several_goods_in_any_order_never_deadlock_or_oversell():
    dice = random.Random(20261121)
    initial = {f"S{n}": stock for n, stock in enumerate((40, 60, 80, 25, 50, 100, 1, 0))}
    for sku, stock in initial.items():
        VariantFactory.create(sku=sku, stock=stock)
    customers = CustomerFactory.create_batch(5)
    shop = Shop(threads=40)
    orders = []
    for _ in range(120):
        lines = [(sku, dice.randint(1, 4)) for sku in dice.choices(list(initial), k=5)]
        dice.shuffle(lines)
        orders.append((dice.choice(customers), lines))

    responses = at_once([lambda order=order: shop.order(*order) for order in orders], threads=40)

    outcomes = outcomes_of(responses)
    assert set(outcomes) == {(201, None), (409, "out_of_stock")}
    asked = Counter()
    for (_, lines), response in zip(orders, responses, strict=True):
        if response.status_code == 201:
            for sku, quantity in lines:
                asked[sku] += quantity
    assert sold() == asked
    assert {sku: stock + asked[sku] for sku, stock in left().items()} == initial
    assert min(left().values()) >= 0
    assert Order.objects.count() == outcomes[201, None] > 10
    # Who was refused was told of lines that were short indeed: nothing came back meanwhile.
    for (_, lines), response in zip(orders, responses, strict=True):
        for error in response.json().get("errors", []):
            sku = lines[int(error["pointer"].split("/")[2])][0]
            assert left()[sku] < sum(quantity for each, quantity in lines if each == sku)


def test_orders_rejections_cancellations_and_bookings_at_once_lose_nothing():
    dice = random.Random(7)
    initial = {f"S{n}": 60 for n in range(4)}
    variants = {sku: VariantFactory.create(sku=sku, stock=60) for sku in initial}
    customer = CustomerFactory.create()
    waiting = [
        OrderFactory.create(lines=[Wanted(sku=sku, quantity=2) for sku in dice.sample(list(initial), 3)])
        for _ in range(20)
    ]  # fmt: skip
    shop = Shop(threads=24)

    def order():
        lines = [(sku, dice.randint(1, 5)) for sku in dice.sample(list(initial), 3)]
        return lambda: shop.order(customer, lines)

    def undo(order, verb):
        path = f"/orders/{order.number}/{verb}/"
        return lambda: shop.call("POST", path, {"reason": "Closed."})

    booked = Counter()

    def book(sku, quantity):
        booked[sku] += quantity
        path = f"/variants/{variants[sku].pk}/adjust-stock/"
        return lambda: shop.call("POST", path, {"quantity": quantity})

    # The same rows change their price and name meanwhile, which must not bring old stock back.
    def rename(sku, n):
        path = f"/variants/{variants[sku].pk}/"
        return lambda: shop.call("PATCH", path, {"name": f"Name {n}", "price": f"{n}.00"})

    calls = (
        [order() for _ in range(40)]
        + [undo(order, dice.choice(["reject", "cancel"])) for order in waiting]
        + [book(sku, quantity) for sku in initial for quantity in (1, 2, 3, 4, 5)]
        + [rename(sku, n) for sku in initial for n in range(5)]
    )
    dice.shuffle(calls)

    responses = at_once(calls, threads=24)

    assert set(outcomes_of(responses)) <= {(200, None), (201, None), (409, "out_of_stock")}
    assert outcomes_of(responses)[200, None] == 20 + 20 + 20
    # Every one of the twenty that waited gave its goods back, once.
    assert Order.objects.filter(status__in=["rejected", "cancelled"]).count() == 20
    assert {sku: stock + sold().get(sku, 0) for sku, stock in left().items()} == {
        sku: initial[sku] + booked[sku] for sku in initial
    }
    assert min(left().values()) >= 0


def test_stock_set_by_a_count_holds_from_that_moment_on():
    tea = VariantFactory.create(sku="TEA", stock=500)
    customer = CustomerFactory.create()
    shop = Shop(threads=20)
    calls = [lambda: shop.order(customer, [("TEA", 1)])] * 40
    calls.insert(20, lambda: shop.call("PATCH", f"/variants/{tea.pk}/", {"stock": 1000}))

    responses = at_once(calls, threads=20)

    assert outcomes_of(responses) == {(200, None): 1, (201, None): 40}
    answered = responses[20].json()["stock"]
    assert answered == 1000
    assert 1000 - 40 <= left()["TEA"] <= 1000
    # Orders that come after the count are taken from it, to the piece.
    before = left()["TEA"]
    at_once([lambda: shop.order(customer, [("TEA", 2)])] * 10)
    assert left()["TEA"] == before - 20


@pytest.mark.parametrize(
    ("factory", "verbs", "stock"),
    [
        (OrderFactory, {"accept": 4, "reject": 4}, None),
        (OrderFactory, {"reject": 4, "cancel": 4}, 10),
        (OrderFactory, {"accept": 8}, 7),
        (OrderFactory, {"reject": 8}, 10),
        (OrderFactory, {"cancel": 8}, 10),
        (AcceptedOrderFactory, {"fulfil": 4, "cancel": 4}, None),
    ],
)
def test_of_decisions_at_once_on_one_order_exactly_one_wins(factory, verbs, stock):
    dice = random.Random(len(verbs))
    tea = VariantFactory.create()
    calls = [verb for verb, times in verbs.items() for _ in range(times)]
    shop = Shop(threads=len(calls))
    for _ in range(2):
        Variant.objects.filter(pk=tea.pk).update(stock=10)
        order = factory.create(lines=[Wanted(sku=tea.sku, quantity=3)])
        rows = order.history.count()
        dice.shuffle(calls)

        responses = at_once(
            [
                lambda verb=verb, order=order: shop.call(
                    "POST",
                    f"/orders/{order.number}/{verb}/",
                    {"reason": "Closed."} if verb == "reject" else None,
                )
                for verb in calls
            ]
        )

        assert outcomes_of(responses) == {(200, None): 1, (409, "illegal_move"): 7}
        won = next(response.json() for response in responses if response.status_code == 200)
        order.refresh_from_db()
        assert won["status"] == order.status
        tea.refresh_from_db()
        given_back = order.status in {"rejected", "cancelled"}
        assert tea.stock == (10 if given_back else 7)
        assert stock in {None, tea.stock}
        assert order.history.count() == rows + 1
        told = shop.call("GET", f"/messages/?order={order.number}&count=true").json()
        assert told["count"] == rows + 1


def test_goods_of_an_order_accepted_and_cancelled_at_once_come_back_once():
    tea = VariantFactory.create(stock=10)
    shop = Shop(threads=9)
    for _ in range(3):
        order = OrderFactory.create(lines=[Wanted(sku=tea.sku, quantity=3)])
        verbs = ["accept", "reject", "cancel"] * 3

        responses = at_once(
            [
                lambda verb=verb, order=order: shop.call(
                    "POST",
                    f"/orders/{order.number}/{verb}/",
                    {"reason": "Closed."} if verb == "reject" else None,
                )
                for verb in verbs
            ]
        )

        won = [
            verb
            for verb, response in zip(verbs, responses, strict=True)
            if response.status_code == 200
        ]
        assert set(outcomes_of(responses)) == {(200, None), (409, "illegal_move")}
        # Accepted alone it cannot stay: one of the three cancellations came later.
        assert sorted(won) in (["reject"], ["cancel"], ["accept", "cancel"])
        tea.refresh_from_db()
        assert tea.stock == 10
        order.refresh_from_db()
        assert order.history.count() == 1 + len(won)


def test_one_idempotency_key_at_once_places_one_order():
    VariantFactory.create(sku="TEA", stock=50)
    customer = CustomerFactory.create()
    shop = Shop(threads=12)

    responses = at_once([lambda: shop.order(customer, [("TEA", 3)], idempotency_key="once")] * 12)

    outcomes = outcomes_of(responses)
    assert set(outcomes) <= {(201, None), (409, "idempotency_in_flight")}
    assert {r.json()["number"] for r in responses if r.status_code == 201} == {
        Order.objects.get().number
    }
    assert left() == {"TEA": 47}


@pytest.mark.parametrize("what", ["product", "variant", "customer"])
def test_what_is_deleted_while_it_is_ordered_is_either_ordered_or_deleted(what):
    shop = Shop(threads=2)
    seen = Counter()
    for attempt in range(12):
        tea, customer = VariantFactory.create(), CustomerFactory.create()
        path = {
            "product": f"/products/{tea.product_id}/",
            "variant": f"/variants/{tea.pk}/",
            "customer": f"/customers/{customer.code}/",
        }[what]

        def delete(path=path, attempt=attempt):
            time.sleep(attempt / 1000)  # to meet the order at each of its steps
            return shop.call("DELETE", path)

        ordered, deleted = at_once(
            [lambda tea=tea, customer=customer: shop.order(customer, [(tea.sku, 1)]), delete]
        )

        if ordered.status_code != 201:
            assert (ordered.status_code in {400, 409}, deleted.status_code) == (True, 204)
            assert [each["pointer"].split("/")[1] for each in ordered.json()["errors"]] == [
                "customer" if what == "customer" else "lines"
            ]
        elif what == "customer":
            assert (deleted.status_code, deleted.json()["code"]) == (409, "in_use")
        else:
            # Ordered, so it is not deleted but kept for the order.
            assert deleted.status_code == 204
            tea.refresh_from_db()
            assert tea.archived_at is not None
        seen[ordered.status_code == 201] += 1
    assert OrderLine.objects.count() == Order.objects.count() == seen[True]
    remaining = {"product": Product, "variant": Variant, "customer": Customer}[what]
    assert remaining.objects.count() >= seen[True]
    assert_books_agree()


def test_edits_moves_and_orders_for_the_same_goods_at_once_never_deadlock_or_oversell():
    """Each order is edited, decided on and handed over by several at once, goods in any order."""
    dice = random.Random(4)
    skus = [f"S{n}" for n in range(5)]
    for sku in skus:
        VariantFactory.create(sku=sku, stock=30)
    customer, boss = CustomerFactory.create(), ShopkeeperFactory.create()

    def some(most):
        chosen = dice.sample(skus, dice.randint(1, 4))
        return [Wanted(sku=sku, quantity=dice.randint(1, most)) for sku in chosen]

    orders = [services.place_order(customer=customer, lines=some(3), by=None).pk for _ in range(8)]
    drafts = [services.draft_order(customer=customer, lines=some(3), by=None).pk for _ in range(4)]
    calls = []
    for key in orders + drafts:
        act = {"order_id": key, "by": boss}
        calls += [partial(services.edit_order, **act, lines=some(6)) for _ in range(5)]
        calls += [partial(services.assign_order, **act, to=boss)]
        calls += [partial(services.accept_order, **act), partial(services.fulfil_order, **act)]
        calls += [
            partial(services.return_lines, **act, lines=some(2), restock=True) for _ in range(2)
        ]
    calls += [partial(services.place_draft, order_id=key, by=boss) for key in drafts * 2]
    calls += [partial(services.cancel_order, order_id=key, by=boss) for key in orders[::3]]
    calls += [
        partial(services.place_order, customer=customer, lines=some(4), by=None) for _ in range(20)
    ]
    dice.shuffle(calls)

    outcomes = at_once(calls, threads=16)

    refused = Counter(type(each).__name__ for each in outcomes if isinstance(each, Exception))
    assert set(refused) <= {
        "OutOfStock",
        "MoveNotAllowed",
        "EditNotAllowed",
        "InvalidInput",
        "StillWithCustomer",
    }, refused
    assert_books_agree()
    # What left the shelf is in orders that keep it, but for what came back.
    kept = Counter()
    for order in Order.objects.exclude(status="draft").prefetch_related("lines"):
        over = order.status in {"rejected", "cancelled"}
        for line in order.lines.all():
            kept[line.sku] += (line.fulfilled if over else line.quantity) - line.returned
    assert {sku: stock + kept[sku] for sku, stock in left().items()} == dict.fromkeys(skus, 30)


def test_one_click_made_twice_at_once_hands_one_piece_over():
    VariantFactory.create(sku="TEA", stock=10)
    order = AcceptedOrderFactory.create(lines=[Wanted(sku="TEA", quantity=5)])
    shop = Shop(threads=8)
    path, body = f"/orders/{order.number}/", {"lines": [{"sku": "TEA", "quantity": 1}]}
    etag = shop.call("GET", path)["ETag"]

    matched = at_once(
        [lambda: shop.call("POST", f"{path}fulfil/", body, if_match=etag) for _ in range(8)]
    )
    keyed = at_once(
        [lambda: shop.call("POST", f"{path}fulfil/", body, idempotency_key="k") for _ in range(8)]
    )
    seen = Order.objects.get().updated_at
    clicked = at_once(
        [
            partial(
                services.fulfil_order,
                order_id=order.pk,
                by=None,
                lines=[Wanted(sku="TEA", quantity=1)],
                seen=seen,
            )
        ]
        * 8
    )

    assert outcomes_of(matched) == {(200, None): 1, (412, "precondition_failed"): 7}
    assert set(outcomes_of(keyed)) <= {(200, None), (409, "idempotency_in_flight")}
    assert Counter(type(each).__name__ for each in clicked) == {"Order": 1, "OrderChanged": 7}
    assert order.lines.get().fulfilled == 3


def test_a_shopper_who_cancels_while_the_shop_accepts_is_either_first_or_refused():
    shopper = UserFactory.create()
    customer = CustomerFactory.create(user=shopper)
    tea = VariantFactory.create(stock=50)
    shop, phone = Shop(threads=1), Api(shopper)
    for _ in range(8):
        order = OrderFactory.create(customer=customer, lines=[Wanted(sku=tea.sku, quantity=1)])
        path = f"/orders/{order.number}"
        accepted, cancelled = at_once(
            [
                lambda path=path: shop.call("POST", f"{path}/accept/"),
                lambda path=path: phone.post(f"{path}/cancel/"),
            ]
        )

        assert sorted([accepted.status_code, cancelled.status_code]) == [200, 409]
        order.refresh_from_db()
        assert order.status == ("accepted" if accepted.status_code == 200 else "cancelled")
    assert_books_agree()


def test_an_order_whose_customer_is_merged_meanwhile_is_still_found():
    source, target = CustomerFactory.create_batch(2)
    order = OrderFactory.create(customer=source)
    boss = Api(ShopkeeperFactory.create())
    holds, answers = Event(), []

    def accept():
        holds.wait(timeout=90)
        answers.append(boss.post(f"/orders/{order.number}/accept/"))
        connection.close()

    thread = Thread(target=accept)
    thread.start()
    with transaction.atomic():
        services.move_orders(source=source, target=target)
        holds.set()
        wait_for_a_blocked_session()
    thread.join()

    assert (answers[0].status_code, answers[0].json()["customer"]) == (200, target.code)


def test_services_called_at_once_behave_like_the_api():
    """Without the views in front, as the admin and background tasks call them."""
    tea = VariantFactory.create(sku="TEA", stock=10)
    customer = CustomerFactory.create()

    def place():
        return services.place_order(
            customer=customer, lines=[Wanted(sku="TEA", quantity=1)], by=None
        )

    def book():
        return catalogue.adjust_stock(variant_id=tea.pk, quantity=-1)

    outcomes = at_once([place, book] * 10)

    assert Counter(type(outcome).__name__ for outcome in outcomes)["OutOfStock"] == 10
    placed = sum(isinstance(outcome, Order) for outcome in outcomes)
    booked_out = sum(isinstance(outcome, Variant) for outcome in outcomes)
    assert (placed + booked_out, Order.objects.count(), left()) == (10, placed, {"TEA": 0})
