"""Housekeeping of the core."""

from datetime import timedelta

from django.db.models.functions import Now
from django_tasks import task
from django_tasks_db.models import DBTaskResult

from . import jobs
from .idempotency import KEPT_FOR
from .models import IdempotencyKey, Worker


@jobs.periodic(every=timedelta(seconds=10))
@task()
def reap_lost_tasks() -> int:
    return jobs.reap_lost_tasks()


@jobs.periodic(every=timedelta(hours=1))
@task()
def remove_old_records() -> None:
    """Delete what has served: answers past their day, finished tasks, workers long gone."""
    IdempotencyKey.objects.older_than(KEPT_FOR).delete()
    DBTaskResult.objects.finished().filter(finished_at__lt=Now() - timedelta(days=1)).delete()
    Worker.objects.silent_for(timedelta(days=1)).delete()
