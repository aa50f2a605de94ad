"""REST of messages: to be read; they are written by what happens."""

from core.api.views import ResourceViewSet
from notifications.models import Message
from notifications.permissions import can_see_messages

from .filters import MessageFilter
from .serializers import MessageSerializer


class MessageViewSet(ResourceViewSet):
    queryset = Message.objects.shown()
    serializer_class = MessageSerializer
    permitted = {"*": can_see_messages}
    filterset_class = MessageFilter
    search_fields = ("to", "reference", "body")
    ordering = "-created_at"
    ordering_fields = ("created_at",)
