"""Named reads of the core's own tables."""

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django.db.models.functions import Now

if TYPE_CHECKING:
    from .models import IdempotencyKey, PeriodicJob, Worker


class IdempotencyKeyQuerySet(QuerySet["IdempotencyKey"]):
    def older_than(self, age: timedelta) -> "IdempotencyKeyQuerySet":
        return self.filter(created_at__lt=Now() - age)


class PeriodicJobQuerySet(QuerySet["PeriodicJob"]):
    def due(self) -> "PeriodicJobQuerySet":
        return self.filter(enabled=True, next_run_at__lte=Now())


class WorkerQuerySet(QuerySet["Worker"]):
    def seen_within(self, age: timedelta) -> "WorkerQuerySet":
        return self.filter(seen_at__gte=Now() - age)

    def silent_for(self, age: timedelta) -> "WorkerQuerySet":
        return self.filter(seen_at__lt=Now() - age)
