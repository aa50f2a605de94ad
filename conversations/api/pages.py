"""Pages of interactions that end where their documents would be too much for one answer."""

from collections.abc import Iterable
from itertools import takewhile
from typing import Any

from django.db.models import BigIntegerField, Func, QuerySet

from conversations.models import Interaction
from core.api.pagination import KeysetPagination
from core.keyset import Keyset

# Of the documents of a page; one has 16 MB at most.
MOST_BYTES = 32 * 1024 * 1024


class InteractionKeyset(Keyset):
    """Pages that have fewer rows than asked for where their documents are large, at least one.

    Where the queryset leaves the documents out, all of them.
    """

    def __init__(self, queryset: QuerySet[Interaction]) -> None:
        names, are_left_out = queryset.query.deferred_loading
        self._has_documents = not (are_left_out and "document" in names)
        if self._has_documents:
            # Cheap: the database knows a text's length without reading it.
            length = Func("document", function="octet_length", output_field=BigIntegerField())
            queryset = queryset.defer("document").annotate(document_bytes=length)
        super().__init__(queryset)

    def rows(
        self, size: int, *, beyond: tuple[Any, Any] | None = None, backwards: bool = False
    ) -> tuple[list[Any], bool]:
        while True:
            rows, further = super().rows(size, beyond=beyond, backwards=backwards)
            if not self._has_documents:
                return rows, further
            # From where the page begins: going backwards, that is its end.
            if backwards:
                kept = rows[len(rows) - _fitting(reversed(rows)) :]
            else:
                kept = rows[: _fitting(rows)]
            # Else one was changed or deleted between the two statements.
            if _bring_documents(kept):
                return kept, further or len(kept) < len(rows)


class InteractionPagination(KeysetPagination):
    keyset_class = InteractionKeyset


def _fitting(rows: Iterable[Any]) -> int:
    """Return how many of these, from the first, are one page."""
    size = 0

    def fits(row: Any) -> bool:
        nonlocal size
        is_first = size == 0
        size += row.document_bytes
        return is_first or size <= MOST_BYTES

    return sum(1 for _ in takewhile(fits, rows))


def _bring_documents(rows: list[Any]) -> bool:
    """Read the documents of these rows; False: not all of them are as they were."""
    if not rows:
        return True
    found = Interaction.objects.filter(pk__in=[row.pk for row in rows])
    read = {
        key: (updated_at, document)
        for key, updated_at, document in found.values_list("pk", "updated_at", "document")
    }
    for row in rows:
        updated_at, row.document = read.get(row.pk, (None, ""))
        if updated_at != row.updated_at:
            return False
    return True
