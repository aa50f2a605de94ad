"""The catalogue in the admin."""

import pytest
from django.urls import reverse

from accounts.tests.factories import StaffFactory, browser_of
from catalog.models import Category, Product, Variant
from catalog.tests.factories import CategoryFactory, ProductFactory, VariantFactory
from orders.tests.factories import OrderFactory

PRODUCTS = reverse("admin:catalog_product_changelist")
NO_MOVEMENTS = {"movements-TOTAL_FORMS": 0, "movements-INITIAL_FORMS": 0}


def product_form(*variants, initial=0, **fields):
    form = {
        "name": "Chai",
        "slug": "",
        "description": "",
        "category": "",
        "is_published": "on",
        "variants-TOTAL_FORMS": len(variants),
        "variants-INITIAL_FORMS": initial,
        "images-TOTAL_FORMS": 0,
        "images-INITIAL_FORMS": 0,
        **fields,
    }
    for index, variant in enumerate(variants):
        form |= {f"variants-{index}-{name}": value for name, value in variant.items()}
    return form


def messages_on(response):
    return [str(message) for message in response.context["messages"]]


def test_adding_a_product_with_its_variants(admin):
    drinks = CategoryFactory.create()
    response = admin.post(
        reverse("admin:catalog_product_add"),
        product_form(
            {"sku": "C-1", "name": "", "price": "12.50", "weight": "250", "quantity": "7"},
            {"sku": "C-2", "name": "Big", "price": "20", "weight": "500", "quantity": ""},
            category=drinks.pk,
        ),
    )

    assert response.status_code == 302
    product = Product.objects.get()
    assert (product.name, product.slug, product.category) == ("Chai", "chai", drinks)
    assert list(product.variants.values_list("sku", "name", "price", "stock", "weight")) == [
        ("C-1", "", 12.5, 7, 250),
        ("C-2", "Big", 20, 0, 500),
    ]


def test_a_taken_sku_is_told_at_its_field(admin):
    VariantFactory.create(sku="C-1")

    response = admin.post(
        reverse("admin:catalog_product_add"),
        product_form({"sku": "c-1", "name": "", "price": "1", "weight": "0", "quantity": ""}),
    )

    assert response.status_code == 200
    assert "Another variant has this SKU." in response.content.decode()
    assert Product.objects.count() == 1


def test_booking_in_is_a_difference_that_orders_do_not_undo(admin):
    tea = VariantFactory.create(sku="C-1", stock=10)
    page = reverse("admin:catalog_product_change", args=[tea.product_id])
    admin.get(page)
    # Between looking and saving, somebody buys one.
    Variant.objects.filter(pk=tea.pk).update(stock=9)

    row = {
        "id": tea.pk,
        "product": tea.product_id,
        "sku": "C-1",
        "name": "",
        "price": "11.00",
        "weight": "0",
        "quantity": "5",
    }
    response = admin.post(page, product_form(row, initial=1, name="Chai", slug="chai"))

    assert response.status_code == 302
    tea.refresh_from_db()
    assert (tea.stock, str(tea.price)) == (14, "11.00")


def test_booking_out_more_than_there_is_names_the_field(admin):
    tea = VariantFactory.create(stock=3)

    response = admin.post(
        reverse("admin:catalog_variant_change", args=[tea.pk]),
        {
            **NO_MOVEMENTS,
            "sku": tea.sku,
            "name": "",
            "price": "1",
            "weight": "0",
            "kind": "adjusted",
            "quantity": "-4",
        },
    )

    assert "Only 3 on hand." in response.content.decode()


def test_changing_a_variant_on_its_own_page(admin):
    tea = VariantFactory.create(stock=3)

    admin.post(
        reverse("admin:catalog_variant_change", args=[tea.pk]),
        {
            **NO_MOVEMENTS,
            "sku": "NEW",
            "name": "Loose",
            "price": "1.50",
            "weight": "5",
            "kind": "adjusted",
            "quantity": "-1",
        },
    )

    tea.refresh_from_db()
    assert (tea.sku, tea.name, str(tea.price), tea.weight, tea.stock) == (
        "NEW",
        "Loose",
        "1.50",
        5,
        2,
    )


