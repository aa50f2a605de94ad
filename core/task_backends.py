"""Where tasks wait for a worker: a row each, which says what request it came from."""

from typing import TYPE_CHECKING, Any

from django_tasks.backends.base import BaseTaskBackend
from django_tasks.utils import normalize_json
from django_tasks_db import DatabaseBackend as Base

from . import request_id

if TYPE_CHECKING:
    from django_tasks_db.models import DBTaskResult


class DatabaseBackend(Base):
    """The rows of django-tasks-db; workers look for them themselves."""

    # What `manage.py worker` runs.
    worker = "core.workers.DatabaseWorker"

    # By way of `enqueue`, so that there is one path.
    aenqueue: Any = BaseTaskBackend.aenqueue

    def _task_to_db_task(self, task: Any, args: Any, kwargs: Any) -> "DBTaskResult[Any, Any]":
        # Models cannot be imported yet when a task is declared.
        from django_tasks_db.models import DBTaskResult  # noqa: PLC0415

        told: dict[str, Any] = {"args": args, "kwargs": kwargs}
        if ident := request_id.current():
            # Beside them: no task gets to see an argument that it did not ask for.
            told["request_id"] = ident
        return DBTaskResult.objects.create(
            id=self._get_id(),
            args_kwargs=normalize_json(told),
            priority=task.priority,
            task_path=task.module_path,
            queue_name=task.queue_name,
            run_after=task.run_after,
            backend_name=self.alias,
        )
