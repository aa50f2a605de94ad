"""Where somebody proves their phone number by a code."""

from collections.abc import Callable
from typing import cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import User
from core.errors import DomainError
from customers import services
from customers.models import Customer


class NumberForm(forms.Form):
    phone = forms.CharField(
        label="Phone number",
        max_length=32,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )


class CodeForm(forms.Form):
    code = forms.CharField(
        label="Code",
        max_length=12,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code"}),
    )


@login_required(login_url="oidc_authentication_init")
@require_http_methods(["GET", "POST"])
def phone(request: HttpRequest) -> HttpResponse:
    """Ask for the number, then for the code that was sent to it."""
    user = cast("User", request.user)
    step, number = "number", ""
    form: forms.Form = NumberForm()
    if request.method == "POST" and "code" in request.POST:
        step, number = "code", request.POST.get("sent_to", "")[:32]
        form = CodeForm(request.POST)
        if form.is_valid() and _do(form, "code", services.claim_phone, user=user):
            messages.success(request, "Your phone number is confirmed.")
            return redirect("account")
    elif request.method == "POST":
        form, again = NumberForm(request.POST), "again" in request.POST
        sent = form.is_valid() and _do(form, "phone", services.send_phone_code, user=user)
        if again and sent:
            messages.success(request, "A new code is on its way. Only the new one counts.")
        elif again:
            # The one that they have may still do.
            messages.error(request, str(form.errors["phone"][0]))
        if again or sent:
            step, number, form = "code", request.POST.get("phone", "")[:32], CodeForm()
    customer = Customer.objects.filter(user=user).first()
    context = {"customer": customer, "form": form, "step": step, "phone": number}
    return render(request, "pages/phone.html", context)


def _do(form: forms.Form, field: str, verb: Callable[..., object], *, user: User) -> bool:
    """Call a service with what was typed; what it refuses stands beside the field."""
    try:
        verb(user=user, **form.cleaned_data)
    except DomainError as error:
        form.add_error(field, error.detail)
        return False
    return True
