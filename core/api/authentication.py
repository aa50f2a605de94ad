"""How a program says who it is."""

from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.utils.crypto import salted_hmac
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from core.sign_in_limit import seconds_to_wait

if TYPE_CHECKING:
    from accounts.models import User

# Seconds for which a password that was right need not be worked out again.
REMEMBERED_SECONDS = 300


class BasicAuthentication(authentication.BasicAuthentication):
    """User name and password, for programs that call again and again.

    Checking a password is slow by design, half a second of CPU. So this process
    remembers, by a keyed digest, which password was right for which stored hash:
    a changed password or a deactivated user counts at once.
    """

    def authenticate_credentials(
        self, userid: str, password: str, request: Request | None = None
    ) -> tuple["User", None]:
        if "\x00" in userid:
            # The database cannot even look for it.
            raise AuthenticationFailed("Invalid username/password.")
        key = "basic-" + salted_hmac("duka.basic", f"{userid}\0{password}").hexdigest()
        if remembered := cache.get(key):
            pk, stored_hash = remembered
            user = get_user_model().objects.filter(pk=pk, is_active=True).first()
            if user is not None and user.password == stored_hash:
                return user, None
        if wait := seconds_to_wait(request, userid):
            raise Throttled(wait, detail="Too many wrong passwords.")
        user, _ = super().authenticate_credentials(userid, password, request)
        cache.set(key, (user.pk, user.password), timeout=REMEMBERED_SECONDS)
        return user, None
