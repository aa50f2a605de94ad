"""Clients' databases, the jobs that came from them, and what could not become one."""

from typing import Any
from unicodedata import decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from core import clock

from .querysets import AsideQuerySet, DocumentWriteQuerySet, JobQuerySet, SourceQuerySet
from .states import OPEN, AsideReason, FindingCode, JobStatus

# Of the client's `int`, and of what a bigint of ours holds.
LARGEST_KEY = 2**63 - 1
# Signs of what a client wrote as a number, of which the rest is never one.
LONGEST_MOBILE = 50
# Digits at its end by which a number is found, which are the same however it is written.
PHONE_KEY_LENGTH = 9


class Source(models.Model):
    """A client's database, which `REPAIR_SOURCES` names; how its collecting goes.

    Its address and password are in the settings alone. What is given here goes before what the
    settings say of the same.
    """

    name = models.CharField(max_length=32, unique=True, editable=False)
    active = models.BooleanField(default=True, help_text="Whether it is collected from.")
    table = models.CharField(
        max_length=128, blank=True, help_text="Name of its table; empty: as in the settings."
    )
    # {a column of the contract: its name there}
    columns = models.JSONField(
        default=dict,
        blank=True,
        help_text='Where its columns are called otherwise: {"client_mobile": "phone"}.',
    )
    # {a word of the client's: a status}
    statuses = models.JSONField(
        default=dict,
        blank=True,
        help_text='What its own words for a status mean: {"In the shop": "OPENED"}.',
    )
    write_back = models.BooleanField(
        null=True,
        blank=True,
        help_text="Whether the status is written to it. Unknown: as in the settings.",
    )

    # The baseline: all with a key up to `baseline_to` were there before us. Null: not begun. Keys
    # are kept as they came, as some clients' are texts.
    baseline_to = models.JSONField(null=True, editable=False)
    # How far it was taken in; null: nothing yet.
    baseline_after = models.JSONField(null=True, editable=False)
    baselined_at = models.DateTimeField(null=True, editable=False)

    # While a collector is at it, `fence` is that claim's stamp, until `leased_until`.
    fence = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    # Begin of the last look at all that is NEW. What was NEW before it is here.
    complete_at = models.DateTimeField(null=True, editable=False)
    # Where such a look takes longer than a round: how far it has come, and when it began.
    scan_after = models.JSONField(null=True, editable=False)
    scan_begun_at = models.DateTimeField(null=True, editable=False)
    # End of the last comparison of all keys, how long it took, and how far one under way has come.
    swept_at = models.DateTimeField(null=True, editable=False)
    sweep_seconds = models.FloatField(default=0, editable=False)
    sweep_after = models.JSONField(null=True, editable=False)
    sweep_begun_at = models.DateTimeField(null=True, editable=False)
    # The job up to which statuses were written back; null: begin with the first that is due.
    write_after = models.BigIntegerField(null=True, editable=False)
    # Without the right to write it is tried seldom; null: with each round.
    write_next_at = models.DateTimeField(null=True, editable=False)
    tried_at = models.DateTimeField(null=True, editable=False)
    # After failures in a row it is asked seldom.
    failures = models.PositiveIntegerField(default=0, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    next_at = models.DateTimeField(db_default=Now(), editable=False)
    error_code = models.CharField(
        max_length=32, choices=FindingCode.choices, blank=True, editable=False
    )
    error = models.TextField(blank=True, editable=False)
    # Jobs taken in, those of the baseline included.
    collected = models.PositiveBigIntegerField(default=0, editable=False)
    # Of the last test of the connection: [{"code", "detail"}]; null: never tested.
    findings = models.JSONField(null=True, editable=False)
    checked_at = models.DateTimeField(null=True, editable=False)

    objects = SourceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        permissions = [("manage_sources", "Can manage sources")]

    def __str__(self) -> str:
        return self.name

    @property
    def lag(self) -> int | None:
        """Seconds since the begin of the last round that took in all there was; None: none did."""
        if self.complete_at is None:
            return None
        return max(int((clock.now() - self.complete_at).total_seconds()), 0)


class Job(models.Model):
    """A repair job, as the client's table has it, and its life since.

    `updates` are its statuses, the oldest first: `{"at": RFC 3339, "status": word, "by": …}`. `by`
    is "client", "duka" or a user's key. `documents.document_of` makes the contract's form of it.
    """

    # Its index is that of `job_comes_once`.
    source = models.ForeignKey(
        Source, on_delete=models.PROTECT, related_name="jobs", db_index=False
    )
    key = models.BigIntegerField(editable=False, help_text="The client's `job_id`.")
    # As it stands there, where that is a text of another form: "00123". Empty: as `key`.
    key_text = models.CharField(max_length=128, blank=True, editable=False)
    status = models.CharField(max_length=16, choices=JobStatus.choices, editable=False)
    # The word that stood in the client's database when we read or wrote it last.
    client_status = models.TextField(editable=False)
    job_date = models.DateField(editable=False, help_text="The day on which it came.")
    job_type = models.TextField(blank=True, editable=False)
    firstname = models.TextField(blank=True, editable=False)
    lastname = models.TextField(blank=True, editable=False)
    postcode = models.TextField(blank=True, editable=False)
    mobile = models.TextField(blank=True, help_text="As the client wrote it.")
    product_sku = models.TextField(blank=True, editable=False)
    product_type = models.TextField(blank=True, editable=False)
    updates = models.JSONField(default=list, editable=False)
    # E.164; null: it was not needed so far.
    phone = models.CharField(max_length=16, null=True, editable=False)  # noqa: DJ001  see above
    phone_error = models.TextField(
        blank=True, editable=False, help_text="Why it can be nobody's phone; empty: it can."
    )
    # What is looked for, as it is looked for: "SMITH JOHN", "SG137TZ", the last nine digits.
    client_key = models.TextField(blank=True, editable=False)
    postcode_key = models.TextField(blank=True, editable=False)
    phone_key = models.CharField(max_length=PHONE_KEY_LENGTH, blank=True, editable=False)
    # It was there before us, and so nobody was told of it.
    baseline = models.BooleanField(default=False, editable=False)
    # The client's database has not heard of its status yet.
    write_due = models.BooleanField(default=False, editable=False)
    # It was refused, and is tried seldom; null: with each round.
    write_next_at = models.DateTimeField(null=True, editable=False)
    conflict = models.TextField(
        blank=True, editable=False, help_text="The client's word that contradicts ours."
    )
    collected_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    # Who the keys in `updates` are, where `with_names` brought it along.
    names: dict[str, str]

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        permissions = [("handle_job", "Can handle repair jobs")]
        constraints = [
            # The inbox: a row of the client's becomes one job.
            models.UniqueConstraint(fields=["source", "key"], name="job_comes_once"),
            models.CheckConstraint(
                condition=Q(status__in=JobStatus.values), name="job_status_is_known"
            ),
            models.CheckConstraint(condition=Q(key__gte=0), name="job_key_is_not_negative"),
        ]
        indexes = [
            models.Index(fields=["status", "-id"], name="job_by_status"),
            models.Index(fields=["-job_date", "-id"], name="job_by_date"),
            models.Index(
                fields=["client_key"], opclasses=["text_pattern_ops"], name="job_by_client"
            ),
            models.Index(
                fields=["postcode_key"], opclasses=["text_pattern_ops"], name="job_by_postcode"
            ),
            models.Index(fields=["product_sku"], name="job_by_product"),
            models.Index(fields=["phone_key"], name="job_by_phone"),
            # What is to be done; small, as most jobs need nothing.
            models.Index(fields=["id"], condition=Q(write_due=True), name="job_to_write_back"),
            models.Index(
                fields=["-id"],
                condition=Q(phone_error__gt="", status__in=sorted(OPEN)) | Q(conflict__gt=""),
                name="job_needs_attention",
            ),
        ]

    def __str__(self) -> str:
        return self.job_id

    @property
    def job_id(self) -> str:
        """The contract's form of its key: five digits or more."""
        return f"{self.key:05d}"

    @property
    def key_there(self) -> int | str:
        """By which the client's database is asked for it."""
        return self.key_text or self.key

    @property
    def full_id(self) -> str:
        """What it is called where several sources are: `workshop:00123`."""
        return f"{self.source.name}:{self.job_id}"

    @property
    def state(self) -> JobStatus:
        return JobStatus(self.status)

    @property
    def attention(self) -> str:
        """What a person is to look at; empty: nothing."""
        said = []
        if self.conflict:
            said.append(f"The client's database says {self.conflict}, here it is {self.status}.")
        if self.phone_error and self.state.is_open:
            said.append(f"Nobody can be told: {self.phone_error}")
        return " ".join(said)


class JobNote(models.Model):
    """What staff wrote about a job, for one another."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="notes")
    text = models.TextField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["at", "pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.text[:50]


class Aside(models.Model):
    """A row of a client's table that could not become a job so far, and why."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="aside")
    # As text: what is no number is one reason to be here.
    key = models.CharField(max_length=128)
    reason = models.CharField(max_length=16, choices=AsideReason.choices)
    detail = models.TextField()
    # {column of the contract: what stood there}
    row = models.JSONField(default=dict)
    first_seen_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    # It was there before us: nobody is told of it, even if it is mended later.
    baseline = models.BooleanField(default=False)
    # It was mended, and became a job, or is gone.
    resolved_at = models.DateTimeField(null=True)

    objects = AsideQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = "row set aside"
        verbose_name_plural = "rows set aside"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["source", "key"], name="aside_holds_a_row_once")
        ]
        indexes = [
            models.Index(fields=["source", "key"], condition=Q(resolved_at=None), name="aside_open")
        ]

    def __str__(self) -> str:
        return self.key


