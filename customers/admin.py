"""Customers in the admin."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from unfold.decorators import action

from core import timeline
from core.admin import DukaModelAdmin, become, named
from core.keyset import BadCursor

from . import services
from .models import Customer
from .permissions import can_manage_customers, can_see_customers

# Of a customer's timeline on a page.
_ENTRIES = 50


class CustomerForm(forms.ModelForm[Customer]):
    def clean(self) -> dict[str, Any]:
        # The model's constraint is about a field that is not typed in, so forms pass it over.
        data = super().clean() or {}
        if not self.errors and not data["phone"] and not data["email"]:
            raise forms.ValidationError("Give a phone number or an e-mail address.")
        return data


@admin.register(Customer)
class CustomerAdmin(DukaModelAdmin):
    form = CustomerForm
    can_see = can_see_customers
    can_manage = can_manage_customers
    list_display = ("name", "code", "phone", "email", "language")
    list_filter = ("language", "created_at")
    search_fields = ("name", "code", "phone", "email")
    fields = ("name", "phone", "email", "language", "code", "account")
    # Whose orders and messages they may read follows from it: people prove their phone themselves.
    readonly_fields = ("account",)
    account = named("user")
    actions_detail = ("show_timeline",)

    @action(description="Timeline", url_path="timeline", permissions=["view"])
    def show_timeline(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show all that the shop knows of a customer, as far as the viewer may see it."""
        customer = self.get_object(request, object_id)
        if customer is None:
            raise Http404
        kind = request.GET.get("kind", "")
        try:
            page = timeline.page_of(
                customer,
                user=request.user,
                size=_ENTRIES,
                only=[kind] if kind else [],
                cursor=request.GET.get("cursor"),
            )
        except BadCursor:
            # Somebody wrote it into the address by hand.
            messages.error(request, "The list cannot be shown so.")
            return HttpResponseRedirect(request.path)
        known = {
            name: each.label for name, each in timeline.kinds().items() if each.may(request.user)
        }
        context = {
            **self.admin_site.each_context(request),
            "title": f"Timeline of {customer}",
            "opts": self.opts,
            "original": customer,
            "page": reverse("admin:customers_customer_change", args=[customer.pk]),
            "entries": [
                (each, _said(each.kind), _said(each.status), self._page_of(request, each))
                for each in page.entries
            ],
            "kinds": [
                (
                    label,
                    f"{request.path}?{urlencode({'kind': name})}" if name else request.path,
                    name == kind,
                )
                for name, label in {"": "All", **known}.items()
            ],
            "chosen": kind,
            "newer": _link(kind, page.previous),
            "older": _link(kind, page.next),
        }
        return render(request, "customers/timeline.html", context)

    def _page_of(self, request: HttpRequest, entry: timeline.Entry) -> str:
        """Return where the admin shows an entry; "": nowhere, or not to who asks."""
        model = timeline.kinds()[entry.kind].model
        site = self.admin_site
        if not (
            site.is_registered(model) and site.get_model_admin(model).has_view_permission(request)
        ):
            return ""
        page = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        return reverse(page, args=[entry.key])

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        if change:
            become(obj, services.update_customer(customer_id=obj.pk, **self.changed(form)))
        else:
            become(obj, services.create_customer(**form.cleaned_data))

    def delete_model(self, request: HttpRequest, obj: Customer) -> None:
        services.delete_customer(customer_id=obj.pk)


def _said(status: str) -> str:
    return status.replace("_", " ").replace("-", " ").capitalize()


def _link(kind: str, cursor: str | None) -> str:
    return f"?{urlencode({'kind': kind, 'cursor': cursor})}" if cursor else ""
