"""Several things at once, each on a connection of its own."""

import threading

from django.db import connection


def in_threads(*calls):
    """Run the calls at once; return what each returned, or raise what one raised."""
    results = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(index):
        try:
            barrier.wait(10)
            results[index] = calls[index]()
        except BaseException as error:  # noqa: BLE001  raised below
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[index]) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
