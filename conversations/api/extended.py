"""Conversations in MongoDB's Extended JSON (legacy mode), at the root."""

# The names of fields are those of the contract.
# ruff: noqa: N815

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field
from drf_spectacular.utils import extend_schema_serializer as described
from rest_framework import serializers

from conversations import documents
from conversations.documents import InteractionDocument, RawJson
from conversations.exceptions import BadDocument
from conversations.models import Client, Engagement, Interaction
from core.api.serializers import InputSerializer

from .serializers import CustomField
from .views import ClientViewSet, EngagementViewSet, InteractionViewSet

_MEMBERS = {"_id", "engagementId", "interactionDate", "agentName", "sentiment", "custom"}
CLIENT = {"_id": {"$oid": "5f18d12f42262eec0d435580"}, "name": "Acme Ltd", "nickName": "acme"}
ENGAGEMENT = {
    "_id": {"$oid": "5f18d12f42262eec0d435583"},
    "clientId": CLIENT["_id"],
    "name": "Chat",
}
INTERACTION: dict[str, Any] = {
    "_id": {"$oid": "5f18d12f42262eec0d43567d"},
    "engagementId": ENGAGEMENT["_id"],
    "interactionDate": {"$date": 1589630400000},
    "agentName": "John Ford",
    "sentiment": "Negative",
    "custom": {
        "csvName": "2020_16_05_report.csv",
        "agentFirstName": "John",
        "agentLastName": "Ford",
    },
}


@extend_schema_field(
    {
        "type": "object",
        "properties": {"$oid": {"type": "string", "pattern": "^[0-9a-fA-F]{24}$"}},
        "required": ["$oid"],
        "additionalProperties": False,
    }
)
class OidField(serializers.Field[str, Any, Any, Any]):
    """An ObjectId: `{"$oid": "24 hex digits"}`."""

    def to_internal_value(self, data: Any) -> str:
        try:
            return documents.object_id(data)
        except ValueError as error:
            raise serializers.ValidationError(str(error), code="invalid") from None


@extend_schema_field(
    {
        "type": "object",
        "properties": {"$date": {"type": "integer"}},
        "required": ["$date"],
        "additionalProperties": False,
    }
)
class DateField(serializers.Field[Any, Any, Any, Any]):
    """A time: `{"$date": milliseconds since 1970 in UTC}`."""


@described(examples=[OpenApiExample("A client", CLIENT)])
class ExtendedClientSerializer(serializers.Serializer[Client]):
    _id = OidField()
    name = serializers.CharField()
    nickName = serializers.CharField()

    def to_representation(self, client: Client) -> Any:
        return documents.extended_client(
            ident=client.pk, name=client.name, nick_name=client.nick_name
        )


@described(
    examples=[OpenApiExample("A client", {key: CLIENT[key] for key in ("name", "nickName")})]
)
class ExtendedClientInput(InputSerializer):
    _id = OidField(source="ident", required=False, help_text="Without one it gets one.")
    name = serializers.CharField(max_length=200)
    nickName = serializers.CharField(
        source="nick_name", max_length=200, required=False, allow_blank=True, default=""
    )


@described(examples=[OpenApiExample("An engagement", ENGAGEMENT)])
class ExtendedEngagementSerializer(serializers.Serializer[Engagement]):
    _id = OidField()
    clientId = OidField()
    name = serializers.CharField(help_text="The channel.")

    def to_representation(self, engagement: Engagement) -> Any:
        return documents.extended_engagement(
            ident=engagement.pk, client_id=engagement.client_id, name=engagement.name
        )


@described(
    examples=[
        OpenApiExample("An engagement", {key: ENGAGEMENT[key] for key in ("clientId", "name")})
    ]
)
class ExtendedEngagementInput(InputSerializer):
    _id = OidField(source="ident", required=False, help_text="Without one it gets one.")
    clientId = OidField(
        source="client_id",
        required=False,
        help_text="Whose it is; where the address does not say. It never changes.",
    )
    name = serializers.CharField(max_length=200, help_text="The channel: SMS, Chat, Phone.")


