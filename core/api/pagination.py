"""Keyset pagination of REST's lists."""

from typing import Any, ClassVar

from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from core.keyset import BadCursor, Keyset

from .problems import UnknownParameter

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200


class KeysetPagination(BasePagination):
    """Pages of a queryset by `core.keyset`; a cursor tells its direction too."""

    keyset_class: ClassVar[type[Keyset]] = Keyset

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.url = request.build_absolute_uri()
        size = self._page_size(request)
        self.count = queryset.count() if self._wants_count(request) else None
        self.keyset = self.keyset_class(queryset)
        cursor = request.query_params.get("cursor")
        beyond, backwards = None, False
        if cursor is not None:
            try:
                direction, *beyond = self.keyset.read(cursor)
            except BadCursor:
                detail = "Not a cursor of this list in this ordering; start at the first page."
                raise UnknownParameter({"cursor": [detail]}) from None
            backwards = direction == "p"
        rows, further = self.keyset.rows(
            size, beyond=tuple(beyond) if beyond else None, backwards=backwards
        )
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

    def _link(self, row: Any, direction: str) -> str:
        return replace_query_param(self.url, "cursor", self.keyset.cursor(row, direction))

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
