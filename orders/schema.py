"""GraphQL of orders and carts."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import graphene
from django.conf import settings
from django.db import transaction
from graphql import GraphQLResolveInfo
from rest_framework import serializers
from rest_framework.exceptions import Throttled

from accounts.models import User
from catalog.schema import VariantType
from core.api.serializers import InputSerializer
from core.api.views import ResourceViewSet
from core.graphql.inputs import enum_of
from core.graphql.lists import ListField
from core.graphql.mutations import Verb, payload_of
from core.graphql.relations import ModelType, Node, Related, Selection, selection_of
from core.graphql.rest import view_for
from orders import services
from orders.api.carts import (
    CartLineInput,
    CartViewSet,
    NewCartThrottle,
    merge_carts,
    shopper_of,
)
from orders.api.serializers import LineInput, delivery_in
from orders.api.views import OrderViewSet
from orders.exceptions import CartNotFound
from orders.models import Cart, CartLine, Order, OrderChange, OrderLine
from orders.permissions import can_see_orders
from orders.services import MAX_LINES, Addition, Shopper, Wanted
from orders.states import CartNoticeCode, DeliveryMethod, OrderStatus, OrderVerb

if TYPE_CHECKING:
    from rest_framework.views import APIView

_STATUS = enum_of(OrderStatus)
_METHOD = enum_of(DeliveryMethod)


class OrderLineType(ModelType):
    """So many of one variant, as it was called and priced when the order was placed."""

    class Meta:
        name = "OrderLine"
        model = OrderLine
        fields = ("sku", "name", "quantity", "unit_price", "fulfilled", "returned")

    total = graphene.NonNull(graphene.Decimal, description="Of all its pieces.")
    outstanding = graphene.NonNull(graphene.Int, description="Pieces that were not handed over.")


class FieldChangeType(graphene.ObjectType):
    """What one field was and what it became."""

    class Meta:
        name = "FieldChange"

    name = graphene.NonNull(
        graphene.String, description="Its name; of lines `SKU quantity`, `SKU fulfilled`, …."
    )
    before = graphene.String(description="What it was.")
    after = graphene.String(description="What it became.")


def field_changes(changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a history says of each field, in `FieldChange`'s shape."""
    return [
        {"name": name, "before": _as_text(before), "after": _as_text(after)}
        for name, (before, after) in changes.items()
    ]


class OrderChangeType(ModelType):
    """Something that happened to an order."""

    needs = {"by": ("by",)}

    class Meta:
        name = "OrderChange"
        model = OrderChange
        fields = ("at",)

    verb = graphene.NonNull(enum_of(OrderVerb), description="What happened.")
    from_status = graphene.Field(_STATUS, description="Where it stood; null: it was not there.")
    to_status = graphene.NonNull(_STATUS, description="Where it stood then.")
    reason = graphene.NonNull(graphene.String, description="Why, where somebody said so.")
    by = graphene.String(description="Name of who did it; null to shoppers.")
    changes = graphene.NonNull(
        graphene.List(graphene.NonNull(FieldChangeType)), description="What became different."
    )

    def resolve_from_status(self: OrderChange, info: GraphQLResolveInfo) -> str | None:
        shown = can_see_orders(info.context.user) or self.from_status != OrderStatus.DRAFT
        return self.from_status if shown and self.from_status else None

    def resolve_reason(self: OrderChange, info: GraphQLResolveInfo) -> str:
        return self.reason if can_see_orders(info.context.user) else self.customers_part[0]

    def resolve_by(self: OrderChange, info: GraphQLResolveInfo) -> str | None:
        return str(self.by) if self.by and can_see_orders(info.context.user) else None

    def resolve_changes(self: OrderChange, info: GraphQLResolveInfo) -> list[dict[str, Any]]:
        return field_changes(
            self.changes if can_see_orders(info.context.user) else self.customers_part[1]
        )


class AssigneeType(ModelType):
    """Who of the shop sees to an order."""

    class Meta:
        name = "Assignee"
        model = User
        fields = ("subject", "email")
        skip_registry = True

    name = graphene.NonNull(graphene.String, description="How they are called.")

    def resolve_name(self: User, info: GraphQLResolveInfo) -> str:
        return self.get_full_name()


class DeliveryAddressType(graphene.ObjectType):
    """Where an order is brought."""

    class Meta:
        name = "DeliveryAddress"

    recipient = graphene.NonNull(graphene.String, description="Who is there.")
    line_1 = graphene.NonNull(graphene.String, description="Street and house.")
    line_2 = graphene.NonNull(graphene.String, description="What else leads there.")
    city = graphene.NonNull(graphene.String, description="Town.")
    postcode = graphene.NonNull(graphene.String, description="Postal code, where there is one.")
    country = graphene.NonNull(graphene.String, description="ISO 3166-1 alpha-2.")


