"""Shapes of messages out."""

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from notifications.models import Message


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A message",
            {
                "id": 1,
                "event": "order.placed",
                "subject": "order",
                "reference": "1001",
                "recipient": "C1001",
                "channel": "sms",
                "to": "+254722000000",
                "language": "en",
                "body": "Duka: thank you, Wanjiru. We have your order 1001, KES 25.00 in all,"
                " and will confirm it soon.",
                "status": "sent",
                "attempts": 1,
                "transport": "console",
                "transport_id": "console-1",
                "cost": "",
                "error_code": "",
                "error": "",
                "created_at": "2026-11-21T08:00:00Z",
                "sent_at": "2026-11-21T08:00:01Z",
            },
        )
    ]
)
class MessageSerializer(serializers.ModelSerializer[Message]):
    class Meta:
        model = Message
        fields = (
            "id",
            "event",
            "subject",
            "reference",
            "recipient",
            "channel",
            "to",
            "language",
            "body",
            "status",
            "attempts",
            "transport",
            "transport_id",
            "cost",
            "error_code",
            "error",
            "created_at",
            "sent_at",
        )
