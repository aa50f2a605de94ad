"""How people sign up with the embedded provider."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from django import forms
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from core.errors import InvalidInput
from core.mail import queue_mail
from core.names import check_name


def clean_name(name: str) -> str:
    """Return a name as it was typed, or say at its field what no name has."""
    try:
        check_name(name)
    except InvalidInput as error:
        raise forms.ValidationError(error.detail) from None
    return name


class AccountAdapter(DefaultAccountAdapter):
    # As the shop's own pages spell it.
    error_messages = DefaultAccountAdapter.error_messages | {
        "duplicate_email": "This is your e-mail address already.",
        "email_password_mismatch": "The e-mail address or the password is not right.",
        "email_taken": "There is an account with this e-mail address already.",
    }

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        # By a worker, so that an answer takes as long whether or not there was one to send.
        message = self.render_mail(template_prefix, email, context | {"email": email})
        queue_mail(subject=message.subject, body=str(message.body), to=email)

    def populate_username(self, request: HttpRequest, user: Any) -> None:
        # Nobody signs in by it; the e-mail address is not copied to where it would be forgotten.
        user.username = str(user.subject)

    def send_account_already_exists_mail(self, email: str) -> None:
        # What making the account would have cost, or its absence tells that there is one.
        make_password(context.request.POST.get("password1", "-"))
        super().send_account_already_exists_mail(email)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # By address too: or anybody could keep the shopkeeper out with five wrong passwords.
        key = super()._get_login_attempts_cache_key(request, **credentials)
        return f"{key}:{self.get_client_ip(request)}"


class NameForm(forms.Form):
    """What signing up asks beside e-mail address and password."""

    name = forms.CharField(
        label="Your name",
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    field_order = ("name", "email", "password1")

    def clean_name(self) -> str:
        return clean_name(self.cleaned_data["name"])

    def signup(self, request: HttpRequest, user: Any) -> None:
        user.first_name = self.cleaned_data["name"]
        user.save(update_fields=["first_name"])
