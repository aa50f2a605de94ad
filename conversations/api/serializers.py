"""Shapes of conversations in plain JSON, in and out."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from conversations.documents import RawJson, members_of, read_hex, showable
from conversations.models import Client, Engagement, Interaction
from conversations.states import Outcome
from core.api.serializers import InputSerializer

_TIMES = {"created_at": "2026-03-02T08:00:00Z", "updated_at": "2026-03-02T08:00:00Z"}
_CUSTOM = {
    "csvName": "2020_16_05_report.csv",
    "agentFirstName": "John",
    "agentLastName": "Ford",
}
CLIENT = {"id": "5f18d12f42262eec0d435580", "name": "Acme Ltd", "nick_name": "acme"}
ENGAGEMENT = {"id": "5f18d12f42262eec0d435583", "client": CLIENT["id"], "name": "Chat"}
INTERACTION: dict[str, Any] = {
    "engagement": ENGAGEMENT["id"],
    "interaction_date": "2020-05-16T12:00:00Z",
    "agent_name": "John Ford",
    "sentiment": "Negative",
    "custom": _CUSTOM,
}
_LINKS = {"customer": None, "order": None, "source_id": ""}


@extend_schema_field({"type": "string", "pattern": "^[0-9a-fA-F]{24}$"})
class ObjectIdText(serializers.Field[str, Any, str, Any]):
    """An ObjectId in its 24 hex digits."""

    default_error_messages = {"invalid": "It must be an ObjectId: 24 hex digits."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return read_hex(data)
        except ValueError:
            self.fail("invalid")

    def to_representation(self, value: str) -> str:
        return value


class MomentField(serializers.DateTimeField):
    """A time that every time zone can show."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return showable(super().to_internal_value(value))
        except ValueError as error:
            raise serializers.ValidationError(str(error), code="invalid") from None


@extend_schema_field({"type": "object", "additionalProperties": True})
class CustomField(serializers.Field[Any, Any, Any, Any]):
    """A free-form document, whose text is taken from the body by whoever reads it."""

    default_error_messages = {"invalid": "It must be an object."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            self.fail("invalid")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(
    {
        "type": ["array", "null"],
        "items": {"type": "object", "additionalProperties": {"type": "string"}},
    }
)
class HighlightsField(serializers.Field[Any, Any, Any, Any]):
    """Put there by the list itself."""


@extend_schema_serializer(
    examples=[OpenApiExample("A client", {**CLIENT, "is_shop": False, **_TIMES})]
)
class ConversationClientSerializer(serializers.ModelSerializer[Client]):
    class Meta:
        model = Client
        fields = ("id", "name", "nick_name", "is_shop", "created_at", "updated_at")


@extend_schema_serializer(
    examples=[OpenApiExample("A client", {key: CLIENT[key] for key in ("name", "nick_name")})]
)
class ConversationClientInput(InputSerializer):
    id = ObjectIdText(source="ident", required=False, help_text="Without one it gets one.")
    name = serializers.CharField(max_length=200)
    nick_name = serializers.CharField(
        max_length=200, required=False, allow_blank=True, default="", help_text="What it is called."
    )

    ignored = ("is_shop", "created_at", "updated_at")


@extend_schema_serializer(
    examples=[OpenApiExample("An engagement", {**ENGAGEMENT, "channel": None, **_TIMES})]
)
class ConversationEngagementSerializer(serializers.ModelSerializer[Engagement]):
    client: Any = serializers.CharField(source="client_id", help_text="Id of whose it is.")
    channel: Any = serializers.CharField(
        allow_null=True, help_text="Which of the shop's own it is; null: none of these."
    )

    class Meta:
        model = Engagement
        fields = ("id", "client", "name", "channel", "created_at", "updated_at")


@extend_schema_serializer(
    examples=[OpenApiExample("An engagement", {key: ENGAGEMENT[key] for key in ("client", "name")})]
)
class ConversationEngagementInput(InputSerializer):
    id = ObjectIdText(source="ident", required=False, help_text="Without one it gets one.")
    client = ObjectIdText(
        source="client_id",
        required=False,
        help_text="Id of whose it is; where the address does not say. It never changes.",
    )
    name = serializers.CharField(max_length=200, help_text="The channel: SMS, Chat, Phone.")

    ignored = ("channel", "created_at", "updated_at")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An interaction",
            {
                "id": "5f18d12f42262eec0d43567d",
                "client": CLIENT["id"],
                **INTERACTION,
                **_LINKS,
                **_TIMES,
            },
        )
    ]
)
class ConversationInteractionSerializer(serializers.Serializer[Interaction]):
    id = serializers.CharField()
    client = serializers.CharField(source="client_id", help_text="Id of the engagement's client.")
    engagement = serializers.CharField(source="engagement_id", help_text="Id of the engagement.")
    interaction_date = serializers.DateTimeField()
    agent_name = serializers.CharField()
    sentiment = serializers.CharField()
    custom = CustomField(help_text="The source's own fields, as they came.")
    customer = serializers.CharField(
        source="customer.code", default=None, allow_null=True, help_text="Code of the customer."
    )
    order = serializers.CharField(
        source="order.number", default=None, allow_null=True, help_text="Number of the order."
    )
    source_id = serializers.CharField(help_text="What its source calls it.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    highlights = HighlightsField(
        required=False,
        help_text="Only where `search` is used: where the words stand. Null: it is too long.",
    )

    def to_representation(self, interaction: Interaction) -> dict[str, Any]:
        interaction.custom = custom_of(interaction.document)
        return super().to_representation(interaction)


