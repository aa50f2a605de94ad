"""The verbs of the catalogue."""

from decimal import Decimal

import pytest
from django.db import transaction

from catalog import services
from catalog.exceptions import InUse, OutOfStock, Taken
from catalog.models import Category, Product, Variant
from catalog.services import MAX_STOCK, NewVariant
from core.errors import Conflict, InvalidInput

from .factories import CategoryFactory, ProductFactory, VariantFactory

pytestmark = pytest.mark.django_db


def errors_of(refused):
    return [(error.path, error.code) for error in refused.value.errors]


def new(sku, at=(), **fields):
    return NewVariant(sku=sku, price=Decimal("1.00"), at=at, **fields)


# Categories


def test_create_category_makes_a_slug_that_is_free():
    made = [services.create_category(name="Hot drinks") for _ in range(3)]

    assert [category.slug for category in made] == ["hot-drinks", "hot-drinks-2", "hot-drinks-3"]


@pytest.mark.parametrize("name", ["чай", "茶", "☕", "!!!"])
def test_names_without_latin_letters_get_a_slug_all_the_same(name):
    assert [services.create_category(name=name).slug for _ in range(2)] == [
        "category",
        "category-2",
    ]
    assert [services.create_product(name=name, variants=[new(f"S{n}")]).slug for n in range(2)] == [
        "product",
        "product-2",
    ]


def test_accents_are_dropped_from_a_slug():
    assert services.create_category(name="Café Crème").slug == "cafe-creme"


def test_the_longest_names_leave_room_for_a_number_in_the_slug():
    made = [services.create_category(name="a" * 120) for _ in range(2)]

    assert [category.slug for category in made] == ["a" * 120, "a" * 120 + "-2"]
    Category.objects.get(slug="a" * 120 + "-2").full_clean()


def test_a_made_slug_fills_gaps_and_minds_what_was_given_by_hand():
    for slug in ("tea", "tea-3", "teapot", "tea-2-x"):
        CategoryFactory.create(slug=slug)

    made = [services.create_category(name="Tea").slug for _ in range(2)]

    assert made == ["tea-2", "tea-4"]


def test_create_category_refuses_a_taken_slug():
    CategoryFactory.create(slug="drinks")

    with pytest.raises(Taken) as refused:
        services.create_category(name="Drinks", slug="drinks")

    assert errors_of(refused) == [(("slug",), "taken")]


def test_a_category_cannot_move_below_itself():
    top = CategoryFactory.create()
    middle = CategoryFactory.create(parent=top)
    bottom = CategoryFactory.create(parent=middle)

    for parent in (top, middle, bottom):
        with pytest.raises(InvalidInput) as refused:
            services.update_category(category_id=top.pk, parent=parent)
        assert errors_of(refused) == [(("parent",), "circular")]

    assert list(Category.objects.order_by("pk").values_list("parent", flat=True)) == [
        None,
        top.pk,
        middle.pk,
    ]


def test_a_category_moves_with_all_that_stands_in_it():
    drinks, food = CategoryFactory.create_batch(2)
    tea = CategoryFactory.create(parent=drinks)
    green = CategoryFactory.create(parent=tea)

    services.update_category(category_id=tea.pk, parent=food)
    services.update_category(category_id=drinks.pk, parent=green)

    assert dict(Category.objects.values_list("pk", "parent")) == {
        food.pk: None,
        tea.pk: food.pk,
        green.pk: tea.pk,
        drinks.pk: green.pk,
    }


def test_a_category_moves_to_the_top():
    category = CategoryFactory.create(parent=CategoryFactory.create())

    services.update_category(category_id=category.pk, parent=None)

    category.refresh_from_db()
    assert category.parent is None


def test_update_category_refuses_a_taken_slug():
    CategoryFactory.create(slug="drinks")
    category = CategoryFactory.create()

    with pytest.raises(Taken):
        services.update_category(category_id=category.pk, slug="drinks")


def test_delete_category_refuses_while_something_stands_in_it():
    shelf, top = CategoryFactory.create_batch(2)
    product = ProductFactory.create(category=shelf)
    below = CategoryFactory.create(parent=top)

    for category in (shelf, top):
        with pytest.raises(InUse):
            services.delete_category(category_id=category.pk)
    product.delete()
    below.delete()
    for category in (shelf, top):
        services.delete_category(category_id=category.pk)

    assert not Category.objects.exists()


