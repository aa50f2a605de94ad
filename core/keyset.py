"""Pages of a list that cost the same at any depth, and never skip or repeat a row."""

from copy import copy
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.db.models import Field, Model, Q, QuerySet


class BadCursor(ValueError):
    """No cursor of this list in this ordering; a caller may have made it up."""


class Keyset:
    """A queryset ordered by one non-null column or annotation and the primary key.

    A cursor holds the ordering, a row's column and key, and words of the caller's own, so that a
    page starts right after that row by index, whatever was inserted or deleted meanwhile. DRF's
    own cursor falls back to OFFSET where many rows share a value. It is signed: only values that
    once stood in a row come back to the database.
    """

    def __init__(self, queryset: QuerySet[Any]) -> None:
        self.queryset = queryset
        self._ordering = str(queryset.query.order_by[0])
        self._column = self._ordering.removeprefix("-")
        self._field = _field_of(queryset, self._column)

    def cursor(self, row: Model, word: str = "") -> str:
        """Return the cursor of a row."""
        return _signer(self.queryset.model).sign_object(
            [
                self._ordering,
                word,
                self._field.value_to_string(row),
                row._meta.pk.value_to_string(row),
            ]
        )

    def read(self, cursor: str) -> tuple[str, Any, Any]:
        """Return the word, the column and the key of a cursor, or raise `BadCursor`."""
        model = self.queryset.model
        try:
            ordering, word, value, key = _signer(model).unsign_object(cursor)
        except (BadSignature, UnicodeError):
            raise BadCursor(cursor) from None
        if ordering != self._ordering:
            raise BadCursor(cursor)
        try:
            return word, self._field.to_python(value), model._meta.pk.to_python(key)
        except ValidationError:
            # The column has become another kind since.
            raise BadCursor(cursor) from None

    def rows(
        self, size: int, *, beyond: tuple[Any, Any] | None = None, backwards: bool = False
    ) -> tuple[list[Any], bool]:
        """Return so many rows in the list's order, and whether there are further ones.

        Args:
            beyond: column and key of a row; the page starts after it.
            backwards: the page ends before that row, or at the end of the list.
        """
        queryset = self.queryset
        if beyond is not None:
            queryset = self._beyond(*beyond, backwards=backwards)
        if backwards:
            queryset = queryset.reverse()
        # One row more tells whether there is a further page.
        rows = list(queryset[: size + 1])
        further, rows = len(rows) > size, rows[:size]
        return rows[::-1] if backwards else rows, further

    def _beyond(self, value: Any, key: Any, *, backwards: bool) -> QuerySet[Any]:
        """Keep the rows after (value, key), or before it."""
        operator = "lt" if self._ordering.startswith("-") != backwards else "gt"
        if self._column == "pk":
            return self.queryset.filter(**{f"pk__{operator}": key})
        # The first condition is implied by the second; it lets the index bound the scan.
        return self.queryset.filter(
            Q(**{f"{self._column}__{operator}e": value}),
            Q(**{f"{self._column}__{operator}": value}) | Q(**{f"pk__{operator}": key}),
        )


def _signer(model: type[Model]) -> Signer:
    return Signer(salt=f"duka.cursor.{model._meta.label_lower}")


def _field_of(queryset: QuerySet[Any], name: str) -> "Field[Any, Any]":
    """Return the field of a column, or one for an annotation: it reads a row's attribute."""
    meta = queryset.model._meta
    if name in queryset.query.annotations:
        field: Field[Any, Any] = copy(queryset.query.annotations[name].output_field)
        field.set_attributes_from_name(name)
        return field
    return meta.pk if name == "pk" else cast("Field[Any, Any]", meta.get_field(name))
