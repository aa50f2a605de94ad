"""GraphQL of accounts."""

from typing import cast

import graphene
from graphene_django import DjangoObjectType
from graphql import GraphQLResolveInfo

from accounts.api.serializers import MeInput
from accounts.models import User
from accounts.services import people
from core.api.views import ResourceViewSet
from core.graphql.mutations import Verb
from core.graphql.rest import view_for
from core.permissions import signed_in


class MineView(ResourceViewSet):
    """Stands for the plain views of what is one's own, at `/me/`."""

    permitted = {"*": signed_in}


class Me(DjangoObjectType):
    """Who asks, whichever way they signed in."""

    class Meta:
        model = User
        fields = ("subject", "email", "is_staff")

    is_staff = graphene.NonNull(graphene.Boolean, description="Whether the admin is open to them.")
    name = graphene.NonNull(graphene.String, description="How they are called.")
    roles = graphene.NonNull(
        graphene.List(graphene.NonNull(graphene.String)), description="What they are here."
    )
    permissions = graphene.NonNull(
        graphene.List(graphene.NonNull(graphene.String)), description="All that they may do."
    )

    def resolve_name(self: User, info: GraphQLResolveInfo) -> str:
        return self.get_full_name()

    def resolve_permissions(self: User, info: GraphQLResolveInfo) -> list[str]:
        return sorted(self.get_all_permissions())


class AccountsQuery(graphene.ObjectType):
    me = graphene.Field(Me, description="Who asks; null, with an error, until they sign in.")

    def resolve_me(self, info: GraphQLResolveInfo) -> User:
        view_for(MineView, info, "retrieve")
        return cast("User", info.context.user)


class AccountsMutation(graphene.ObjectType):
    update_me = Verb(
        lambda by, **data: people.change_name(user=by, **data) if data else by,
        view=MineView,
        action="partial_update",
        kind=Me,
        form=MeInput,
        partial=True,
        show=lambda info, asked, user: user,
        description="Change what one is called.",
    )
