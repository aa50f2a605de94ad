"""Background jobs over `django.tasks`: waking, repeating, and taking over from the dead.

State lives in the apps' own tables; a task is only a wake-up. So a task may
run twice or late without harm, and a task whose worker died is simply run again.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Count, F, Min, When
from django.db.models.functions import Now
from django.utils import timezone
from django_tasks import TaskResultStatus, default_task_backend
from django_tasks.base import Task
from django_tasks.exceptions import TaskResultDoesNotExist
from django_tasks_db.models import DBTaskResult, get_date_max

from .models import PeriodicJob, Worker

logger = logging.getLogger("duka.jobs")

AnyTask = TypeVar("AnyTask", bound=Task[Any, Any])
# A task that took this many workers with it is not given to a further one.
MAX_DEATHS = 5

_periodic: dict[str, tuple[Task[Any, Any], timedelta]] = {}
_stopping = threading.Event()


def enqueue_on_commit(task: Task[Any, Any], **kwargs: Any) -> None:
    """Wake a worker once what it is to see has been committed.

    A crash in between loses the wake-up, not the work: each kind of work has
    a periodic job that finds what is due.
    """

    # No `partial`: Django names the function where one that is robust fails.
    def wake() -> None:
        task.enqueue(**kwargs)

    # Robust: what was asked for is done, whatever becomes of the wake-up.
    transaction.on_commit(wake, robust=True)


def periodic(*, every: timedelta) -> Callable[[AnyTask], AnyTask]:
    """Declare that a task without arguments is to run again and again.

    Use above `@task()`. However many machines tick, each due time is
    enqueued once, and not while the last one still waits for a worker.
    """

    def declare(task: AnyTask) -> AnyTask:
        _periodic[task.module_path] = (task, every)
        return task

    return declare


def stopping() -> bool:
    """Tell a long task whether to finish the item in hand and return: its worker is to stop."""
    return _stopping.is_set()


def wait(seconds: float) -> None:
    """Wait, unless the worker is to stop."""
    _stopping.wait(seconds)


def ask_to_stop() -> None:
    _stopping.set()


def sync_periodic_jobs() -> None:
    """Give every declared job its row, and remove the rows of jobs that are no more."""
    PeriodicJob.objects.bulk_create(
        [PeriodicJob(name=name, every=every) for name, (_, every) in sorted(_periodic.items())],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["every"],
    )
    # An interval that was made shorter counts from now, not after the old wait.
    PeriodicJob.objects.filter(next_run_at__gt=Now() + F("every")).update(
        next_run_at=Now() + F("every")
    )
    PeriodicJob.objects.exclude(name__in=_periodic).delete()


def tick() -> int:
    """Enqueue every job that is due; return how many were.

    Claiming and advancing are one transaction, so any number of machines may tick.
    """
    with transaction.atomic():
        # SKIP LOCKED: another ticker has these in hand.
        jobs = list(
            PeriodicJob.objects.due()
            .filter(name__in=_periodic)
            .select_for_update(skip_locked=True)
            .order_by("pk")
        )
        now = timezone.now()
        enqueued = 0
        for job in jobs:
            if not _still_waiting(job.last_task_id):
                job.last_task_id = _periodic[job.name][0].enqueue().id
                job.last_run_at = now
                enqueued += 1
            # On the beat where that is possible; after a long sleep once, not once for each miss.
            on_the_beat = job.next_run_at + job.every
            job.next_run_at = on_the_beat if on_the_beat > now else now + job.every
            job.save(update_fields=["last_task_id", "last_run_at", "next_run_at"])
    return enqueued


def hand_over() -> int:
    """See to it that a worker hears of each task that waits; return how many were handed over.

    Only where a broker stands between them (`core.celery`); else the workers look themselves.
    """
    hand: Callable[[], int] | None = getattr(default_task_backend, "hand_over", None)
    return hand() if hand else 0


@dataclass(frozen=True)
class Queue:
    """What a worker could begin now, and for how long the oldest of it has been due."""

    waiting: int
    oldest_seconds: float


def queue() -> Queue:
    # Each task has a row with either backend; one that is to run later counts from then on.
    since = Case(When(run_after=get_date_max(), then="enqueued_at"), default="run_after")
    found = (
        DBTaskResult.objects.ready()
        .order_by()
        .aggregate(waiting=Count("pk"), age=Now() - Min(since))
    )
    # Of two clocks, the web server's may be behind.
    age = max(0.0, found["age"].total_seconds()) if found["age"] else 0.0
    return Queue(waiting=found["waiting"], oldest_seconds=age)


def _still_waiting(task_id: str) -> bool:
    if not task_id:
        return False
    try:
        return default_task_backend.get_result(task_id).status == TaskResultStatus.READY
    except TaskResultDoesNotExist:
        return False


def beat(worker_id: str) -> None:
    """Note that a worker lives."""
    Worker.objects.bulk_create(
        [Worker(id=worker_id, seen_at=Now())],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["seen_at"],
    )


def worker_lease() -> timedelta:
    return timedelta(seconds=settings.WORKER_LEASE_SECONDS)


def reap_lost_tasks() -> int:
    """Return tasks whose worker died to the queue; return how many.

    The database backend leaves such a task RUNNING for ever.
    """
    alive = set(Worker.objects.seen_within(worker_lease()).values_list("pk", flat=True))
    reaped = 0
    with transaction.atomic():
        lost = (
            DBTaskResult.objects.running()
            .filter(started_at__lt=Now() - worker_lease())
            .select_for_update(skip_locked=True)
        )
        for result in lost:
            if result.worker_ids and result.worker_ids[-1] in alive:
                continue
            _give_back(result)
            reaped += 1
    return reaped


def release_tasks_of(worker_id: str) -> int:
    """Return to the queue what this worker had in hand, which runs nothing now; return how many.

    For a worker that lost the database in the middle of a task, or was started anew under
    the same name: it lives and beats, so its tasks are never reaped.
    """
    released = 0
    with transaction.atomic():
        for result in (
            DBTaskResult.objects.running()
            .filter(worker_ids__contains=[worker_id])
            .select_for_update()
        ):
            if result.worker_ids[-1] == worker_id:
                _give_back(result)
                released += 1
    return released


def _give_back(result: DBTaskResult[Any, Any]) -> None:
    if len(result.worker_ids) >= MAX_DEATHS:
        result.set_failed(RuntimeError(f"{MAX_DEATHS} workers died while running this."))
    else:
        result.status = TaskResultStatus.READY
        result.started_at = None
        result.save(update_fields=["status", "started_at"])
    logger.warning(
        "took task %s from a worker that is gone",
        result.task_path,
        extra={"task_id": str(result.pk), "workers": result.worker_ids},
    )
