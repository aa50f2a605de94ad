"""What the database holds of the catalogue, whoever writes to it."""

import pytest
from django.db import IntegrityError, connection, transaction

from catalog.models import Product, ProductImage, Variant

from .factories import CategoryFactory, ProductFactory, VariantFactory

pytestmark = pytest.mark.django_db


def execute(statement, *params):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, params)


@pytest.mark.parametrize("column", ["stock", "weight", "price"])
def test_database_refuses_less_than_nothing_of(column):
    variant = VariantFactory.create()

    with pytest.raises(IntegrityError, match=f"{column}"):
        execute(f"UPDATE catalog_variant SET {column} = -1 WHERE id = %s", variant.pk)


@pytest.mark.parametrize("sku", ["Tea-1", "tea-1", "TEA-1", "té-1", "TÉ-1"])
def test_database_refuses_a_sku_twice_in_any_case(sku):
    VariantFactory.create(sku="Tea-1")
    VariantFactory.create(sku="Té-1")
    other = VariantFactory.create()

    with pytest.raises(IntegrityError, match="variant_sku_is_unique"):
        execute("UPDATE catalog_variant SET sku = %s WHERE id = %s", sku, other.pk)


def test_database_refuses_a_category_in_itself():
    category = CategoryFactory.create()

    with pytest.raises(IntegrityError, match="category_is_not_its_own_parent"):
        execute("UPDATE catalog_category SET parent_id = id WHERE id = %s", category.pk)


@pytest.mark.parametrize(
    ("factory", "table"),
    [(CategoryFactory, "catalog_category"), (ProductFactory, "catalog_product")],
)
def test_database_refuses_a_slug_twice(factory, table):
    first, second = factory.create_batch(2)

    with pytest.raises(IntegrityError, match="slug"):
        execute(f"UPDATE {table} SET slug = %s WHERE id = %s", first.slug, second.pk)


def test_variant_without_a_name_is_called_like_its_product():
    product = Product(name="Chai")

    assert Variant(product=product, sku="T").display_name == "Chai"
    assert Variant(product=product, sku="T", name="Chai, big").display_name == "Chai, big"


def test_are_called_by_what_a_person_knows_them_by():
    product = Product(name="Chai")

    assert str(CategoryFactory.build(name="Drinks")) == "Drinks"
    assert str(product) == "Chai"
    assert str(Variant(product=product, sku="TEA-1")) == "Chai (TEA-1)"
    assert str(ProductImage(image="products/x.png")) == "products/x.png"
    assert str(ProductImage(image="products/x.png", alt="A cup")) == "A cup"
