"""Lists and counts of interactions, the same in both dialects."""

from typing import Any, ClassVar, cast

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from conversations.exceptions import TooSlow
from conversations.models import Interaction
from conversations.querysets import InteractionQuerySet
from conversations.services import counting, highlighting
from core import deadlines
from core.api.filters import OrderingFilter, StrictFilterBackend
from core.api.problems import UnknownParameter
from core.api.views import ResourceViewSet

from .filters import InteractionCountFilter, InteractionFilter, InteractionSearch, searched
from .pages import InteractionPagination


class InteractionCountSerializer(serializers.Serializer[Any]):
    day = serializers.CharField(required=False, help_text="Of the shop's calendar.")
    agent = serializers.CharField(required=False)
    channel = serializers.CharField(required=False)
    sentiment = serializers.CharField(required=False)
    count = serializers.IntegerField()


class InteractionCountsSerializer(serializers.Serializer[Any]):
    by = serializers.CharField()
    results = InteractionCountSerializer(many=True)
    other = serializers.IntegerField(help_text="How many are in no row of the results.")
    total = serializers.IntegerField()


class FindingMixin(ResourceViewSet):
    """`list` and `counts` of interactions: filters, conditions, search, pages, a time limit.

    A dialect's viewset of interactions inherits it before anything else and brings its
    `queryset` (`for_display()`; an InteractionQuerySet), `permitted` for "list" and "counts", and
    either a `serializer_class` or `rows_of`. Where `?search=` is used, `highlights` stand in each
    result, or with `highlights_in_envelope` beside `results`, by id.
    """

    filterset_class: ClassVar[type[InteractionFilter]] = InteractionFilter
    pagination_class = InteractionPagination
    filter_backends = [StrictFilterBackend, InteractionSearch, OrderingFilter]
    # The name is all that says that there is a search.
    search_fields = ("words",)
    ordering = "-interaction_date"
    ordering_fields = ("interaction_date",)
    highlights_in_envelope: ClassVar[bool] = False

    def rows_of(self, page: list[Interaction]) -> list[Any]:
        """Return what a page's rows are shown as."""
        return cast("list[Any]", self.get_serializer(page, many=True).data)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with limited():
            page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
            assert page is not None  # noqa: S101  there is a paginator
            response = self.get_paginated_response(self.rows_of(page))
            if text := searched(request):
                found = highlighting.highlights(page, text)
                if self.highlights_in_envelope:
                    response.data["highlights"] = found
                else:
                    response.data["results"] = [
                        {**row, "highlights": found[interaction.pk]}
                        for row, interaction in zip(response.data["results"], page, strict=True)
                    ]
            return response

    @extend_schema(responses=InteractionCountsSerializer, filters=True)
    @action(detail=False, pagination_class=None, filterset_class=InteractionCountFilter)
    def counts(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Count interactions by day, agent, channel or sentiment, or by two of them."""
        with limited():
            rows = cast("InteractionQuerySet", self.filter_queryset(self.get_queryset()))
            try:
                by = counting.read_dimensions(request.query_params["by"])
            except ValueError as error:
                raise UnknownParameter({"by": [str(error)]}) from None
            return Response(counting.count_interactions(rows, by=by).shown())


def limited() -> Any:
    """Return a context in which the database may look for so long, and no longer."""
    seconds = settings.CONVERSATIONS_TIMEOUT_SECONDS
    return deadlines.deadline(
        seconds,
        error=TooSlow(
            f"This takes the database more than {seconds:g} seconds. Narrow it down: by a range of "
            "dates (after, before), by an engagement, or by an equality (custom.field=value)."
        ),
    )
