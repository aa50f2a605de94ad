"""Clients, engagements and interactions of tests."""

import json
from datetime import UTC, datetime
from typing import Any

import factory

from conversations.documents import document_of, with_id
from conversations.fields import new_object_id
from conversations.models import Client, Engagement, Interaction

WHEN = datetime(2020, 5, 16, 12, 0, tzinfo=UTC)


class ClientFactory(factory.django.DjangoModelFactory[Client]):
    class Meta:
        model = Client

    name = factory.Sequence("Acme {}".format)
    nick_name = "acme"


class EngagementFactory(factory.django.DjangoModelFactory[Engagement]):
    class Meta:
        model = Engagement

    client = factory.SubFactory(ClientFactory)
    name = "Chat"


def make_interaction(
    engagement: Engagement | None = None,
    *,
    custom: Any = None,
    interaction_date: datetime = WHEN,
    agent_name: str = "John Ford",
    sentiment: str = "Negative",
    **fields: Any,
) -> Interaction:
    """Return a stored interaction with such a custom document (a dict, or its text)."""
    engagement = engagement or EngagementFactory()
    ident = fields.pop("id", None) or new_object_id()
    text = custom if isinstance(custom, str) else json.dumps(custom or {}, separators=(",", ":"))
    document = document_of(
        engagement_id=engagement.pk,
        interaction_date=interaction_date,
        agent_name=agent_name,
        sentiment=sentiment,
        custom=text,
    )
    return Interaction.objects.create(
        id=ident,
        client_id=engagement.client_id,
        engagement=engagement,
        interaction_date=interaction_date,
        agent_name=agent_name,
        sentiment=sentiment,
        document=with_id(document, ident),
        custom=text,
        **fields,
    )
