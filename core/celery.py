"""Tasks by way of Celery: a broker (Redis, RabbitMQ) tells the workers at once what there is.

The row of a task stays the truth. A message is only its id; whoever receives one takes the row in
hand, if nobody has, as a worker that looks for itself does. So a message may come twice, late or
never: twice is nothing, and the ticker sends again what a broker lost or was not there to take.
Nothing depends on Celery's own acknowledgements, time limits, retries or results.
"""

import logging
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from celery import Celery
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now, Random
from kombu.entity import Exchange, Queue

from .task_backends import DatabaseBackend

logger = logging.getLogger("duka.celery")

Answer = TypeVar("Answer")

# A row that waits for longer may be one whose message was lost.
PATIENCE = timedelta(seconds=2)
# The ticker sends so many at once, to go on with what else is due.
AT_ONCE = 1000
# After a failure nobody waits for the broker again for so long.
QUIET_SECONDS = 5.0
# Sockets: an order whose wake-up hangs would hang with it.
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 3.0

# Seconds of silence, seconds between two questions, questions without an answer (Linux).
KEEPALIVE = {
    getattr(socket, name): value
    for name, value in {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}.items()
    if hasattr(socket, name)
}

_quiet_until = 0.0


def _is_redis() -> bool:
    return bool(settings.CELERY_BROKER_URL.startswith("redis"))


def _queue() -> Queue:
    """Return where the messages go, and how they are taken.

    A worker of RabbitMQ holds one message until it is done with it, so that the others go to those
    who have time. One of Redis takes one when it has time, and that is that: where it could not
    acknowledge a message, as Redis had gone meanwhile, kombu would wait for that for ever, and take
    no other.
    """
    name = settings.CELERY_QUEUE
    exchange = Exchange(name, type="direct")  # type: ignore[no-untyped-call]  # kombu's
    return Queue(name, exchange, routing_key=name, no_ack=_is_redis())  # type: ignore[no-untyped-call]  # kombu's


def _options() -> dict[str, Any]:
    """What the two brokers are told, and how long we wait for them."""
    # Without these kombu tries for ever to reach a broker that is down.
    options: dict[str, Any] = {
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.1,
        "interval_max": 0.1,
    }
    if _is_redis():
        return options | {
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": ANSWER_SECONDS,
            "socket_keepalive": True,
            # A worker that waits for work sends nothing: else it would notice only after two hours
            # that the broker's machine is gone.
            "socket_keepalive_options": KEEPALIVE,
        }
    return options | {
        # Published means: the broker says that it has it.
        "confirm_publish": True,
        "read_timeout": ANSWER_SECONDS,
        "write_timeout": ANSWER_SECONDS,
    }


app = Celery("duka", fixups=[])
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_transport_options=_options(),
    broker_connection_timeout=CONNECT_SECONDS,
    # Of AMQP: a worker is busy with its task and sends none meanwhile. Sign of life is ours.
    broker_heartbeat=0,
    # A worker waits for its broker for as long as it takes.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    task_queues=[_queue()],
    task_default_queue=settings.CELERY_QUEUE,
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_concurrency=1,
    worker_pool="solo",
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
)


class Runner:
    """Who takes a row in hand in this process: set by a worker (`core.celery_worker`)."""

    take: Callable[[str], None] | None = None


@app.task(name="duka.run", shared=False)
def run(task_id: str) -> None:
    if Runner.take is None:
        raise RuntimeError("`manage.py worker` runs these tasks, not `celery worker`.")
    Runner.take(task_id)


class CeleryBackend(DatabaseBackend):
    """Rows as with the database backend, and a message for each that can be run now."""

    worker = "core.celery_worker.CeleryWorker"

    # A broker gives them out in the order in which they came.
    supports_priority = False

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        result: Any = super().enqueue(task, args, kwargs)
        if task.run_after is None:
            # Not before the worker can see the row.
            transaction.on_commit(partial(send, result.id, task.module_path))
        return result

    def hand_over(self) -> int:
        """Send a message for each row that waits and seems to have none; return how many.

        For the ticker: what is due only now, what a broker lost, what came while it was away.
        """
        from django_tasks_db.models import DBTaskResult  # noqa: PLC0415  # as in `task_backends`

        ready = DBTaskResult.objects.ready().filter(backend_name=self.alias)
        waiting = ready.filter(enqueued_at__lt=Now() - PATIENCE)
        if not waiting.exists():
            return 0
        if (messages := waiting_messages()) is None:
            return 0
        # Of all: messages of young rows must not stand for those that old rows have lost.
        if (missing := ready.count() - messages) <= 0:
            # The workers are busy; each row has its message.
            return 0
        # Nobody knows which have none, so some by chance: a second message is nothing, and none
        # is left out for ever.
        some = waiting.order_by(Random())[: min(missing, AT_ONCE)]
        sent = 0
        for task_id, path in some.values_list("pk", "task_path"):
            if not send(str(task_id), path):
                break
            sent += 1
        return sent


def send(task_id: str, path: str) -> bool:
    """Tell the broker of a row; return whether it took the message.

    Never raises: the row is there, and the ticker sends again.
    """
    return _ask(partial(_publish, task_id, path)) is not None


def _publish(task_id: str, path: str) -> bool:
    run.apply_async(
        kwargs={"task_id": task_id},
        task_id=task_id,
        # What people see of it in the broker.
        shadow=path,
        retry=True,
        # Once, as a connection of before the broker's restart is noticed only by using it.
        retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0},
    )
    return True


def waiting_messages() -> int | None:
    """Return how many messages no worker has received yet; None where the broker does not say."""
    return _ask(_count)


def _count() -> int:
    with app.connection_for_write() as connection, connection.channel() as channel:
        try:
            return int(channel.queue_declare(app.conf.task_default_queue, passive=True)[1])
        except connection.channel_errors:
            # No such queue: nobody has sent anything, or Redis has none that is empty.
            return 0


def _ask(what: Callable[[], Answer]) -> Answer | None:
    global _quiet_until  # noqa: PLW0603  a fact of this process, whichever thread found it
    if time.monotonic() < _quiet_until:
        return None
    try:
        return what()
    except Exception as error:  # noqa: BLE001  whatever kombu and its drivers raise
        _quiet_until = time.monotonic() + QUIET_SECONDS
        # Without its words, which may hold the broker's address.
        logger.warning(
            "the broker cannot be reached (%s); tasks wait in the database", type(error).__name__
        )
        return None