# Products


def test_create_product_makes_all_of_it():
    shelf = CategoryFactory.create()

    product = services.create_product(
        name="T-shirt",
        description="Cotton.",
        category=shelf,
        is_published=False,
        variants=[
            new("T-M", name="T-shirt, M", stock=3, weight=150),
            NewVariant(sku="T-L", price=Decimal("9999999999.99")),
        ],
    )

    product = Product.objects.get(pk=product.pk)
    assert (
        product.name,
        product.slug,
        product.description,
        product.category,
        product.is_published,
    ) == ("T-shirt", "t-shirt", "Cotton.", shelf, False)
    assert list(product.variants.values_list("sku", "name", "price", "stock", "weight")) == [
        ("T-M", "T-shirt, M", Decimal("1.00"), 3, 150),
        ("T-L", "", Decimal("9999999999.99"), 0, 0),
    ]


def test_create_product_names_every_sku_that_is_taken_or_stands_twice():
    VariantFactory.create(sku="Tea-1")

    with pytest.raises(Taken) as refused:
        services.create_product(
            name="Tea",
            variants=[
                new(sku, at=("variants", n))
                for n, sku in enumerate(["TEA-1", "new", "NEW", "other", "tea-1"])
            ],
        )

    assert [(error.path, error.detail) for error in refused.value.errors] == [
        (("variants", 0, "sku"), "Another variant has this SKU."),
        (("variants", 2, "sku"), "This SKU stands twice."),
        (("variants", 4, "sku"), "Another variant has this SKU."),
    ]
    assert not Product.objects.filter(name="Tea").exists()


def test_create_product_refuses_a_sku_that_only_the_database_knows_to_be_taken():
    # Python puts a final sigma at the end of a word in capitals, PostgreSQL doesn't.
    VariantFactory.create(sku="ΧΑΟΣ")

    with pytest.raises(Taken) as refused:
        services.create_product(name="Chaos", variants=[new("χαοσ")])

    assert errors_of(refused) == [(("variants",), "taken")]
    assert not Product.objects.filter(name="Chaos").exists()


def test_create_product_refuses_a_taken_slug():
    ProductFactory.create(slug="tea")

    with pytest.raises(Taken) as refused:
        services.create_product(name="Tea", slug="tea", variants=[new("S")])

    assert errors_of(refused) == [(("slug",), "taken")]
    assert not Variant.objects.exists()


def test_update_product_keeps_its_slug_when_the_name_changes():
    product = ProductFactory.create(name="Tea", slug="tea")

    services.update_product(product_id=product.pk, name="Green tea", is_published=False)

    product.refresh_from_db()
    assert (product.name, product.slug, product.is_published) == ("Green tea", "tea", False)


def test_update_product_refuses_a_taken_slug():
    ProductFactory.create(slug="tea")
    product = ProductFactory.create(slug="cup")

    with pytest.raises(Taken):
        services.update_product(product_id=product.pk, slug="tea")

    product.refresh_from_db()
    assert product.slug == "cup"


def test_remove_product_takes_its_variants_along():
    variant = VariantFactory.create()

    assert services.remove_product(product_id=variant.product_id) is None

    assert not Variant.objects.exists()
    assert not Product.objects.exists()


# Variants


def test_add_variant_refuses_a_sku_taken_in_any_case():
    tea = VariantFactory.create(sku="TEA-1")

    with pytest.raises(Taken) as refused:
        services.add_variant(product_id=tea.product_id, variant=new("tea-1"))

    assert errors_of(refused) == [(("sku",), "taken")]


def test_update_variant_refuses_a_sku_taken_in_any_case_but_may_change_its_own():
    VariantFactory.create(sku="TEA-1")
    cup = VariantFactory.create(sku="CUP")

    with pytest.raises(Taken):
        services.update_variant(variant_id=cup.pk, sku="tea-1")
    services.update_variant(variant_id=cup.pk, sku="cup")

    cup.refresh_from_db()
    assert cup.sku == "cup"


