"""Carriers, each a module with a class `Provider` (see `base`)."""

from functools import cache
from importlib import import_module

from django.core.exceptions import ImproperlyConfigured

from .base import (
    ADDRESS_FIELDS,
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
    "ADDRESS_FIELDS",
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
    path = f"{__name__}.{name}"
    try:
        plug_in: type[Provider] | None = getattr(import_module(path), "Provider", None)
    except ModuleNotFoundError as error:
        if error.name != path:
            # It is there, and lacks a library.
            raise
        plug_in = None
    # Beside the carriers' there are modules of what they share.
    if plug_in is None:
        raise ImproperlyConfigured(f"There is no carrier {name!r}.")
    return plug_in()
