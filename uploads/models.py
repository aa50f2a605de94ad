"""Files of many rows, and what became of each row."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from .querysets import UploadQuerySet
from .states import Format, Kind, Mode, Outcome, Phase, UploadStatus


class Upload(models.Model):
    """A file that somebody uploaded; a worker takes its rows in, batch by batch.

    While a worker has it, `fence` is that claim's stamp and `due_at` the end of its lease. Each
    batch is one transaction with the checkpoint, `position`: whatever kills the worker, no row is
    taken in twice and none is left out.
    """

    kind = models.CharField(max_length=16, choices=Kind.choices)
    name = models.CharField("file", max_length=200, help_text="What the file was called.")
    format = models.CharField(max_length=8, choices=Format.choices)
    size = models.PositiveIntegerField(help_text="Bytes.")
    mode = models.CharField(max_length=32, choices=Mode.choices)
    dry_run = models.BooleanField(help_text="Only look what would become of it.")
    status = models.CharField(
        max_length=16, choices=UploadStatus.choices, default=UploadStatus.QUEUED
    )
    phase = models.CharField(max_length=16, choices=Phase.choices, default=Phase.READING)
    rows_total = models.PositiveIntegerField(null=True)
    rows_done = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    # Why the file as a whole failed; of rows, see theirs.
    error_code = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    # Number of the last row that this phase is done with.
    position = models.PositiveIntegerField(default=0)
    # What a dry run must remember of the rows before: pieces wanted by SKU.
    memo = models.JSONField(default=dict)
    due_at = models.DateTimeField(db_default=Now())
    fence = models.UUIDField(null=True)
    # Claims since the last progress: whatever kills each worker must not go on for ever.
    attempts = models.PositiveSmallIntegerField(default=0)

    objects = UploadQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=UploadStatus.values), name="upload_status_is_known"
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at", "id"],
                condition=Q(status__in=[UploadStatus.QUEUED, UploadStatus.RUNNING]),
                name="upload_due",
            ),
            models.Index(fields=["kind", "-id"], name="upload_by_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} from {self.name}"

    @property
    def state(self) -> UploadStatus:
        return UploadStatus(self.status)


class UploadChunk(models.Model):
    """A piece of a file until it is read.

    In the database, so that a worker on another machine has it, and so that it comes and goes
    with its upload.
    """

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="chunks")
    content = models.BinaryField()

    class Meta:
        ordering = ["pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{len(self.content)} bytes"


class UploadRow(models.Model):
    """A row of the file, as it was read, and what became of it."""

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="rows")
    number = models.PositiveIntegerField(help_text="As a spreadsheet shows it.")
    # Neighbours with the same one are one thing: the lines of an order.
    group = models.PositiveIntegerField()
    data = models.JSONField(help_text="The cells that are not empty, by column.")
    outcome = models.CharField(max_length=16, choices=Outcome.choices, default=Outcome.PENDING)
    subject = models.CharField(max_length=64, blank=True, help_text="Code, SKU or order number.")
    changes = models.JSONField(default=dict, help_text="{field: [before, after]}")
    errors = models.JSONField(default=list, help_text="[{field, code, detail}]")

    class Meta:
        ordering = ["number"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["upload", "number"], name="upload_has_a_row_once")
        ]
        indexes = [
            models.Index(fields=["upload", "outcome", "number"], name="upload_row_by_outcome"),
        ]

    def __str__(self) -> str:
        return f"Row {self.number}"


class UploadKey(models.Model):
    """Something that a row said and that a later one may not say again, such as a code."""

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="keys")
    key = models.TextField()
    number = models.PositiveIntegerField(help_text="Of the first row that said it.")

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["upload", "key"], name="upload_key_is_said_first_once")
        ]

    def __str__(self) -> str:
        return self.key
