"""Private servers of a test: PostgreSQL, PgBouncer, Redis, nginx, each a real one.

Each keeps the address that it had first, so that it can be killed and come back; each is gone when
the block ends. A program that is missing skips the test with its reason (CI fails on that).
"""

from .nginx import Nginx, spawn_nginx
from .pgbouncer import PgBouncer, spawn_pgbouncer
from .postgres import DATABASE, SUPERUSER, Postgres, spawn_postgres
from .redis import Redis, spawn_redis
from .server import Server, program

__all__ = [
    "DATABASE",
    "SUPERUSER",
    "Nginx",
    "PgBouncer",
    "Postgres",
    "Redis",
    "Server",
    "program",
    "spawn_nginx",
    "spawn_pgbouncer",
    "spawn_postgres",
    "spawn_redis",
]
