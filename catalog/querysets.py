"""Named reads of the catalogue."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

if TYPE_CHECKING:
    from .models import Category, Product, StockMovement, Variant


class CategoryQuerySet(QuerySet["Category"]):
    def for_display(self) -> Self:
        return self.select_related("parent")


class ProductQuerySet(QuerySet["Product"]):
    def published(self) -> Self:
        return self.filter(is_published=True, archived_at=None)

    def for_display(self) -> Self:
        """With all that an answer shows, in a fixed number of statements."""
        return self.select_related("category").prefetch_related("variants", "images")


class VariantQuerySet(QuerySet["Variant"]):
    def for_display(self) -> Self:
        return self.select_related("product")

    def kept(self) -> Self:
        """Those that were not removed."""
        return self.filter(archived_at=None)

    def with_skus_in_any_case(self, skus: Iterable[str]) -> Self:
        skus = list(skus)
        # As written too: a database in the plain C locale knows no case beyond ASCII.
        return self.annotate(lower_sku=Lower("sku")).filter(
            Q(lower_sku__in=[sku.lower() for sku in skus]) | Q(sku__in=skus)
        )

    def for_sale(self, skus: Iterable[str]) -> Self:
        """Those of the SKUs that can be ordered now: of a product that is published."""
        return (
            self.kept()
            .for_display()
            .with_skus_in_any_case(skus)
            .filter(product__is_published=True, product__archived_at=None)
        )


class StockMovementQuerySet(QuerySet["StockMovement"]):
    def for_display(self) -> Self:
        return self.select_related("variant__product", "by")
