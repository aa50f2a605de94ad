"""`python -m repairs.tests.collector loop 7`: a collector that tests kill, in a process of its own.

loop SEED      goes round after round; now and then it takes the source from whoever has it
baseline ROWS  takes in the baseline by pages of so many
die WHERE      kills itself: "telling" a customer, "before" it writes back, or "after" that
"""

import os
import random
import signal
import sys
import time
from typing import NoReturn

import django


def main(what: str, value: str) -> None:
    django.setup()
    # Their models need Django to be set up.
    from notifications import receivers  # noqa: PLC0415
    from repairs.models import Source  # noqa: PLC0415
    from repairs.services import baseline, collect, collecting, storing  # noqa: PLC0415

    # Nobody here has a phone: to wake a worker for each message would take most of the time.
    receivers.enqueue_on_commit = lambda *_: None
    key = Source.objects.get().pk
    if what == "loop":
        go_round(key, random.Random(value))
    elif what == "baseline":
        baseline.PAGE = int(value)
        collect(source_id=key)
    elif value == "telling":
        storing.tell = die
        collect(source_id=key)
    elif value == "before":
        collecting.write_back = die
        collect(source_id=key)
    else:
        really = collecting.ClientDatabase.write_status
        collecting.ClientDatabase.write_status = lambda *args, **how: die(really(*args, **how))
        collect(source_id=key)


def go_round(key: int, chance: random.Random) -> None:
    from repairs.clients import SourceFailed  # noqa: PLC0415
    from repairs.exceptions import SourceBusy  # noqa: PLC0415
    from repairs.models import Source  # noqa: PLC0415
    from repairs.services import collect  # noqa: PLC0415

    print("{}", flush=True)
    while True:
        if chance.random() < 0.2:
            # As if its lease had passed: from now on two are at it.
            Source.objects.update(leased_until=None)
        try:
            collect(source_id=key, seconds=1)
        except (SourceBusy, SourceFailed):
            time.sleep(chance.uniform(0, 0.1))


def die(*_: object, **__: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


if __name__ == "__main__":
    main(*sys.argv[1:])
