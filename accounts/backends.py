"""Signing in with a name and a password: the admin's form and HTTP basic authentication."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from core.sign_in_limit import count_wrong_password, seconds_to_wait

from .models import User


class PasswordBackend(ModelBackend):
    """Django's own, with a limit on wrong passwords."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        name = username or ""
        if seconds_to_wait(request, name):
            raise PermissionDenied
        user = super().authenticate(request, username=username, password=password, **kwargs)
        if user is None:
            count_wrong_password(request, name)
        return user
