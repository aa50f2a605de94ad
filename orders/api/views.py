"""REST of orders."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.serializers import NothingInput, ReasonInput
from core.api.views import ResourceViewSet
from core.permissions import signed_in
from orders import services
from orders.models import Order
from orders.permissions import can_handle_orders, can_see_orders
from orders.querysets import OrderQuerySet

from .filters import OrderFilter
from .serializers import (
    AssignInput,
    FulfilInput,
    NewOrderInput,
    OptionalReasonInput,
    OrderCountsSerializer,
    OrderInput,
    OrderSerializer,
    ReturnInput,
    delivery_in,
)


class OrderViewSet(ResourceViewSet):
    queryset = Order.objects.for_display()
    serializer_class = OrderSerializer
    lookup_field = "number"
    inputs = {
        "create": NewOrderInput,
        "partial_update": OrderInput,
        "place": NothingInput,
        "accept": NothingInput,
        "reject": ReasonInput,
        "fulfil": FulfilInput,
        "return_": ReturnInput,
        "cancel": OptionalReasonInput,
        "assign": AssignInput,
    }
    # A shopper sees their own and may call it off; of the rest they cannot know.
    permitted = {
        "list": signed_in,
        "retrieve": signed_in,
        "cancel": signed_in,
        "counts": can_see_orders,
        "*": can_handle_orders,
    }
    filterset_class = OrderFilter
    search_fields = ("number", "customer__name", "customer__code", "customer__phone")
    ordering = "-placed_at"
    ordering_fields = ("placed_at", "total")

    def get_queryset(self) -> OrderQuerySet:
        return Order.objects.for_display().visible_to(self.request.user)

    def create(self, request: Request) -> Response:
        """Place an order, or draft one.

        Its goods are taken from stock and the customer is told. Where there is
        too little of something, nothing is taken and the answer is a 409 that
        names each such line. With `draft` nothing of this happens until it is placed.
        """
        arguments = self.input()
        draft = arguments.pop("draft", False)
        verb = services.draft_order if draft else services.place_order
        return self.created(verb(by=self.caller, **arguments).pk)

    def partial_update(self, request: Request, number: str) -> Response:
        """Edit a draft or a pending order.

        `lines` are all that it shall have: those it had keep their price, and the
        stock follows. `delivery_address` is replaced as a whole.
        """
        arguments = self.input()

        def edit(order: Order) -> None:
            arguments["delivery"] = delivery_in(arguments, present=services.Delivery.of(order))
            services.edit_order(order_id=order.pk, by=self.caller, **arguments)

        return self.change_locked(edit)

    @extend_schema(responses=OrderCountsSerializer)
    @action(detail=False, filterset_class=None, pagination_class=None)
    def counts(self, request: Request) -> Response:
        """Count the orders in each status."""
        counts = services.count_by_status()
        return Response({**counts, "waiting": counts["pending"]})

    @extend_schema(responses=OrderSerializer)
    @action(detail=True, methods=["post"])
    def place(self, request: Request, number: str) -> Response:
        """Place a draft, at the prices it was drafted with."""
        return self._move(services.place_draft)

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
        """Say that the customer has an accepted order, or so many pieces of some lines."""
        return self._move(services.fulfil_order)

    @extend_schema(responses=OrderSerializer)
    @action(detail=True, methods=["post"], url_path="return", url_name="return")
    def return_(self, request: Request, number: str) -> Response:
        """Take back pieces that the customer had; with `restock` they are sold again."""
        return self._move(services.return_lines)

    @extend_schema(responses=OrderSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, number: str) -> Response:
        """Call off a draft, pending or accepted order; a shopper, their own pending one."""
        return self._move(services.cancel_as_allowed)

    @extend_schema(responses=OrderSerializer)
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, number: str) -> Response:
        """Say who of the shop sees to an order."""
        return self._move(services.assign_order)

    def _locked_object(self) -> Any:
        # Alone first: a customer joined before the wait for the lock may be another since.
        Order.objects.select_for_update(no_key=True).filter(number=self.kwargs["number"]).first()
        return super()._locked_object()

    def _move(self, verb: Callable[..., Order]) -> Response:
        arguments = self.input()
        return self.change_locked(
            lambda order: verb(order_id=order.pk, by=self.caller, **arguments)
        )
