"""GraphQL of conversations; for staff alone."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import graphene
from graphql import GraphQLResolveInfo
from rest_framework import serializers

from accounts.models import User
from conversations import documents, services
from conversations.api.contacts import ContactViewSet
from conversations.api.finding import limited
from conversations.api.pages import InteractionKeyset
from conversations.api.plain import (
    PlainClientViewSet,
    PlainEngagementViewSet,
    PlainInteractionViewSet,
)
from conversations.api.serializers import ObjectIdText, custom_of
from conversations.models import Client, Engagement, Interaction
from conversations.services import conditions
from conversations.states import Channel, Direction
from core.api.problems import UnknownParameter
from core.api.serializers import InputSerializer
from core.graphql.inputs import enum_of
from core.graphql.lists import ListField, Page
from core.graphql.mutations import Verb
from core.graphql.relations import ModelType, Node, Related, Selection, selection_of
from customers.permissions import can_see_customers
from customers.schema import CustomerType
from orders.permissions import can_see_orders
from orders.schema import OrderType

_CHANNEL = enum_of(Channel)
_DIRECTION = enum_of(Direction)
# A name, with what stands in double quotes in it, before the first `=`.
_CONDITION = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^="])*)=(.*)', re.DOTALL)

# Of a connection these are cursors.
_RENAMED = {"after": "interaction_after", "before": "interaction_before"}
_AS_IN_REST = {there: here for here, there in _RENAMED.items()}


class _ByObjectId(ModelType):
    """A type whose rows have ObjectIds."""

    class Meta:
        abstract = True

    object_id = graphene.NonNull(
        graphene.String, description="What REST and MongoDB call it: 24 hex digits."
    )

    @classmethod
    def key_in(cls, text: str) -> Any:
        return text if re.fullmatch(r"[0-9a-f]{24}", text) else None

    @classmethod
    def one(
        cls, info: GraphQLResolveInfo, *, object_id: str | None = None, **by: str | None
    ) -> Any:
        """Return the one that is meant by its `id` or its `object_id`."""
        key = object_id
        if object_id is not None:
            try:
                key = documents.read_hex(object_id)
            except ValueError:
                key = ""
        return cls.named(info, {**by, "pk": key})

    def resolve_object_id(self: Any, info: GraphQLResolveInfo) -> str:
        return str(self.pk)


class ClientType(_ByObjectId):
    """A business whose contacts with its customers are kept; one of them is the shop itself."""

    view = PlainClientViewSet

    class Meta:
        name = "Client"
        model = Client
        interfaces = (Node,)
        fields = ("id", "name", "created_at", "updated_at")

    nick_name = graphene.NonNull(graphene.String, description="What it is called for short.")
    is_shop = graphene.NonNull(graphene.Boolean, description="Whether it is the shop itself.")


class EngagementType(_ByObjectId):
    """One channel of a client's contacts: SMS, Chat, Facebook, Phone."""

    view = PlainEngagementViewSet

    class Meta:
        name = "Engagement"
        model = Engagement
        interfaces = (Node,)
        fields = ("id", "name", "created_at", "updated_at")

    client = Related(ClientType, of="client", description="Whose it is.")
    channel = graphene.Field(
        _CHANNEL, description="Which of the shop's own it is; null: none of these."
    )

    def resolve_channel(self: Engagement, info: GraphQLResolveInfo) -> Channel | None:
        return Channel(self.channel) if self.channel else None


