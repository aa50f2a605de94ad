"""PostgreSQL: a server named by DATABASE_URL, else a private one in var/."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from core.embedded_postgres import embedded_database

from .env import VAR_DIR, env

_url = env.str("DATABASE_URL", default="")
_pg_bin = env.str("PG_BIN", default="")


def database_from_url(url: str) -> dict[str, Any]:
    """Return the `DATABASES` entry of a `postgres://` URL.

    Raises:
        ImproperlyConfigured: the URL is none, or names another kind of database, which
            could not hold Duka's promises (exclusion constraints, SKIP LOCKED, …).
    """
    if not url.startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured(
            "DATABASE_URL must start with postgres:// or postgresql://: Duka needs PostgreSQL."
        )
    try:
        config = dict(env.db_url_config(url))
    except ValueError:
        # Without the reason, which may quote a part of the password.
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read: a / in the password is written %2F, an @ is %40."
        ) from None
    return config | {
        "CONN_MAX_AGE": env.int("DATABASE_CONN_MAX_AGE", default=600),
        # A server that was restarted must not cost a request its answer.
        "CONN_HEALTH_CHECKS": True,
        # PgBouncer's transaction mode keeps no server-side cursor between statements.
        "DISABLE_SERVER_SIDE_CURSORS": env.bool("DATABASE_PGBOUNCER", default=False),
    }


DATABASES: dict[str, dict[str, Any]] = {
    "default": database_from_url(_url)
    if _url
    else embedded_database(VAR_DIR / "postgres", pg_bin=Path(_pg_bin) if _pg_bin else None)
}
