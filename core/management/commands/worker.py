"""`manage.py worker`: runs background tasks until it is told to stop."""

import logging
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, InterfaceError, connection
from django_tasks_db.management.commands.db_worker import Worker as TaskLoop

from core import jobs
from core.models import Worker

logger = logging.getLogger("duka.worker")
# Seconds to wait before looking again for a database that went away.
RECONNECT_SECONDS = 1.0


class _Loop(TaskLoop):
    """django-tasks-db's loop, ended between two tasks rather than wherever a signal finds it.

    The base class exits from within the handler, which may be in the middle of
    a transaction; and it does not tell a long task to come to an end.
    """

    def shutdown(self, signum: int, frame: FrameType | None) -> None:
        if not self.running:
            # Told twice: at once.
            super().shutdown(signum, frame)
        logger.info("worker %s is told to stop; it finishes what it has in hand", self.worker_id)
        jobs.ask_to_stop()
        self.running = False


class Command(BaseCommand):
    help = "Run background tasks. Any number of machines may run any number of workers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--id", help="Name of this worker, unique among all (default: made).")

    def handle(self, *args: Any, **options: Any) -> None:
        worker_id = (
            options["id"] or f"{socket.gethostname()[:32]}-{os.getpid()}-{secrets.token_hex(4)}"
        )
        loop = _Loop(
            queue_names=["*"],
            interval=settings.WORKER_POLL_SECONDS,
            batch=False,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id=worker_id,
            excluded_queue_names=[],
        )
        loop.configure_signals()
        done = threading.Event()
        heart = threading.Thread(target=_beat_until, args=(worker_id, done), daemon=True)
        heart.start()
        logger.info("worker %s started", worker_id)
        try:
            while loop.running:
                try:
                    # What was in hand when the database went away would else stay so.
                    jobs.release_tasks_of(worker_id)
                    loop.run()
                except (DatabaseError, InterfaceError):
                    logger.exception("worker %s lost the database; trying again", worker_id)
                    connection.close()
                    time.sleep(RECONNECT_SECONDS)
        finally:
            done.set()
            heart.join(timeout=5)
            # Without a database it is forgotten by its lease.
            with suppress(DatabaseError, InterfaceError):
                Worker.objects.filter(pk=worker_id).delete()
            logger.info("worker %s stopped", worker_id)


def _beat_until(worker_id: str, done: threading.Event) -> None:
    """Beat from a thread of its own: a long task must not look like a death."""
    while True:
        try:
            jobs.beat(worker_id)
        except (DatabaseError, InterfaceError):
            logger.warning("worker %s cannot reach the database to say that it lives", worker_id)
            connection.close()
        if done.wait(settings.WORKER_LEASE_SECONDS / 3):
            connection.close()
            return
