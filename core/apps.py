from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib import admin
from django.core import checks
from django.utils.module_loading import autodiscover_modules

from .checks import runs_on_psycopg2


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        # What waits to be done may hold the words of a mail: a code, a link.
        admin.site.unregister(apps.get_model("django_tasks_database", "DBTaskResult"))
        checks.register(runs_on_psycopg2)
        if settings.SENTRY_DSN:
            from . import sentry  # noqa: PLC0415  its SDK takes a moment, and many do without

            sentry.begin()
        # Every app's signals, receivers and tasks are known before the first request, so that
        # the registries of events and periodic jobs are whole.
        autodiscover_modules("signals", "receivers", "tasks")
