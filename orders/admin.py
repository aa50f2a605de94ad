"""Orders in the admin. A status is moved by the verbs alone, never typed in."""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import User
from core.admin import DukaModelAdmin, ReadOnly, become, tell
from core.errors import DomainError

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
    fields = ("at", "to_status", "by", "reason")
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_see_orders(request.user)


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text="The customer is told it.",
    )


@admin.register(Order)
class OrderAdmin(DukaModelAdmin):
    can_see = can_see_orders
    can_manage = can_handle_orders
    list_display = ("number", "customer", "state", "total", "currency", "placed_at")
    list_filter = ("status", "placed_at")
    list_select_related = ("customer",)
    search_fields = ("number", "customer__name", "customer__code", "customer__phone")
    autocomplete_fields = ("customer",)
    date_hierarchy = "placed_at"
    actions = ("accept", "reject", "fulfil", "cancel")
    actions_detail = ("accept_this", "reject_this", "fulfil_this", "cancel_this")

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
        # There is nothing to type in, so nothing to save.
        nothing_to_save = dict.fromkeys(
            ("show_save", "show_save_and_continue", "show_save_and_add_another"), False
        )
        context = {**(extra_context or {}), **nothing_to_save}
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

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer only what the order's status allows."""
        order = self.get_object(request, str(object_id))
        allowed = {_VERB_TO[status] for status in order.state.allowed} if order else set()
        return [
            each for each in super().get_actions_detail(request, object_id) if each.path in allowed
        ]

    @action(description="Accept", url_path="accept", permissions=["change"])
    def accept_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask_and_move(request, object_id, "Accept", services.accept_order)

    @action(description="Reject", url_path="reject", permissions=["change"])
    def reject_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask_and_move(
            request, object_id, "Reject", services.reject_order, form_class=ReasonForm
        )

    @action(description="Fulfil", url_path="fulfil", permissions=["change"])
    def fulfil_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask_and_move(request, object_id, "Fulfil", services.fulfil_order)

    @action(description="Cancel", url_path="cancel", permissions=["change"])
    def cancel_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask_and_move(request, object_id, "Cancel", services.cancel_order)

    @admin.action(description="Accept", permissions=["change"])
    def accept(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        self._move(request, queryset, services.accept_order)

    @admin.action(description="Reject", permissions=["change"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, queryset, "Reject", form)
        self._move(request, queryset, services.reject_order, **form.cleaned_data)
        return None

    @admin.action(description="Fulfil", permissions=["change"])
    def fulfil(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        self._move(request, queryset, services.fulfil_order)

    @admin.action(description="Cancel", permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        self._move(request, queryset, services.cancel_order)

    def _ask_and_move(
        self,
        request: HttpRequest,
        object_id: str,
        label: str,
        verb: Callable[..., Order],
        form_class: type[forms.Form] = forms.Form,
    ) -> HttpResponse:
        """Answer an order's button. It is a link, and a GET must not move an order: ask first."""
        order = self.get_object(request, object_id)
        if order is None:
            raise Http404
        orders = Order.objects.filter(pk=order.pk)
        form = form_class(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            return self._ask(request, orders, label, form)
        self._move(request, orders, verb, **form.cleaned_data)
        return HttpResponseRedirect(reverse("admin:orders_order_change", args=[object_id]))

    def _ask(
        self, request: HttpRequest, orders: QuerySet[Order], label: str, form: forms.Form
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{label} order {', '.join(order.number for order in orders)}",
            "label": label,
            "orders": orders.select_related("customer"),
            "form": form,
            "opts": self.opts,
            "action": request.POST.get("action"),
            "back": request.path.removesuffix(f"{label.lower()}/"),
        }
        return render(request, "admin/orders/order/ask.html", context)

    def _move(
        self,
        request: HttpRequest,
        orders: QuerySet[Order],
        verb: Callable[..., Order],
        **arguments: Any,
    ) -> None:
        moved = []
        for order in orders:
            try:
                moved.append(verb(order_id=order.pk, by=cast("User", request.user), **arguments))
            except DomainError as error:
                tell(request, error)
        if moved:
            numbers = ", ".join(order.number for order in moved)
            status = moved[0].get_status_display().lower()
            messages.success(request, f"Order {numbers}: now {status}.")


_VERB_TO = {
    OrderStatus.ACCEPTED: "accept",
    OrderStatus.REJECTED: "reject",
    OrderStatus.FULFILLED: "fulfil",
    OrderStatus.CANCELLED: "cancel",
}
