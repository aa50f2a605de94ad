"""Keyset pagination: a page costs the same at any depth, and none is skipped or shown twice."""

from copy import copy
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.db.models import Field, Model, Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from .problems import UnknownParameter

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200


class KeysetPagination(BasePagination):
    """Pages of a queryset ordered by one non-null column or annotation and the primary key.

    The cursor holds the ordering, the direction, and the last row's column and
    key, so that the next page starts right after that row by index, whatever
    was inserted or deleted meanwhile. DRF's own cursor falls back to OFFSET
    where many rows share a value. It is signed: only values that once stood in
    a row come back to the database.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.url = request.build_absolute_uri()
        size = self._page_size(request)
        self.count = queryset.count() if self._wants_count(request) else None
        self.ordering = str(queryset.query.order_by[0])
        self.column = self.ordering.removeprefix("-")
        self.field = _field_of(queryset, self.column)
        cursor = request.query_params.get("cursor")
        backwards = False
        if cursor is not None:
            backwards, value, key = self._decode(queryset.model, cursor)
            queryset = self._beyond(queryset, value, key, backwards)
        # One row more tells whether there is a further page.
        rows = list(queryset[: size + 1])
        further, rows = len(rows) > size, rows[:size]
        if backwards:
            rows.reverse()
        has_next, has_previous = (True, further) if backwards else (further, cursor is not None)
        self.next = self._link(rows[-1], "n") if rows and has_next else None
        self.previous = self._link(rows[0], "p") if rows and has_previous else None
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        count = {} if self.count is None else {"count": self.count}
        return Response({"next": self.next, "previous": self.previous, **count, "results": data})

    def _page_size(self, request: Request) -> int:
        text = request.query_params.get("page_size", str(DEFAULT_PAGE_SIZE))
        # The length first: int() refuses, or computes for long, what has thousands of digits.
        fits = len(text) <= 9 and text.isascii() and text.isdigit()
        if not (fits and 1 <= int(text) <= MAX_PAGE_SIZE):
            raise UnknownParameter({"page_size": [f"Must be 1 to {MAX_PAGE_SIZE}."]})
        return int(text)

    def _wants_count(self, request: Request) -> bool:
        text = request.query_params.get("count", "false")
        if text not in {"true", "false"}:
            raise UnknownParameter({"count": ["Must be true or false."]})
        return text == "true"

    def _beyond(
        self, queryset: QuerySet[Any], value: Any, key: Any, backwards: bool
    ) -> QuerySet[Any]:
        """Keep the rows after (value, key), or before it with the order turned round."""
        descending = self.ordering.startswith("-")
        operator = "lt" if descending != backwards else "gt"
        if self.column == "pk":
            queryset = queryset.filter(**{f"pk__{operator}": key})
        else:
            # The first condition is implied by the second; it lets the index bound the scan.
            queryset = queryset.filter(
                Q(**{f"{self.column}__{operator}e": value}),
                Q(**{f"{self.column}__{operator}": value}) | Q(**{f"pk__{operator}": key}),
            )
        return queryset.reverse() if backwards else queryset

    def _link(self, row: Model, direction: str) -> str:
        cursor = _signer(type(row)).sign_object(
            [
                self.ordering,
                direction,
                self.field.value_to_string(row),
                row._meta.pk.value_to_string(row),
            ]
        )
        return replace_query_param(self.url, "cursor", cursor)

    def _decode(self, model: type[Model], cursor: str) -> tuple[bool, Any, Any]:
        """Return direction, column and key of a cursor; a caller may have made it up."""
        refusal = UnknownParameter(
            {"cursor": ["Not a cursor of this list in this ordering; start at the first page."]}
        )
        try:
            ordering, direction, value, key = _signer(model).unsign_object(cursor)
        except (BadSignature, UnicodeError):
            raise refusal from None
        if ordering != self.ordering:
            raise refusal
        try:
            value = self.field.to_python(value)
            key = model._meta.pk.to_python(key)
        except ValidationError:
            # The column has become another kind since.
            raise refusal from None
        return direction == "p", value, key

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        def parameter(name: str, description: str, **schema: Any) -> dict[str, Any]:
            return {
                "name": name,
                "in": "query",
                "required": False,
                "description": description,
                "schema": schema,
            }

        return [
            parameter(
                "cursor", "Where a page starts: follow `next` and `previous`.", type="string"
            ),
            parameter(
                "page_size",
                "Rows of a page.",
                type="integer",
                minimum=1,
                maximum=MAX_PAGE_SIZE,
                default=DEFAULT_PAGE_SIZE,
            ),
            parameter("count", "Adds `count`, the number of all rows.", type="boolean"),
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {
            "type": ["string", "null"],
            "format": "uri",
            "example": "https://shop.example/api/v1/…/?cursor=WyJuYW1lIiwibiIsIkMiLCIzIl0",
        }
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": link,
                "previous": link,
                "count": {
                    "type": "integer",
                    "description": "Only with `count=true`.",
                    "example": 1,
                },
                "results": schema,
            },
        }


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
