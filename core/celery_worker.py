"""A worker that a broker tells what there is: Celery's own, in this process, one task at a time."""

import logging
from collections.abc import Callable
from types import FrameType
from typing import Any

from celery.worker import WorkController, state
from celery.worker.consumer import Consumer
from django.db import DatabaseError, InterfaceError, close_old_connections, transaction
from django_tasks_db.models import DBTaskResult

from . import celery, jobs
from .workers import DatabaseWorker

logger = logging.getLogger("duka.worker")
# Seconds within which a worker that has nothing to do looks whether it is to stop.
LOOK_SECONDS = 0.5


class _Consumer(Consumer):
    """Puts aside whatever arrives that is no message of ours; Celery's own would end the worker.

    RabbitMQ would give it to the next one then, and so to all of them.
    """

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        handle = super().create_task_handler(*args, **kwargs)
        theirs = (*self.connection_errors, *self.connection.channel_errors)

        def take(message: Any) -> None:
            try:
                handle(message)
            except theirs:
                raise
            except Exception as error:  # noqa: BLE001  whatever reading it in Celery raises
                # Without its words, which are somebody else's.
                logger.warning("a message is not ours, and is put aside (%s)", type(error).__name__)
                message.reject_log_error(logger, self.connection_errors)

        return take


class CeleryWorker(DatabaseWorker):
    def shutdown(self, signum: int, frame: FrameType | None) -> None:
        super().shutdown(signum, frame)
        state.should_stop = 0

    def work(self) -> int:
        self._find_database()
        if not self.running:
            return 0
        celery.Runner.take = self.take
        controller = WorkController(
            app=celery.app,
            hostname=f"duka@{self.worker_id}",
            consumer_cls=_Consumer,
            # What workers tell each other, and nobody here listens to.
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            ready_callback=self._ready,
        )
        controller.start()
        return controller.exitcode or 0

    def take(self, task_id: str) -> None:
        """Run the task of a row, unless another has it or had it."""
        try:
            close_old_connections()
            with transaction.atomic():
                row: DBTaskResult[Any, Any] | None = (
                    DBTaskResult.objects.ready()
                    .filter(pk=task_id, backend_name=self.backend_name)
                    .select_for_update(skip_locked=True)
                    .first()
                )
                if row is None:
                    return
                row.claim(self.worker_id)
            self.run_task(row)
            close_old_connections()
        except (DatabaseError, InterfaceError) as error:
            self.lost_database(error)
            # The ticker sends another message for what was in hand.
            self._find_database()

    def _find_database(self) -> None:
        """Give back what this worker had in hand, as soon as there is a database to say so."""
        while self.running:
            try:
                jobs.release_tasks_of(self.worker_id)
            except (DatabaseError, InterfaceError) as error:
                self.lost_database(error)
            else:
                return

    def _ready(self, consumer: Any) -> None:
        logger.info("worker %s has its broker", self.worker_id)
        consumer.hub.call_repeatedly(LOOK_SECONDS, lambda: None)