def test_a_variant_is_removed_and_another_added_on_the_product_page(admin):
    old = VariantFactory.create()
    rows = (
        {
            "id": old.pk,
            "product": old.product_id,
            "sku": old.sku,
            "name": "",
            "price": "1",
            "weight": "0",
            "quantity": "",
            "DELETE": "on",
        },
        {"sku": "NEW", "name": "", "price": "2", "weight": "0", "quantity": "1"},
    )

    admin.post(
        reverse("admin:catalog_product_change", args=[old.product_id]),
        product_form(*rows, initial=1, slug="chai"),
    )

    assert list(Variant.objects.values_list("sku", "stock")) == [("NEW", 1)]


def test_publishing_and_hiding_by_action(admin):
    product = ProductFactory.create()

    admin.post(PRODUCTS, {"action": "hide", "_selected_action": [product.pk]})
    product.refresh_from_db()
    assert product.is_published is False

    admin.post(PRODUCTS, {"action": "publish", "_selected_action": [product.pk]})
    product.refresh_from_db()
    assert product.is_published is True


def test_deleting_what_was_never_ordered(admin):
    tea = VariantFactory.create()

    admin.post(reverse("admin:catalog_variant_delete", args=[tea.pk]), {"post": "yes"})
    admin.post(reverse("admin:catalog_product_delete", args=[tea.product_id]), {"post": "yes"})

    assert not Product.objects.exists()


def test_deleting_several_products_by_action(admin):
    products = ProductFactory.create_batch(2)

    admin.post(
        PRODUCTS,
        {
            "action": "delete_selected",
            "_selected_action": [product.pk for product in products],
            "post": "yes",
        },
    )

    assert not Product.objects.exists()


def test_an_ordered_product_cannot_be_deleted(admin):
    order = OrderFactory.create()
    product = order.lines.get().variant.product

    admin.post(reverse("admin:catalog_product_delete", args=[product.pk]), {"post": "yes"})

    assert Product.objects.get() == product


def test_categories_are_made_moved_and_deleted(admin):
    above = CategoryFactory.create()
    admin.post(
        reverse("admin:catalog_category_add"), {"name": "Tea", "slug": "", "parent": above.pk}
    )
    tea = Category.objects.get(slug="tea")
    assert tea.parent == above

    page = reverse("admin:catalog_category_change", args=[tea.pk])
    admin.post(page, {"name": "Teas", "slug": "tea", "parent": ""})
    tea.refresh_from_db()
    assert (tea.name, tea.parent) == ("Teas", None)

    admin.post(reverse("admin:catalog_category_delete", args=[tea.pk]), {"post": "yes"})
    assert list(Category.objects.all()) == [above]


def test_a_circle_of_categories_is_told_as_a_sentence(admin):
    above = CategoryFactory.create()
    below = CategoryFactory.create(parent=above)

    response = admin.post(
        reverse("admin:catalog_category_change", args=[above.pk]),
        {"name": above.name, "slug": above.slug, "parent": below.pk},
        follow=True,
    )

    assert messages_on(response) == ["A category cannot stand below itself."]


@pytest.mark.parametrize(
    ("permissions", "see", "change"),
    [
        ([], 403, 403),
        (["catalog.view_product"], 200, 403),
        (["catalog.manage_catalogue"], 200, 200),
    ],
)
def test_pages_ask_the_same_predicates_as_the_api(db, permissions, see, change):
    client = browser_of(StaffFactory.create(permissions=permissions))

    assert client.get(PRODUCTS).status_code == see
    assert client.get(reverse("admin:catalog_product_add")).status_code == change
