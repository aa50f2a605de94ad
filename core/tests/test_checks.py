from django.core.checks import Error, registry
from django.db.backends.postgresql.psycopg_any import is_psycopg3

from core import checks


def test_the_project_runs_on_psycopg2_and_the_check_is_asked():
    assert is_psycopg3 is False
    assert checks.runs_on_psycopg2(None) == []
    assert checks.runs_on_psycopg2 in registry.registry.get_checks()


def test_once_django_has_switched_to_psycopg_3_the_check_fails(monkeypatch):
    monkeypatch.setattr(checks, "is_psycopg3", True)

    assert checks.runs_on_psycopg2(None) == [
        Error(
            "Django is running on psycopg 3, but Duka is tested on psycopg2.",
            hint="Uninstall the package `psycopg`.",
            id="duka.E001",
        )
    ]
