"""Two transactions of which one waits for the other."""

from collections.abc import Callable
from threading import Thread
from typing import Any

from django.db import connection, transaction

from core.tests.races import at_once
from tests.processes import wait_until


def while_uncommitted(
    first: Callable[[], Any], second: Callable[[], Any], *, then: Callable[[], Any] | None = None
) -> Any:
    """Call `second` beside the transaction of `first`, which does `then` once that waits for it.

    Returns what `second` returned, or the exception that it raised. The test must commit what
    they are to see.
    """
    outcomes: list[Any] = []
    thread = Thread(target=lambda: outcomes.extend(at_once([second])))
    try:
        with transaction.atomic():
            first()
            thread.start()
            # By another connection: what is seen of others stands still in a transaction.
            wait_until(lambda: at_once([_blocked]) == [1])
            if then is not None:
                then()
    finally:
        thread.join()
    return outcomes[0]


def _blocked() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])
