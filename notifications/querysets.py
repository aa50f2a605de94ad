"""Named reads of messages."""

from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Now

from core.events import all_events

from .states import FAILURES, CallbackState, MessageStatus

if TYPE_CHECKING:
    from .models import Callback, Message, Pace, Template


class MessageQuerySet(QuerySet["Message"]):
    def due(self) -> Self:
        """Queued, and either never claimed or claimed by a worker whose lease has passed."""
        return self.filter(status=MessageStatus.QUEUED, due_at__lte=Now())

    def lost(self) -> Self:
        """Handed to a gateway by a worker whose lease has passed without an answer."""
        return self.filter(status=MessageStatus.SENDING, due_at__lte=Now())

    def for_display(self) -> Self:
        """With all that an answer shows, in a fixed number of statements."""
        return self.select_related("template").prefetch_related("timeline__by")

    def shown(self) -> Self:
        """What staff may see: not a code or link that still opens something, nor find it."""
        return self.exclude(secret=True, body__gt="")


class PaceQuerySet(QuerySet["Pace"]):
    def down(self) -> Self:
        """Those that have failed everybody so often that they are asked seldom."""
        return self.filter(failures__gte=FAILURES)


class TemplateQuerySet(QuerySet["Template"]):
    def of_declared_events(self) -> Self:
        """Not of those that nothing tells any more, whose words stay for their messages."""
        return self.filter(event__in=[event.code for event in all_events()])

    def with_words(self) -> Self:
        """With what `services.text_of` asks for, in a fixed number of statements."""
        of_the_shop = self.model.objects.filter(
            event=OuterRef("event"), language=settings.LANGUAGE_CODE
        )
        return self.prefetch_related("versions").annotate(
            shop_text=Subquery(
                of_the_shop.order_by("-versions__number").values("versions__text")[:1]
            )
        )


class CallbackQuerySet(QuerySet["Callback"]):
    def to_look_at(self) -> Self:
        return self.filter(state=CallbackState.NEW)

    def unmatched(self, *, transport: str, gateway_id: str) -> Self:
        """Those that came before the message that they are about was known by this id."""
        return self.filter(
            state=CallbackState.UNMATCHED, transport=transport, gateway_id=gateway_id
        )