def test_update_variant_given_its_product_s_name_goes_on_following_it():
    tea = VariantFactory.create(product__name="Tea", name="")

    services.update_variant(variant_id=tea.pk, name="Tea")
    tea.refresh_from_db()
    assert tea.name == ""

    services.update_variant(variant_id=tea.pk, name="Tea, loose")
    tea.refresh_from_db()
    assert tea.name == "Tea, loose"

    services.update_variant(variant_id=tea.pk, name="Tea")
    tea.refresh_from_db()
    assert tea.name == "Tea"


@pytest.mark.parametrize(
    ("stock", "quantity", "left"),
    [(5, 3, 8), (5, -5, 0), (5, 0, 5), (0, MAX_STOCK, MAX_STOCK), (MAX_STOCK, -MAX_STOCK, 0)],
)
def test_adjust_stock_books_in_and_out(stock, quantity, left):
    tea = VariantFactory.create(stock=stock)

    assert services.adjust_stock(variant_id=tea.pk, quantity=quantity).stock == left

    tea.refresh_from_db()
    assert tea.stock == left


def test_adjust_stock_refuses_to_book_out_more_than_there_is():
    tea = VariantFactory.create(sku="TEA", stock=5)

    with pytest.raises(OutOfStock, match="Only 5 of TEA on hand") as refused:
        services.adjust_stock(variant_id=tea.pk, quantity=-6)

    assert errors_of(refused) == [(("quantity",), "out_of_stock")]
    tea.refresh_from_db()
    assert tea.stock == 5


def test_adjust_stock_refuses_more_than_can_be_counted():
    tea = VariantFactory.create(stock=1)

    with pytest.raises(InvalidInput) as refused:
        services.adjust_stock(variant_id=tea.pk, quantity=MAX_STOCK)

    assert errors_of(refused) == [(("quantity",), "invalid")]
    tea.refresh_from_db()
    assert tea.stock == 1


def test_take_stock_takes_all_or_none():
    tea, cup, pot = (VariantFactory.create(sku=sku, stock=5) for sku in ("TEA", "CUP", "POT"))

    services.take_stock(quantities={pot.pk: 5, tea.pk: 1}, order="1001")
    with pytest.raises(OutOfStock) as refused, transaction.atomic():
        services.take_stock(quantities={cup.pk: 5, tea.pk: 5, pot.pk: 1}, order="1001")

    assert [(error.path, error.code, error.detail) for error in refused.value.errors] == [
        (
            ("variants", tea.pk),
            "out_of_stock",
            f"{tea.product.name} (TEA): 4 left, 5 asked for.",
        ),
        (
            ("variants", pot.pk),
            "out_of_stock",
            f"{pot.product.name} (POT): 0 left, 1 asked for.",
        ),
    ]
    assert dict(Variant.objects.values_list("sku", "stock")) == {"TEA": 4, "CUP": 5, "POT": 0}


def test_take_stock_names_what_was_deleted_meanwhile():
    tea = VariantFactory.create(stock=5)

    with pytest.raises(OutOfStock) as refused, transaction.atomic():
        services.take_stock(quantities={tea.pk: 1, 0: 1}, order="1001")

    assert [(error.path, error.detail) for error in refused.value.errors] == [
        (("variants", 0), "It is no longer sold.")
    ]
    tea.refresh_from_db()
    assert tea.stock == 5


def test_take_stock_of_more_than_an_integer_holds_is_out_of_stock():
    tea = VariantFactory.create(stock=MAX_STOCK)

    with pytest.raises(OutOfStock), transaction.atomic():
        services.take_stock(quantities={tea.pk: 2**40}, order="1001")


def test_give_back_stock_puts_back_all_or_none():
    tea, cup = VariantFactory.create(stock=5), VariantFactory.create(stock=MAX_STOCK - 1)

    services.give_back_stock(quantities={cup.pk: 1, tea.pk: 2}, order="1001")
    with pytest.raises(Conflict), transaction.atomic():
        services.give_back_stock(quantities={tea.pk: 1, cup.pk: 1}, order="1001")

    tea.refresh_from_db()
    cup.refresh_from_db()
    assert (tea.stock, cup.stock) == (7, MAX_STOCK)
