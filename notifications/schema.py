"""GraphQL of messages: the shopper's own switch."""

from typing import Any

import graphene
from graphql import GraphQLResolveInfo

from accounts.models import User
from accounts.schema import MineView
from core.graphql.mutations import Verb
from core.graphql.rest import view_for
from notifications import services
from notifications.api.serializers import MyConsentInput
from notifications.states import ConsentSource


class MyMessages(graphene.ObjectType):
    """What one hears from the shop by SMS, at the phone number that is proved to be one's own."""

    opted_out = graphene.NonNull(graphene.Boolean, description="Whether one hears nothing.")


class MessagesQuery(graphene.ObjectType):
    my_messages = graphene.Field(
        MyMessages,
        description="Whether one hears from the shop; null, with an error, until a phone number is"
        " proved.",
    )

    def resolve_my_messages(self, info: GraphQLResolveInfo) -> dict[str, Any]:
        view_for(MineView, info, "retrieve")
        phone = services.phone_of(user=info.context.user)
        return {"opted_out": services.is_opted_out(phone=phone)}


def _update_mine(*, by: User, opted_out: bool) -> dict[str, Any]:
    services.note_consent(
        phone=services.phone_of(user=by),
        opted_out=opted_out,
        source=ConsentSource.CUSTOMER,
        by=by,
    )
    return {"opted_out": opted_out}


class MessagesMutation(graphene.ObjectType):
    update_my_messages = Verb(
        _update_mine,
        view=MineView,
        action="update",
        kind=MyMessages,
        form=MyConsentInput,
        show=lambda info, asked, now: now,
        description="Say whether one wants to hear from the shop: the same as writing STOP or"
        " START.",
    )
