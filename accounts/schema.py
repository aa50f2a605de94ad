"""GraphQL of accounts."""

from typing import cast

import graphene
from graphene_django import DjangoObjectType

from .models import User


class Me(DjangoObjectType):
    """Who asks, whichever way they signed in."""

    class Meta:
        model = User
        fields = ("subject", "email")

    name = graphene.NonNull(graphene.String)
    roles = graphene.NonNull(graphene.List(graphene.NonNull(graphene.String)))
    permissions = graphene.NonNull(
        graphene.List(graphene.NonNull(graphene.String)), description="All that they may do."
    )

    def resolve_name(self: User, info: graphene.ResolveInfo) -> str:
        return self.get_full_name()

    def resolve_permissions(self: User, info: graphene.ResolveInfo) -> list[str]:
        return sorted(self.get_all_permissions())


class Query(graphene.ObjectType):
    me = graphene.Field(Me, required=True)

    def resolve_me(self, info: graphene.ResolveInfo) -> User:
        return cast("User", info.context.user)
