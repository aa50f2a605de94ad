"""Customers in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from core.admin import DukaModelAdmin, become, named

from . import services
from .models import Customer
from .permissions import can_manage_customers, can_see_customers


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

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        if change:
            become(obj, services.update_customer(customer_id=obj.pk, **self.changed(form)))
        else:
            become(obj, services.create_customer(**form.cleaned_data))

    def delete_model(self, request: HttpRequest, obj: Customer) -> None:
        services.delete_customer(customer_id=obj.pk)
