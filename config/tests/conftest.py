"""Settings are read once in a process, so each reading here is a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
OURS = (
    "ALLOWED_HOSTS", "BEHIND_PROXY", "CACHE_URL", "DATABASE_URL", "DEBUG",
    "DJANGO_SETTINGS_MODULE", "EMAIL_URL", "IDENTITY_FILE", "OIDC_ISSUER", "PG_BIN", "PORT",
    "SECRET_KEY", "SHOP_URL",
)  # fmt: skip
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SECRET_KEY": "k" * 20 + "0123456789abcdefghijklmnopqrstuvwxyz",
    "SHOP_URL": "https://shop.example",
    "ALLOWED_HOSTS": "www.shop.example",
    "DATABASE_URL": "postgres://duka:pw@db.example:5433/shop",
    "EMAIL_URL": "smtp+tls://duka:pw@mail.example:587",
    "IDENTITY_FILE": "/srv/duka/identity.json",
}


@pytest.fixture
def environment(tmp_path):
    """The environment without what names a shop, and a `var/` of the test's own."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    ours = {
        "DUKA_VAR": str(tmp_path / "var"),
        "STATIC_ROOT": str(tmp_path),
        "PYTHONWARNINGS": "error::UserWarning",
    }
    return kept | ours


@pytest.fixture
def run(environment):
    """`run("manage.py", "check", SECRET_KEY="…")`: run Python to its end."""

    def run_python(*args, **env):
        return subprocess.run(
            [sys.executable, *args],
            cwd=PROJECT,
            env={**environment, **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_python


@pytest.fixture
def settings_of(run):
    """`settings_of("DEBUG", …, **env)`: those settings as another process reads them."""

    def read(*names, **env):
        program = (
            "import json; from django.conf import settings;"
            f"print(json.dumps({{n: getattr(settings, n) for n in {names!r}}}, default=str))"
        )
        ended = run("-c", program, **env)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return read
