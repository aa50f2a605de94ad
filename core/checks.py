"""System checks that hold the project to its decisions."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.core.checks import Error
from django.db.backends.postgresql.psycopg_any import is_psycopg3


def runs_on_psycopg2(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[Error]:
    # Django silently prefers psycopg 3 as soon as any package brings it along.
    if is_psycopg3:
        return [
            Error(
                "Django is running on psycopg 3, but Duka is tested on psycopg2.",
                hint="Uninstall the package `psycopg`.",
                id="duka.E001",
            )
        ]
    return []
