"""PostgreSQL: a server named by DATABASE_URL, else a private one in var/."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from core.embedded_postgres import embedded_database

from .env import VAR_DIR, env, readable

_url = env.str("DATABASE_URL", default="")
_pg_bin = env.str("PG_BIN", default="")


# libpq's own are minutes: of a server whose machine is gone somebody who waits must hear sooner.
# The last is in milliseconds, of what was sent and is not acknowledged.
_SOON_SURE = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


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
    config = dict(env.db_url_config(readable("DATABASE_URL", url)))
    return config | {
        "OPTIONS": _SOON_SURE | config.get("OPTIONS", {}),
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
