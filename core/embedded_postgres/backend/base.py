"""Django's PostgreSQL backend, for a server that starts when it is first needed."""

from pathlib import Path
from typing import Any

import psycopg2
from django.db.backends.postgresql import base as postgresql
from django.utils.functional import cached_property

from core.embedded_postgres.cluster import Cluster
from core.embedded_postgres.errors import EmbeddedPostgresError


class DatabaseWrapper(postgresql.DatabaseWrapper):
    """Connects to the cluster in `DATABASES[...]["EMBEDDED"]` (see `embedded_database`).

    A server that does not start is an OperationalError, as one that does not answer is.
    """

    @cached_property
    def cluster(self) -> Cluster:
        embedded = self.settings_dict["EMBEDDED"]
        return Cluster(
            Path(embedded["root"]),
            pg_bin=Path(embedded["pg_bin"]) if embedded["pg_bin"] else None,
            options=embedded["options"],
            database=embedded["name"],
        )

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            if not self.cluster.in_use:
                self.cluster.ensure_running()
            try:
                return super().get_new_connection(conn_params)
            except psycopg2.OperationalError:
                # It was there, but it or its keeper may have been killed since.
                self.cluster.ensure_running()
                return super().get_new_connection(conn_params)
        except EmbeddedPostgresError as error:
            raise psycopg2.OperationalError(str(error)) from error
