"""Ways to send an SMS, each a module with a class `Transport` (see `base`)."""

from functools import cache
from importlib import import_module

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from .base import Accepted, Outcome, Refused, Transport, Unknown

__all__ = ["Accepted", "Outcome", "Refused", "Transport", "Unknown", "transport"]


def transport() -> Transport:
    """Return the transport that `SMS_TRANSPORT` names.

    Raises:
        ImproperlyConfigured: there is none of that name, or it lacks a setting.
    """
    return _load(settings.SMS_TRANSPORT)


@cache
def _load(name: str) -> Transport:
    try:
        module = import_module(f"{__name__}.{name}")
    except ModuleNotFoundError:
        raise ImproperlyConfigured(f"SMS_TRANSPORT: there is no transport {name!r}.") from None
    made: Transport = module.Transport()
    return made
