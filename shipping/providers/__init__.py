"""Carriers, each a module with a class `Provider` (see `base`)."""

from functools import cache
from importlib import import_module

from django.core.exceptions import ImproperlyConfigured

from .base import (
    Accepted,
    Address,
    Consignment,
    Forged,
    Item,
    Malformed,
    News,
    NotThere,
    Outcome,
    Parcel,
    Provider,
    Quote,
    Refused,
    Request,
    Unclear,
)

__all__ = [
    "Accepted",
    "Address",
    "Consignment",
    "Forged",
    "Item",
    "Malformed",
    "News",
    "NotThere",
    "Outcome",
    "Parcel",
    "Provider",
    "Quote",
    "Refused",
    "Request",
    "Unclear",
    "provider",
]


def provider(name: str) -> Provider:
    """Return a carrier's plug-in by its name.

    Raises:
        ImproperlyConfigured: there is none of that name, or it lacks a setting.
    """
    return _load(name)


@cache
def _load(name: str) -> Provider:
    try:
        module = import_module(f"{__name__}.{name}")
        made: Provider = module.Provider()
    except (ModuleNotFoundError, AttributeError):
        raise ImproperlyConfigured(f"There is no carrier {name!r}.") from None
    return made
