"""The tests: a private PostgreSQL of their own that trades safety for speed."""

from pathlib import Path

from core.embedded_postgres import embedded_database

from .base import *
from .base import DATABASES, INSTALLED_APPS, REST_FRAMEWORK
from .env import VAR_DIR, env

DEBUG = False
SECRET_KEY = "tests-only"  # noqa: S105
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
INSTALLED_APPS = [*INSTALLED_APPS, "demo", "django_migration_linter"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "accounts.hashers.GeneratedSecretHasher",
]
# Whoever imports config.wsgi here is no web server.
DATABASE_STATEMENT_SECONDS = 0
# Bookings of the tests are in 2029.
BOOKING_DAYS_AHEAD = 3650
WHITENOISE_USE_FINDERS = True
STATIC_ROOT = None
WHITENOISE_AUTOREFRESH = True
SERVE_MEDIA = True
REST_FRAMEWORK = REST_FRAMEWORK | {
    "DEFAULT_THROTTLE_RATES": {"anon": None, "user": None, "new_carts": None}
}

if not env.str("DATABASE_URL", default=""):
    DATABASES["default"] = embedded_database(
        VAR_DIR / "postgres-test",
        pg_bin=Path(env.str("PG_BIN")) if env.str("PG_BIN", default="") else None,
        options={
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "400",
        },
    )
# Threads of a test end without a request_finished that would close what they opened.
DATABASES["default"]["CONN_MAX_AGE"] = 0