class DocumentWrite(models.Model):
    """The outbox of documents: a job whose document MongoDB does not have as it is now.

    `revision` counts its changes, so that one that came while it was written is not forgotten.
    """

    job = models.OneToOneField(
        Job, on_delete=models.CASCADE, primary_key=True, related_name="document_write"
    )
    revision = models.PositiveIntegerField(default=1)
    due_at = models.DateTimeField(db_default=Now())
    attempts = models.PositiveIntegerField(default=0)
    fence = models.UUIDField(null=True)
    error = models.TextField(blank=True)

    objects = DocumentWriteQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["due_at", "job"], name="documentwrite_due")]

    def __str__(self) -> str:
        return str(self.job_id)


def looked_for(*, firstname: str, lastname: str, postcode: str, mobile: str) -> dict[str, Any]:
    """Return the fields by which a job is found."""
    return {
        "client_key": " ".join(f"{lastname} {firstname}".upper().split())[:200],
        "postcode_key": "".join(postcode.upper().split())[:40],
        "phone_key": phone_key(mobile),
    }


def phone_key(mobile: str) -> str:
    """Return the end of a number, which is the same however it is written.

    Of as many signs as its reader takes, and in 0 to 9, whatever a client's own digits are.
    """
    digits = "".join(filter(str.isdecimal, mobile[:LONGEST_MOBILE]))[-PHONE_KEY_LENGTH:]
    return digits if digits.isascii() else "".join(str(decimal(each)) for each in digits)
