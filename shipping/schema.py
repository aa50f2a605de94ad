"""GraphQL of shipments, carriers and standing orders."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import graphene
from graphql import GraphQLResolveInfo

from accounts.models import User
from core import clock
from core.api.serializers import on_clock
from core.graphql.inputs import enum_of, input_of, plain
from core.graphql.lists import ListField
from core.graphql.mutations import Verb
from core.graphql.relations import ModelType, Node, Related
from core.graphql.rest import view_for
from orders.schema import DeliveryAddressType, FieldChangeType, field_changes
from shipping import services
from shipping.api.serializers import NewShipmentInput, plugin_of
from shipping.api.standing import StandingOrderPreviewInput, StandingOrderViewSet, previewed
from shipping.api.views import CarrierViewSet, NewsViewSet, ShipmentViewSet, wanted
from shipping.models import (
    Carrier,
    News,
    Occurrence,
    Parcel,
    ParcelItem,
    Shipment,
    ShipmentEvent,
    StandingItem,
    StandingOrder,
    StandingOrderChange,
)
from shipping.permissions import can_see_shipments, can_see_standing_orders
from shipping.providers import Address
from shipping.querysets import SHOWN
from shipping.states import (
    CircuitState,
    DeliveryService,
    Interval,
    NewsSource,
    NewsState,
    OccurrenceStatus,
    ShipmentStatus,
    ShipmentVerb,
    StandingOrderStatus,
    StandingOrderVerb,
)

_STATUS = enum_of(ShipmentStatus)
_SERVICE = enum_of(DeliveryService)
_CHANGES = graphene.List(graphene.NonNull(FieldChangeType))


def _shop_alone(kind: Any, name: str, description: str) -> graphene.Field:
    """Return a field of what is between the shop and its carrier."""

    def read(row: Any, info: GraphQLResolveInfo) -> Any:
        return getattr(row, name) if can_see_shipments(info.context.user) else None

    return graphene.Field(kind, resolver=read, description=f"{description} Null to shoppers.")


class ParcelItemType(ModelType):
    """So many pieces of a line of the order in a parcel."""

    needs = {"sku": ("line",), "name": ("line",)}

    class Meta:
        name = "ParcelItem"
        model = ParcelItem
        fields = ("quantity",)

    sku = graphene.NonNull(graphene.String, description="Of the order's line.")
    name = graphene.NonNull(graphene.String, description="How it is called there.")
    weight = graphene.NonNull(graphene.Int, description="Grams of one piece.")

    def resolve_sku(self: ParcelItem, info: GraphQLResolveInfo) -> str:
        return self.line.sku

    def resolve_name(self: ParcelItem, info: GraphQLResolveInfo) -> str:
        return self.line.name


class ParcelType(ModelType):
    """A box of a shipment."""

    needs = {"weight": ("items",)}

    class Meta:
        name = "Parcel"
        model = Parcel
        fields = ()

    weight = graphene.NonNull(graphene.Int, description="Grams of all in it.")
    items = Related(ParcelItemType, of="items", many=True, description="What is in it.")


class ShipmentEventType(ModelType):
    """Something that happened to a shipment."""

    needs = {"by": ("by",)}

    class Meta:
        name = "ShipmentEvent"
        model = ShipmentEvent
        fields = ("at",)

    verb = graphene.NonNull(enum_of(ShipmentVerb), description="What happened.")
    status = graphene.NonNull(_STATUS, description="Where it stood then.")
    noted_at = graphene.NonNull(graphene.DateTime, description="When the shop heard of it.")
    detail = graphene.NonNull(graphene.String, description="More of it, where somebody said so.")
    changes = graphene.NonNull(_CHANGES, description="What became different; none to shoppers.")
    by = graphene.String(description="Name of who did it; null to shoppers.")

    def resolve_detail(self: ShipmentEvent, info: GraphQLResolveInfo) -> str:
        return self.detail if can_see_shipments(info.context.user) else self.customers_detail

    def resolve_changes(self: ShipmentEvent, info: GraphQLResolveInfo) -> list[dict[str, Any]]:
        return field_changes(self.changes) if can_see_shipments(info.context.user) else []

    def resolve_by(self: ShipmentEvent, info: GraphQLResolveInfo) -> str | None:
        return str(self.by) if self.by and can_see_shipments(info.context.user) else None


class ShipmentType(ModelType):
    """Goods of an order that go to the customer by one carrier."""

    view = ShipmentViewSet
    needs = {
        "order": ("order",),
        "customer": ("order__customer",),
        "customer_name": ("order__customer",),
        "carrier": ("carrier",),
    }

    class Meta:
        name = "Shipment"
        model = Shipment
        interfaces = (Node,)
        fields = ("id", "number", "created_at", "updated_at")

    order = graphene.NonNull(graphene.String, description="Number of the order.")
    customer = graphene.NonNull(graphene.String, description="Code of the customer.")
    customer_name = graphene.NonNull(graphene.String, description="How the customer is called.")
    carrier = graphene.NonNull(graphene.String, description="Name of the carrier.")
    service = graphene.NonNull(_SERVICE, description="How fast it goes.")
    status = graphene.NonNull(_STATUS, description="Where it stands.")
    delivery_address = graphene.NonNull(DeliveryAddressType, description="Where it goes.")
    parcels = Related(ParcelType, of="parcels", many=True, description="Its boxes.")
    sent_at = graphene.DateTime(description="When the carrier took it.")
    carrier_reference = graphene.NonNull(
        graphene.String, description="The carrier's own name for it; empty: none is known."
    )
    tracking_url = graphene.NonNull(
        graphene.String, description="Where the carrier shows it; empty: nowhere."
    )
    last_event_at = graphene.DateTime(description="Of the carrier's last word, by its clock.")
    due_at = graphene.DateTime(description="When it goes to the carrier. Null to shoppers.")
    attempts = _shop_alone(graphene.Int, "attempts", "How often it was handed over.")
    cost = _shop_alone(graphene.Decimal, "cost", "What the carrier takes.")
    cost_currency = _shop_alone(graphene.String, "cost_currency", "ISO 4217.")
    cancel_asked_at = _shop_alone(
        graphene.DateTime, "cancel_asked_at", "Since when the carrier is asked to call it off."
    )
    heard_at = _shop_alone(graphene.DateTime, "heard_at", "When the carrier was heard of last.")
    error_code = _shop_alone(graphene.String, "error_code", "Why the carrier does not take it.")
    error = _shop_alone(graphene.String, "error", "The same for people.")
    attention = _shop_alone(graphene.String, "attention", "What a person is to look at.")
    timeline = Related(
        ShipmentEventType,
        of="timeline",
        many=True,
        keep=lambda user, event: can_see_shipments(user) or not event.is_internal,
        description="All that happened to it, the first thing first.",
    )

    def resolve_order(self: Shipment, info: GraphQLResolveInfo) -> str:
        return self.order.number

    def resolve_customer(self: Shipment, info: GraphQLResolveInfo) -> str:
        return self.order.customer.code

    def resolve_customer_name(self: Shipment, info: GraphQLResolveInfo) -> str:
        return self.order.customer.name

    def resolve_carrier(self: Shipment, info: GraphQLResolveInfo) -> str:
        return self.carrier.name

    def resolve_status(self: Shipment, info: GraphQLResolveInfo) -> ShipmentStatus:
        return self.state if can_see_shipments(info.context.user) else self.customers_status

    def resolve_delivery_address(self: Shipment, info: GraphQLResolveInfo) -> dict[str, str]:
        return asdict(Address.of(self))

    def resolve_due_at(self: Shipment, info: GraphQLResolveInfo) -> Any:
        waits = self.state == ShipmentStatus.WAITING
        return self.due_at if waits and can_see_shipments(info.context.user) else None


class CarrierType(ModelType):
    """Who brings goods to customers, and when it is sent to."""

    view = CarrierViewSet

    class Meta:
        name = "Carrier"
        model = Carrier
        interfaces = (Node,)
        fields = ("id", "name", "active", "failures", "failing_since", "error")

    label = graphene.NonNull(graphene.String, description="As people know it.")
    days = graphene.NonNull(
        graphene.List(graphene.NonNull(graphene.Int)),
        description="Days of the week of its batches, Monday is 0. Empty: sent at once.",
    )
    cut_off = graphene.NonNull(
        graphene.String, description="When its batch goes out, by the shop's clocks: `16:00`."
    )
    next_batch_at = graphene.NonNull(
        graphene.DateTime, description="When what is made now goes out, by its schedule."
    )
    state = graphene.NonNull(enum_of(CircuitState), description="Whether it can be asked.")
    next_at = graphene.DateTime(description="While it is down: when it is asked again.")
    cancels = graphene.NonNull(
        graphene.Boolean, description="Whether it can be asked to call one off."
    )
    quotes = graphene.NonNull(graphene.Boolean, description="Whether it says what it would take.")
    looks_up = graphene.NonNull(
        graphene.Boolean, description="Whether it can be asked what became of one."
    )

    def resolve_label(self: Carrier, info: GraphQLResolveInfo) -> str:
        return services.label_of(self)

    def resolve_cut_off(self: Carrier, info: GraphQLResolveInfo) -> str:
        return on_clock(self.cut_off)

    def resolve_next_batch_at(self: Carrier, info: GraphQLResolveInfo) -> Any:
        return services.next_cut_off(self, clock.now())

    def resolve_state(self: Carrier, info: GraphQLResolveInfo) -> CircuitState:
        return self.circuit_state

    def resolve_next_at(self: Carrier, info: GraphQLResolveInfo) -> Any:
        return self.next_at if self.circuit_state == CircuitState.DOWN else None

    def resolve_cancels(self: Carrier, info: GraphQLResolveInfo) -> bool:
        plugin = plugin_of(self)
        return plugin is not None and plugin.cancels

    def resolve_quotes(self: Carrier, info: GraphQLResolveInfo) -> bool:
        plugin = plugin_of(self)
        return plugin is not None and plugin.quotes

    def resolve_looks_up(self: Carrier, info: GraphQLResolveInfo) -> bool:
        plugin = plugin_of(self)
        return plugin is not None and plugin.looks_up


class CarrierNewsType(ModelType):
    """What a carrier told, as it came."""

    view = NewsViewSet
    needs = {"carrier": ("carrier",), "shipment": ("shipment",)}
    heavy = ("body",)

    class Meta:
        name = "CarrierNews"
        model = News
        interfaces = (Node,)
        fields = ("id", "reference", "received_at")

    carrier = graphene.NonNull(graphene.String, description="Name of the carrier.")
    source = graphene.NonNull(enum_of(NewsSource), description="How the shop knows of it.")
    state = graphene.NonNull(enum_of(NewsState), description="What became of it.")
    detail = graphene.NonNull(graphene.String, description="Why, where it is for a person.")
    shipment = graphene.String(description="Number of the shipment; null: of none that is known.")
    body = graphene.NonNull(graphene.String, description="As it came.")

    def resolve_carrier(self: News, info: GraphQLResolveInfo) -> str:
        return self.carrier.name

    def resolve_shipment(self: News, info: GraphQLResolveInfo) -> str | None:
        return self.shipment.number if self.shipment else None

    def resolve_body(self: News, info: GraphQLResolveInfo) -> str:
        return self.text


class QuoteType(graphene.ObjectType):
    """What a carrier would take."""

    class Meta:
        name = "ShipmentQuote"

    service = graphene.NonNull(_SERVICE, description="How fast it would go.")
    amount = graphene.NonNull(graphene.Decimal, description="What it would take.")
    currency = graphene.NonNull(graphene.String, description="ISO 4217.")
    days = graphene.Int(description="Until it is there, where the carrier says so.")


# Standing orders


class StandingItemType(ModelType):
    """So many pieces that come each time."""

    needs = {"sku": ("variant",), "name": ("variant__product",)}

    class Meta:
        name = "StandingItem"
        model = StandingItem
        fields = ("quantity",)

    sku = graphene.NonNull(graphene.String, description="Of its variant.")
    name = graphene.NonNull(graphene.String, description="How its variant is called.")

    def resolve_sku(self: StandingItem, info: GraphQLResolveInfo) -> str:
        return self.variant.sku

    def resolve_name(self: StandingItem, info: GraphQLResolveInfo) -> str:
        return self.variant.display_name


class OccurrenceType(ModelType):
    """One date of a standing order that something was done about."""

    needs = {"order": ("order",), "shipment": ("shipment",)}

    class Meta:
        name = "Occurrence"
        model = Occurrence
        fields = ()

    on = graphene.NonNull(graphene.Date, description="By the shop's calendar.")
    status = graphene.NonNull(enum_of(OccurrenceStatus), description="What became of it.")
    order = graphene.String(description="Number of its order; null: there is none.")
    shipment = graphene.String(description="Number of its shipment; null: there is none.")
    reason = graphene.NonNull(
        graphene.String, description="Why; to shoppers what they wrote themselves."
    )

    def resolve_order(self: Occurrence, info: GraphQLResolveInfo) -> str | None:
        return self.order.number if self.order else None

    def resolve_shipment(self: Occurrence, info: GraphQLResolveInfo) -> str | None:
        return self.shipment.number if self.shipment else None

    def resolve_reason(self: Occurrence, info: GraphQLResolveInfo) -> str:
        return self.reason if can_see_standing_orders(info.context.user) else self.customers_reason


class StandingOrderChangeType(ModelType):
    """Something that happened to a standing order."""

    needs = {"by": ("by",)}

    class Meta:
        name = "StandingOrderChange"
        model = StandingOrderChange
        fields = ("at",)

    verb = graphene.NonNull(enum_of(StandingOrderVerb), description="What happened.")
    changes = graphene.NonNull(_CHANGES, description="What became different.")
    reason = graphene.NonNull(
        graphene.String, description="Why; to shoppers what they wrote themselves."
    )
    by = graphene.String(description="Name of who did it; null to shoppers.")

    def resolve_reason(self: StandingOrderChange, info: GraphQLResolveInfo) -> str:
        return self.reason if can_see_standing_orders(info.context.user) else self.customers_reason

    def resolve_changes(
        self: StandingOrderChange, info: GraphQLResolveInfo
    ) -> list[dict[str, Any]]:
        return field_changes(self.changes)

    def resolve_by(self: StandingOrderChange, info: GraphQLResolveInfo) -> str | None:
        return str(self.by) if self.by and can_see_standing_orders(info.context.user) else None


class StandingOrderType(ModelType):
    """An order that comes again every so many weeks or months."""

    view = StandingOrderViewSet
    needs = {
        "customer": ("customer",),
        "customer_name": ("customer",),
        "carrier": ("carrier",),
        # Their reasons are for whose it is.
        "occurrences": ("customer",),
        "history": ("customer",),
    }

    class Meta:
        name = "StandingOrder"
        model = StandingOrder
        interfaces = (Node,)
        fields = ("id", "number", "created_at", "updated_at")

    status = graphene.NonNull(enum_of(StandingOrderStatus), description="Where it stands.")
    customer = graphene.NonNull(graphene.String, description="Code of the customer.")
    customer_name = graphene.NonNull(graphene.String, description="How the customer is called.")
    items = Related(StandingItemType, of="items", many=True, description="What comes each time.")
    delivery_address = graphene.NonNull(DeliveryAddressType, description="Where it goes.")
    carrier = graphene.NonNull(graphene.String, description="Name of the carrier.")
    service = graphene.NonNull(_SERVICE, description="How fast it goes.")
    interval = graphene.NonNull(enum_of(Interval), description="What it counts in.")
    every = graphene.NonNull(graphene.Int, description="So many weeks or months.")
    start = graphene.NonNull(graphene.Date, description="Its first date.")
    end = graphene.Date(description="No date after it; null: it is not known.")
    count = graphene.Int(description="So many dates in all; null: it is not known.")
    next_on = graphene.Date(description="Its next date; null: there is none.")
    occurrences = Related(
        OccurrenceType,
        of="occurrences",
        many=True,
        rows=lambda: Occurrence.objects.order_by("-on")[:SHOWN],
        description=f"The last {SHOWN} dates that something was done about, the last first.",
    )
    history = Related(
        StandingOrderChangeType,
        of="history",
        many=True,
        rows=lambda: StandingOrderChange.objects.order_by("-pk")[:SHOWN],
        description=f"The last {SHOWN} things that happened to it, the last first.",
    )

    def resolve_customer(self: StandingOrder, info: GraphQLResolveInfo) -> str:
        return self.customer.code

    def resolve_customer_name(self: StandingOrder, info: GraphQLResolveInfo) -> str:
        return self.customer.name

    def resolve_carrier(self: StandingOrder, info: GraphQLResolveInfo) -> str:
        return self.carrier.name

    def resolve_delivery_address(self: StandingOrder, info: GraphQLResolveInfo) -> dict[str, str]:
        return asdict(Address.of(self))


class ComingType(graphene.ObjectType):
    """A date of a standing order to come."""

    class Meta:
        name = "ComingDate"

    on = graphene.NonNull(graphene.Date, description="By the shop's calendar.")
    total = graphene.NonNull(graphene.Decimal, description="At the prices of now.")
    notices = graphene.NonNull(
        graphene.List(graphene.NonNull(graphene.String)),
        description="What stands in its way as things are now.",
    )


class StandingOrderPreviewType(graphene.ObjectType):
    """The next dates of a standing order, and what they would cost."""

    class Meta:
        name = "StandingOrderPreview"

    currency = graphene.NonNull(graphene.String, description="ISO 4217.")
    results = graphene.NonNull(
        graphene.List(graphene.NonNull(ComingType)), description="Its dates, the next one first."
    )


class ShippingQuery(graphene.ObjectType):
    shipments = ListField(
        ShipmentType,
        view=ShipmentViewSet,
        description="Those of one's own orders; all of them for those who may see shipments.",
    )
    shipment = graphene.Field(
        ShipmentType,
        id=graphene.ID(description="Its `id`."),
        number=graphene.String(description="Its `number`."),
        description="One shipment, by `id` or `number`; null: there is none to be seen.",
    )
    shipment_quotes = graphene.List(
        graphene.NonNull(QuoteType),
        input=graphene.Argument(
            input_of(NewShipmentInput), required=True, description="The shipment to be."
        ),
        description="What a carrier would take, for those who handle shipments.",
    )
    carriers = ListField(
        CarrierType,
        view=CarrierViewSet,
        description="Who brings goods to customers, for those who may see shipments.",
    )
    carrier_news = ListField(
        CarrierNewsType,
        view=NewsViewSet,
        description="What carriers told, for those who may see shipments.",
    )
    standing_orders = ListField(
        StandingOrderType,
        view=StandingOrderViewSet,
        description="One's own; all of them for those who may see standing orders.",
    )
    standing_order = graphene.Field(
        StandingOrderType,
        id=graphene.ID(description="Its `id`."),
        number=graphene.String(description="Its `number`."),
        description="One standing order, by `id` or `number`; null: there is none to be seen.",
    )
    standing_order_preview = graphene.Field(
        StandingOrderPreviewType,
        id=graphene.ID(description="Its `id`."),
        number=graphene.String(description="Its `number`."),
        description="What comes of a standing order; null: there is none to be seen.",
    )
    new_standing_order_preview = graphene.Field(
        StandingOrderPreviewType,
        input=graphene.Argument(
            input_of(StandingOrderPreviewInput), required=True, description="What is thought of."
        ),
        description="What would come of a standing order that is not made.",
    )

    def resolve_shipment(self, info: GraphQLResolveInfo, **by: str) -> Any:
        return ShipmentType.named(info, by)

    def resolve_shipment_quotes(self, info: GraphQLResolveInfo, input: Any) -> Any:  # noqa: A002  the API's name
        view = view_for(ShipmentViewSet, info, "quote")
        return services.quotes_for(**wanted(_valid(NewShipmentInput, view, input)))

    def resolve_standing_order(self, info: GraphQLResolveInfo, **by: str) -> Any:
        return StandingOrderType.named(info, by)

    def resolve_standing_order_preview(self, info: GraphQLResolveInfo, **by: str) -> Any:
        view_for(StandingOrderViewSet, info, "preview")
        found: Any = StandingOrderType.named(info, by)
        return found and previewed(services.preview(found))

    def resolve_new_standing_order_preview(
        self,
        info: GraphQLResolveInfo,
        input: Any,  # noqa: A002  the API's name
    ) -> Any:
        view = view_for(StandingOrderViewSet, info, "preview_new")
        return previewed(services.preview_new(**_valid(StandingOrderPreviewInput, view, input)))


def _valid(form: Any, view: Any, given: Any) -> dict[str, Any]:
    made = form(data=plain(given), context=view.get_serializer_context())
    made.is_valid(raise_exception=True)
    return dict(made.validated_data)


def _of_shipment(verb: Callable[..., object]) -> Callable[..., int]:
    def do(*, key: int, by: User, **data: Any) -> int:
        verb(shipment_id=key, by=by, **data)
        return key

    return do


def _update_carrier(*, key: int, by: User, **changes: Any) -> int:
    return services.update_carrier(carrier_id=key, **changes).pk


def _replay(*, key: int, by: User) -> int:
    services.replay_news(news_id=key)
    return key


def _of_standing_order(verb: Callable[..., object]) -> Callable[..., int]:
    def do(*, key: int, by: User, **data: Any) -> int:
        verb(standing_order_id=key, by=by, **data)
        return key

    return do


class ShippingMutation(graphene.ObjectType):
    prepare_shipment = Verb(
        lambda by, **data: services.prepare_shipment(by=by, **wanted(data)).pk,
        view=ShipmentViewSet,
        action="create",
        kind=ShipmentType,
        description="Make a shipment of an accepted order, or of some of it.",
    )
    edit_shipment = Verb(
        _of_shipment(services.edit_shipment),
        view=ShipmentViewSet,
        action="partial_update",
        kind=ShipmentType,
        of=ShipmentType,
        partial=True,
        description="Change a shipment that no carrier has; one that was refused is sent again.",
    )
    send_shipment = Verb(
        _of_shipment(services.send_shipment),
        view=ShipmentViewSet,
        action="send",
        kind=ShipmentType,
        of=ShipmentType,
        description="Let a waiting shipment go now, before its cut-off.",
    )
    settle_shipment = Verb(
        _of_shipment(services.settle_attention),
        view=ShipmentViewSet,
        action="settle",
        kind=ShipmentType,
        of=ShipmentType,
        description="Say that somebody saw to what a shipment needed.",
    )
    cancel_shipment = Verb(
        _of_shipment(services.cancel_shipment),
        view=ShipmentViewSet,
        action="cancel",
        kind=ShipmentType,
        of=ShipmentType,
        description="Call a shipment off: at once, or by asking the carrier.",
    )
    update_carrier = Verb(
        _update_carrier,
        view=CarrierViewSet,
        action="partial_update",
        kind=CarrierType,
        of=CarrierType,
        partial=True,
        description="Change when a carrier is sent to, or whether anything new goes by it.",
    )
    replay_carrier_news = Verb(
        _replay,
        view=NewsViewSet,
        action="replay",
        kind=CarrierNewsType,
        of=CarrierNewsType,
        description="Look again at what a carrier told, as after a repair.",
    )
    create_standing_order = Verb(
        lambda by, **data: services.create_standing_order(by=by, **data).pk,
        view=StandingOrderViewSet,
        action="create",
        kind=StandingOrderType,
        description="Let something come to a customer again and again.",
    )
    make_standing_order = Verb(
        lambda by, **data: services.create_own(by=by, **data).pk,
        view=StandingOrderViewSet,
        action="own",
        kind=StandingOrderType,
        description="Let something come to oneself again and again.",
    )
    change_standing_order = Verb(
        _of_standing_order(services.change_as_allowed),
        view=StandingOrderViewSet,
        action="partial_update",
        kind=StandingOrderType,
        of=StandingOrderType,
        partial=True,
        description="Change what comes, where to, or when; a shopper, of their own.",
    )
    pause_standing_order = Verb(
        _of_standing_order(services.pause_as_allowed),
        view=StandingOrderViewSet,
        action="pause",
        kind=StandingOrderType,
        of=StandingOrderType,
        description="Let nothing come until it is resumed; a shopper, of their own.",
    )
    resume_standing_order = Verb(
        _of_standing_order(services.resume_as_allowed),
        view=StandingOrderViewSet,
        action="resume",
        kind=StandingOrderType,
        of=StandingOrderType,
        description="Let a paused one come again; a shopper, their own.",
    )
    end_standing_order = Verb(
        _of_standing_order(services.end_as_allowed),
        view=StandingOrderViewSet,
        action="end",
        kind=StandingOrderType,
        of=StandingOrderType,
        description="End a standing order for good; a shopper, their own.",
    )
    skip_standing_order = Verb(
        _of_standing_order(services.skip_as_allowed),
        view=StandingOrderViewSet,
        action="skip",
        kind=StandingOrderType,
        of=StandingOrderType,
        description="Let one of its dates pass; a shopper, of their own. Twice is as once.",
    )
