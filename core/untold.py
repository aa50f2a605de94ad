"""What no finding, no report of an error may say: the shop's secrets."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

_SECRET_NAME = re.compile(r"(SECRET|SECRETS|PASSWORD|TOKEN|KEY|KEYS|DSN)$")
# Shorter ones stand in ordinary words.
_SHORTEST = 6


def without_secrets(text: str) -> str:
    """Return a text with `…` in the place of every secret that the settings hold."""
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, "…")
    return text


def _secrets() -> set[str]:
    # Where the settings refuse there is the environment alone.
    names = [name for name in dir(settings) if name.isupper()] if settings.configured else []
    given = {name: getattr(settings, name) for name in names}
    found = [*_in(given, secret=False), *_in(dict(os.environ), secret=False)]
    return {secret for secret in found if len(secret) >= _SHORTEST}


def _in(value: Any, *, secret: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _in(each, secret=bool(_SECRET_NAME.search(str(name).upper())))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _in(each, secret=secret)
    elif isinstance(value, str) and secret:
        yield value
    elif isinstance(value, str) and "://" in value:
        yield from _of_address(value)


def _of_address(address: str) -> Iterator[str]:
    try:
        password = urlsplit(address).password
    except ValueError:
        return
    if password:
        yield from {password, unquote(password)}