class OrderType(ModelType):
    """What a customer wants to have."""

    view = OrderViewSet
    needs = {"customer": ("customer",), "customer_name": ("customer",)}

    class Meta:
        name = "Order"
        model = Order
        interfaces = (Node,)
        fields = (
            "id",
            "number",
            "currency",
            "total",
            "note",
            "reference",
            "placed_at",
            "updated_at",
        )

    status = graphene.NonNull(_STATUS, description="Where it stands.")
    customer = graphene.NonNull(graphene.String, description="Code of the customer.")
    customer_name = graphene.NonNull(graphene.String, description="How the customer is called.")
    delivery_method = graphene.NonNull(_METHOD, description="How it comes to the customer.")
    delivery_address = graphene.Field(
        DeliveryAddressType, description="Where it is brought; null where it is collected."
    )
    lines = Related(OrderLineType, of="lines", many=True, description="What was ordered.")
    assigned_to = Related(
        AssigneeType,
        of="assigned_to",
        keep=lambda user, _: can_see_orders(user),
        description="Who of the shop sees to it; null to shoppers.",
    )
    history = Related(
        OrderChangeType,
        of="history",
        many=True,
        keep=lambda user, change: can_see_orders(user) or not change.is_internal,
        description="All that happened to it, the first thing first.",
    )

    def resolve_customer(self: Order, info: GraphQLResolveInfo) -> str:
        return self.customer.code

    def resolve_customer_name(self: Order, info: GraphQLResolveInfo) -> str:
        return self.customer.name

    def resolve_delivery_address(self: Order, info: GraphQLResolveInfo) -> dict[str, str] | None:
        if self.delivery_method == DeliveryMethod.COLLECTION:
            return None
        return {
            "recipient": self.recipient,
            "line_1": self.address_line_1,
            "line_2": self.address_line_2,
            "city": self.city,
            "postcode": self.postcode,
            "country": self.country,
        }


class CartNoticeType(graphene.ObjectType):
    """Why a line of a cart is not what the shopper saw, or cannot be had as it stands."""

    class Meta:
        name = "CartNotice"

    sku = graphene.NonNull(graphene.String, description="Of the line that it is about.")
    code = graphene.NonNull(enum_of(CartNoticeCode), description="What it is.")
    detail = graphene.NonNull(graphene.String, description="The same for people.")
    was = graphene.Decimal(description="`PRICE_CHANGED`: the price that was seen.")
    now = graphene.Decimal(description="`PRICE_CHANGED`: the price of now.")
    left = graphene.Int(description="`LESS_LEFT`: so many are left.")


_NOTICES = graphene.List(graphene.NonNull(CartNoticeType))


class CartLineType(ModelType):
    """So many of one variant in a cart."""

    needs = {"*": ("variant__product",)}

    class Meta:
        name = "CartLine"
        model = CartLine
        fields = ("quantity", "seen_price")

    sku = graphene.NonNull(graphene.String, description="Of its variant.")
    name = graphene.NonNull(graphene.String, description="How its variant is called.")
    unit_price = graphene.NonNull(
        graphene.Decimal, description="The price of now; of what is not for sale, the last seen."
    )
    total = graphene.NonNull(graphene.Decimal, description="0.00 for what is not for sale.")
    stock = graphene.NonNull(graphene.Int, description="Pieces that can be had.")
    notices = graphene.NonNull(_NOTICES, description="What to know before it is placed.")
    variant = Related(
        VariantType,
        of="variant",
        keep=lambda user, variant: CartLine(variant=variant).is_for_sale,
        description="What it is; null: it is not for sale any more.",
    )

    def resolve_sku(self: CartLine, info: GraphQLResolveInfo) -> str:
        return self.variant.sku

    def resolve_name(self: CartLine, info: GraphQLResolveInfo) -> str:
        return self.variant.display_name

    def resolve_stock(self: CartLine, info: GraphQLResolveInfo) -> int:
        return self.left


