"""The admin pages of standing orders."""

from functools import partial
from typing import Any, ClassVar, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils.html import format_html_join
from unfold.decorators import display
from unfold.widgets import UnfoldAdminDateWidget

from accounts.models import User
from core.admin import Verb, named
from orders.services import Wanted
from shipping import services
from shipping.models import (
    Occurrence,
    StandingOrder,
    StandingOrderChange,
)
from shipping.permissions import (
    can_handle_standing_orders,
    can_see_standing_orders,
)
from shipping.providers import ADDRESS_FIELDS
from shipping.querysets import SHOWN
from shipping.states import (
    DeliveryService,
    OccurrenceStatus,
    StandingOrderStatus,
)

from .common import GoodsField, SeenInline, TypedAdmin, TypedForm, WhyForm, before_and_after_of


class StandingOrderForm(TypedForm):
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


class _LastInline(SeenInline):
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
        return before_and_after_of(change.changes)


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
class StandingOrderAdmin(TypedAdmin):
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
