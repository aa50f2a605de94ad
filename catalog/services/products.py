"""Verbs of products and their variants."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from catalog.exceptions import InUse, Taken, TakenMeanwhile
from catalog.models import Category, Product, Variant
from core.constraints import constraints_as
from core.errors import FieldError, InvalidInput

from .images import forget_files
from .shared import SLUG_TAKEN, apply, delete, free_slug, taken
from .stock import count_stock, open_ledger

if TYPE_CHECKING:
    from accounts.models import User

_SKU_TAKEN = "Another variant has this SKU."
_SLUG_ERRORS = {"product_slug_is_unique": taken("slug", SLUG_TAKEN)}


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
    slug = slug or free_slug(Product.objects.kept(), name)
    try:
        with constraints_as(
            {**_SLUG_ERRORS, "variant_sku_is_unique": taken("variants", _SKU_TAKEN)}
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
    product = _locked_product(product_id)
    apply(product, changes)
    with constraints_as(_SLUG_ERRORS):
        product.save()
    return product


def hide_product(*, product_id: int) -> Product:
    """Let no shopper see or order it any more; orders and carts that have it keep it."""
    return _set_published(product_id, is_published=False)


def show_product(*, product_id: int) -> Product:
    """Let shoppers see and order it."""
    return _set_published(product_id, is_published=True)


@transaction.atomic
def _set_published(product_id: int, *, is_published: bool) -> Product:
    product = _locked_product(product_id)
    if product.is_published != is_published:
        product.is_published = is_published
        product.save(update_fields=["is_published", "updated_at"])
    return product


@transaction.atomic
def remove_product(*, product_id: int) -> Product | None:
    """Delete a product; one that was ordered is archived, so that past orders go on reading right.

    An archived product is in no list and not for sale, and its slug and SKUs are free for others.

    Returns:
        The archived product; None where nothing is left of it.
    """
    product = _locked_product(product_id)
    if product.archived_at is not None:
        return product
    images = list(product.images.all())
    # Before the carts' lines that go with them: who places a cart takes stock first, too.
    list(product.variants.select_for_update(no_key=True).order_by("pk"))
    try:
        delete(Product, product_id, "")
    except InUse:
        product.archived_at = timezone.now()
        product.save(update_fields=["archived_at", "updated_at"])
        # By the same time `restore_product` knows what went with it.
        product.variants.kept().update(archived_at=product.archived_at)
        return product
    forget_files(images)
    return None


@transaction.atomic
def restore_product(*, product_id: int) -> Product:
    """Bring back an archived product with the variants that were removed with it.

    It is shown or hidden as it was, with the stock that it had. What is not archived stays as
    it is.

    Raises:
        TakenMeanwhile: something else has its slug or a SKU now; names all of them.
    """
    product = _locked_product(product_id)
    if product.archived_at is None:
        return product
    variants = list(product.variants.filter(archived_at=product.archived_at))
    errors = _sku_errors([(("variants", n), each.sku) for n, each in enumerate(variants)])
    if Product.objects.kept().filter(slug=product.slug).exists():
        errors.append(FieldError(path=("slug",), code="taken", detail=SLUG_TAKEN))
    if errors:
        raise TakenMeanwhile("Something else has its slug or a SKU now.", errors=errors)
    # Where somebody was faster, which one it was shows at the next try.
    faster = TakenMeanwhile("Something else got its slug or a SKU just now. Try again.")
    with constraints_as({"product_slug_is_unique": faster, "variant_sku_is_unique": faster}):
        product.variants.filter(archived_at=product.archived_at).update(archived_at=None)
        product.archived_at = None
        product.save(update_fields=["archived_at", "updated_at"])
    return product


def _locked_product(product_id: int) -> Product:
    return Product.objects.select_for_update(no_key=True).get(pk=product_id)


def lock_product_of(variant_id: int) -> None:
    """Lock a variant's product, before the variant: removing it comes that way too.

    The database writes the product's price and search words when a variant changes.
    """
    products = Product.objects.select_for_update(no_key=True, of=("self",))
    products.filter(variants=variant_id).first()


@transaction.atomic
def add_variant(*, product_id: int, variant: NewVariant, by: "User | None" = None) -> Variant:
    """Add a variant to a product.

    Raises:
        Taken: the SKU belongs to another variant.
        InvalidInput: the product was removed.
    """
    kept = Product.objects.kept().select_for_update(no_key=True)
    if kept.filter(pk=product_id).first() is None:
        raise InvalidInput.at("product", detail="It was removed.", code="does_not_exist")
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
    lock_product_of(variant_id)
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
def remove_variant(*, variant_id: int) -> Variant | None:
    """Delete a variant; one that was ordered is archived, and its SKU is free for others.

    A product may be left without any: it has nothing to sell until one is added.

    Returns:
        The archived variant; None where nothing is left of it.
    """
    lock_product_of(variant_id)
    variant = Variant.objects.select_for_update(no_key=True).get(pk=variant_id)
    if variant.archived_at is not None:
        return variant
    try:
        delete(Variant, variant_id, "")
    except InUse:
        variant.archived_at = timezone.now()
        variant.save(update_fields=["archived_at"])
        return variant
    return None


def _check_skus_free(variants: Sequence[NewVariant]) -> None:
    if errors := _sku_errors([(variant.at, variant.sku) for variant in variants]):
        raise Taken("A SKU is taken.", errors=errors)


def _sku_errors(wanted: Sequence[tuple[tuple[str | int, ...], str]]) -> list[FieldError]:
    """Return an error for each SKU that is in use or stands twice, at where it was given."""
    in_use = {
        variant.sku.lower()
        for variant in Variant.objects.kept().with_skus_in_any_case(sku for _, sku in wanted)
    }
    seen: set[str] = set()
    errors = []
    for at, given in wanted:
        sku = given.lower()
        if sku in in_use | seen:
            detail = _SKU_TAKEN if sku in in_use else "This SKU stands twice."
            errors.append(FieldError(path=(*at, "sku"), code="taken", detail=detail))
        seen.add(sku)
    return errors
