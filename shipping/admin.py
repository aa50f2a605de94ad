"""Shipments, standing orders and carriers in the admin. Statuses are moved by verbs alone."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import display_for_value, unquote
from django.db.models import Case, Exists, OuterRef, Value, When
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.html import format_html, format_html_join
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDateWidget,
    UnfoldAdminTextareaWidget,
)

from accounts.models import User
from core import clock
from core.admin import NOTHING_TO_SAVE, DukaModelAdmin, MovingAdmin, ReadOnly, Verb, become, named
from core.errors import InvalidInput
from orders.models import Order
from orders.services import Wanted
from orders.states import DeliveryMethod, OrderStatus

from . import services
from .exceptions import CarrierUnknown
from .models import (
    Carrier,
    News,
    Occurrence,
    Shipment,
    ShipmentEvent,
    StandingOrder,
    StandingOrderChange,
)
from .permissions import (
    can_handle_shipments,
    can_handle_standing_orders,
    can_manage_carriers,
    can_see_carriers,
    can_see_shipments,
    can_see_standing_orders,
)
from .providers import ADDRESS_FIELDS, Address
from .querysets import SHOWN
from .states import (
    OPEN,
    CircuitState,
    DeliveryService,
    NewsState,
    OccurrenceStatus,
    ShipmentStatus,
    StandingOrderStatus,
)

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class WhyForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text="For the timeline.",
    )


class GoodsField(forms.CharField):
    """Pieces, one SKU a line: `TEA-1 2`. An empty line begins another parcel."""

    widget = UnfoldAdminTextareaWidget({"rows": 5})

    def to_python(self, value: Any) -> Any:
        parcels: list[list[Wanted]] = [[]]
        for line in (super().to_python(value) or "").splitlines():
            words = line.split()
            if not words:
                parcels.append([])
                continue
            if len(words) != 2 or not (words[1].isascii() and words[1].isdigit()):
                raise forms.ValidationError(f"Write a SKU and a number of pieces: {line!r}.")
            parcels[-1].append(Wanted(sku=words[0], quantity=int(words[1][:9])))
        return [each for each in parcels if each]

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(initial) != self.to_python(data))
        except forms.ValidationError:
            return True


class _TypedForm(forms.ModelForm[Any]):
    """Says at its fields what a service refused of what was typed."""

    refused: ClassVar[InvalidInput | None] = None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for each in self.refused.errors if self.refused else ():
            name = str(each.path[-1])
            field = "contents" if each.path[0] in {"parcels", "items"} else name
            self.add_error(field if field in self.fields else None, each.detail)
        return data

    def address(self) -> Address:
        return Address(**{name: self.cleaned_data[name] for name in ADDRESS_FIELDS})


class _TypedAdmin(MovingAdmin):
    """Writes by a service, and shows what that refuses with all that was typed.

    A subclass names the service in `saved`; it returns None where there is nothing to write.
    """

    def saved(self, by: User, obj: Any, form: Any, change: bool) -> Any:
        raise NotImplementedError

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        try:
            saved = self.saved(request.user, obj, form, change)
        except InvalidInput as error:
            request.refused = error
            raise
        if saved is not None:
            become(obj, saved)

    def changeform_view(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        answer = super().changeform_view(request, *args, **kwargs)
        refused = getattr(request, "refused", None)
        # Nothing is written of it. Once more, as a form that has errors.
        again = refused is not None and bool(refused.errors)
        return super().changeform_view(request, *args, **kwargs) if again else answer

    def get_form(self, request: Any, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"refused": getattr(request, "refused", None)})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        try:
            return {"carrier": services.active_carrier().pk, **given}
        except CarrierUnknown:
            return given

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if not context["adminform"].form.fields:
            context |= NOTHING_TO_SAVE
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page


class _SeenInline(ReadOnly, TabularInline):
    """Seen by whoever sees the page that it is on."""

    hide_title = True
    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


def _before_and_after(changes: dict[str, Any]) -> str:
    return "; ".join(f"{name}: {before} → {after}" for name, (before, after) in changes.items())


def _shown(moment: datetime | None) -> str:
    """Return a time as the admin writes it: of what a method returns it shows the plain value."""
    return str(display_for_value(moment, "-"))


# Shipments

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


class ShipmentForm(_TypedForm):
    class Meta:
        model = Shipment
        fields = ("carrier", "service", *ADDRESS_FIELDS)


class NewShipmentForm(_TypedForm):
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


class TimelineInline(_SeenInline):
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
        return _before_and_after(event.changes)


@admin.register(Shipment)
class ShipmentAdmin(_TypedAdmin):
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
        return _shown(shipment.due_at if waits else None)

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


# Carriers


class CarrierForm(forms.ModelForm[Carrier]):
    days = forms.TypedMultipleChoiceField(
        choices=list(enumerate(_WEEKDAYS)),
        coerce=int,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Days of its batches. None: sent at once.",
    )

    class Meta:
        model = Carrier
        fields = ("active", "days", "cut_off")


_CIRCUIT_COLOURS = {
    CircuitState.UP: "success",
    CircuitState.FAILING: "warning",
    CircuitState.DOWN: "danger",
}


@admin.register(Carrier)
class CarrierAdmin(DukaModelAdmin):
    can_see = can_see_carriers
    can_manage = can_manage_carriers
    form = CarrierForm
    list_display = ("name", "active", "batches", "state_label", "failing_since", "error")
    fields = (
        *("name", "active", "days", "cut_off", "next_batch_at"),
        *("circuit", "failures", "failing_since", "asked_at", "error"),
    )
    readonly_fields = (
        *("name", "next_batch_at"),
        *("circuit", "failures", "failing_since", "asked_at", "error"),
    )

    @display(description="state", label=_CIRCUIT_COLOURS)
    def state_label(self, carrier: Carrier) -> tuple[str, str]:
        return carrier.circuit_state, carrier.circuit_state.label

    @display(description="batches")
    def batches(self, carrier: Carrier) -> str:
        if not carrier.days:
            return "At once"
        days = ", ".join(_WEEKDAYS[day][:3] for day in carrier.days)
        return f"{days} {carrier.cut_off:%H:%M}"

    @display(description="next batch")
    def next_batch_at(self, carrier: Carrier) -> str:
        return _shown(services.next_cut_off(carrier, clock.now()))

    @display(description="state")
    def circuit(self, carrier: Carrier) -> str:
        return str(carrier.circuit_state.label)

    @display(description="asked again at")
    def asked_at(self, carrier: Carrier) -> str:
        down = carrier.circuit_state == CircuitState.DOWN
        return _shown(carrier.next_at if down else None)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Those of the settings have a row each.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Carrier, form: Any, change: bool) -> None:
        become(obj, services.update_carrier(carrier_id=obj.pk, **self.changed(form)))


# News


def _replay(*, news_id: int, by: User) -> News:
    services.replay_news(news_id=news_id)
    return News.objects.get(pk=news_id)


_NEWS_COLOURS = {
    NewsState.NEW: "info",
    NewsState.DONE: "success",
    NewsState.UNMATCHED: "warning",
    NewsState.BAD: "danger",
}


@admin.register(News)
class NewsAdmin(_TypedAdmin):
    can_see = can_see_shipments
    can_manage = can_handle_shipments
    verbs = (
        Verb(
            name="replay",
            to=None,
            move=_replay,
            fits=lambda news: news.state != NewsState.NEW,
        ),
    )
    list_display = ("received_at", "carrier", "reference", "state_label", "detail")
    list_filter = ("state", "carrier", "source", "received_at")
    list_select_related = ("carrier",)
    search_fields = ("reference", "detail")
    fields = (
        *("received_at", "carrier", "source", "state", "detail", "reference", "shipment"),
        *("content_type", "body_text"),
    )
    readonly_fields = fields

    def get_ordering(self, request: HttpRequest) -> Any:
        # What is for a person comes first.
        mine = [NewsState.UNMATCHED, NewsState.BAD]
        waits = Case(When(state__in=mine, then=Value(0)), default=Value(1))
        return (waits.asc(), "-pk")

    @display(description="state", ordering="state", label=_NEWS_COLOURS)
    def state_label(self, news: News) -> tuple[str, str]:
        return news.state, news.get_state_display()

    @display(description="body")
    def body_text(self, news: News) -> str:
        return news.text

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def sentence(self, row: News) -> str:
        return f"What {row.carrier} said of {row.reference or 'no shipment'} is looked at again."

    def outcome(self, rows: Sequence[News]) -> str:
        return f"{len(rows)} looked at again."

    def saved(self, by: User, obj: News, form: Any, change: bool) -> None:
        """Write nothing: it stays as it came."""


# Standing orders


class StandingOrderForm(_TypedForm):
    contents = GoodsField(help_text="What comes each time: a SKU and a number of pieces a line.")

    class Meta:
        model = StandingOrder
        fields = (
            *("customer", "interval", "every", "start", "end", "count"),
            *("carrier", "service", *ADDRESS_FIELDS),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            items = self.instance.items.select_related("variant")
            self.initial["contents"] = "\n".join(
                f"{item.variant.sku} {item.quantity}" for item in items
            )

    def clean_contents(self) -> list[Wanted]:
        return [each for parcel in self.cleaned_data["contents"] for each in parcel]

    def arguments(self) -> dict[str, Any]:
        """Return what a service is told: of one that is there, what was changed."""
        names = set(self.changed_data) if self.instance.pk else set(self.cleaned_data)
        data = {name: self.cleaned_data[name] for name in names}
        if "contents" in data:
            data["items"] = data.pop("contents")
        if names & set(ADDRESS_FIELDS):
            data["address"] = self.address()
        if "carrier" in data:
            data["carrier"] = data["carrier"].name
        if "service" in data:
            data["service"] = DeliveryService(data["service"])
        return {name: value for name, value in data.items() if name not in ADDRESS_FIELDS}


class SkipForm(WhyForm):
    on = forms.DateField(widget=UnfoldAdminDateWidget, help_text="One of its dates to come.")

    field_order = ("on", "reason")


def _skip_form(standing: StandingOrder) -> Any:
    return partial(SkipForm, initial={"on": standing.next_on})


def _skip(*, standingorder_id: int, by: User, **data: Any) -> StandingOrder:
    services.skip_date(standing_order_id=standingorder_id, by=by, **data)
    return StandingOrder.objects.get(pk=standingorder_id)


def _verb(move: Any) -> Any:
    def run(*, standingorder_id: int, by: User, **data: Any) -> StandingOrder:
        return cast("StandingOrder", move(standing_order_id=standingorder_id, by=by, **data))

    return run


class _LastInline(_SeenInline):
    """The last of what there is ever more of."""

    joined: ClassVar[tuple[str, ...]] = ()

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).select_related(*self.joined)
        match = cast("Any", request.resolver_match)
        key = unquote(match.kwargs["object_id"])
        # Not as a slice, which Django would filter.
        last = self.model._default_manager.filter(standing_order=key).order_by(*self.ordering)
        return rows.filter(pk__in=last.values("pk")[:SHOWN])


class OccurrenceInline(_LastInline):
    model = Occurrence
    verbose_name_plural = "dates"
    fields = ("on", "status", "order", "shipment", "reason", "by_name")
    readonly_fields = fields
    by_name = named("by")
    ordering = ("-on",)
    joined = ("order", "shipment", "by")


class ChangesInline(_LastInline):
    model = StandingOrderChange
    verbose_name_plural = "history"
    fields = ("at", "verb", "by_name", "before_and_after", "reason")
    readonly_fields = fields
    by_name = named("by")
    ordering = ("-pk",)
    joined = ("by",)

    @display(description="before and after")
    def before_and_after(self, change: StandingOrderChange) -> str:
        return _before_and_after(change.changes)


def _is_waiting() -> Exists:
    """Return whether a date of a standing order waits for goods."""
    return Exists(
        Occurrence.objects.filter(standing_order=OuterRef("pk"), status=OccurrenceStatus.WAITING)
    )


_STANDING_COLOURS = {
    StandingOrderStatus.ACTIVE: "success",
    StandingOrderStatus.PAUSED: "warning",
    StandingOrderStatus.ENDED: "default",
}


@admin.register(StandingOrder)
class StandingOrderAdmin(_TypedAdmin):
    can_see = can_see_standing_orders
    can_manage = can_handle_standing_orders
    form = StandingOrderForm
    list_display = ("number", "customer", "state_label", "rhythm", "next_on", "carrier", "waits")
    list_filter = ("status", "interval", "carrier")
    list_select_related = ("customer", "carrier")
    search_fields = ("number", "customer__name", "customer__code", "customer__phone")
    autocomplete_fields = ("customer",)
    verbs = (
        Verb(
            name="skip",
            to=None,
            move=_skip,
            form=SkipForm,
            form_of=_skip_form,
            fits=lambda standing: standing.next_on is not None,
            on_list=False,
        ),
        Verb(
            name="pause",
            to=StandingOrderStatus.PAUSED,
            move=_verb(services.pause_standing_order),
            form=WhyForm,
        ),
        Verb(
            name="resume",
            to=StandingOrderStatus.ACTIVE,
            move=_verb(services.resume_standing_order),
            form=WhyForm,
        ),
        Verb(
            name="end",
            to=StandingOrderStatus.ENDED,
            move=_verb(services.end_standing_order),
            form=WhyForm,
        ),
    )
    _typed = (
        *("customer", "contents", ("interval", "every"), "start", ("end", "count")),
        *(("carrier", "service"), *ADDRESS_FIELDS),
    )
    _facts = ("number", "status", "next_on", "what_comes")

    @display(description="status", ordering="status", label=_STANDING_COLOURS)
    def state_label(self, standing: StandingOrder) -> tuple[str, str]:
        return standing.status, standing.get_status_display()

    @display(description="comes")
    def rhythm(self, standing: StandingOrder) -> str:
        unit = standing.get_interval_display().lower()
        return f"Every {standing.every} {unit}" if standing.every > 1 else f"Every {unit[:-1]}"

    @display(description="waits")
    def waits(self, standing: Any) -> str:
        return "A date waits" if standing.waits else ""

    @display(description="what comes")
    def what_comes(self, standing: StandingOrder) -> Any:
        return format_html_join(
            "",
            "<p>{}: {} {}. {}</p>",
            (
                (
                    each.on,
                    settings.SHOP_CURRENCY,
                    f"{each.total:,.2f}",
                    " ".join(each.notices),
                )
                for each in services.preview(standing)
            ),
        )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(waits=_is_waiting())

    def get_ordering(self, request: HttpRequest) -> Any:
        # What waits for goods comes first.
        return (_is_waiting().desc(), "-created_at", "-pk")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What came of it stays in the books; it is ended instead.
        return False

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is not None and not self._may_edit(request, obj):
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": self._typed})]
        typed = self._typed if self._may_edit(request, obj) else self._shown
        return [(None, {"fields": (*self._facts, *typed)})]

    @property
    def _shown(self) -> tuple[str, ...]:
        names = (each if isinstance(each, tuple) else (each,) for each in self._typed)
        return tuple("goods" if name == "contents" else name for row in names for name in row)

    @display(description="contents")
    def goods(self, standing: StandingOrder) -> str:
        items = standing.items.select_related("variant__product")
        return ", ".join(f"{item.quantity} × {item.variant.display_name}" for item in items)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        if self._may_edit(request, obj):
            # Whose it is, is settled.
            return (*self._facts, "customer")
        return (*self._facts, *self._shown)

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        return (OccurrenceInline, ChangesInline) if obj else ()

    def _may_edit(self, request: HttpRequest, standing: StandingOrder) -> bool:
        open_now = standing.state != StandingOrderStatus.ENDED
        return open_now and can_handle_standing_orders(request.user)

    def saved(self, by: User, obj: StandingOrder, form: Any, change: bool) -> StandingOrder | None:
        if change and "contents" not in form.fields:
            # It is ended, so there was nothing to type in.
            return None
        data = form.arguments()
        if change:
            return services.change_standing_order(standing_order_id=obj.pk, by=by, **data)
        return services.create_standing_order(by=by, **data)
