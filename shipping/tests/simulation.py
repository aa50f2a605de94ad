"""`python -m shipping.tests.simulation worker 3 FILE`: so many `manage.py worker` on simulated days.

The file that SIMULATION names says how many seconds ahead of time they are. Of the periodic jobs
there are only those that bring standing orders to their customers, and they come often.

They are forked off a process that has loaded all of it: one that is killed is followed by another
at once. Which are running FILE says.
"""

import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import django
from django.core.management import execute_from_command_line
from django.utils import timezone

OFTEN = timedelta(seconds=0.4)
JOBS = {
    "core.tasks.reap_lost_tasks",
    "shipping.tasks.retry_waiting",
    "shipping.tasks.run_standing_orders",
    "shipping.tasks.send_shipments",
}


def clock_of(path: Path) -> Callable[[], datetime]:
    return lambda: timezone.now() + timedelta(seconds=float(path.read_text()))


def be_ahead(path: Path, shown: datetime) -> None:
    """Let the clock of all processes show a moment now."""
    put(path, str((shown - timezone.now()).total_seconds()))


def put(path: Path, text: str) -> None:
    """Write it at once, as others read it meanwhile."""
    written = path.with_suffix(".new")
    written.write_text(text)
    written.replace(path)


def main() -> None:
    # Whoever kills its group kills all of them.
    os.setpgrp()
    django.setup()
    # Their models need Django to be set up.
    from django.conf import settings  # noqa: PLC0415

    from core import clock, jobs  # noqa: PLC0415
    from notifications import receivers  # noqa: PLC0415

    clock.now = clock_of(Path(os.environ["SIMULATION"]))
    # Less than a shop may set: no carrier takes long here, and who is killed holds what it has.
    settings.SHIPMENT_LEASE_SECONDS = 2
    # Nobody here has a phone: to wake a worker for each message would take most of the time.
    receivers.enqueue_on_commit = lambda *_: None
    for name in list(jobs._periodic):
        task, _ = jobs._periodic.pop(name)
        if name in JOBS:
            jobs.periodic(every=OFTEN)(task)
    what, times, path = sys.argv[1:]
    keep_running(what, int(times), Path(path))


def keep_running(what: str, times: int, path: Path) -> None:
    running: set[int] = set()
    while True:
        while len(running) < times:
            running.add(os.fork() or run(what))
        # Not to the log: who is killed in the midst of a line leaves the half of it there.
        put(path, " ".join(map(str, running)))
        running.discard(os.wait()[0])


def run(what: str) -> int:
    """Be `manage.py WHAT`, and never come back."""
    try:
        execute_from_command_line(["manage.py", what])
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
