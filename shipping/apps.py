from django.apps import AppConfig
from django.core import checks

from .checks import carriers_have_settings


class ShippingConfig(AppConfig):
    name = "shipping"

    def ready(self) -> None:
        checks.register(carriers_have_settings)
