"""Named reads of conversations."""

from typing import TYPE_CHECKING, Self

from django.contrib.auth.models import AnonymousUser
from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import F, IntegerField, Q, QuerySet
from django.db.models.functions import Cast

from .permissions import can_see_conversations

if TYPE_CHECKING:
    from accounts.models import User

    from .models import Client, Engagement, Interaction

# A word that stands everywhere would have to be ranked in a million documents.
MOST_RANKED = 10_000


class ClientQuerySet(QuerySet["Client"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self if can_see_conversations(user) else self.none()


class EngagementQuerySet(QuerySet["Engagement"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self if can_see_conversations(user) else self.none()


class InteractionQuerySet(QuerySet["Interaction"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self if can_see_conversations(user) else self.none()

    def for_display(self) -> Self:
        """With what its document is put together of, without what it is found by."""
        return self.defer("custom", "words").select_related("customer", "order")

    def matching(self, text: str) -> Self:
        """Those that have the words."""
        return self.filter(words=words_query(text))

    def search(self, text: str) -> Self:
        """The newest 10,000 that have the words, with their `relevance`.

        It asks the database at once whether there are more. Filters come before it.
        """
        query = words_query(text)
        found = self.filter(words=query)
        beyond = (
            found.order_by("-interaction_date", "-pk")
            .select_related(None)
            .values_list("interaction_date", "pk")[MOST_RANKED : MOST_RANKED + 1]
        )
        for moment, key in beyond:
            # The first condition is implied by the second; it lets the index bound the scan.
            found = found.filter(
                Q(interaction_date__gte=moment), Q(interaction_date__gt=moment) | Q(pk__gt=key)
            )
        rank = SearchRank(F("words"), query)
        # A whole number, which a page's cursor can hold exactly.
        return found.annotate(relevance=Cast(rank * 1_000_000, IntegerField()))


def words_query(text: str) -> SearchQuery:
    return SearchQuery(text, config="conversations", search_type="websearch")