class CartType(ModelType):
    """What somebody means to order; it holds no stock."""

    class Meta:
        name = "Cart"
        model = Cart
        fields = ("expires_at",)

    lines = Related(CartLineType, of="lines", many=True, description="What is in it.")
    total = graphene.NonNull(graphene.Decimal, description="At the prices of now.")
    currency = graphene.NonNull(graphene.String, description="The shop's, ISO 4217.")
    item_count = graphene.NonNull(graphene.Int, description="Pieces of all lines.")
    notices = graphene.NonNull(
        _NOTICES, description="Of all lines. While there are any, it cannot be placed."
    )
    updated_at = graphene.DateTime(description="When it was changed last; null: never.")
    expires_at = graphene.DateTime(
        description="When it is forgotten, unless it is changed before; null: it is empty."
    )

    def resolve_currency(self: Cart, info: GraphQLResolveInfo) -> str:
        return str(settings.SHOP_CURRENCY)

    @classmethod
    def of(cls, shopper: Shopper, asked: Selection) -> Cart:
        """Return a shopper's cart with what is asked of it; an empty one where they have none."""
        # What it costs and notices follows from its lines, whether they are shown or not.
        wanted = {**asked, "lines": asked.get("lines", {})}
        carts = services.carts_of(shopper).prefetch_related(None)
        cart: Any = cls.fetch(carts, wanted).first() or Cart.empty()
        # The model reads them too, to add them up.
        lines = cart.__dict__.setdefault("brought_lines", [])
        cart._prefetched_objects_cache = {"lines": lines}
        return cast("Cart", cart)


class OrderCountsType(graphene.ObjectType):
    """How many orders there are in each status."""

    class Meta:
        name = "OrderCounts"

    draft = graphene.NonNull(graphene.Int, description="Being put together by the shop.")
    pending = graphene.NonNull(graphene.Int, description="Placed.")
    accepted = graphene.NonNull(graphene.Int, description="The shop will do them.")
    fulfilled = graphene.NonNull(graphene.Int, description="The customer has them.")
    rejected = graphene.NonNull(graphene.Int, description="The shop said no.")
    cancelled = graphene.NonNull(graphene.Int, description="Called off.")
    waiting = graphene.NonNull(
        graphene.Int, description="Those that the shop is to accept or reject."
    )


class OrdersQuery(graphene.ObjectType):
    orders = ListField(
        OrderType,
        view=OrderViewSet,
        description="One's own orders; all of them for those who may see orders.",
    )
    order = graphene.Field(
        OrderType,
        id=graphene.ID(description="Its `id`."),
        number=graphene.String(description="Its `number`."),
        description="One order, by `id` or `number`; null: there is none to be seen.",
    )
    order_counts = graphene.Field(
        OrderCountsType, description="How many orders wait, for those who may see orders."
    )
    cart = graphene.Field(
        CartType,
        description="Of who signed in, else that of the header `X-Cart-Token`; or an empty one.",
    )

    def resolve_order(self, info: GraphQLResolveInfo, **by: str) -> Any:
        return OrderType.named(info, by)

    def resolve_order_counts(self, info: GraphQLResolveInfo) -> dict[str, int]:
        view_for(OrderViewSet, info, "counts")
        counts = services.count_by_status()
        return {**counts, "waiting": counts["pending"]}

    def resolve_cart(self, info: GraphQLResolveInfo) -> Cart:
        merge_carts(info.context)
        shopper = shopper_of(info.context)
        cart = CartType.of(shopper, selection_of(info))
        if not cart.pk and shopper.token:
            raise CartNotFound(
                "There is no such cart any more. Begin another, without `X-Cart-Token`."
            )
        return cart


def _move(verb: Callable[..., Order]) -> Callable[..., int]:
    def move(*, key: int, by: User, **data: Any) -> int:
        return verb(order_id=key, by=by, **data).pk

    return move


def _place(*, by: User, draft: bool = False, **data: Any) -> int:
    verb = services.draft_order if draft else services.place_order
    return verb(by=by, **data).pk


@transaction.atomic
def _edit(*, key: int, by: User, **data: Any) -> int:
    present = services.Delivery.of(Order.objects.select_for_update(no_key=True).get(pk=key))
    data["delivery"] = delivery_in(data, present=present)
    return services.edit_order(order_id=key, by=by, **data).pk


def _order_verb(action: str, verb: Callable[..., Order], description: str) -> Verb:
    return Verb(
        _move(verb),
        view=OrderViewSet,
        action=action,
        kind=OrderType,
        of=OrderType,
        description=description,
    )


class NewCartInput(InputSerializer):
    """What a new cart holds."""

    lines: Any = serializers.ListSerializer(child=LineInput(), max_length=MAX_LINES, required=False)


class CartSkuInput(InputSerializer):
    """What it is."""

    sku = serializers.CharField(max_length=64)


class CartQuantityInput(CartLineInput):
    """What it is, and how many."""

    sku = serializers.CharField(max_length=64)