class InteractionType(_ByObjectId):
    """One contact: a chat log, a call, a tweet, an SMS."""

    view = PlainInteractionViewSet
    needs = {"document": ("customer", "order")}

    class Meta:
        name = "Interaction"
        model = Interaction
        interfaces = (Node,)
        fields = ("id", "created_at", "updated_at")

    interaction_date = graphene.NonNull(graphene.DateTime, description="When it was.")
    client = Related(ClientType, of="client", description="The engagement's client.")
    engagement = Related(EngagementType, of="engagement", description="Over which channel.")
    agent_name = graphene.NonNull(graphene.String, description="Who spoke for the client.")
    sentiment = graphene.NonNull(graphene.String, description="How it was, in the source's word.")
    source_id = graphene.NonNull(
        graphene.String, description="What its source calls it; empty: nothing."
    )
    customer = Related(
        CustomerType,
        of="customer",
        keep=lambda user, _: can_see_customers(user),
        description="Whose contact it is; null: nobody's that is known, or that one may see.",
    )
    order = Related(
        OrderType,
        of="order",
        keep=lambda user, _: can_see_orders(user),
        description="What it was about; null: no order, or none that one may see.",
    )
    custom = graphene.NonNull(
        graphene.String, description="JSON of the source's own fields, as it was written."
    )
    document = graphene.NonNull(
        graphene.String,
        description="All of it in MongoDB's Extended JSON, byte for byte as `/interactions/{id}`.",
    )

    @classmethod
    def _plan(cls, plan: Any, selection: Selection, prefix: str) -> None:
        super()._plan(plan, selection, prefix)
        # What it is found by; and its text, which may be long, where nothing of it is asked for.
        plan.left_out += [f"{prefix}custom", f"{prefix}words"]
        if not selection.keys() & {"custom", "document"}:
            plan.left_out.append(f"{prefix}document")

    def resolve_custom(self: Interaction, info: GraphQLResolveInfo) -> str:
        return custom_of(self.document)

    def resolve_document(self: Interaction, info: GraphQLResolveInfo) -> str:
        return documents.extended(
            self.document,
            source_id=self.source_id,
            customer=self.customer.code if self.customer else "",
            order=self.order.number if self.order else "",
        )


class InteractionList(ListField):
    """The list of interactions, with conditions on the custom document and the limits of REST."""

    keyset_class = InteractionKeyset

    def _filters(self) -> Iterable[tuple[str, Any]]:
        for name, argument in super()._filters():
            yield _RENAMED.get(name, name), argument
        yield (
            "custom",
            graphene.Argument(
                graphene.List(graphene.NonNull(graphene.String)),
                description="Conditions on the custom document, as in REST without the `custom.`:"
                ' `["csvName=report.csv", "score[gte]=5"]`. All must hold.',
            ),
        )

    def _parameters(self, arguments: dict[str, Any]) -> dict[str, str | list[str]]:
        custom: list[str] = arguments.pop("custom", None) or []
        asked: dict[str, Any] = {
            _AS_IN_REST.get(name, name): value for name, value in arguments.items()
        }
        for each in custom:
            found = _CONDITION.fullmatch(each)
            if found is None:
                raise UnknownParameter(
                    {"custom": ["Write a condition as `name=value` or `name[operator]=value`."]}
                )
            asked.setdefault(f"{conditions.PREFIX}{found[1]}", []).append(found[2])
        return super()._parameters(asked)

    def _read(self, root: Any, info: GraphQLResolveInfo, **arguments: Any) -> Page:
        with limited():
            page = super()._read(root, info, **arguments)
            if "total_count" in selection_of(info):
                # Counted in here, and remembered.
                page.total_count  # noqa: B018  counted in time
        return page


_ID = graphene.ID(description="Its `id`.")
_OBJECT_ID = graphene.String(description="Its `objectId`.")


class ConversationsQuery(graphene.ObjectType):
    clients = ListField(
        ClientType, view=PlainClientViewSet, description="Clients, for those who may see them."
    )
    client = graphene.Field(
        ClientType,
        id=_ID,
        object_id=_OBJECT_ID,
        description="One client, by `id` or `objectId`; null: there is none to be seen.",
    )
    engagements = ListField(
        EngagementType,
        view=PlainEngagementViewSet,
        description="Channels of clients, for those who may see them.",
    )
    engagement = graphene.Field(
        EngagementType,
        id=_ID,
        object_id=_OBJECT_ID,
        description="One engagement, by `id` or `objectId`; null: there is none to be seen.",
    )
    interactions = InteractionList(
        InteractionType,
        view=PlainInteractionViewSet,
        description="Contacts with customers, for those who may see them.",
    )
    interaction = graphene.Field(
        InteractionType,
        id=_ID,
        object_id=_OBJECT_ID,
        description="One contact, by `id` or `objectId`; null: there is none to be seen.",
    )

    def resolve_client(self, info: GraphQLResolveInfo, **by: str) -> Any:
        return ClientType.one(info, **by)

    def resolve_engagement(self, info: GraphQLResolveInfo, **by: str) -> Any:
        return EngagementType.one(info, **by)

    def resolve_interaction(self, info: GraphQLResolveInfo, **by: str) -> Any:
        return InteractionType.one(info, **by)