@described(examples=[OpenApiExample("An interaction", INTERACTION)])
class ExtendedInteractionSerializer(serializers.Serializer[Interaction]):
    """The document byte for byte as it came; Duka's own members, where it has any, at its end."""

    _id = OidField()
    engagementId = OidField()
    interactionDate = DateField()
    agentName = serializers.CharField(required=False, allow_null=True)
    sentiment = serializers.CharField(required=False, allow_null=True)
    custom = CustomField(required=False, allow_null=True, help_text="The source's own fields.")
    sourceId = serializers.CharField(required=False, help_text="What its source calls it.")
    customer = serializers.CharField(required=False, help_text="Code of the customer.")
    order = serializers.CharField(required=False, help_text="Number of the order.")

    def to_representation(self, interaction: Interaction) -> Any:
        return shown(interaction)


@described(
    examples=[
        OpenApiExample(
            "An interaction", {key: value for key, value in INTERACTION.items() if key != "_id"}
        )
    ]
)
class ExtendedInteractionInput(InputSerializer):
    """What `documents.read_interaction` reads, which takes the place of this form."""

    _id = OidField(required=False, allow_null=True, help_text="Without one it gets one.")
    engagementId = OidField(
        required=False, help_text="The engagement; where the address does not say."
    )
    interactionDate = DateField()
    agentName = serializers.CharField(required=False, allow_null=True, max_length=200)
    sentiment = serializers.CharField(required=False, allow_null=True, max_length=64)
    custom = CustomField(
        required=False, allow_null=True, help_text="The source's own fields, stored as they come."
    )
    sourceId = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=200,
        help_text="What its source calls it: stored once in an engagement, however often it comes.",
    )
    customer = serializers.CharField(
        required=False, allow_null=True, max_length=32, help_text="Code of the customer."
    )
    order = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=32,
        help_text="Number of the order; it brings its customer where none is named.",
    )


def shown(interaction: Interaction) -> RawJson:
    """Return what a GET answers."""
    return documents.extended(
        interaction.document,
        source_id=interaction.source_id,
        customer=interaction.customer.code if interaction.customer else "",
        order=interaction.order.number if interaction.order else "",
    )


_NAMES = {"id": "_id", "client": "clientId", "nick_name": "nickName"}


class ExtendedClientViewSet(ClientViewSet):
    serializer_class = ExtendedClientSerializer
    detail_route = "extended-client-detail"
    names = _NAMES
    inputs = dict.fromkeys(("create", "update", "partial_update"), ExtendedClientInput)


class ExtendedEngagementViewSet(EngagementViewSet):
    serializer_class = ExtendedEngagementSerializer
    detail_route = "extended-engagement-detail"
    names = _NAMES
    inputs = dict.fromkeys(("create", "update", "partial_update"), ExtendedEngagementInput)


class ExtendedInteractionViewSet(InteractionViewSet):
    serializer_class = ExtendedInteractionSerializer
    detail_route = "extended-interaction-detail"
    inputs = dict.fromkeys(("create", "update", "partial_update", "bulk"), ExtendedInteractionInput)
    # A document is nobody's to add to.
    highlights_in_envelope = True

    def read(self, text: str) -> InteractionDocument:
        return documents.read_interaction(text, engagement_id=self.parent_id)

    def read_changes(self, text: str) -> dict[str, str | None]:
        changes: dict[str, str | None] = {}
        known = _MEMBERS | set(documents.OWN)
        for member in documents.members_of(text):
            if member.name == "_id":
                self._check_id(member.value)
                continue
            # An unknown one stays, for `read_interaction` to refuse.
            goes = member.value is None and member.name in known
            changes[member.name] = None if goes else text[member.value_begins : member.ends]
        return changes

    def _check_id(self, value: Any) -> None:
        try:
            self.check_id(documents.object_id(value), "_id")
        except ValueError as error:
            raise BadDocument.at("_id", code="invalid", detail=str(error)) from None
