"""What the list of interactions is narrowed by."""

from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest

from conversations.models import Client, Engagement

_CHOICES = 50
# Each value once, by the index: of a million rows there are few.
_SENTIMENTS = """
WITH RECURSIVE each AS (
    (SELECT sentiment FROM conversations_interaction ORDER BY sentiment LIMIT 1)
    UNION ALL
    SELECT (
        SELECT later.sentiment FROM conversations_interaction later
        WHERE later.sentiment > each.sentiment ORDER BY later.sentiment LIMIT 1
    )
    FROM each WHERE each.sentiment IS NOT NULL
)
SELECT sentiment FROM each WHERE sentiment <> '' LIMIT %s
"""


class _Choices(admin.SimpleListFilter):
    """A filter by one value of few that there are."""

    field: str

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(**{self.field: value}) if value else queryset


class ClientFilter(_Choices):
    title = "client"
    parameter_name = "client"
    field = "client"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        # The shop itself first.
        ordered = Client.objects.order_by("-is_shop", "name", "pk")
        return [(each.pk, str(each)) for each in ordered[:_CHOICES]]


class ChannelFilter(_Choices):
    title = "channel"
    parameter_name = "engagement"
    field = "engagement"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        # The shop's own first.
        engagements = Engagement.objects.select_related("client")
        ordered = engagements.order_by("-client__is_shop", "client__name", "name", "pk")
        return [(each.pk, f"{each.client}: {each}") for each in ordered[:_CHOICES]]


class SentimentFilter(_Choices):
    title = "sentiment"
    parameter_name = "sentiment"
    field = "sentiment"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute(_SENTIMENTS, [_CHOICES])
            return [(value, value) for (value,) in cursor.fetchall()]
