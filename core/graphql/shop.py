"""What the shop says of itself."""

from typing import Any

import graphene
from django.conf import settings
from graphql import GraphQLResolveInfo


class ShopType(graphene.ObjectType):
    """The shop."""

    class Meta:
        name = "Shop"

    name = graphene.NonNull(graphene.String, description="What it is called.")
    url = graphene.NonNull(graphene.String, description="Where it is.")
    currency = graphene.NonNull(graphene.String, description="Of all its prices, ISO 4217.")
    region = graphene.NonNull(
        graphene.String, description="Where it stands, ISO 3166-1 alpha-2: how phones are read."
    )
    time_zone = graphene.NonNull(graphene.String, description="Of its times, as IANA calls it.")
    languages = graphene.NonNull(
        graphene.List(graphene.NonNull(graphene.String)), description="Those it speaks."
    )


class ShopQuery(graphene.ObjectType):
    shop = graphene.NonNull(ShopType, description="What the shop says of itself.")

    def resolve_shop(self, info: GraphQLResolveInfo) -> dict[str, Any]:
        return {
            "name": settings.SHOP_NAME,
            "url": settings.SHOP_URL,
            "currency": settings.SHOP_CURRENCY,
            "region": settings.SHOP_REGION,
            "time_zone": settings.TIME_ZONE,
            "languages": [code for code, _ in settings.LANGUAGES],
        }
