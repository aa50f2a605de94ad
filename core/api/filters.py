"""Filters by name, search and ordering; what is unknown is a 400, not ignored."""

from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

import django_filters
from django import forms
from django.db.models import QuerySet
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import filters
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.views import APIView

from .problems import UnknownParameter
from .serializers import MONEY

# Parameters that belong to the paginator.
_PAGING = {"cursor", "page_size", "count"}
LONGEST_SEARCH = 200


@runtime_checkable
class SearchesItself(Protocol):
    """A queryset that knows better than `search_fields`: it annotates a whole `relevance`."""

    def search(self, text: str) -> QuerySet[Any]: ...


class _YesNoField(forms.NullBooleanField):
    widget = forms.TextInput

    def to_python(self, value: Any) -> bool | None:  # type: ignore[override]  # the stub is too narrow
        if value in self.empty_values:
            return None
        try:
            return {"true": True, "false": False}[str(value).lower()]
        except KeyError:
            raise forms.ValidationError("Must be true or false.", code="invalid") from None


class YesNoFilter(django_filters.BooleanFilter):
    """`true` or `false`. Django's own takes any other word for no filter at all."""

    field_class = _YesNoField


class IntegerFilter(django_filters.NumberFilter):
    """A whole number. The base class's decimal cuts off fractions, and chokes on `-1e9999999`."""

    field_class = forms.IntegerField


class MoneyFilter(django_filters.NumberFilter):
    """An amount of the shop's currency."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**MONEY, "min_value": 0, **kwargs})

    def get_max_validator(self) -> None:
        """There is a limit of digits already."""


class _TimeField(IsoDateTimeField):
    def to_python(self, value: Any) -> datetime | None:
        time = super().to_python(value)
        try:
            # PostgreSQL knows offsets up to 16 hours, Python up to 24.
            return time.astimezone(UTC) if time is not None else None
        except OverflowError:
            raise forms.ValidationError("Enter a valid date/time.", code="invalid") from None


class TimeFilter(django_filters.IsoDateTimeFilter):
    """A time in RFC 3339, of any offset; one without is in UTC."""

    field_class = _TimeField


class StrictFilterBackend(DjangoFilterBackend):
    """django-filter, with wrong values and unknown names refused by parameter."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        filterset = self.get_filterset(request, queryset, view)
        known = _PAGING | ({"search"} if getattr(view, "search_fields", None) else set())
        known |= {"ordering"} if getattr(view, "ordering_fields", None) else set()
        known |= set(filterset.filters) if filterset is not None else set()
        # What a filterset takes by names that nobody can list, and a sentence on it.
        pattern, hint = getattr(filterset, "pattern", ("", ""))
        shown = sorted(known | ({pattern} if pattern else set()))
        detail = f"Unknown parameter. Known: {', '.join(shown)}. {hint}".rstrip()
        errors: dict[str, list[str]] = {
            name: [detail] for name in sorted(set(request.query_params) - known)
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
    """`?search=`, in `search_fields`, or by the queryset's own `search` where it has one."""

    search_description = "Words to look for; all must be found."

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: Any
    ) -> QuerySet[Any]:
        text = request.query_params.get(self.search_param, "").strip()
        if len(text) > LONGEST_SEARCH:
            raise UnknownParameter(
                {self.search_param: [f"Must be at most {LONGEST_SEARCH} characters."]}
            )
        if text and isinstance(queryset, SearchesItself):
            return queryset.search(text)
        return super().filter_queryset(request, queryset, view)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        searches = getattr(view, "search_fields", None)
        return super().get_schema_operation_parameters(view) if searches else []


class OrderingFilter(BaseFilterBackend):
    """`?ordering=name` or `-name`, one field; the primary key breaks ties.

    A view names what may be ordered by in `ordering_fields` (non-null columns
    of its model, each indexed) and its default in `ordering`, which may be by
    the primary key and need not be among them. What a search has ranked comes
    in the order of its `relevance` unless another is asked for.
    """

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: Any
    ) -> QuerySet[Any]:
        default = "-relevance" if "relevance" in queryset.query.annotations else view.ordering
        ordering = request.query_params.get("ordering", default)
        field = ordering.removeprefix("-")
        if ordering != default and field not in view.ordering_fields:
            allowed = ", ".join(f"{name}, -{name}" for name in view.ordering_fields)
            raise UnknownParameter({"ordering": [f"Cannot order by this. Choose from {allowed}."]})
        sign = "-" if ordering.startswith("-") else ""
        return queryset.order_by(ordering, f"{sign}pk")

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        if not view.ordering_fields:
            return []
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
