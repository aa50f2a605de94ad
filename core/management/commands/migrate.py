"""`manage.py migrate`, of which a shop that is open notices nothing."""

import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as Migrate
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg2.errorcodes import LOCK_NOT_AVAILABLE

# While a migration waits for a table, all that comes after it waits behind it.
LOCK_SECONDS = 3
# Between two tries; then somebody holds a table for longer than a shop has patience.
WAITS = (1, 2, 4, 8, 16, 32)


class Command(Migrate):
    """Django's own, in two things kinder to a shop that is open.

    A table that somebody else holds is waited for briefly, then everybody is let through and it is
    tried again. And an index that was half built when an earlier `migrate` was killed is removed,
    so that it is built anew rather than refused as being there.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        # Those that only look, or only write down.
        looks = any(options.get(name) for name in ("plan", "check_unapplied", "fake"))
        for wait in (*WAITS, None):
            try:
                if not looks:
                    _drop_half_built_indexes(connection)
                with connection.execute_wrapper(_waits_briefly):
                    super().handle(*args, **options)
            except OperationalError as error:
                if getattr(error.__cause__, "pgcode", None) != LOCK_NOT_AVAILABLE:
                    raise
                if wait is None:
                    raise CommandError(
                        f"A table is in use all the time: {error} What was done before stays done. "
                        "End the long transactions (pg_stat_activity shows them) and try again."
                    ) from error
                self.stderr.write(f"A table is in use; trying again in {wait} s.")
                time.sleep(wait)
            else:
                return


def _waits_briefly(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    connection: BaseDatabaseWrapper = context["connection"]
    if connection.in_atomic_block:
        # For this transaction alone: behind PgBouncer the session is somebody else's next.
        with connection.connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    # An index that is built CONCURRENTLY, outside a transaction, may wait: nobody waits for it.
    return execute(sql, params, many, context)


def _drop_half_built_indexes(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname = current_schema()"
            # Our own; and one that is being built at this moment is not half built. Whose session
            # builds another's is hidden from us: only that it is on some table.
            " AND pg_get_userbyid(c.relowner) = current_user"
            " AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p"
            " WHERE p.datname = current_database() AND coalesce(p.relid, i.indrelid) = i.indrelid)"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
