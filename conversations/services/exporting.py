"""Documents out, one a line, as `mongoimport` and `import_interactions` take them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from conversations.documents import (
    extended,
    extended_client,
    extended_engagement,
    without_line_breaks,
)
from conversations.models import Client, Engagement, Interaction
from conversations.states import Collection
from core.errors import InvalidInput
from customers.models import Customer

from .rows_out import for_each_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which interactions are exported; "" and None: whatever they have there."""

    client_id: str = ""
    engagement_id: str = ""
    customer: str = ""
    after: datetime | None = None
    before: datetime | None = None


_ALL = Chosen()
# Columns, and what `extended` calls them behind the first.
_COLUMNS = ("document", "source_id", "customer__code", "order__number")
_OWN = ("source_id", "customer", "order")


def export_documents(
    *,
    write: Callable[[bytes], Any],
    collection: Collection = Collection.INTERACTIONS,
    chosen: Chosen = _ALL,
    with_own: bool = True,
) -> int:
    """Write a collection's documents, each in one line; return how many.

    All are of one moment. Interactions are in the order of their time, others in that of their ids.

    Args:
        chosen: of interactions alone; `after` is of those with them, `before` of those without.
        with_own: with Duka's own members (`sourceId`, `customer`, `order`).

    Raises:
        InvalidInput: there is no such client, engagement or customer.
    """
    if collection != Collection.INTERACTIONS and chosen != _ALL:
        raise InvalidInput("Only interactions can be chosen; of the others all are exported.")
    interactions = Interaction.objects.order_by("interaction_date", "pk")
    rows, line = {
        Collection.CLIENTS: (
            Client.objects.order_by("pk").values_list("pk", "name", "nick_name"),
            _client,
        ),
        Collection.ENGAGEMENTS: (
            Engagement.objects.order_by("pk").values_list("pk", "client_id", "name"),
            _engagement,
        ),
        Collection.INTERACTIONS: (
            _choose(interactions, chosen).values_list(*(_COLUMNS if with_own else _COLUMNS[:1])),
            _interaction,
        ),
    }[collection]
    return for_each_row(
        rows, lambda cells: write(line([cell.decode() for cell in cells]).encode() + b"\n")
    )


def _choose(rows: QuerySet[Any, Any], chosen: Chosen) -> QuerySet[Any, Any]:
    for model, field, key, name in (
        (Client, "pk", chosen.client_id, "client"),
        (Engagement, "pk", chosen.engagement_id, "engagement"),
        (Customer, "code", chosen.customer, "customer"),
    ):
        if key:
            if not model._default_manager.filter(**{field: key}).exists():
                raise InvalidInput(f"There is no {name} {key}.")
            rows = rows.filter(**{f"{name}__{field}": key})
    if chosen.after:
        rows = rows.filter(interaction_date__gte=chosen.after)
    if chosen.before:
        rows = rows.filter(interaction_date__lt=chosen.before)
    return rows


def _client(cells: Sequence[str]) -> str:
    ident, name, nick_name = cells
    return extended_client(ident=ident, name=name, nick_name=nick_name)


def _engagement(cells: Sequence[str]) -> str:
    ident, client_id, name = cells
    return extended_engagement(ident=ident, client_id=client_id, name=name)


def _interaction(cells: Sequence[str]) -> str:
    document, *own = cells
    return without_line_breaks(extended(document, **dict(zip(_OWN, own, strict=False))))
