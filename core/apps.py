from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        from . import checks  # noqa: F401  registers itself

        # Every app's signals, receivers and tasks are known before the first request, so that
        # the registries of events and periodic jobs are whole.
        autodiscover_modules("signals", "receivers", "tasks")