class CartVerb(Verb):
    """A verb of the cart of who asks: `do` gets the shopper, and may return a new cart's token."""

    def __init__(self, do: Callable[..., str | None], **options: Any) -> None:
        super().__init__(do, view=CartViewSet, kind=CartType, **options)

    def payload(self) -> Any:
        token = graphene.String(
            description="Of a stranger's new cart: to be sent as `X-Cart-Token` from now on. It is"
            " shown this once."
        )
        return payload_of(CartType, token=token)

    def _done(
        self, view: ResourceViewSet, info: GraphQLResolveInfo, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        data = self._valid(view, arguments.get("input") or {})
        merge_carts(info.context)
        shopper = shopper_of(info.context)
        if self._action == "add" and shopper == Shopper():
            throttle = NewCartThrottle()
            if not throttle.allow_request(info.context, cast("APIView", view)):
                raise Throttled(throttle.wait())
        token = self._do(shopper=shopper, **data)
        if token:
            shopper = Shopper(token=token)
        return {"cart": CartType.of(shopper, selection_of(info, "cart")), "token": token or None}


def _create_cart(*, shopper: Shopper, lines: Sequence[Wanted] = ()) -> str:
    if not lines:
        return services.open_cart(shopper=shopper)
    additions = [
        Addition(sku=line.sku, quantity=line.quantity, at=("lines", index))
        for index, line in enumerate(lines)
    ]
    return services.add_to_cart(shopper=shopper, lines=additions)[1]


def _of_cart(verb: Callable[..., None]) -> Callable[..., None]:
    def do(*, shopper: Shopper, **data: Any) -> None:
        key = services.carts_of(shopper).values_list("pk", flat=True).first()
        if key is None and shopper.token:
            raise CartNotFound(
                "There is no such cart any more. Begin another, without `X-Cart-Token`."
            )
        verb(cart_id=key, **data)

    return do


class _PlaceCart(Verb):
    def _done(
        self, view: ResourceViewSet, info: GraphQLResolveInfo, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        merge_carts(info.context)
        return super()._done(view, info, arguments)


class OrdersMutation(graphene.ObjectType):
    create_cart = CartVerb(
        _create_cart,
        action="add",
        form=NewCartInput,
        description="Begin a cart; who has one goes on with it.",
    )
    add_to_cart = CartVerb(
        lambda shopper, lines: services.add_to_cart(shopper=shopper, lines=lines)[1],
        action="add",
        description="Put something into the cart, or more of it; a stranger's first makes one.",
    )
    set_cart_quantity = CartVerb(
        _of_cart(services.change_cart_line),
        action="change_line",
        form=CartQuantityInput,
        description="Change how many of something are in the cart.",
    )
    remove_from_cart = CartVerb(
        _of_cart(services.remove_cart_line),
        action="remove_line",
        form=CartSkuInput,
        description="Take something out of the cart. With the last of it a stranger's token ends.",
    )
    empty_cart = CartVerb(
        _of_cart(services.empty_cart),
        action="destroy",
        description="Take everything out of the cart. A stranger's token ends with it.",
    )
    accept_cart_changes = CartVerb(
        _of_cart(services.accept_cart_changes),
        action="accept_changes",
        description="Accept all that the notices say: prices of now, as much as is left.",
    )
    place_cart = _PlaceCart(
        lambda by, **data: services.place_cart(user=by, **data).pk,
        view=CartViewSet,
        action="place",
        kind=OrderType,
        description="Order what is in the cart, for oneself, at the prices that were seen.",
    )
    place_order = Verb(
        _place,
        view=OrderViewSet,
        action="create",
        kind=OrderType,
        description="Place an order for a customer, or draft one; of the shop.",
    )
    place_draft = _order_verb(
        "place", services.place_draft, "Place a draft, at the prices it was drafted with."
    )
    edit_order = Verb(
        _edit,
        view=OrderViewSet,
        action="partial_update",
        kind=OrderType,
        of=OrderType,
        partial=True,
        description="Edit a draft or a pending order; what is left out stays.",
    )
    accept_order = _order_verb("accept", services.accept_order, "Accept a pending order.")
    reject_order = _order_verb(
        "reject", services.reject_order, "Reject a pending order; the customer is told the reason."
    )
    fulfil_order = _order_verb(
        "fulfil",
        services.fulfil_order,
        "Say that the customer has an accepted order, or so many pieces of some lines.",
    )
    return_order_lines = _order_verb(
        "return_",
        services.return_lines,
        "Take back pieces that the customer had; with `restock` they are sold again.",
    )
    cancel_order = _order_verb(
        "cancel",
        services.cancel_as_allowed,
        "Call off a draft, pending or accepted order; a shopper, their own pending one.",
    )
    assign_order = _order_verb(
        "assign", services.assign_order, "Say who of the shop sees to an order."
    )


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
