from django.apps import AppConfig
from django.core import checks

from .checks import sources_can_be_asked


class RepairsConfig(AppConfig):
    name = "repairs"

    def ready(self) -> None:
        checks.register(sources_can_be_asked)
