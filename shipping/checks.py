"""System checks of the carriers' settings."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import Error
from django.core.exceptions import ImproperlyConfigured

from .providers import provider


def carriers_have_settings(
    app_configs: Sequence[AppConfig] | None, **kwargs: object
) -> list[Error]:
    # Found when Duka starts, not when the first goods are to be sent.
    errors = []
    for name in settings.SHIPPING_PROVIDERS:
        try:
            provider(name)
        except ImproperlyConfigured as error:
            errors.append(Error(f"SHIPPING_PROVIDERS: {error}", id="shipping.E001"))
    return errors
