"""The entry for Django's `DATABASES`."""

from collections.abc import Mapping
from pathlib import Path

from .cluster import SUPERUSER, Cluster


def embedded_database(
    root: Path,
    *,
    pg_bin: Path | None = None,
    options: Mapping[str, str] | None = None,
    name: str = "duka",
) -> dict[str, object]:
    """Return `DATABASES["default"]` for a private PostgreSQL in `root`. Starts nothing.

    `options` are server settings, such as `{"fsync": "off"}` for tests. They take effect when
    the server starts, so all processes of one `root` should agree on them.
    """
    cluster = Cluster(root, pg_bin=pg_bin, options=options, database=name)
    return {
        "ENGINE": "core.embedded_postgres.backend",
        "NAME": name,
        "USER": SUPERUSER,
        "HOST": str(cluster.socket_dir),
        "PORT": "",
        "CONN_HEALTH_CHECKS": True,
        "CONN_MAX_AGE": 600,
        # Apart from OPTIONS, which Django hands to libpq. Django copies it, as it copies the
        # rest, for test databases and for its connection to the database `postgres`.
        "EMBEDDED": {
            "root": str(root),
            "pg_bin": None if pg_bin is None else str(pg_bin),
            "options": dict(options or {}),
            "name": name,
        },
    }
