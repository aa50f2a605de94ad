"""REST of orders."""

from collections.abc import Callable

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.serializers import NothingInput, ReasonInput
from core.api.views import ResourceViewSet
from core.permissions import signed_in
from orders import services
from orders.models import Order
from orders.permissions import can_handle_orders
from orders.querysets import OrderQuerySet

from .filters import OrderFilter
from .serializers import NewOrderInput, OptionalReasonInput, OrderSerializer


class OrderViewSet(ResourceViewSet):
    queryset = Order.objects.for_display()
    serializer_class = OrderSerializer
    lookup_field = "number"
    inputs = {
        "create": NewOrderInput,
        "accept": NothingInput,
        "reject": ReasonInput,
        "fulfil": NothingInput,
        "cancel": OptionalReasonInput,
    }
    # A shopper sees their own; of the rest they cannot know.
    permitted = {"list": signed_in, "retrieve": signed_in, "*": can_handle_orders}
    filterset_class = OrderFilter
    search_fields = ("number", "customer__name", "customer__code", "customer__phone")
    ordering = "-placed_at"
    ordering_fields = ("placed_at", "total")

    def get_queryset(self) -> OrderQuerySet:
        return Order.objects.for_display().visible_to(self.request.user)

    def create(self, request: Request) -> Response:
        """Place an order.

        Its goods are taken from stock and the customer is told. Where there is
        too little of something, nothing is taken and the answer is a 409 that
        names each such line.
        """
        return self.created(services.place_order(by=self.caller, **self.input()).pk)

    @extend_schema(responses=OrderSerializer)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, number: str) -> Response:
        """Accept a pending order."""
        return self._move(services.accept_order)

    @extend_schema(responses=OrderSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, number: str) -> Response:
        """Reject a pending order; the customer is told the reason."""
        return self._move(services.reject_order)

    @extend_schema(responses=OrderSerializer)
    @action(detail=True, methods=["post"])
    def fulfil(self, request: Request, number: str) -> Response:
        """Say that the customer has an accepted order."""
        return self._move(services.fulfil_order)

    @extend_schema(responses=OrderSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, number: str) -> Response:
        """Call off a pending or accepted order."""
        return self._move(services.cancel_order)

    def _move(self, verb: Callable[..., Order]) -> Response:
        arguments = self.input()
        return self.change_locked(
            lambda order: verb(order_id=order.pk, by=self.caller, **arguments)
        )
