"""A person's own account."""

import json
from typing import cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from accounts.services import people
from accounts.services.sessions import recently_proved
from core.errors import DomainError

sign_in_required = login_required(login_url="oidc_authentication_init")


class NameForm(forms.Form):
    name = forms.CharField(
        label="Your name",
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("account")
    return render(request, "pages/home.html")


@require_GET
def favicon(request: HttpRequest) -> HttpResponse:
    """The mark, for programs that ask for it without reading a page."""
    return redirect(static("accounts/mark.svg"))


@sign_in_required
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    form = NameForm(request.POST or None, initial={"name": user.get_full_name()})
    if request.method == "POST" and form.is_valid():
        try:
            people.change_name(user=user, name=form.cleaned_data["name"])
        except DomainError as error:
            form.add_error("name", error.errors[0].detail if error.errors else error.detail)
        else:
            messages.success(request, "Saved.")
            return redirect("account")
    memberships = [each for each in user.memberships.all() if each.is_active]
    return render(request, "pages/account.html", {"form": form, "memberships": memberships})


@sign_in_required
@require_GET
def change_password(request: HttpRequest) -> HttpResponse:
    """Lead to where it is changed: with an outside provider, there."""
    return redirect("account_change_password" if settings.OIDC_EMBEDDED else "account")


@sign_in_required
@require_POST
def download(request: HttpRequest) -> HttpResponse:
    """All that the shop keeps of them, as a file."""
    data = people.personal_data(user=_user(request))
    body = json.dumps(data, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
    return HttpResponse(
        body,
        content_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="my-data.json"'},
    )


@sign_in_required
@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    if not recently_proved(request):
        return HttpResponseRedirect(prove_again(request))
    if request.method == "POST":
        try:
            people.delete_account(user=user)
        except DomainError as error:
            messages.error(request, error.detail)
            return redirect("account")
        # Not Django's sign-out: it would be written down of somebody who is gone.
        request.session.flush()
        request.user = AnonymousUser()
        return render(
            request,
            "pages/message.html",
            {"title": "Your account is deleted", "text": "Goodbye, and thank you."},
        )
    return render(request, "pages/delete.html")


def prove_again(request: HttpRequest) -> str:
    """Return where they do so, and come back from."""
    query = {"next": request.path}
    if settings.OIDC_EMBEDDED:
        return f"{reverse('account_reauthenticate')}?{urlencode(query)}"
    return f"{reverse('oidc_authentication_init')}?{urlencode(query | {'again': '1'})}"


def _user(request: HttpRequest) -> User:
    return User.objects.prefetch_related("memberships").get(pk=cast("User", request.user).pk)
