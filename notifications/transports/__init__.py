"""Ways to send an SMS, each a module with a class `Transport` (see `base`), and which is asked."""

from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from .base import (
    Accepted,
    Forged,
    Inbound,
    Malformed,
    OptOut,
    Outcome,
    Refused,
    Report,
    Request,
    Told,
    Transport,
    Unknown,
)

__all__ = [
    "Accepted",
    "Forged",
    "Inbound",
    "Malformed",
    "OptOut",
    "Outcome",
    "Refused",
    "Report",
    "Request",
    "Told",
    "Transport",
    "Unknown",
    "route_of",
    "transport",
]


def route_of(*, event: str, to: str) -> list[str]:
    """Return the gateways for a message, in the order in which they are asked.

    The first of `SMS_ROUTES` that fits counts: one for a country's prefix, for events of a pattern,
    or for all.
    """
    for pattern, names in settings.SMS_ROUTES:
        if to.startswith(pattern) if pattern.startswith("+") else fnmatchcase(event, pattern):
            return list(names)
    return [settings.SMS_TRANSPORT]


def transport(name: str) -> Transport:
    """Return a gateway by its name.

    Raises:
        ImproperlyConfigured: there is none of that name, or it lacks a setting.
    """
    return _load(name)


@cache
def _load(name: str) -> Transport:
    try:
        module = import_module(f"{__name__}.{name}")
        made: Transport = module.Transport()
    except (ModuleNotFoundError, AttributeError):
        raise ImproperlyConfigured(f"There is no transport {name!r}.") from None
    return made