def custom_of(document: str) -> RawJson:
    """Return the custom document as it stands in a stored one."""
    for member in members_of(document):
        if member.name == "custom" and member.value is not None:
            return RawJson(document[member.value_begins : member.ends])
    return RawJson("{}")


@extend_schema_serializer(examples=[OpenApiExample("An interaction", INTERACTION)])
class ConversationInteractionInput(InputSerializer):
    id = ObjectIdText(source="ident", required=False, help_text="Without one it gets one.")
    engagement = ObjectIdText(
        required=False, help_text="Id of the engagement; where the address does not say."
    )
    interaction_date = MomentField(help_text="RFC 3339; to the millisecond.")
    agent_name = serializers.CharField(
        max_length=200, required=False, allow_blank=True, trim_whitespace=False
    )
    sentiment = serializers.CharField(
        max_length=64, required=False, allow_blank=True, trim_whitespace=False
    )
    custom = CustomField(
        required=False, allow_null=True, help_text="The source's own fields, stored as they come."
    )
    customer = serializers.CharField(
        max_length=32,
        required=False,
        allow_blank=True,
        allow_null=True,
        help_text="Code of the customer.",
    )
    order = serializers.CharField(
        max_length=32,
        required=False,
        allow_blank=True,
        allow_null=True,
        help_text="Number of the order; it brings its customer where none is named.",
    )
    source_id = serializers.CharField(
        max_length=200,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="What its source calls it: stored once in an engagement, however often it comes.",
    )

    ignored = ("client", "created_at", "updated_at", "highlights")


class ConversationBulkErrorSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField(help_text="JSON pointer into the body: `/17/engagementId`.")
    code = serializers.CharField()
    detail = serializers.CharField()


class ConversationBulkResultSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="Which document of the body; the first is 0.")
    id = serializers.CharField(help_text="Empty where it failed without one of its own.")
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    errors = ConversationBulkErrorSerializer(many=True)  # type: ignore[assignment]  # a field, not the property


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One stored, one refused",
            {
                "created": 1,
                "unchanged": 0,
                "failed": 1,
                "results": [
                    {
                        "index": 0,
                        "id": "5f18d12f42262eec0d43567d",
                        "outcome": "created",
                        "errors": [],
                    },
                    {
                        "index": 1,
                        "id": "",
                        "outcome": "failed",
                        "errors": [
                            {
                                "pointer": "/1/engagementId",
                                "code": "not_found",
                                "detail": "There is no such engagement.",
                            }
                        ],
                    },
                ],
            },
        )
    ]
)
class ConversationBulkSerializer(serializers.Serializer[Any]):
    created = serializers.IntegerField(min_value=0)
    unchanged = serializers.IntegerField(min_value=0)
    failed = serializers.IntegerField(min_value=0)
    results = ConversationBulkResultSerializer(many=True)
