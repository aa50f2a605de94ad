import subprocess
import sys
from pathlib import Path

from config.tests.conftest import PROJECT

PRINT_KEY = "from django.conf import settings; print(settings.SECRET_KEY)"
DEVELOPMENT = {"DJANGO_SETTINGS_MODULE": "config.settings.development"}


def test_the_secret_key_is_made_once_however_many_processes_start_together(environment, run):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PRINT_KEY],
            cwd=PROJECT,
            env={**environment, **DEVELOPMENT},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    keys = {process.communicate(timeout=60)[0] for process in processes}
    later = run("-c", PRINT_KEY, **DEVELOPMENT).stdout

    assert [process.returncode for process in processes] == [0] * 3
    assert keys == {later}
    assert len(later.strip()) == 50
    path = Path(environment["DUKA_VAR"], "secret_key")
    assert path.read_text() == later.strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_secret_key_of_the_environment_comes_first_and_nothing_is_written(environment, run):
    ended = run("-c", PRINT_KEY, **DEVELOPMENT, SECRET_KEY="mine")

    assert ended.stdout == "mine\n"
    assert not Path(environment["DUKA_VAR"]).exists()


def test_it_needs_no_configuration_and_answers_this_machine_only(settings_of, environment):
    read = settings_of("DEBUG", "ALLOWED_HOSTS", "DATABASES", "MEDIA_ROOT", **DEVELOPMENT)

    var = environment["DUKA_VAR"]
    database = read["DATABASES"]["default"]
    assert (read["DEBUG"], read["ALLOWED_HOSTS"]) == (False, ["127.0.0.1", "localhost", "[::1]"])
    assert database["ENGINE"] == "core.embedded_postgres.backend"
    assert database["EMBEDDED"]["root"] == f"{var}/postgres"
    assert read["MEDIA_ROOT"] == f"{var}/media"
    assert not Path(var, "postgres").exists()


def test_another_kind_of_database_is_refused_in_a_sentence(run):
    ended = run("manage.py", "check", **DEVELOPMENT, DATABASE_URL="//u:secret@db/shop")

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == (
        "DATABASE_URL must start with postgres:// or postgresql://: Duka needs PostgreSQL.\n"
    )
