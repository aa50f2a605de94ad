"""What `manage.py worker` runs: one task at a time, until it is told to stop."""

import logging
import time
from types import FrameType
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django_tasks import default_task_backend
from django_tasks_db.management.commands.db_worker import Worker as TaskLoop
from django_tasks_db.models import DBTaskResult

from . import jobs, request_id

logger = logging.getLogger("duka.worker")
# Seconds to wait before looking again for a database that went away.
RECONNECT_SECONDS = 1.0


class DatabaseWorker(TaskLoop):
    """django-tasks-db's loop, ended between two tasks rather than wherever a signal finds it.

    The base class exits from within the handler, which may be in the middle of
    a transaction; and it does not tell a long task to come to an end.
    """

    def __init__(self, worker_id: str) -> None:
        super().__init__(
            queue_names=["*"],
            interval=settings.WORKER_POLL_SECONDS,
            batch=False,
            backend_name=default_task_backend.alias,
            startup_delay=False,
            max_tasks=None,
            worker_id=worker_id,
            excluded_queue_names=[],
        )

    def shutdown(self, signum: int, frame: FrameType | None) -> None:
        if not self.running:
            # Told twice: at once.
            super().shutdown(signum, frame)
        logger.info("worker %s is told to stop; it finishes what it has in hand", self.worker_id)
        jobs.ask_to_stop()
        self.running = False

    def work(self) -> int:
        """Run tasks until told to stop; return the exit status."""
        while self.running:
            try:
                # What was in hand when the database went away would else stay so.
                jobs.release_tasks_of(self.worker_id)
                self.run()
            except (DatabaseError, InterfaceError) as error:
                self.lost_database(error)
        return 0

    def run_task(self, db_task_result: "DBTaskResult[Any, Any]") -> None:
        with request_id.of_task(
            path=db_task_result.task_path,
            task_id=str(db_task_result.pk),
            request_id=db_task_result.args_kwargs.get("request_id"),
        ):
            super().run_task(db_task_result)

    def lost_database(self, error: Exception) -> None:
        logger.error("worker %s lost the database; trying again", self.worker_id, exc_info=error)
        connection.close()
        time.sleep(RECONNECT_SECONDS)
