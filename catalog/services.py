"""Verbs of the catalogue; the only writer of its tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, connection, models, transaction
from django.db.models import ProtectedError
from django.utils.text import slugify

from core.constraints import constraints_as
from core.errors import Conflict, FieldError, InvalidInput

from .exceptions import InUse, OutOfStock, Taken
from .models import Category, Product, Variant

# The largest value of PostgreSQL's integer.
MAX_STOCK = 2_147_483_647

_SKU_TAKEN = "Another variant has this SKU."
_SLUG_TAKEN = "Something else has this slug."


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
    at: tuple[str | int, ...] = ()


@transaction.atomic
def create_category(*, name: str, slug: str = "", parent: Category | None = None) -> Category:
    """Make a category; without a slug it gets one from its name.

    Raises:
        Taken: the slug belongs to another category.
    """
    slug = slug or _free_slug(Category, name)
    with constraints_as({"catalog_category_slug_key": _taken("slug", _SLUG_TAKEN)}):
        return Category.objects.create(name=name, slug=slug, parent=parent)


@transaction.atomic
def update_category(*, category_id: int, **changes: Any) -> Category:
    """Change a category's `name`, `slug` or `parent`.

    Raises:
        Taken: the slug belongs to another category.
        InvalidInput: the new parent stands below the category.
    """
    category = Category.objects.select_for_update(no_key=True).get(pk=category_id)
    # One change of the tree at a time: two moves could otherwise close a circle between them.
    # Not by locking every row: each caller of a race comes with its own row locked already.
    _lock_until_commit("category tree")
    parents = dict(Category.objects.values_list("pk", "parent_id"))
    _apply(category, changes)
    above = category.parent_id
    while above is not None:
        if above == category_id:
            raise InvalidInput.at(
                "parent", detail="A category cannot stand below itself.", code="circular"
            )
        above = parents.get(above)
    with constraints_as({"catalog_category_slug_key": _taken("slug", _SLUG_TAKEN)}):
        category.save()
    return category


def delete_category(*, category_id: int) -> None:
    """Raises `InUse` while products or other categories stand in it."""
    _delete(Category, category_id, "Move its products and categories elsewhere first.")


@transaction.atomic
def create_product(
    *,
    name: str,
    variants: Sequence[NewVariant],
    slug: str = "",
    description: str = "",
    category: Category | None = None,
    is_published: bool = True,
) -> Product:
    """Make a product with its variants; without a slug it gets one from its name.

    Raises:
        Taken: the slug or a SKU belongs to something else, or a SKU stands twice.
    """
    _check_skus_free(variants)
    slug = slug or _free_slug(Product, name)
    try:
        with constraints_as(
            {
                "catalog_product_slug_key": _taken("slug", _SLUG_TAKEN),
                "variant_sku_is_unique": _taken("variants", _SKU_TAKEN),
            }
        ):
            product = Product.objects.create(
                name=name,
                slug=slug,
                description=description,
                category=category,
                is_published=is_published,
            )
            Variant.objects.bulk_create(_variant_of(product.pk, variant) for variant in variants)
    except Taken:
        # Lost a race for a SKU: now that the other is there, the check can say which one.
        _check_skus_free(variants)
        raise
    return product


@transaction.atomic
def update_product(*, product_id: int, **changes: Any) -> Product:
    """Change a product's `name`, `slug`, `description`, `category` or `is_published`.

    Raises:
        Taken: the slug belongs to another product.
    """
    product = Product.objects.select_for_update(no_key=True).get(pk=product_id)
    _apply(product, changes)
    with constraints_as({"catalog_product_slug_key": _taken("slug", _SLUG_TAKEN)}):
        product.save()
    return product


def delete_product(*, product_id: int) -> None:
    """Raises `InUse` once it was ordered: past orders must go on reading right."""
    _delete(Product, product_id, "It has been ordered. Hide it instead.")


def add_variant(*, product_id: int, variant: NewVariant) -> Variant:
    """Raises `Taken` where the SKU belongs to another variant."""
    with constraints_as({"variant_sku_is_unique": _taken("sku", _SKU_TAKEN)}):
        made = _variant_of(product_id, variant)
        made.save()
    return made


def _variant_of(product_id: int, variant: NewVariant) -> Variant:
    return Variant(
        product_id=product_id,
        sku=variant.sku,
        name=variant.name,
        price=variant.price,
        stock=variant.stock,
        weight=variant.weight,
    )


@transaction.atomic
def update_variant(*, variant_id: int, **changes: Any) -> Variant:
    """Change a variant's `sku`, `name`, `price`, `weight`, or its `stock` as it was counted.

    To book goods in or out while orders come in, use `adjust_stock`.

    Raises:
        Taken: the SKU belongs to another variant.
    """
    variant = Variant.objects.select_for_update(no_key=True).get(pk=variant_id)
    if not variant.name and changes.get("name") == variant.display_name:
        # What was read is sent back: it goes on being called like its product.
        del changes["name"]
    _apply(variant, changes)
    with constraints_as({"variant_sku_is_unique": _taken("sku", _SKU_TAKEN)}):
        # Only what changed: the rest may be on its way in another transaction's plans.
        variant.save(update_fields=list(changes))
    return variant


@transaction.atomic
def adjust_stock(*, variant_id: int, quantity: int) -> Variant:
    """Book goods in (positive) or out (negative), whatever orders do meanwhile.

    Raises:
        OutOfStock: there would be less than nothing left.
        InvalidInput: there would be more than can be counted.
    """
    variant = Variant.objects.select_for_update(no_key=True).get(pk=variant_id)
    if variant.stock + quantity < 0:
        detail = f"Only {variant.stock} of {variant.sku} on hand."
        raise OutOfStock(
            detail, errors=[FieldError(path=("quantity",), code="out_of_stock", detail=detail)]
        )
    if variant.stock + quantity > MAX_STOCK:
        raise InvalidInput.at("quantity", detail=f"Stock cannot exceed {MAX_STOCK}.")
    variant.stock += quantity
    variant.save(update_fields=["stock"])
    return variant


def delete_variant(*, variant_id: int) -> None:
    """Raises `InUse` once it was ordered."""
    _delete(Variant, variant_id, "It has been ordered. Hide its product or set its stock to 0.")


# One statement for all lines of an order. The rows are locked by key first, so
# that two orders with the same goods in another order wait rather than deadlock;
# the condition is then held against the newest version of each row.
_MOVE_STOCK = """
WITH wanted AS (
    SELECT unnest(%(ids)s::bigint[]) AS id, unnest(%(changes)s::bigint[]) AS change
), locked AS MATERIALIZED (
    SELECT variant.id, wanted.change
    FROM catalog_variant AS variant JOIN wanted USING (id)
    ORDER BY variant.id
    FOR NO KEY UPDATE OF variant
)
UPDATE catalog_variant AS variant
SET stock = variant.stock + locked.change
FROM locked
WHERE variant.id = locked.id AND variant.stock + locked.change BETWEEN 0 AND %(most)s
RETURNING variant.id
"""


def take_stock(*, quantities: Mapping[int, int]) -> None:
    """Take pieces of several variants, all or none; call it inside the order's transaction.

    Args:
        quantities: pieces by the variant's primary key.

    Raises:
        OutOfStock: names each variant that has too little, by `("variants", key)`.
            The transaction must then be rolled back.
    """
    taken = _move_stock({key: -quantity for key, quantity in quantities.items()})
    if len(taken) == len(quantities):
        return
    short = Variant.objects.for_display().in_bulk(set(quantities) - taken)
    errors = []
    for key in sorted(set(quantities) - taken):
        detail = "It is no longer sold."  # deleted since the caller looked
        if variant := short.get(key):
            detail = (
                f"{variant.display_name} ({variant.sku}): {variant.stock} left,"
                f" {quantities[key]} asked for."
            )
        errors.append(FieldError(path=("variants", key), code="out_of_stock", detail=detail))
    raise OutOfStock("There is not enough in stock.", errors=errors)


def give_back_stock(*, quantities: Mapping[int, int]) -> None:
    """Put pieces back; `quantities` is as in `take_stock`.

    Raises:
        Conflict: there would be more than can be counted.
            The transaction must then be rolled back.
    """
    if len(_move_stock(quantities)) != len(quantities):
        raise Conflict(f"Its goods cannot be put back: stock cannot exceed {MAX_STOCK}.")


def _move_stock(changes: Mapping[int, int]) -> set[int]:
    """Change several stocks; return the keys of those that stayed within bounds."""
    keys = list(changes)
    with connection.cursor() as cursor:
        cursor.execute(
            _MOVE_STOCK,
            {"ids": keys, "changes": [changes[key] for key in keys], "most": MAX_STOCK},
        )
        return {row[0] for row in cursor.fetchall()}


def _apply(instance: models.Model, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        setattr(instance, name, value)


def _taken(field: str, detail: str) -> Taken:
    return Taken(detail, errors=[FieldError(path=(field,), code="taken", detail=detail)])


def _check_skus_free(variants: Sequence[NewVariant]) -> None:
    wanted = [variant.sku for variant in variants]
    taken = {variant.sku.lower() for variant in Variant.objects.with_skus_in_any_case(wanted)}
    seen: set[str] = set()
    errors = []
    for variant in variants:
        sku = variant.sku.lower()
        if sku in taken | seen:
            detail = _SKU_TAKEN if sku in taken else "This SKU stands twice."
            errors.append(FieldError(path=(*variant.at, "sku"), code="taken", detail=detail))
        seen.add(sku)
    if errors:
        raise Taken("A SKU is taken.", errors=errors)


def _free_slug(model: type[Category] | type[Product], name: str) -> str:
    """Return a slug that is free until the transaction's end; others wait to make the same."""
    base = slugify(name)[:120] or model._meta.model_name or ""
    _lock_until_commit(f"{model._meta.model_name} slug {base}")
    taken = set(model._default_manager.filter(slug__startswith=base).values_list("slug", flat=True))
    candidates = (
        base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2)
    )
    return next(slug for slug in candidates if slug not in taken)


def _lock_until_commit(name: str) -> None:
    """Wait until nobody else holds the lock of this name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def _delete(model: type[models.Model], key: int, advice: str) -> None:
    try:
        with transaction.atomic():
            model._default_manager.filter(pk=key).delete()
            # Foreign keys are held at the commit, but what came in meanwhile is to be told here.
            connection.check_constraints()
    except (ProtectedError, IntegrityError):
        raise InUse(f"It cannot be deleted. {advice}") from None
