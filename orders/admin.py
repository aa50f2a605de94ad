"""Orders in the admin. A status is moved by the verbs alone, never typed in."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html_join
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.models import Membership, User
from core.admin import Autocompletes, MovingAdmin, ReadOnly, ReasonForm, Verb, become
from core.errors import InvalidInput

from . import services
from .models import Order, OrderChange, OrderLine
from .permissions import can_handle_orders, can_see_orders
from .services import COLLECTION, Delivery, Wanted
from .states import DeliveryMethod, OrderStatus, OrderVerb

_COLOURS = {
    OrderStatus.DRAFT: "default",
    OrderStatus.PENDING: "warning",
    OrderStatus.ACCEPTED: "info",
    OrderStatus.FULFILLED: "success",
    OrderStatus.REJECTED: "danger",
    OrderStatus.CANCELLED: "danger",
}
# How the timeline calls what changed of a line, and what is nothing.
_OF_LINES = {"quantity": "", "fulfilled": " handed over", "returned": " brought back"}
_EMPTY = "(empty)"
_ADDRESS = ("recipient", "address_line_1", "address_line_2", "city", "postcode", "country")
_DELIVERY = ("delivery_method", *_ADDRESS)


# What an order consists of


class SeenForm(forms.Form):
    """Remembers what the order was like when it was read: nobody decides on another one."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    def clean_seen(self) -> datetime | None:
        seen = self.cleaned_data["seen"]
        try:
            return datetime.fromisoformat(seen) if seen else None
        except ValueError:
            raise forms.ValidationError("Open this page again.") from None


class OrderForm(forms.ModelForm[Order]):
    class Meta:
        model = Order
        fields = ("customer", "note", *_DELIVERY)
        widgets = {"note": UnfoldAdminTextareaWidget({"rows": 3})}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "delivery_method" not in data:
            return data
        if data["delivery_method"] == DeliveryMethod.COLLECTION:
            # What was typed before they decided to come and get it.
            data |= dict.fromkeys(_ADDRESS, "")
        data["country"] = data.get("country", "").upper()
        try:
            self.delivery(data).check()
        except InvalidInput as error:
            for each in error.errors:
                name = str(each.path[-1])
                self.add_error(name if name in self.fields else f"address_{name}", each.detail)
        return data

    def delivery(self, data: dict[str, Any]) -> Delivery:
        method = DeliveryMethod(data["delivery_method"])
        return replace(
            COLLECTION, delivery_method=method, **{name: data.get(name, "") for name in _ADDRESS}
        )


class NewOrderForm(OrderForm):
    draft = forms.BooleanField(
        label="Keep as a draft",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Nothing is taken from stock and nobody is told until it is placed.",
    )


