"""Messages in the admin: to be seen; they are written by what happens."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from core.admin import ReadOnlyAdmin

from .models import Message
from .permissions import can_see_messages
from .querysets import MessageQuerySet
from .states import MessageStatus

_COLOURS = {
    MessageStatus.SENT: "success",
    MessageStatus.FAILED: "danger",
    MessageStatus.PARKED: "danger",
    MessageStatus.UNKNOWN: "warning",
    MessageStatus.QUEUED: "info",
    MessageStatus.SENDING: "info",
}


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "event", "reference", "to", "body", "state")
    list_filter = ("status", "event", "transport", "created_at")
    search_fields = ("to", "reference", "recipient", "body", "transport_id")
    exclude = ("fence", "secret")

    def get_queryset(self, request: HttpRequest) -> MessageQuerySet:
        messages: MessageQuerySet = super().get_queryset(request)
        return messages.shown()

    @display(description="status", ordering="status", label=_COLOURS)
    def state(self, message: Message) -> tuple[str, str]:
        return message.status, message.get_status_display()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_see_messages(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return can_see_messages(request.user)
