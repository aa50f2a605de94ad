"""Shapes of a customer's timeline, its filters and its pages."""

from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.utils.urls import replace_query_param

from core import timeline
from core.api.filters import StrictFilterBackend, TimeFilter
from core.api.pagination import KeysetPagination
from core.api.problems import UnknownParameter
from core.keyset import BadCursor
from customers.models import Customer


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An order",
            {
                "at": "2026-11-21T08:00:00Z",
                "kind": "order",
                "reference": "1001",
                "title": "Order 1001, 3 lines, KES 4,500.00",
                "status": "pending",
                "text": "Please ring twice.",
                "url": "https://shop.example/api/v1/orders/1001/",
            },
        )
    ]
)
class TimelineEntrySerializer(serializers.Serializer[timeline.Entry]):
    at = serializers.DateTimeField(help_text="When it began: was placed, booked, queued, said.")
    kind = serializers.CharField(help_text="What it is.")
    reference = serializers.CharField(help_text="What its own address knows it by.")
    title = serializers.CharField(help_text="What it is, in a short sentence.")
    status = serializers.CharField(
        help_text="Where it stands now, as its own address says; empty: it has no status."
    )
    text = serializers.CharField(help_text="The first 200 characters that were written in it.")
    url: Any = serializers.SerializerMethodField(help_text="Its own address.")

    @extend_schema_field({"type": "string", "format": "uri"})
    def get_url(self, entry: timeline.Entry) -> str:
        route = timeline.kinds()[entry.kind].route
        return reverse(route, args=[entry.reference], request=self.context["request"])


class _KindsField(forms.CharField):
    def clean(self, value: Any) -> list[str]:
        names: list[str] = super().clean(value).split(",") if value else []
        known = timeline.kinds()
        if unknown := sorted(set(names) - known.keys()):
            said = f"There is no {', '.join(unknown)}. Known: {', '.join(known)}."
            raise forms.ValidationError(said, code="invalid_choice")
        return names


class _KindsFilter(django_filters.CharFilter):
    field_class = _KindsField


class TimelineFilter(django_filters.FilterSet):
    """Looks at what is asked; the apps' own readers cut their rows."""

    kind = _KindsFilter(
        method="as_it_is", help_text="Of these kinds alone, by commas: `order,message`."
    )
    after = TimeFilter(method="as_it_is", help_text="What began then or later.")
    before = TimeFilter(method="as_it_is", help_text="What began earlier.")

    class Meta:
        model = Customer
        fields = ()

    def as_it_is(self, queryset: QuerySet[Customer], name: str, value: Any) -> QuerySet[Customer]:
        return queryset


class TimelinePagination(KeysetPagination):
    """Pages of what several apps know, by `core.timeline`'s cursors."""

    def answer(self, customer: Customer, request: Request, view: Any) -> Response:
        """Return a page, or raise with all that is wrong with what is asked."""
        nobody = Customer.objects.none()
        StrictFilterBackend().filter_queryset(request, nobody, view)
        filterset = TimelineFilter(request.query_params, nobody, request=request)
        filterset.is_valid()
        if "count" in request.query_params:
            raise UnknownParameter({"count": ["A timeline is not counted."]})
        size = self._page_size(request)
        given = filterset.form.cleaned_data
        try:
            page = timeline.page_of(
                customer,
                user=request.user,
                size=size,
                only=given["kind"],
                after=given["after"],
                before=given["before"],
                cursor=request.query_params.get("cursor"),
            )
        except BadCursor:
            detail = "Not a cursor of a timeline; start at the first page."
            raise UnknownParameter({"cursor": [detail]}) from None
        url = request.build_absolute_uri()
        entries: Any = TimelineEntrySerializer(many=True, context={"request": request})
        return Response(
            {
                "next": page.next and replace_query_param(url, "cursor", page.next),
                "previous": page.previous and replace_query_param(url, "cursor", page.previous),
                "kinds": page.kinds,
                "results": entries.to_representation(page.entries),
            }
        )

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        parameters = super().get_schema_operation_parameters(view)
        return [each for each in parameters if each["name"] != "count"]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        page = super().get_paginated_response_schema(schema)
        of_page = page["properties"]
        kinds = {
            "type": "array",
            "items": {"type": "string"},
            "description": "What was looked at: of those asked for, what the caller may see.",
            "example": ["message", "order"],
        }
        return {
            **page,
            "required": ["next", "previous", "kinds", "results"],
            "properties": {
                "next": of_page["next"],
                "previous": of_page["previous"],
                "kinds": kinds,
                "results": schema,
            },
        }
