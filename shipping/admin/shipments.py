"""The admin pages of shipments."""

import re
from dataclasses import asdict
from typing import Any, cast

from django.contrib import admin
from django.db.models import Case, Value, When
from django.http import HttpRequest, QueryDict
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from accounts.models import User
from core.admin import Verb, named
from orders.models import Order
from orders.states import DeliveryMethod, OrderStatus
from shipping import services
from shipping.models import (
    Shipment,
    ShipmentEvent,
)
from shipping.permissions import (
    can_handle_shipments,
    can_see_shipments,
)
from shipping.providers import ADDRESS_FIELDS
from shipping.states import (
    OPEN,
    DeliveryService,
    ShipmentStatus,
)

from .common import (
    GoodsField,
    SeenInline,
    TypedAdmin,
    TypedForm,
    WhyForm,
    before_and_after_of,
    shown,
)

_COLOURS = {
    ShipmentStatus.WAITING: "info",
    ShipmentStatus.REFUSED: "danger",
    ShipmentStatus.SENT: "info",
    ShipmentStatus.WAITING_FOR_COLLECTION: "info",
    ShipmentStatus.IN_TRANSIT: "info",
    ShipmentStatus.DELIVERED: "success",
    ShipmentStatus.FAILED_TO_DELIVER: "danger",
    ShipmentStatus.CANCELLED: "default",
}


class ShipmentForm(TypedForm):
    class Meta:
        model = Shipment
        fields = ("carrier", "service", *ADDRESS_FIELDS)


