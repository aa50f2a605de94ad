"""The core's own tables: answers kept for retries, periodic jobs, workers' signs of life."""

from django.db import models
from django.db.models.functions import Now

from .querysets import IdempotencyKeyQuerySet, PeriodicJobQuerySet, WorkerQuerySet


class IdempotencyKey(models.Model):
    """The stored answer to one POST, written in the same transaction as its effect."""

    caller = models.CharField(max_length=64, help_text="Who asked; keys of two callers never meet.")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now(), db_index=True)

    objects = IdempotencyKeyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["caller", "key"], name="one_stored_answer_for_each_idempotency_key"
            )
        ]

    def __str__(self) -> str:
        return self.key


class PeriodicJob(models.Model):
    """When a task is due next. The task and its interval are declared in code (`core.jobs`)."""

    name = models.CharField(max_length=200, unique=True)
    enabled = models.BooleanField(default=True, help_text="A job that is off is skipped.")
    every = models.DurationField(editable=False)
    next_run_at = models.DateTimeField(db_default=Now(), db_index=True)
    last_run_at = models.DateTimeField(null=True, editable=False)
    last_task_id = models.CharField(max_length=64, blank=True, editable=False)

    objects = PeriodicJobQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Worker(models.Model):
    """A worker process and when it was last known to live."""

    id = models.CharField(primary_key=True, max_length=64)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now(), db_index=True)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return self.id
