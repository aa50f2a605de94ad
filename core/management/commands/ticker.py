"""`manage.py ticker`: enqueues the periodic jobs when they are due."""

import logging
import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, connection

from core import jobs

logger = logging.getLogger("duka.ticker")


class Command(BaseCommand):
    help = "Enqueue periodic jobs when they are due. Any number of machines may run one."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        synced = False
        while not stop.is_set():
            try:
                if not synced:
                    jobs.sync_periodic_jobs()
                    synced = True
                jobs.tick()
                jobs.hand_over()
            except (DatabaseError, InterfaceError):
                logger.exception("ticker lost the database; trying again")
                connection.close()
            stop.wait(settings.WORKER_POLL_SECONDS)
