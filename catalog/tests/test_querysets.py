"""The catalogue's named reads."""

import pytest

from catalog.models import Product, Variant

from .factories import ProductFactory, VariantFactory

pytestmark = pytest.mark.django_db


def test_for_sale_leaves_out_the_hidden_and_the_unnamed():
    hidden = ProductFactory.create(is_published=False)
    tea, cup = VariantFactory.create(sku="TEA"), VariantFactory.create(sku="CUP")
    VariantFactory.create(sku="POT")
    VariantFactory.create(sku="HIDDEN", product=hidden)
    sold_out = VariantFactory.create(sku="GONE", stock=0)

    found = Variant.objects.for_sale(["TEA", "HIDDEN", "GONE", "NOPE", "cup"])

    assert set(found) == {tea, cup, sold_out}


def test_published_leaves_out_the_hidden():
    shown = ProductFactory.create()
    ProductFactory.create(is_published=False)

    assert list(Product.objects.published()) == [shown]


@pytest.mark.parametrize("sku", ["Tea-1", "TEA-1", "tea-1"])
def test_skus_are_found_in_any_case(sku):
    tea = VariantFactory.create(sku="Tea-1")
    VariantFactory.create(sku="Tea-10")

    assert list(Variant.objects.with_skus_in_any_case([sku, "other"])) == [tea]
