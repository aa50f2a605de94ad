"""The GraphQL schema: each app's queries and mutations, put together."""

import graphene

from accounts.schema import AccountsMutation, AccountsQuery
from bookings.schema import BookingsMutation, BookingsQuery
from catalog.schema import CatalogueMutation, CatalogueQuery
from conversations.schema import ConversationsMutation, ConversationsQuery
from core.graphql.described import described
from core.graphql.relations import Node
from core.graphql.shop import ShopQuery
from customers.schema import CustomersMutation, CustomersQuery
from notifications.schema import MessagesMutation, MessagesQuery
from orders.schema import OrdersMutation, OrdersQuery
from repairs.schema import RepairsMutation, RepairsQuery
from shipping.schema import ShippingMutation, ShippingQuery


class Query(
    ShopQuery,
    CatalogueQuery,
    OrdersQuery,
    ShippingQuery,
    BookingsQuery,
    RepairsQuery,
    ConversationsQuery,
    CustomersQuery,
    MessagesQuery,
    AccountsQuery,
    graphene.ObjectType,
):
    """What can be asked. Without signing in: the shop, its catalogue, and a cart by its token."""

    node = Node.Field(description="Whatever an `id` means; null: nothing that may be seen.")


class Mutation(
    OrdersMutation,
    ShippingMutation,
    BookingsMutation,
    RepairsMutation,
    ConversationsMutation,
    CatalogueMutation,
    CustomersMutation,
    MessagesMutation,
    AccountsMutation,
    graphene.ObjectType,
):
    """What can be done. What the caller can mend stands in each payload's `errors`."""


schema = described(graphene.Schema(query=Query, mutation=Mutation))
