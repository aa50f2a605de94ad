"""Named reads of conversations."""

from typing import TYPE_CHECKING, Self

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from .permissions import can_see_conversations

if TYPE_CHECKING:
    from accounts.models import User

    from .models import Client, Engagement, Interaction


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
