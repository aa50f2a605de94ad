"""`manage.py worker`: runs background tasks until it is told to stop."""

import logging
import os
import secrets
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, InterfaceError, connection
from django.utils.module_loading import import_string
from django_tasks import default_task_backend

from core import jobs
from core.models import Worker

logger = logging.getLogger("duka.worker")


class Command(BaseCommand):
    help = "Run background tasks. Any number of machines may run any number of workers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--id", help="Name of this worker, unique among all (default: made).")

    def handle(self, *args: Any, **options: Any) -> None:
        worker_id = (
            options["id"] or f"{socket.gethostname()[:32]}-{os.getpid()}-{secrets.token_hex(4)}"
        )
        kind = getattr(default_task_backend, "worker", "core.workers.DatabaseWorker")
        worker = import_string(kind)(worker_id)
        worker.configure_signals()
        done = threading.Event()
        heart = threading.Thread(target=_beat_until, args=(worker_id, done), daemon=True)
        heart.start()
        logger.info("worker %s started", worker_id)
        try:
            status = worker.work()
        finally:
            done.set()
            heart.join(timeout=5)
            # Without a database it is forgotten by its lease.
            with suppress(DatabaseError, InterfaceError):
                Worker.objects.filter(pk=worker_id).delete()
            logger.info("worker %s stopped", worker_id)
        if status:
            sys.exit(status)


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
