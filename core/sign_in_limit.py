"""A limit on wrong passwords: guessing is slow, and checking them costs the shop little.

Counted in Django's cache, for each process where that is local memory.
"""

import hashlib
from contextlib import suppress
from typing import cast

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle


def seconds_to_wait(request: HttpRequest | None, username: str) -> int:
    """Return for how many seconds no password of this name is looked at from this address."""
    allowed, seconds = _limit()
    return seconds if cache.get(_key(request, username), 0) >= allowed else 0


def count_wrong_password(request: HttpRequest | None, username: str) -> None:
    key = _key(request, username)
    cache.add(key, 0, timeout=_limit()[1])
    # It may have ended between these two lines: then there is nothing to count on.
    with suppress(ValueError):
        cache.incr(key)


def _limit() -> tuple[int, int]:
    """Return how many are allowed in how many seconds (`THROTTLE_SIGN_IN`, as `10/min`)."""
    number, _, period = str(settings.THROTTLE_SIGN_IN).partition("/")
    return int(number), {"s": 1, "m": 60, "h": 3600, "d": 86_400}[period[0]]


def _key(request: HttpRequest | None, username: str) -> str:
    # DRF's reading of who called, behind as many proxies as it has been told of.
    address = BaseThrottle().get_ident(cast("Request", request)) if request else ""
    digest = hashlib.sha256(f"{address}\n{username.lower()}".encode(errors="replace"))
    return f"wrong-passwords-{digest.hexdigest()}"
