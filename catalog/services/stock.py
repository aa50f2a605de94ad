"""Verbs of the stock; its only writer. Each change of a stock writes its movement in the ledger."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.db.models import Sum

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
    rows = [(key, quantity, kind) for key, quantity in quantities.items() if quantity]
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


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What is wrong with one variant's stock.

    `broken` is the newest movement whose `on_hand` does not follow from the one before; those up
    to the last count do not matter any more.
    """

    variant_id: int
    sku: str
    on_hand: int
    ledger: int
    broken: int | None


# By the index of a variant's movements, without a sort.
_COMPARE = """
WITH step AS (
    SELECT id, variant_id, kind, quantity,
        on_hand - quantity <> lead(on_hand, 1, 0) OVER newest_first AS broken
    FROM catalog_stockmovement
    WHERE variant_id > %(after)s
    WINDOW newest_first AS (PARTITION BY variant_id ORDER BY id DESC)
), ledger AS (
    SELECT variant_id, sum(quantity) AS total,
        max(id) FILTER (WHERE broken) AS broken,
        max(id) FILTER (WHERE kind = 'counted') AS counted
    FROM step
    GROUP BY variant_id
), compared AS (
    SELECT variant.id, variant.sku, variant.stock, coalesce(ledger.total, 0) AS total,
        CASE WHEN ledger.broken > coalesce(ledger.counted, 0) THEN ledger.broken END AS broken
    FROM catalog_variant AS variant LEFT JOIN ledger ON ledger.variant_id = variant.id
    WHERE variant.id > %(after)s
)
SELECT id, sku, stock, total, broken
FROM compared
WHERE stock <> total OR broken IS NOT NULL
ORDER BY id
LIMIT %(most)s
"""
_AT_ONCE = 1000


def compare_stock() -> Iterator[Difference]:
    """Yield each variant whose stock is not what the ledger says: one statement for a thousand."""
    after, rows = 0, [()] * _AT_ONCE
    while len(rows) == _AT_ONCE:
        with connection.cursor() as cursor:
            cursor.execute(_COMPARE, {"after": after, "most": _AT_ONCE})
            rows = cursor.fetchall()
        for after, sku, on_hand, ledger, broken in rows:
            yield Difference(
                variant_id=after, sku=sku, on_hand=on_hand, ledger=int(ledger), broken=broken
            )


_CHANGED_OUTSIDE = "Found changed outside the ledger"


@transaction.atomic
def mend_stock(*, variant_id: int, by: "User | None" = None) -> Variant:
    """Let the stock be what the ledger says, whatever orders do meanwhile.

    First the ledger is told what became of the stock without it, then the stock is brought back,
    so that each movement goes on following from the one before. Where the ledger says less than
    nothing it cannot be right: then what is on hand stays.
    """
    # Whoever moves stock holds this row until the movement is written.
    variant = Variant.objects.select_for_update(no_key=True).get(pk=variant_id)
    ledger = variant.movements.aggregate(total=Sum("quantity", default=0))["total"]
    if ledger == variant.stock:
        return variant
    StockMovement.objects.create(
        variant=variant,
        kind=MovementKind.COUNTED,
        quantity=variant.stock - ledger,
        on_hand=variant.stock,
        reason=_CHANGED_OUTSIDE,
        by=by,
    )
    if not 0 <= ledger <= MAX_STOCK:
        return variant
    return count_stock(
        variant_id=variant_id, counted=ledger, by=by, reason="Brought back to the ledger"
    )
