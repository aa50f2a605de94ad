"""Verbs of the stock; its only writer. Each change of a stock writes its movement in the ledger."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from django.db import connection, transaction

from catalog.exceptions import OutOfStock
from catalog.models import StockMovement, Variant
from catalog.states import MovementKind
from core.errors import Conflict, FieldError, InvalidInput

from .shared import MAX_STOCK

if TYPE_CHECKING:
    from accounts.models import User


def receive_stock(
    *, variant_id: int, quantity: int, by: "User | None" = None, reason: str = ""
) -> Variant:
    """Book in goods that arrived.

    Raises:
        InvalidInput: not at least one piece, or there would be more than can be counted.
    """
    if quantity < 1:
        raise InvalidInput.at("quantity", detail="Receive at least one.", code="min_value")
    return _book(variant_id, quantity, MovementKind.RECEIVED, by=by, reason=reason)


def adjust_stock(
    *, variant_id: int, quantity: int, by: "User | None" = None, reason: str = ""
) -> Variant:
    """Book pieces in (positive) or out (negative), whatever orders do meanwhile.

    Raises:
        OutOfStock: there would be less than nothing left.
        InvalidInput: there would be more than can be counted.
    """
    return _book(variant_id, quantity, MovementKind.ADJUSTED, by=by, reason=reason)


@transaction.atomic
def count_stock(
    *, variant_id: int, counted: int, by: "User | None" = None, reason: str = ""
) -> Variant:
    """Let the stock be what was counted on the shelf."""
    variant = Variant.objects.select_for_update(no_key=True).get(pk=variant_id)
    if not 0 <= counted <= MAX_STOCK:
        raise InvalidInput.at("counted", detail=f"Must be 0 to {MAX_STOCK}.")
    change = counted - variant.stock
    _move([(variant_id, change, MovementKind.COUNTED)], by=by, reason=reason)
    variant.stock = counted
    return variant


@transaction.atomic
def _book(
    variant_id: int, quantity: int, kind: MovementKind, *, by: "User | None", reason: str
) -> Variant:
    variant = Variant.objects.select_for_update(no_key=True).get(pk=variant_id)
    if variant.stock + quantity < 0:
        detail = f"Only {variant.stock} of {variant.sku} on hand."
        raise OutOfStock(
            detail, errors=[FieldError(path=("quantity",), code="out_of_stock", detail=detail)]
        )
    if variant.stock + quantity > MAX_STOCK:
        raise InvalidInput.at("quantity", detail=f"Stock cannot exceed {MAX_STOCK}.")
    _move([(variant_id, quantity, kind)], by=by, reason=reason)
    variant.stock += quantity
    return variant


def open_ledger(variants: Iterable[Variant], *, by: "User | None") -> None:
    """Write down what new variants start with."""
    StockMovement.objects.bulk_create(
        StockMovement(
            variant=variant,
            kind=MovementKind.RECEIVED,
            quantity=variant.stock,
            on_hand=variant.stock,
            reason="Opening stock",
            by=by,
        )
        for variant in variants
        if variant.stock
    )


def take_stock(*, quantities: Mapping[int, int], order: str, by: "User | None" = None) -> None:
    """Take pieces of several variants, all or none; call it inside the order's transaction.

    Args:
        quantities: pieces by the variant's primary key.
        order: the number of the order that they are for.

    Raises:
        OutOfStock: names each variant that has too little, by `("variants", key)`.
            The transaction must then be rolled back.
    """
    change_stock(
        changes={key: -quantity for key, quantity in quantities.items()}, order=order, by=by
    )


def give_back_stock(
    *,
    quantities: Mapping[int, int],
    order: str,
    by: "User | None" = None,
    kind: MovementKind = MovementKind.RELEASED,
    reason: str = "",
) -> None:
    """Put pieces back; `quantities` is as in `take_stock`.

    Raises:
        Conflict: there would be more than can be counted.
            The transaction must then be rolled back.
    """
    rows = [(key, quantity, kind) for key, quantity in quantities.items()]
    if len(_move(rows, order=order, by=by, reason=reason)) != len(rows):
        raise Conflict(f"Its goods cannot be put back: stock cannot exceed {MAX_STOCK}.")


def change_stock(*, changes: Mapping[int, int], order: str, by: "User | None" = None) -> None:
    """Take (negative) and give back (positive) pieces for an order that changed, all or none.

    Raises:
        OutOfStock: as in `take_stock`.
        Conflict: as in `give_back_stock`.
    """
    rows = [
        (key, change, MovementKind.SOLD if change < 0 else MovementKind.RELEASED)
        for key, change in changes.items()
        if change
    ]
    refused = {key for key, _, _ in rows} - _move(rows, order=order, by=by)
    if not refused:
        return
    short = Variant.objects.for_display().in_bulk(refused)
    errors = []
    for key in sorted(refused):
        if changes[key] > 0:
            raise Conflict(f"Its goods cannot be put back: stock cannot exceed {MAX_STOCK}.")
        detail = "It is no longer sold."  # deleted since the caller looked
        if variant := short.get(key):
            detail = (
                f"{variant.display_name} ({variant.sku}): {variant.stock} left,"
                f" {-changes[key]} asked for."
            )
        errors.append(FieldError(path=("variants", key), code="out_of_stock", detail=detail))
    raise OutOfStock("There is not enough in stock.", errors=errors)


# One statement for all lines of an order. The rows are locked by key first, so
# that two orders with the same goods in another order wait rather than deadlock;
# the condition is then held against the newest version of each row.
_MOVE_STOCK = """
WITH wanted AS (
    SELECT *
    FROM unnest(%(ids)s::bigint[], %(changes)s::bigint[], %(kinds)s::text[])
        AS wanted (id, change, kind)
), locked AS MATERIALIZED (
    SELECT variant.id, wanted.change, wanted.kind
    FROM catalog_variant AS variant JOIN wanted USING (id)
    ORDER BY variant.id
    FOR NO KEY UPDATE OF variant
), moved AS (
    UPDATE catalog_variant AS variant
    SET stock = variant.stock + locked.change
    FROM locked
    WHERE variant.id = locked.id AND variant.stock + locked.change BETWEEN 0 AND %(most)s
    RETURNING variant.id, locked.change, locked.kind, variant.stock
)
INSERT INTO catalog_stockmovement (variant_id, kind, quantity, on_hand, "order", reason, by_id)
SELECT id, kind, change, stock, %(order)s, %(reason)s, %(by)s FROM moved
RETURNING variant_id
"""


def _move(
    rows: Sequence[tuple[int, int, MovementKind]],
    *,
    by: "User | None",
    order: str = "",
    reason: str = "",
) -> set[int]:
    """Change several stocks; return the keys of those that stayed within bounds."""
    rows = [row for row in rows if row[1]]
    if not rows:
        return set()
    ids, changes, kinds = zip(*rows, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            _MOVE_STOCK,
            {
                "ids": list(ids),
                "changes": list(changes),
                "kinds": [str(kind) for kind in kinds],
                "most": MAX_STOCK,
                "order": order,
                "reason": reason,
                "by": by.pk if by else None,
            },
        )
        return {row[0] for row in cursor.fetchall()}