class EditOrderForm(SeenForm, OrderForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen"] = self.instance.updated_at.isoformat()


class LineForm(forms.ModelForm[OrderLine]):
    class Meta:
        model = OrderLine
        fields = ("variant", "quantity")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            # Another thing is another line; this one is called as it was when it was ordered.
            named = f"{self.instance.name} ({self.instance.sku})"
            self.fields["variant"].disabled = True
            self.fields["variant"].widget = UnfoldAdminSelectWidget(
                choices=[(self.instance.variant_id, named)]
            )

    def wanted(self) -> Wanted:
        sku = self.instance.sku or self.cleaned_data["variant"].sku
        return Wanted(sku=sku, quantity=self.cleaned_data["quantity"])


class LineFormSet(forms.BaseInlineFormSet[OrderLine, Order, LineForm]):
    default_error_messages: ClassVar[dict[str, Any]] = {
        **forms.BaseInlineFormSet.default_error_messages,
        "too_few_forms": "An order needs at least one line.",
    }

    def clean(self) -> None:
        """Tell the usual mistakes at their fields; placing or editing the order decides."""
        super().clean()
        draft = self.instance.status == OrderStatus.DRAFT or "draft" in self.data
        for form in self.kept():
            data = form.cleaned_data
            variant, quantity = data.get("variant"), data.get("quantity")
            if not variant or not quantity:
                continue
            more = quantity - (form.initial.get("quantity", 0) if form.instance.pk else 0)
            product = variant.product
            if more > 0 and (variant.archived_at or product.archived_at):
                form.add_error("variant", "It was removed, so it is not for sale.")
            elif more > 0 and not product.is_published:
                form.add_error("variant", "It is hidden, so it is not for sale.")
            elif more > variant.stock and not draft:
                form.add_error(
                    "quantity",
                    f"Only {variant.stock} more left."
                    if more < quantity
                    else f"Only {variant.stock} left.",
                )

    def kept(self) -> list[LineForm]:
        """Return the forms of the lines that the order shall have."""
        return [
            form
            for form in self.forms
            if (form.instance.pk or form.has_changed()) and form not in self.deleted_forms
        ]


class OrderInline(Autocompletes, TabularInline):
    hide_title = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_see_orders(request.user)


class EditLineInline(OrderInline):
    model = OrderLine
    form = LineForm
    formset = LineFormSet
    verbose_name_plural = "what is ordered"
    autocomplete_fields = ("variant",)
    readonly_fields = ("unit_price", "total")
    extra = 0
    min_num = 1

    def get_min_num(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj else 1

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, validate_min=True, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.readonly_fields if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderLine]:
        lines: QuerySet[OrderLine] = super().get_queryset(request)
        return lines.select_related("variant__product")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_handle_orders(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_handle_orders(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_handle_orders(request.user)

    @display(description="total")
    def total(self, line: OrderLine) -> str:
        return str(line.total) if line.pk else ""


class LineInline(ReadOnly, OrderInline):
    model = OrderLine
    verbose_name_plural = "what is ordered"
    fields = ("sku", "name", "unit_price", "quantity", "fulfilled", "returned", "total")
    readonly_fields = ("total",)
    extra = 0


# What happened to it


class HistoryInline(ReadOnly, OrderInline):
    model = OrderChange
    verbose_name_plural = "history"
    fields = ("at", "what", "who", "before_and_after", "reason")
    readonly_fields = ("what", "who", "before_and_after")
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderChange]:
        changes: QuerySet[OrderChange] = super().get_queryset(request)
        return changes.select_related("by")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        assigned = [] if obj is None else obj.history.filter(verb=OrderVerb.ASSIGNED)
        subjects = {each for row in assigned for each in row.changes["assigned_to"] if each}
        people = User.objects.filter(subject__in=subjects) if subjects else []
        self.people = {str(user.subject): str(user) for user in people}
        return super().get_formset(request, obj, **kwargs)

    @display(description="what")
    def what(self, change: OrderChange) -> str:
        return change.get_verb_display()

    @display(description="by")
    def who(self, change: OrderChange) -> str:
        return str(change.by or "")

    @display(description="before and after")
    def before_and_after(self, change: OrderChange) -> str:
        return format_html_join(
            "",
            '<div><span class="font-medium">{}</span> {}</div>',
            # The goods first, then what they come to, then the rest.
            (
                self._said(name, *values)
                for name, values in sorted(
                    change.changes.items(),
                    key=lambda each: (" " not in each[0], each[0] != "total"),
                )
            ),
        )

    def _said(self, name: str, before: Any, after: Any) -> tuple[str, str]:
        sku, _, of_line = name.rpartition(" ")
        if sku:
            label = f"{sku}{_OF_LINES[of_line]}"
        elif name == "restocked":
            return "Back in stock:", "yes" if after else "no"
        else:
            label = Order._meta.get_field(name).verbose_name.capitalize()  # type: ignore[union-attr]  # a column
        if name == "assigned_to":
            before, after = (
                self.people.get(each, "somebody who left") if each else "nobody"
                for each in (before, after)
            )
        shown = [_EMPTY if each == "" else each for each in (before, after)]
        return f"{label}:", f"{shown[0]} → {shown[1]}"


# Verbs


class OptionalReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500, required=False, widget=UnfoldAdminTextareaWidget({"rows": 3})
    )


class LinesForm(SeenForm):
    """Asks for pieces of each line that has some."""

    lines: ClassVar[dict[str, OrderLine]] = {}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        asked = [
            Wanted(sku=line.sku, quantity=data.pop(name))
            for name, line in self.lines.items()
            if data.get(name)
        ]
        if not asked and not self.errors:
            raise forms.ValidationError("Say how many pieces of what.")
        return {
            **{name: each for name, each in data.items() if name not in self.lines},
            "lines": asked,
        }

    @classmethod
    def of(cls, order: Order, most: dict[OrderLine, int], *, all_of_it: bool) -> type[forms.Form]:
        lines = {f"line_{line.pk}": line for line, pieces in most.items() if pieces}
        fields: dict[str, Any] = {
            name: forms.IntegerField(
                label=f"{line.name} ({line.sku})",
                min_value=0,
                max_value=most[line],
                initial=most[line] if all_of_it else 0,
                required=False,
                widget=UnfoldAdminIntegerFieldWidget,
                help_text=f"At most {most[line]}.",
            )
            for name, line in lines.items()
        }
        seen = forms.CharField(widget=forms.HiddenInput, initial=order.updated_at.isoformat())
        return type(
            cls.__name__, (cls,), {**fields, "seen": seen, "lines": lines, "field_order": [*lines]}
        )


class ReturnForm(LinesForm):
    restock = forms.BooleanField(
        label="They can be sold again",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Puts them back into stock.",
    )
    reason = forms.CharField(
        max_length=500,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text="For the shop alone.",
    )


def _fulfil_form(order: Order) -> type[forms.Form]:
    most = {line: line.outstanding for line in order.lines.all()}
    return LinesForm.of(order, most, all_of_it=True)


def _with_customer(order: Order) -> dict[OrderLine, int]:
    return {line: line.fulfilled - line.returned for line in order.lines.all()}


def _return_form(order: Order) -> type[forms.Form]:
    return ReturnForm.of(order, _with_customer(order), all_of_it=False)


class AssignForm(forms.Form):
    to = forms.ModelChoiceField(
        queryset=User.objects.filter(
            memberships__in=Membership.objects.with_right("handle_orders")
        ).distinct(),
        label="Who sees to it",
        required=False,
        empty_label="Nobody",
        widget=UnfoldAdminSelectWidget,
    )


def _assign_form(order: Order) -> Callable[..., forms.Form]:
    return partial(AssignForm, initial={"to": order.assigned_to_id})


class AssignedFilter(admin.SimpleListFilter):
    title = "assigned to"
    parameter_name = "assigned"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("me", "Me"), ("none", "Nobody")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        if self.value() == "me":
            return queryset.filter(assigned_to=request.user.pk)
        return queryset.filter(assigned_to=None) if self.value() == "none" else queryset


@admin.register(Order)
class OrderAdmin(MovingAdmin):
    can_see = can_see_orders
    can_manage = can_handle_orders
    list_display = (
        "number",
        "customer",
        "state",
        "total",
        "currency",
        "delivery_method",
        "assigned_to",
        "placed_at",
    )
    list_filter = ("status", AssignedFilter, "delivery_method", "placed_at")
    list_select_related = ("customer", "assigned_to")
    list_before_template = "orders/counts.html"
    # Shown for a delivery alone; where nothing is typed in, the browser has no such variable.
    conditional_fields = dict.fromkeys(
        _ADDRESS, "typeof delivery_method == 'undefined' || delivery_method == 'delivery'"
    )
    search_fields = ("number", "customer__name", "customer__code", "customer__phone")
    autocomplete_fields = ("customer",)
    date_hierarchy = "placed_at"
    verbs = (
        Verb(name="place", to=OrderStatus.PENDING, move=services.place_draft),
        Verb(name="accept", to=OrderStatus.ACCEPTED, move=services.accept_order),
        Verb(name="reject", to=OrderStatus.REJECTED, move=services.reject_order, form=ReasonForm),
        Verb(
            name="fulfil",
            to=OrderStatus.FULFILLED,
            move=services.fulfil_order,
            form_of=_fulfil_form,
        ),
        Verb(
            name="return",
            to=None,
            move=services.return_lines,
            form_of=_return_form,
            fits=lambda order: any(_with_customer(order).values()),
            on_list=False,
        ),
        Verb(
            name="cancel",
            to=OrderStatus.CANCELLED,
            move=services.cancel_order,
            form=OptionalReasonForm,
        ),
        Verb(
            name="assign",
            to=None,
            move=services.assign_order,
            form=AssignForm,
            form_of=_assign_form,
            fits=lambda order: bool(order.state.allowed),
        ),
    )

    @display(description="status", ordering="status", label=_COLOURS)
    def state(self, order: Order) -> tuple[str, str]:
        return order.status, order.get_status_display()

    @display(description="total")
    def amount(self, order: Order) -> str:
        return f"{order.currency} {order.total:,.2f}"

    @display(description="assigned to")
    def assignee(self, order: Order) -> str:
        return str(order.assigned_to or "Nobody")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Orders stay in the books; they are cancelled instead.
        return False

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = NewOrderForm
        elif self._may_edit(request, obj):
            kwargs["form"] = EditOrderForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("customer", "note", "draft")}), _delivery_fieldset()]
        facts = [("number", "status"), ("customer", "placed_at"), ("amount", "assignee")]
        more = ["reference"] if obj.reference else []
        more += ["seen"] if self._may_edit(request, obj) else []
        return [(None, {"fields": (*facts, "note", *more)}), _delivery_fieldset(obj)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        facts = ("number", "status", "customer", "placed_at", "amount", "assignee")
        typed = () if self._may_edit(request, obj) else ("note", *_DELIVERY)
        return (*facts, "reference", *typed)

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return (EditLineInline,)
        lines = EditLineInline if self._may_edit(request, obj) else LineInline
        return (lines, HistoryInline)

    def _may_edit(self, request: HttpRequest, order: Order) -> bool:
        return order.state.can_be_edited and can_handle_orders(request.user)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**(extra_context or {}), **counts_context(request)}
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        order = self.get_object(request, object_id)
        hidden = ["show_save_and_add_another"]
        if order is None or not self._may_edit(request, order):
            # There is nothing to type in, so nothing to save.
            hidden += ["show_save", "show_save_and_continue"]
        context = {**(extra_context or {}), **dict.fromkeys(hidden, False)}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def save_model(self, request: HttpRequest, obj: Order, form: Any, change: bool) -> None:
        """Wait for the lines: an order is placed or edited as a whole."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        by = cast("User", request.user)
        data = form.cleaned_data
        if change and "delivery_method" not in form.fields:
            # It cannot be edited, so there was nothing to type in.
            return
        lines = next(each for each in formsets if each.model is OrderLine)
        wanted = [each.wanted() for each in lines.kept()]
        if change:
            saved = services.edit_order(
                order_id=form.instance.pk,
                by=by,
                note=data["note"],
                delivery=form.delivery(data),
                lines=wanted if lines.has_changed() else None,
                seen=data["seen"],
            )
        else:
            verb = services.draft_order if data["draft"] else services.place_order
            saved = verb(
                customer=data["customer"],
                note=data["note"],
                delivery=form.delivery(data),
                lines=wanted,
                by=by,
            )
        become(form.instance, saved)

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

    def outcome(self, rows: Sequence[Order]) -> str:
        last = rows[0].history.last()
        if last is not None and last.from_status == last.to_status:
            named = ", ".join(str(row) for row in rows)
            return f"Order {named}: {last.get_verb_display().lower()}."
        return super().outcome(rows)


def _delivery_fieldset(order: Order | None = None) -> tuple[str, dict[str, Any]]:
    typed = order is None or order.state.can_be_edited
    has_address = typed or order.delivery_method == DeliveryMethod.DELIVERY  # type: ignore[union-attr]  # else typed
    pairs = (("address_line_1", "address_line_2"), ("city", "postcode"), "country")
    fields = ("delivery_method", "recipient", *pairs) if has_address else ("delivery_method",)
    return "Delivery", {"fields": fields}


def counts_context(request: HttpRequest) -> dict[str, Any]:
    """Return how many orders wait, with links to them, for the list and the start page."""
    if not can_see_orders(request.user):
        return {}
    counts = services.count_by_status()
    page = reverse("admin:orders_order_changelist")
    return {
        "orders_waiting": counts[OrderStatus.PENDING],
        "orders_counted": [
            (status.label, counts[status], f"{page}?status__exact={status}", status)
            for status in OrderStatus
        ],
    }


def start_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's `DASHBOARD_CALLBACK`."""
    return context | counts_context(request)
