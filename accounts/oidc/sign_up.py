"""Signing up, once for each address."""

from typing import Any

from allauth.account.forms import SignupForm
from django.db import connection, transaction
from django.http import HttpRequest


class SignUpForm(SignupForm):
    def try_save(self, request: HttpRequest) -> Any:
        # Stock: two that sign up with one address at once make two accounts, and the right code
        # is then refused to both.
        email = self.cleaned_data["email"]
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))", [email])
            self.validate_unique_email(email)
            return super().try_save(request)
