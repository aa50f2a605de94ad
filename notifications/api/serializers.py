"""Shapes of messages out."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from core.api.serializers import InputSerializer
from core.phones import ImpossiblePhone, parse_phone
from notifications.models import (
    Consent,
    ConsentChange,
    Message,
    MessageEvent,
    StatusLink,
    Template,
)
from notifications.services import text_of
from notifications.services.hand import OUTCOMES
from notifications.services.words import MAX_TEXT, event_of
from notifications.states import MessageStatus


class MessageEventSerializer(serializers.ModelSerializer[MessageEvent]):
    by: Any = serializers.StringRelatedField(
        allow_null=True, read_only=True, help_text="Name of who did it."
    )

    class Meta:
        model = MessageEvent
        fields = ("what", "at", "transport", "code", "detail", "cost_amount", "cost_currency", "by")


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
                "cost_amount": None,
                "cost_currency": "",
                "segments": 1,
                "encoding": "gsm-7",
                "template_version": None,
                "error_code": "",
                "error": "",
                "created_at": "2026-11-21T08:00:00Z",
                "sent_at": "2026-11-21T08:00:01Z",
                "delivered_at": None,
                "timeline": [
                    {
                        "what": "accepted",
                        "at": "2026-11-21T08:00:01Z",
                        "transport": "console",
                        "code": "",
                        "detail": "console-1",
                        "cost_amount": None,
                        "cost_currency": "",
                        "by": None,
                    }
                ],
            },
        )
    ]
)
class MessageSerializer(serializers.ModelSerializer[Message]):
    template_version = serializers.IntegerField(
        source="template.number",
        allow_null=True,
        default=None,
        help_text="Version of the words; null: those that came with the event.",
    )
    timeline = MessageEventSerializer(many=True, help_text="All that happened, the first first.")

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
            "cost_amount",
            "cost_currency",
            "segments",
            "encoding",
            "template_version",
            "error_code",
            "error",
            "created_at",
            "sent_at",
            "delivered_at",
            "timeline",
        )


@extend_schema_serializer(examples=[OpenApiExample("A reason", {"reason": "Wrong number."})])
class MessageReasonInput(InputSerializer):
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


@extend_schema_serializer(
    examples=[OpenApiExample("It arrived", {"outcome": "delivered", "reason": "They rang back."})]
)
class SettleInput(MessageReasonInput):
    outcome = serializers.ChoiceField(
        choices=[(each, MessageStatus(each).label) for each in OUTCOMES],
        help_text="What became of it, as somebody found out.",
    )


class ConsentChangeSerializer(serializers.ModelSerializer[ConsentChange]):
    by: Any = serializers.StringRelatedField(
        allow_null=True, read_only=True, help_text="Name of who of the shop noted it."
    )

    class Meta:
        model = ConsentChange
        fields = ("opted_out", "source", "detail", "by", "at")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Somebody who wrote STOP",
            {
                "phone": "+254722000000",
                "opted_out": True,
                "changed_at": "2026-11-21T08:00:00Z",
                "changes": [
                    {
                        "opted_out": True,
                        "source": "message",
                        "detail": "Stop",
                        "by": None,
                        "at": "2026-11-21T08:00:00Z",
                    }
                ],
            },
            response_only=True,
        )
    ]
)
class ConsentSerializer(serializers.ModelSerializer[Consent]):
    changes = ConsentChangeSerializer(many=True)

    class Meta:
        model = Consent
        fields = ("phone", "opted_out", "changed_at", "changes")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "They said so at the counter",
            {"phone": "0722 000 000", "opted_out": True, "reason": "Said so at the counter."},
        )
    ]
)
class ConsentInput(InputSerializer):
    phone = serializers.CharField(max_length=32, help_text="As people write it.")
    opted_out = serializers.BooleanField(help_text="Whether they want to hear nothing more.")
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)

    def validate_phone(self, value: str) -> str:
        try:
            return parse_phone(value)
        except ImpossiblePhone as error:
            raise serializers.ValidationError(error.detail, code=error.code) from None


@extend_schema_serializer(examples=[OpenApiExample("No more, please", {"opted_out": True})])
class MyConsentInput(InputSerializer):
    opted_out = serializers.BooleanField(help_text="Whether to hear nothing more by SMS.")


@extend_schema_serializer(examples=[OpenApiExample("May be told", {"opted_out": False})])
class MyConsentSerializer(serializers.Serializer[Any]):
    opted_out = serializers.BooleanField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An order was accepted",
            {
                "id": 3,
                "event": "order.accepted",
                "language": "en",
                "text": "{shop}: your order {number} is accepted. {link}",
                "version": 2,
                "variables": ["customer", "number", "total", "shop", "reason", "link"],
            },
        )
    ]
)
class TemplateSerializer(serializers.ModelSerializer[Template]):
    text = serializers.SerializerMethodField(help_text="The words of now.")
    version = serializers.SerializerMethodField(
        help_text="Counts changes; null: the words that came with the event."
    )
    variables = serializers.SerializerMethodField(help_text="What the words may use, in braces.")

    class Meta:
        model = Template
        fields = ("id", "event", "language", "text", "version", "variables")

    def get_text(self, template: Template) -> str:
        return text_of(template)

    def get_version(self, template: Template) -> int | None:
        versions = list(template.versions.all())
        return versions[0].number if versions else None

    def get_variables(self, template: Template) -> list[str]:
        return list(event_of(template.event).variables)


@extend_schema_serializer(
    examples=[OpenApiExample("Shorter", {"text": "{shop}: order {number} is accepted."})]
)
class TemplateInput(InputSerializer):
    text = serializers.CharField(
        max_length=MAX_TEXT,
        allow_blank=True,
        help_text="Empty: the words that came with the event.",
    )

    ignored = ("id", "event", "language", "version", "variables")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "On a real order", {"text": "{shop}: {number} is here.", "reference": "1001"}
        )
    ]
)
class PreviewInput(InputSerializer):
    text = serializers.CharField(
        max_length=MAX_TEXT, required=False, help_text="Words to try; without them, those of now."
    )
    reference = serializers.CharField(
        max_length=64,
        required=False,
        help_text="Of something real, such as an order's number. Without it: examples.",
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One SMS",
            {
                "body": "Duka: 1001 is here.",
                "encoding": "gsm-7",
                "units": 19,
                "segments": 1,
                "cost_amount": "0.800000",
                "cost_currency": "KES",
            },
        )
    ]
)
class PreviewSerializer(serializers.Serializer[Any]):
    body = serializers.CharField()
    encoding = serializers.CharField(help_text="gsm-7, or ucs-2 where a character needs it.")
    units = serializers.IntegerField(help_text="Septets of gsm-7, 16-bit units of ucs-2.")
    segments = serializers.IntegerField(help_text="SMS that it takes.")
    cost_amount = serializers.DecimalField(
        max_digits=14,
        decimal_places=6,
        allow_null=True,
        help_text="What so many SMS cost lately; null: that is not known.",
    )
    cost_currency = serializers.CharField(help_text="ISO 4217.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One that was sent to a wrong number",
            {
                "id": 7,
                "subject": "order",
                "reference": "1001",
                "language": "en",
                "created_at": "2026-11-21T08:00:00Z",
                "expires_at": "2026-12-21T08:00:00Z",
                "revoked_at": "2026-11-21T09:00:00Z",
                "revoked_by": "Baraka",
            },
        )
    ]
)
class StatusLinkSerializer(serializers.ModelSerializer[StatusLink]):
    revoked_by: Any = serializers.StringRelatedField(
        allow_null=True, read_only=True, help_text="Name of who closed it."
    )

    class Meta:
        model = StatusLink
        # Not what its token is made of: the address stands in the message alone.
        fields = (
            "id",
            "subject",
            "reference",
            "language",
            "created_at",
            "expires_at",
            "revoked_at",
            "revoked_by",
        )
