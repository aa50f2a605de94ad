"""REST of shipments, carriers and what carriers told."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.serializers import NothingInput
from core.api.views import ResourceViewSet
from core.permissions import signed_in
from orders.models import Order
from shipping import services
from shipping.models import Carrier, News, Shipment
from shipping.permissions import (
    can_handle_shipments,
    can_manage_carriers,
    can_see_carriers,
    can_see_shipments,
)
from shipping.querysets import ShipmentQuerySet

from .filters import CarrierFilter, NewsFilter, ShipmentFilter
from .serializers import (
    CarrierInput,
    CarrierSerializer,
    NewShipmentInput,
    NewsSerializer,
    QuotesSerializer,
    ReplayedSerializer,
    ShipmentChangeInput,
    ShipmentReasonInput,
    ShipmentSerializer,
)


class ShipmentViewSet(ResourceViewSet):
    queryset = Shipment.objects.for_display()
    serializer_class = ShipmentSerializer
    lookup_field = "number"
    http_method_names = ["get", "post", "patch", "head", "options"]
    inputs = {
        "create": NewShipmentInput,
        "partial_update": ShipmentChangeInput,
        "quote": NewShipmentInput,
        "send": NothingInput,
        "settle": ShipmentReasonInput,
        "cancel": ShipmentReasonInput,
    }
    # A shopper sees those of their own orders; of the rest they cannot know.
    permitted = {"list": signed_in, "retrieve": signed_in, "*": can_handle_shipments}
    filterset_class = ShipmentFilter
    search_fields = (
        "number",
        "order__number",
        "order__customer__name",
        "order__customer__code",
        "carrier_reference",
    )
    ordering = "-created_at"
    ordering_fields = ("created_at",)

    def get_queryset(self) -> ShipmentQuerySet:
        return Shipment.objects.for_display().visible_to(self.request.user)

    def create(self, request: Request) -> Response:
        """Make a shipment of an accepted order, or of some of it.

        It goes to the carrier at the next cut-off. What the carrier would refuse is a 400 that
        names each field; 409 `not_shippable` where nothing of the order is left to ship.
        """
        return self.created(services.prepare_shipment(by=self.caller, **wanted(self.input())).pk)

    def partial_update(self, request: Request, number: str) -> Response:
        """Change a shipment that waits and was never handed over, or mend one that was refused."""
        changes = self.input()
        return self._change(services.edit_shipment, **changes)

    @extend_schema(responses=QuotesSerializer)
    @action(detail=False, methods=["post"], filterset_class=None, pagination_class=None)
    def quote(self, request: Request) -> Response:
        """Ask what a carrier would take, before a shipment is made.

        409 `no_quote` where it says no price now. An `Idempotency-Key` is ignored.
        """
        quotes = services.quotes_for(**wanted(self.input()))
        return Response(QuotesSerializer({"results": quotes}).data)

    @extend_schema(responses=ShipmentSerializer)
    @action(detail=True, methods=["post"])
    def send(self, request: Request, number: str) -> Response:
        """Let a waiting shipment go now, before its cut-off."""
        return self._change(services.send_shipment)

    @extend_schema(responses=ShipmentSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, number: str) -> Response:
        """Call a shipment off: at once, or by asking the carrier where it may have it.

        While the carrier is asked, `cancel_asked_at` says since when; where it refuses,
        `attention` says so.
        """
        return self._change(services.cancel_shipment, **self.input())

    @extend_schema(responses=ShipmentSerializer)
    @action(detail=True, methods=["post"])
    def settle(self, request: Request, number: str) -> Response:
        """Say that somebody saw to what a shipment needed: its `attention` is emptied."""
        return self._change(services.settle_attention, **self.input())

    def idempotent_caller(self) -> str | None:
        # The answer to a key is stored in a transaction, which would be open while the carrier
        # is asked; asked twice, nothing happens twice.
        return None if self.action == "quote" else super().idempotent_caller()

    def _locked_object(self) -> Any:
        # The order first, as everywhere; each alone, as what is joined before the wait for a lock
        # may be another since.
        number = self.kwargs["number"]
        orders = Order.objects.select_for_update(no_key=True, of=("self",))
        orders.filter(shipments__number=number).first()
        Shipment.objects.select_for_update(no_key=True).filter(number=number).first()
        return super()._locked_object()

    def _change(self, verb: Callable[..., object], **arguments: Any) -> Response:
        return self.change_locked(
            lambda shipment: verb(shipment_id=shipment.pk, by=self.caller, **arguments)
        )


def wanted(given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a shipment to be, with its order by its key."""
    order = given.pop("order")
    return {"order_id": order.pk, **given}


class CarrierViewSet(ResourceViewSet):
    queryset = Carrier.objects.all()
    serializer_class = CarrierSerializer
    lookup_field = "name"
    http_method_names = ["get", "patch", "head", "options"]
    inputs = {"partial_update": CarrierInput}
    permitted = {
        "list": can_see_carriers,
        "retrieve": can_see_carriers,
        "*": can_manage_carriers,
    }
    filterset_class = CarrierFilter
    search_fields = ("name",)
    ordering = "name"
    ordering_fields = ("name",)

    def partial_update(self, request: Request, name: str) -> Response:
        """Change when a carrier is sent to, or whether anything new goes by it.

        What waits for its next cut-off follows.
        """
        changes = self.input()
        return self.change_locked(
            lambda carrier: services.update_carrier(carrier_id=carrier.pk, **changes)
        )


class NewsViewSet(ResourceViewSet):
    plural = "carrier news"
    queryset = News.objects.select_related("carrier", "shipment")
    serializer_class = NewsSerializer
    lookup_value_regex = r"[0-9]{1,16}"
    http_method_names = ["get", "post", "head", "options"]
    inputs = {"replay": NothingInput, "replay_all": NothingInput}
    permitted = {
        "list": can_see_shipments,
        "retrieve": can_see_shipments,
        "*": can_handle_shipments,
    }
    filterset_class = NewsFilter
    search_fields = ("reference", "detail")

    @extend_schema(responses=NewsSerializer)
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: str) -> Response:
        """Look again at what a carrier told, as after a repair."""
        return self.change_locked(lambda news: services.replay_news(news_id=news.pk))

    @extend_schema(responses=ReplayedSerializer)
    @action(
        detail=False,
        methods=["post"],
        url_path="replay",
        url_name="replay-all",
        filterset_class=None,
        pagination_class=None,
    )
    def replay_all(self, request: Request) -> Response:
        """Look again at all that was not understood or named no shipment."""
        return Response({"replayed": services.replay_news()})
