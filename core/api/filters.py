"""Filters by name, search and ordering; what is unknown is a 400, not ignored."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import filters
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.views import APIView

from .problems import UnknownParameter

# Parameters that belong to the paginator.
_PAGING = {"cursor", "page_size", "count"}


class StrictFilterBackend(DjangoFilterBackend):
    """django-filter, with wrong values and unknown names refused by parameter."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        filterset = self.get_filterset(request, queryset, view)
        known = _PAGING | ({"search"} if getattr(view, "search_fields", None) else set())
        known |= {"ordering"} if getattr(view, "ordering_fields", None) else set()
        known |= set(filterset.filters) if filterset is not None else set()
        errors: dict[str, list[str]] = {
            name: [f"Unknown parameter. Known: {', '.join(sorted(known))}."]
            for name in sorted(set(request.query_params) - known)
        }
        errors |= {
            name: ["Null characters are not allowed."]
            for name, values in request.query_params.lists()
            if any("\x00" in value for value in values)
        }
        if filterset is not None and not filterset.is_valid():
            for name, messages in filterset.errors.items():
                errors.setdefault(name, [str(message) for message in messages])
        if errors:
            raise UnknownParameter(errors)
        return filterset.qs if filterset is not None else queryset


class SearchFilter(filters.SearchFilter):
    search_description = "Words to look for; all must be found."


class OrderingFilter(BaseFilterBackend):
    """`?ordering=name` or `-name`, one field; the primary key breaks ties.

    A view names what may be ordered by in `ordering_fields` (non-null columns
    of its model, each indexed) and its default in `ordering`.
    """

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: Any
    ) -> QuerySet[Any]:
        ordering = request.query_params.get("ordering", view.ordering)
        field = ordering.removeprefix("-")
        if field not in view.ordering_fields:
            allowed = ", ".join(f"{name}, -{name}" for name in view.ordering_fields)
            raise UnknownParameter({"ordering": [f"Cannot order by this. Choose from {allowed}."]})
        sign = "-" if ordering.startswith("-") else ""
        return queryset.order_by(ordering, f"{sign}pk")

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        choices = [sign + name for name in view.ordering_fields for sign in ("", "-")]
        return [
            {
                "name": "ordering",
                "in": "query",
                "required": False,
                "description": "Order of the list; a minus reverses it.",
                "schema": {"type": "string", "enum": choices, "default": view.ordering},
            }
        ]
