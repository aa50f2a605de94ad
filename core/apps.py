from django.apps import AppConfig
from django.core import checks
from django.utils.module_loading import autodiscover_modules

from .checks import runs_on_psycopg2


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        checks.register(runs_on_psycopg2)
        # Every app's signals, receivers and tasks are known before the first request, so that
        # the registries of events and periodic jobs are whole.
        autodiscover_modules("signals", "receivers", "tasks")
