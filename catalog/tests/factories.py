"""Goods, each with the price and stock that a test states or these defaults."""

from decimal import Decimal

import factory

from catalog.models import Category, Product, ProductImage, StockMovement, Variant
from catalog.services.stock import open_ledger


class CategoryFactory(factory.django.DjangoModelFactory[Category]):
    class Meta:
        model = Category

    name = factory.Sequence(lambda n: f"Category {n}")
    slug = factory.Sequence(lambda n: f"category-{n}")


class ProductFactory(factory.django.DjangoModelFactory[Product]):
    """A published product without variants."""

    class Meta:
        model = Product

    name = factory.Sequence(lambda n: f"Product {n}")
    slug = factory.Sequence(lambda n: f"product-{n}")


class VariantFactory(factory.django.DjangoModelFactory[Variant]):
    """A variant of a published product: 10.00 a piece, 100 on hand."""

    class Meta:
        model = Variant

    product = factory.SubFactory(ProductFactory)
    sku = factory.Sequence(lambda n: f"SKU-{n}")
    price = Decimal("10.00")
    stock = 100

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        variant = super()._create(model_class, *args, **kwargs)
        open_ledger([variant], by=None)
        return variant


class ProductImageFactory(factory.django.DjangoModelFactory[ProductImage]):
    """A picture of a product, 500 × 400, with a narrower one; there are no files of it."""

    class Meta:
        model = ProductImage

    product = factory.SubFactory(ProductFactory)
    image = factory.Sequence(lambda n: f"products/2026/11/{n}.webp")
    width = 500
    height = 400
    widths = [320]


def move_stock(variant, kind, quantity, **fields):
    """Write a movement that happened in the past, and the stock after it."""
    variant.stock += quantity
    Variant.objects.filter(pk=variant.pk).update(stock=variant.stock)
    return StockMovement.objects.create(
        variant=variant, kind=kind, quantity=quantity, on_hand=variant.stock, **fields
    )
