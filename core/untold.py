"""What no finding, no report of an error may say: the shop's secrets."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

_SECRET_NAME = re.compile(r"(SECRET|SECRETS|PASSWORD|TOKEN|KEY|KEYS|KEY_FALLBACKS|DSN)$")
# Shorter ones stand in ordinary words.
_SHORTEST = 6


def without_secrets(text: str) -> str:
    """Return a text with `…` in the place of every secret that the settings hold."""
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, "…")
    return text


def _secrets() -> set[str]:
    # Where the settings refuse there is the environment alone.
    names = (
        [name for name in dir(settings) if name.isupper() and name[0] != "_"]
        if settings.configured
        else []
    )
    given = {name: getattr(settings, name) for name in names}
    found = [
        secret
        for source in (given, dict(os.environ), dict(_from_files()))
        for secret in _in(source, secret=False)
    ]
    return {secret for secret in found if len(secret) >= _SHORTEST}


def _from_files() -> Iterator[tuple[str, str]]:
    """Yield what stands in the files that X_FILE names, for each X that may hold a secret."""
    for variable, path in os.environ.items():
        name = variable.removesuffix("_FILE")
        if name != variable and (_SECRET_NAME.search(name) or "URL" in name):
            # What cannot be read nobody has read, so nobody can say it.
            with suppress(OSError, ValueError):
                if (file := Path(path.strip())).is_file():
                    yield name, file.read_text(encoding="utf-8").strip()


def _in(value: Any, *, secret: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _in(each, secret=bool(_SECRET_NAME.search(str(name).upper())))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _in(each, secret=secret)
    elif isinstance(value, str) and secret:
        yield value
        # In the environment a list is one text.
        yield from (each.strip() for each in value.split(","))
    elif isinstance(value, str) and "://" in value:
        yield from _of_address(value)


def _of_address(address: str) -> Iterator[str]:
    try:
        password = urlsplit(address).password
    except ValueError:
        return
    if password:
        yield from {password, unquote(password)}
