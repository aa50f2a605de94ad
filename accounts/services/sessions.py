"""Sessions, and what ends them."""

import hashlib
import time
from datetime import timedelta
from importlib import import_module
from typing import Any, cast

from allauth.account.internal.flows.reauthentication import (
    did_recently_reauthenticate,
    get_reauthentication_flows,
)
from allauth.idp.oidc.models import Token
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import ProviderSession, SpentRefreshToken, User
from accounts.oidc.errors import InvalidTokenError
from accounts.oidc.tokens import LEEWAY, LOGOUT_SECONDS


def end_tokens(*, user: User) -> None:
    """Void what would bring somebody who signed out new access tokens."""
    Token.objects.filter(user=user).delete()


def remove_what_ran_out() -> None:
    """Delete tokens, and notes about sessions and codes, that count for nothing any more."""
    now = timezone.now()
    Token.objects.filter(expires_at__lt=now).delete()
    SpentRefreshToken.objects.filter(expires_at__lt=now).delete()
    ProviderSession.objects.filter(
        created_at__lt=now - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    ).delete()


def recently_proved(request: HttpRequest) -> bool:
    """Whether they showed a password, a passkey or the like within the last minutes."""
    if settings.OIDC_EMBEDDED:
        # Stock: who has nothing to prove it with counts as having done so.
        ways = get_reauthentication_flows(cast("User", request.user))
        return bool(ways) and bool(did_recently_reauthenticate(request))
    at = request.session.get("oidc_auth_time")
    age = time.time() - at if isinstance(at, int | float) else float("inf")
    return age < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def note_provider_session(*, claims: dict[str, Any], session_key: str) -> None:
    """Remember which session at the provider one of ours came of."""
    ProviderSession.objects.update_or_create(
        session_key=session_key,
        defaults={
            "issuer": claims["iss"],
            "sid": str(claims.get("sid") or "")[:255],
            "subject": claims["sub"],
        },
    )


@transaction.atomic
def end_provider_sessions(*, claims: dict[str, Any]) -> int:
    """End the sessions that a logout token names; return how many.

    Raises:
        InvalidTokenError: the token was used before.
    """
    # Digested: a provider's ids may be longer than a cache's keys.
    ident = f"{claims['iss']}\n{claims['jti']}".encode()
    seen = f"logout-{hashlib.sha256(ident).hexdigest()}"
    if not cache.add(seen, 1, LOGOUT_SECONDS + 2 * LEEWAY):
        raise InvalidTokenError("The logout token was used before.")
    named = Q(sid=claims["sid"]) if claims.get("sid") else Q(subject=claims["sub"])
    if claims.get("sid") and claims.get("sub"):
        named &= Q(subject=claims["sub"])
    ended = ProviderSession.objects.filter(named, issuer=claims["iss"])
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    for each in ended:
        store(each.session_key).delete()
    return ended.delete()[0]
