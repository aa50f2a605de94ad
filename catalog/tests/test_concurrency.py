"""Changes of the catalogue that meet: real threads on real PostgreSQL."""

import random
from collections import Counter

import pytest

from accounts.tests.factories import ShopkeeperFactory
from catalog import services
from catalog.exceptions import OutOfStock
from catalog.models import Category, Product, Variant
from conftest import Api
from core.tests.races import at_once

from .factories import CategoryFactory, ProductFactory, VariantFactory

pytestmark = pytest.mark.django_db(transaction=True)


def send_at_once(requests, *, threads=None):
    """Send (method, path, body) requests at once, each by a caller of its own."""
    boss = ShopkeeperFactory.create()
    calls = [
        lambda api=Api(boss), request=request: api._call(*request)  # noqa: B008  bound now, one for each
        for request in requests
    ]
    return at_once(calls, threads=threads)


def outcomes_of(responses):
    return Counter(
        (
            response.status_code,
            *((each["pointer"], each["code"]) for each in response.json().get("errors", [])),
        )
        for response in responses
    )


def test_of_products_racing_for_a_sku_in_any_case_one_is_made():
    skus = ["tea-1", "TEA-1", "Tea-1", "tEa-1"] * 3

    responses = send_at_once(
        [("POST", "/products/", {"name": f"Tea {n}", "sku": sku, "price": "1"}) for n, sku in enumerate(skus)]
    )  # fmt: skip

    assert outcomes_of(responses) == {(201,): 1, (400, ("/sku", "taken")): 11}
    assert (Product.objects.count(), Variant.objects.count()) == (1, 1)


def test_of_products_racing_for_the_second_of_their_skus_one_is_made():
    responses = send_at_once(
        [
            (
                "POST",
                "/products/",
                {
                    "name": f"Tea {n}",
                    "variants": [{"sku": f"OWN-{n}", "price": "1"}, {"sku": "TEA", "price": "1"}],
                },
            )
            for n in range(8)
        ]
    )

    assert outcomes_of(responses) == {(201,): 1, (400, ("/variants/1/sku", "taken")): 7}
    assert (Product.objects.count(), Variant.objects.count()) == (1, 2)


def test_of_variants_racing_for_a_sku_one_is_added_or_renamed():
    product = ProductFactory.create()
    others = VariantFactory.create_batch(6)

    responses = send_at_once(
        [("POST", "/variants/", {"product": product.pk, "sku": "tea", "price": "1"})] * 6
        + [("PATCH", f"/variants/{other.pk}/", {"sku": "TEA"}) for other in others]
    )

    outcomes = outcomes_of(responses)
    assert outcomes[400, ("/sku", "taken")] == 11
    assert outcomes[(201,)] + outcomes[(200,)] == 1
    assert Variant.objects.filter(sku__iexact="tea").count() == 1


@pytest.mark.parametrize("what", ["products", "categories"])
def test_things_of_one_name_made_at_once_get_slugs_of_their_own(what):
    responses = send_at_once(
        [
            (
                "POST",
                f"/{what}/",
                {"name": "Tea"} | ({"sku": f"S{n}", "price": "1"} if what == "products" else {}),
            )
            for n in range(12)
        ]
    )

    assert outcomes_of(responses) == {(201,): 12}
    assert {response.json()["slug"] for response in responses} == {
        "tea",
        *(f"tea-{n}" for n in range(2, 13)),
    }


@pytest.mark.parametrize("what", ["products", "categories"])
def test_of_things_racing_for_a_slug_given_by_hand_one_is_made(what):
    responses = send_at_once(
        [
            (
                "POST",
                f"/{what}/",
                {"name": "Tea", "slug": "tea"}
                | ({"sku": f"S{n}", "price": "1"} if what == "products" else {}),
            )
            for n in range(8)
        ]
    )

    assert outcomes_of(responses) == {(201,): 1, (400, ("/slug", "taken")): 7}


def test_moves_at_once_never_close_a_circle_between_them():
    for _ in range(3):
        ring = CategoryFactory.create_batch(8)
        moves = [
            ("PATCH", f"/categories/{category.pk}/", {"parent": ring[(n + 1) % 8].slug})
            for n, category in enumerate(ring)
        ]
        random.Random(8).shuffle(moves)

        responses = send_at_once(moves)

        assert outcomes_of(responses) == {(200,): 7, (400, ("/parent", "circular")): 1}
        parents = dict(Category.objects.values_list("pk", "parent"))
        for start in ring:
            steps, above = 0, start.pk
            while above is not None:
                steps, above = steps + 1, parents[above]
                assert steps <= 8


def test_two_categories_put_into_each_other_at_once():
    for _ in range(5):
        a, b = CategoryFactory.create_batch(2)

        responses = send_at_once(
            [
                ("PATCH", f"/categories/{a.pk}/", {"parent": b.slug}),
                ("PATCH", f"/categories/{b.pk}/", {"parent": a.slug}),
            ]
        )

        assert outcomes_of(responses) == {(200,): 1, (400, ("/parent", "circular")): 1}


def test_bookings_at_once_add_up_and_never_go_below_nothing():
    tea = VariantFactory.create(stock=20)
    dice = random.Random(3)
    quantities = [dice.choice([-5, -3, -1, 2]) for _ in range(80)]

    outcomes = at_once(
        [
            lambda quantity=quantity: services.adjust_stock(variant_id=tea.pk, quantity=quantity)
            for quantity in quantities
        ],
        threads=20,
    )

    assert {type(outcome) for outcome in outcomes} == {Variant, OutOfStock}
    booked = sum(
        quantity
        for quantity, outcome in zip(quantities, outcomes, strict=True)
        if isinstance(outcome, Variant)
    )
    tea.refresh_from_db()
    assert tea.stock == 20 + booked >= 0
    # What each was told was left is what was left then.
    assert all(outcome.stock >= 0 for outcome in outcomes if isinstance(outcome, Variant))


def test_a_price_changed_while_goods_are_booked_brings_no_old_stock_back():
    tea = VariantFactory.create(stock=0)

    responses = send_at_once(
        [
            request
            for n in range(15)
            for request in (
                ("POST", f"/variants/{tea.pk}/adjust-stock/", {"quantity": 1}),
                ("PATCH", f"/variants/{tea.pk}/", {"price": f"{n}.00", "name": f"Tea {n}"}),
            )
        ],
        threads=15,
    )

    assert outcomes_of(responses) == {(200,): 30}
    tea.refresh_from_db()
    assert tea.stock == 15
