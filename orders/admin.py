"""Orders in the admin. A status is moved by the verbs alone, never typed in."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.admin import TabularInline
from unfold.decorators import display

from accounts.models import User
from core.admin import NOTHING_TO_SAVE, MovingAdmin, ReadOnly, ReasonForm, Verb, become, named

from . import services
from .models import Order, OrderLine, OrderStatusChange
from .permissions import can_handle_orders, can_see_orders
from .services import Wanted
from .states import OrderStatus

_COLOURS = {
    OrderStatus.PENDING: "warning",
    OrderStatus.ACCEPTED: "info",
    OrderStatus.FULFILLED: "success",
    OrderStatus.REJECTED: "danger",
    OrderStatus.CANCELLED: "danger",
}


class NewLineForm(forms.ModelForm[OrderLine]):
    class Meta:
        model = OrderLine
        fields = ("variant", "quantity")

    def clean(self) -> dict[str, Any]:
        # So that the usual mistake is told at its field; placing the order decides.
        data = super().clean() or {}
        variant, quantity = data.get("variant"), data.get("quantity")
        if variant and not variant.product.is_published:
            self.add_error("variant", "It is hidden, so it is not for sale.")
        elif variant and quantity and quantity > variant.stock:
            self.add_error("quantity", f"Only {variant.stock} left.")
        return data


class NewLineInline(TabularInline):
    model = OrderLine
    form = NewLineForm
    autocomplete_fields = ("variant",)
    extra = 0
    min_num = 1

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, validate_min=True, **kwargs)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_handle_orders(request.user)


class LineInline(ReadOnly, TabularInline):
    model = OrderLine
    fields = ("sku", "name", "unit_price", "quantity", "total")
    readonly_fields = ("total",)
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_see_orders(request.user)


class HistoryInline(ReadOnly, TabularInline):
    model = OrderStatusChange
    verbose_name_plural = "history"
    fields = ("at", "to_status", "who", "reason")
    readonly_fields = ("who",)
    extra = 0
    who = named("by")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_see_orders(request.user)


@admin.register(Order)
class OrderAdmin(MovingAdmin):
    can_see = can_see_orders
    can_manage = can_handle_orders
    list_display = ("number", "customer", "state", "total", "currency", "placed_at")
    list_filter = ("status", "placed_at")
    list_select_related = ("customer",)
    search_fields = ("number", "customer__name", "customer__code", "customer__phone")
    autocomplete_fields = ("customer",)
    date_hierarchy = "placed_at"
    verbs = (
        Verb(name="accept", to=OrderStatus.ACCEPTED, move=services.accept_order),
        Verb(name="reject", to=OrderStatus.REJECTED, move=services.reject_order, form=ReasonForm),
        Verb(name="fulfil", to=OrderStatus.FULFILLED, move=services.fulfil_order),
        Verb(name="cancel", to=OrderStatus.CANCELLED, move=services.cancel_order),
    )

    @display(description="status", ordering="status", label=_COLOURS)
    def state(self, order: Order) -> tuple[str, str]:
        return order.status, order.get_status_display()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Orders stay in the books; they are cancelled instead.
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("customer", "note")
        return ("number", "status", "customer", "total", "currency", "note", "placed_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else self.get_fields(request, obj)

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        return (NewLineInline,) if obj is None else (LineInline, HistoryInline)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {**(extra_context or {}), **NOTHING_TO_SAVE}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def save_model(self, request: HttpRequest, obj: Order, form: Any, change: bool) -> None:
        """Wait for the lines: an order is placed as a whole."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        if change:
            return
        lines = [
            Wanted(sku=each.cleaned_data["variant"].sku, quantity=each.cleaned_data["quantity"])
            for each in formsets[0].forms
            if each.has_changed() and each not in formsets[0].deleted_forms
        ]
        become(
            form.instance,
            services.place_order(
                customer=form.cleaned_data["customer"],
                note=form.cleaned_data["note"],
                lines=lines,
                by=cast("User", request.user),
            ),
        )

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        # The lines were not saved by their formset, so it has nothing to say of them.
        return super().construct_change_message(request, form, [], add)

    def sentence(self, row: Order) -> str:
        return (
            f"Order {row} of {row.customer.name}, {row.currency} {row.total:,.2f},"
            f" now {row.state.label.lower()}."
        )