class NewShipmentForm(TypedForm):
    contents = GoodsField(
        required=False,
        help_text="A SKU and a number of pieces a line, an empty line between parcels."
        " Empty: all that is left of the order, in one parcel.",
    )

    class Meta:
        model = Shipment
        fields = ("order", "carrier", "service", *ADDRESS_FIELDS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("Any", self.fields["order"]).queryset = Order.objects.filter(
            status=OrderStatus.ACCEPTED, delivery_method=DeliveryMethod.DELIVERY
        )
        for name in ADDRESS_FIELDS:
            self.fields[name].required = False

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if self.refused and "order" in data and not self.has_address():
            # To be mended here, as an accepted order is not changed any more.
            sent = cast("QueryDict", self.data).copy()
            sent.update(asdict(services.address_of_order(data["order"])))
            self.data = sent
        return data

    def has_address(self) -> bool:
        return any(self.data.get(name) for name in ADDRESS_FIELDS)


class TimelineInline(SeenInline):
    model = ShipmentEvent
    verbose_name_plural = "timeline"
    fields = ("at", "what", "stands", "detail", "before_and_after", "by_name")
    readonly_fields = fields
    by_name = named("by")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("by")

    @display(description="what")
    def what(self, event: ShipmentEvent) -> str:
        return str(event.get_verb_display())

    @display(description="status")
    def stands(self, event: ShipmentEvent) -> str:
        return str(event.get_status_display())

    @display(description="before and after")
    def before_and_after(self, event: ShipmentEvent) -> str:
        return before_and_after_of(event.changes)


@admin.register(Shipment)
class ShipmentAdmin(TypedAdmin):
    can_see = can_see_shipments
    can_manage = can_handle_shipments
    list_display = (
        "number",
        "order",
        "customer",
        "state_label",
        "attention",
        "carrier",
        "service",
        "due",
        "created_at",
    )
    list_filter = ("status", ("attention", admin.EmptyFieldListFilter), "carrier", "created_at")
    list_select_related = ("order__customer", "carrier")
    search_fields = (
        "number",
        "order__number",
        "order__customer__name",
        "order__customer__code",
        "carrier_reference",
    )
    autocomplete_fields = ("order",)
    verbs = (
        Verb(
            name="send",
            to=None,
            move=services.send_shipment,
            fits=lambda shipment: shipment.status == ShipmentStatus.WAITING,
        ),
        Verb(
            name="settle",
            to=None,
            move=services.settle_attention,
            form=WhyForm,
            fits=lambda shipment: bool(shipment.attention),
        ),
        Verb(
            name="cancel",
            to=None,
            move=services.cancel_shipment,
            form=WhyForm,
            fits=lambda shipment: shipment.status in OPEN and shipment.cancel_asked_at is None,
        ),
    )
    _facts = (
        ("number", "status"),
        ("order", "customer"),
        ("attention", "error"),
        ("due", "attempts"),
        ("sent_at", "last_event_at"),
        ("carrier_reference", "price"),
        ("tracking",),
        ("cancel_asked_at",),
    )

    def get_ordering(self, request: HttpRequest) -> Any:
        # What a person is to look at comes first.
        waits = Case(When(attention="", then=Value(1)), default=Value(0))
        return (waits.asc(), "-created_at", "-pk")

    @display(description="status", ordering="status", label=_COLOURS)
    def state_label(self, shipment: Shipment) -> tuple[str, str]:
        return shipment.status, shipment.get_status_display()

    @display(description="customer")
    def customer(self, shipment: Shipment) -> str:
        return str(shipment.order.customer)

    @display(description="tracking")
    def tracking(self, shipment: Shipment) -> str:
        link = '<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>'
        return format_html(link, shipment.tracking_url) if shipment.tracking_url else ""

    @display(description="goes out at", ordering="due_at")
    def due(self, shipment: Shipment) -> str:
        waits = shipment.state == ShipmentStatus.WAITING
        return shown(shipment.due_at if waits else None)

    @display(description="cost")
    def price(self, shipment: Shipment) -> str:
        return "" if shipment.cost is None else f"{shipment.cost_currency} {shipment.cost}"

    @display(description="what is in it")
    def contents(self, shipment: Shipment) -> Any:
        return format_html_join(
            "",
            "<p>{}. {} ({} g)</p>",
            (
                (
                    parcel.position,
                    ", ".join(f"{each.quantity} × {each.line.name}" for each in parcel.items.all()),
                    f"{parcel.weight:,}",
                )
                for parcel in shipment.parcels.prefetch_related("items__line")
            ),
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Shipments stay in the books; they are cancelled instead.
        return False

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return super().get_form(
            request, obj, change, **{"form": ShipmentForm if obj else NewShipmentForm, **kwargs}
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            words = {"description": "Empty: to the address of the order.", "fields": ADDRESS_FIELDS}
            typed = ("order", ("carrier", "service"), "contents")
            return [(None, {"fields": typed}), ("Another address", words)]
        goes = (("carrier", "service"), *ADDRESS_FIELDS)
        return [(None, {"fields": (*self._facts, "contents")}), ("Delivery", {"fields": goes})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        facts = (*(name for row in self._facts for name in row), "contents")
        return (
            facts
            if self._may_edit(request, obj)
            else (*facts, "carrier", "service", *ADDRESS_FIELDS)
        )

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        return (TimelineInline,) if obj else ()

    def _may_edit(self, request: HttpRequest, shipment: Shipment) -> bool:
        return shipment.is_ours and can_handle_shipments(request.user)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        key = str(given.get("order"))
        known = re.fullmatch("[0-9]{1,18}", key)
        found = Order.objects.filter(pk=key).first() if known else None
        return {**(asdict(services.address_of_order(found)) if found else {}), **given}

    def saved(self, by: User, obj: Shipment, form: Any, change: bool) -> Shipment | None:
        data = form.cleaned_data
        if change and "carrier" not in form.fields:
            # The carrier has it, so there was nothing to type in.
            return None
        chosen = {"carrier": data["carrier"].name, "service": DeliveryService(data["service"])}
        if change:
            return services.edit_shipment(
                shipment_id=obj.pk, by=by, address=form.address(), **chosen
            )
        return services.prepare_shipment(
            order_id=data["order"].pk,
            by=by,
            parcels=data["contents"] or None,
            address=form.address() if form.has_address() else None,
            **chosen,
        )