class ClientChangeInput(InputSerializer):
    """What is left out stays."""

    name = serializers.CharField(max_length=200)
    nick_name = serializers.CharField(
        max_length=200, allow_blank=True, help_text="What it is called."
    )


class EngagementChangeInput(InputSerializer):
    """What is left out stays."""

    name = serializers.CharField(max_length=200, help_text="The channel: SMS, Chat, Phone.")


class NewEngagementInput(InputSerializer):
    """An engagement of a client."""

    client = ObjectIdText(source="client_id", help_text="The client's `objectId`.")
    name = serializers.CharField(max_length=200, help_text="The channel: SMS, Chat, Phone.")


class DocumentInput(InputSerializer):
    """An interaction as another system has it."""

    document = serializers.CharField(
        trim_whitespace=False,
        help_text="In MongoDB's Extended JSON, as REST takes it at `/interactions`.",
    )


def _create_interaction(*, by: User, document: str) -> str:
    read = documents.read_interaction(document)
    return str(services.create_interaction(document=read)[0].pk)


def _done(service: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return what a verb does by a service that knows the row by this argument.

    It answers the row as it is then, or nothing where it is gone.
    """

    def do(*, by: User, key: str, **data: Any) -> str | None:
        row = service(**{name: key}, **data)
        return str(row.pk) if row else None

    return do


class ConversationsMutation(graphene.ObjectType):
    record_contact = Verb(
        lambda by, **data: services.note_contact(by=by, **data).pk,
        view=ContactViewSet,
        action="create",
        kind=InteractionType,
        description="Take down a call, a visit or another contact of the shop's own.",
    )
    reply_to_contact = Verb(
        lambda by, key, text: services.reply(interaction_id=key, text=text, by=by).pk,
        view=ContactViewSet,
        action="reply",
        kind=InteractionType,
        of=InteractionType,
        description="Answer a contact by SMS; it answers the reply.",
    )
    create_interaction = Verb(
        _create_interaction,
        view=PlainInteractionViewSet,
        action="create",
        kind=InteractionType,
        form=DocumentInput,
        description="Store a document of another system; the very same once more changes nothing.",
    )
    delete_interaction = Verb(
        _done(services.delete_interaction, "interaction_id"),
        view=PlainInteractionViewSet,
        action="destroy",
        kind=InteractionType,
        of=InteractionType,
        description="Delete a contact.",
    )
    create_client = Verb(
        lambda by, **data: services.create_client(**data).pk,
        view=PlainClientViewSet,
        action="create",
        kind=ClientType,
        input_name="ClientInput",
        description="Take a client in.",
    )
    update_client = Verb(
        _done(services.update_client, "client_id"),
        view=PlainClientViewSet,
        action="partial_update",
        kind=ClientType,
        of=ClientType,
        form=ClientChangeInput,
        partial=True,
        description="Change some fields of a client.",
    )
    delete_client = Verb(
        _done(services.delete_client, "client_id"),
        view=PlainClientViewSet,
        action="destroy",
        kind=ClientType,
        of=ClientType,
        description="Delete a client that has no engagements.",
    )
    create_engagement = Verb(
        lambda by, **data: services.create_engagement(**data).pk,
        view=PlainEngagementViewSet,
        action="create",
        kind=EngagementType,
        form=NewEngagementInput,
        input_name="EngagementInput",
        description="Take an engagement of a client in.",
    )
    update_engagement = Verb(
        _done(services.update_engagement, "engagement_id"),
        view=PlainEngagementViewSet,
        action="partial_update",
        kind=EngagementType,
        of=EngagementType,
        form=EngagementChangeInput,
        partial=True,
        description="Change the name of an engagement.",
    )
    delete_engagement = Verb(
        _done(services.delete_engagement, "engagement_id"),
        view=PlainEngagementViewSet,
        action="destroy",
        kind=EngagementType,
        of=EngagementType,
        description="Delete an engagement that has no interactions.",
    )
