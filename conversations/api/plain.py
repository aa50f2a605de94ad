"""Conversations in plain JSON, at `/api/v1/`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from rest_framework.exceptions import ErrorDetail, ValidationError

from conversations import documents
from conversations.documents import LONGEST_NAME, MOST_ERRORS, SPARE, InteractionDocument
from core.stored import storable

from .serializers import (
    ConversationClientInput,
    ConversationClientSerializer,
    ConversationEngagementInput,
    ConversationEngagementSerializer,
    ConversationInteractionInput,
    ConversationInteractionSerializer,
)
from .views import ClientViewSet, EngagementViewSet, InteractionViewSet

# What a document calls its members, and what they are here.
NAMES = {
    "_id": "id",
    "engagementId": "engagement",
    "interactionDate": "interaction_date",
    "agentName": "agent_name",
    "sourceId": "source_id",
}
_MEMBERS = {here: there for there, here in NAMES.items()}


class PlainClientViewSet(ClientViewSet):
    serializer_class = ConversationClientSerializer
    detail_route = "client-detail"
    inputs = dict.fromkeys(("create", "update", "partial_update"), ConversationClientInput)


class PlainEngagementViewSet(EngagementViewSet):
    serializer_class = ConversationEngagementSerializer
    detail_route = "engagement-detail"
    inputs = dict.fromkeys(("create", "update", "partial_update"), ConversationEngagementInput)


class PlainInteractionViewSet(InteractionViewSet):
    serializer_class = ConversationInteractionSerializer
    detail_route = "interaction-detail"
    names = NAMES
    inputs = dict.fromkeys(
        ("create", "update", "partial_update", "bulk"), ConversationInteractionInput
    )

    def read(self, text: str) -> InteractionDocument:
        return read_plain(text, engagement_id=self.parent_id)

    def read_changes(self, text: str) -> dict[str, str | None]:
        given, raw = _taken_apart(text, partial=True)
        self.check_id(given.pop("ident", ""), "id")
        return {_MEMBERS.get(name, name): _json_of(name, given[name], raw) for name in given}


def read_plain(text: str, *, engagement_id: str = "") -> InteractionDocument:
    """Read an interaction in plain JSON: the document that it becomes, `custom` as it came.

    Args:
        engagement_id: whose it is where it does not say so itself.

    Raises:
        BadDocument: it is no JSON of an object.
        ValidationError: with all that is wrong with its fields.
        TooLarge: its document has more than 16 MB.
    """
    given, raw = _taken_apart(text)
    engagement = given.get("engagement") or engagement_id
    if not engagement or engagement_id not in {"", engagement}:
        wrong = ErrorDetail("It is of another engagement.", code="wrong_engagement")
        missing = ErrorDetail("This field is required.", code="required")
        raise ValidationError({"engagement": [wrong if engagement else missing]})
    document = documents.document_of(
        engagement_id=engagement,
        interaction_date=given["interaction_date"],
        agent_name=given.get("agent_name", ""),
        sentiment=given.get("sentiment", ""),
        custom="{}" if given.get("custom") is None else raw["custom"],
    )
    if ident := given.get("ident"):
        document = documents.with_id(document, ident)
    return replace(
        documents.read_interaction(document),
        source_id=given.get("source_id", ""),
        customer=given.get("customer") or "",
        order=given.get("order") or "",
    )


def _taken_apart(text: str, *, partial: bool = False) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Return the valid fields of a body, and the JSON of each as it came."""
    # Before it is read: of what is small as text Python makes ten times as much.
    documents.check_size(text, documents.LARGEST + SPARE)
    members = documents.members_of(text)
    form = ConversationInteractionInput(
        data={member.name: member.value for member in members}, partial=partial
    )
    try:
        form.is_valid(raise_exception=True)
    except ValidationError as error:
        raise _tellable(error) from None
    raw = {member.name: text[member.value_begins : member.ends] for member in members}
    return dict(form.validated_data), raw


def _tellable(error: ValidationError) -> ValidationError:
    """Return a form's failures, of unknown names what an answer can hold, and not all of very many.

    A document is no body of DRF's parser, which refuses half a surrogate pair at once.
    """
    assert isinstance(error.detail, dict)  # noqa: S101  a form's are by name
    first = islice(error.detail.items(), MOST_ERRORS)
    return ValidationError({storable(name, LONGEST_NAME): failures for name, failures in first})


def _json_of(name: str, value: Any, raw: Mapping[str, str]) -> str | None:
    """Return what a member of a document becomes; None: it goes."""
    if name == "engagement":
        return f'{{"$oid":"{value}"}}'
    if name == "interaction_date":
        return documents.legacy_date(value)
    if name == "custom":
        return None if value is None else raw["custom"]
    if name in {"customer", "order", "source_id"} and not value:
        return None
    return json.dumps(value, ensure_ascii=False)
