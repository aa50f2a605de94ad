"""Verbs of products and their variants."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from catalog.exceptions import InUse, Taken
from catalog.models import Category, Product, Variant
from core.constraints import constraints_as
from core.errors import FieldError

from .shared import SLUG_TAKEN, apply, delete, free_slug, taken
from .stock import count_stock, open_ledger

if TYPE_CHECKING:
    from accounts.models import User

_SKU_TAKEN = "Another variant has this SKU."


@dataclass(frozen=True, kw_only=True)
class NewVariant:
    """A variant to be made. `price` is in the shop's currency, `weight` in grams.

    `at` is where it stood in the caller's input, for errors: `("variants", 0)`.
    """

    sku: str
    price: Decimal
    name: str = ""
    stock: int = 0
    weight: int = 0
    low_stock_threshold: int | None = None
    at: tuple[str | int, ...] = ()


@transaction.atomic
def create_product(
    *,
    name: str,
    variants: Sequence[NewVariant],
    slug: str = "",
    description: str = "",
    category: Category | None = None,
    is_published: bool = True,
    by: "User | None" = None,
) -> Product:
    """Make a product with its variants; without a slug it gets one from its name.

    Raises:
        Taken: the slug or a SKU belongs to something else, or a SKU stands twice.
    """
    _check_skus_free(variants)
    slug = slug or free_slug(Product, name)
    try:
        with constraints_as(
            {
                "catalog_product_slug_key": taken("slug", SLUG_TAKEN),
                "variant_sku_is_unique": taken("variants", _SKU_TAKEN),
            }
        ):
            product = Product.objects.create(
                name=name,
                slug=slug,
                description=description,
                category=category,
                is_published=is_published,
            )
            made = Variant.objects.bulk_create(
                _variant_of(product.pk, variant) for variant in variants
            )
    except Taken:
        # Lost a race for a SKU: now that the other is there, the check can say which one.
        _check_skus_free(variants)
        raise
    open_ledger(made, by=by)
    return product


@transaction.atomic
def update_product(*, product_id: int, **changes: Any) -> Product:
    """Change a product's `name`, `slug`, `description`, `category` or `is_published`.

    Raises:
        Taken: the slug belongs to another product.
    """
    product = Product.objects.select_for_update(no_key=True).get(pk=product_id)
    apply(product, changes)
    with constraints_as({"catalog_product_slug_key": taken("slug", SLUG_TAKEN)}):
        product.save()
    return product


@transaction.atomic
def remove_product(*, product_id: int) -> None:
    """Delete a product; one that was ordered is archived, so that past orders go on reading right.

    An archived product is in no list and not for sale, and its slug and SKUs are free for others.
    """
    product = Product.objects.select_for_update(no_key=True).get(pk=product_id)
    try:
        delete(Product, product_id, "")
    except InUse:
        now = timezone.now()
        product.archived_at = now
        product.slug = f"{product.slug[:190]}-removed-{product.pk}"
        product.save(update_fields=["archived_at", "slug", "updated_at"])
        product.variants.kept().update(archived_at=now)


@transaction.atomic
def add_variant(*, product_id: int, variant: NewVariant, by: "User | None" = None) -> Variant:
    """Raises `Taken` where the SKU belongs to another variant."""
    made = _variant_of(product_id, variant)
    with constraints_as({"variant_sku_is_unique": taken("sku", _SKU_TAKEN)}):
        made.save()
    open_ledger([made], by=by)
    return made


def _variant_of(product_id: int, variant: NewVariant) -> Variant:
    return Variant(
        product_id=product_id,
        sku=variant.sku,
        name=variant.name,
        price=variant.price,
        stock=variant.stock,
        weight=variant.weight,
        low_stock_threshold=variant.low_stock_threshold,
    )


@transaction.atomic
def update_variant(*, variant_id: int, by: "User | None" = None, **changes: Any) -> Variant:
    """Change a variant's `sku`, `name`, `price`, `weight`, `low_stock_threshold`, or its `stock`
    as it was counted.

    To book goods in or out while orders come in, use `receive_stock` or `adjust_stock`.

    Raises:
        Taken: the SKU belongs to another variant.
    """
    variant = Variant.objects.select_for_update(no_key=True).get(pk=variant_id)
    if not variant.name and changes.get("name") == variant.display_name:
        # What was read is sent back: it goes on being called like its product.
        del changes["name"]
    counted = changes.pop("stock", None)
    apply(variant, changes)
    with constraints_as({"variant_sku_is_unique": taken("sku", _SKU_TAKEN)}):
        # Only what changed: the rest may be on its way in another transaction's plans.
        variant.save(update_fields=list(changes))
    if counted is not None:
        variant = count_stock(variant_id=variant_id, counted=counted, by=by)
    return variant


@transaction.atomic
def remove_variant(*, variant_id: int) -> None:
    """Delete a variant; one that was ordered is archived."""
    variant = Variant.objects.select_for_update(no_key=True).get(pk=variant_id)
    try:
        delete(Variant, variant_id, "")
    except InUse:
        variant.archived_at = timezone.now()
        variant.save(update_fields=["archived_at"])


def _check_skus_free(variants: Sequence[NewVariant]) -> None:
    wanted = [variant.sku for variant in variants]
    in_use = {
        variant.sku.lower() for variant in Variant.objects.kept().with_skus_in_any_case(wanted)
    }
    seen: set[str] = set()
    errors = []
    for variant in variants:
        sku = variant.sku.lower()
        if sku in in_use | seen:
            detail = _SKU_TAKEN if sku in in_use else "This SKU stands twice."
            errors.append(FieldError(path=(*variant.at, "sku"), code="taken", detail=detail))
        seen.add(sku)
    if errors:
        raise Taken("A SKU is taken.", errors=errors)
