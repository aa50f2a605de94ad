"""Races: many calls over a few threads, each thread on a database connection of its own.

The test must commit what they are to see: `@pytest.mark.django_db(transaction=True)`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Barrier, Thread
from typing import Any

from django.db import connection


def at_once(calls: Sequence[Callable[[], Any]], *, threads: int | None = None) -> list[Any]:
    """Make the calls in so many threads (default: one for each) that start together.

    Returns what each call returned, or the exception that it raised, in the calls' order.
    """
    threads = threads or len(calls)
    waiting = deque(enumerate(calls))
    outcomes: list[Any] = [None] * len(calls)
    start = Barrier(threads)

    def work() -> None:
        try:
            connection.ensure_connection()
            start.wait(timeout=90)
            while waiting:
                try:
                    index, call = waiting.popleft()
                except IndexError:  # another thread was faster
                    break
                try:
                    outcomes[index] = call()
                except Exception as error:  # noqa: BLE001  an outcome like any other
                    outcomes[index] = error
        finally:
            connection.close()

    workers = [Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return outcomes
