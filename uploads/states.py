"""What is uploaded, how, and the life of an upload."""

from django.db.models import TextChoices


class Kind(TextChoices):
    """What the rows of a file are."""

    CUSTOMERS = "customers", "Customers"
    PRODUCTS = "products", "Products"
    ORDERS = "orders", "Orders"


class Format(TextChoices):
    """How a file is written; also how its name ends."""

    CSV = "csv", "CSV"
    XLSX = "xlsx", "XLSX"
    JSON = "json", "JSON"


class Mode(TextChoices):
    """What a bad row does to the others."""

    STOP_AT_FIRST_ERROR = "stop_at_first_error", "Stop at the first error"
    SKIP_BAD_ROWS = "skip_bad_rows", "Skip bad rows"
    ALL_OR_NOTHING = "all_or_nothing", "All or nothing"


class Phase(TextChoices):
    """What is being done, or was when it ended; the counts are about it."""

    READING = "reading", "Reading the file"
    CHECKING = "checking", "Checking; nothing is written"
    WRITING = "writing", "Writing"


class Outcome(TextChoices):
    """What became of a row, or would become of it where the phase is `checking`."""

    PENDING = "pending", "Not yet looked at"
    CREATED = "created", "Created"
    CHANGED = "changed", "Changed"
    UNCHANGED = "unchanged", "Unchanged"
    FAILED = "failed", "Failed"


class UploadStatus(TextChoices):
    """Where an upload stands.

    queued: waits for a worker. running: a worker has it. checked: a dry run is over, and may be
    applied. done: all rows were looked at, and the good ones written. failed: the file or a row
    is wrong; see the mode. cancelled: somebody stopped it. What a failed or cancelled upload
    had written stays, and applying it goes on from there.
    """

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    CHECKED = "checked", "Checked"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"

    @property
    def allowed(self) -> frozenset["UploadStatus"]:
        """The statuses that may follow this one."""
        return ALLOWED[self]

    @property
    def is_over(self) -> bool:
        return self not in {UploadStatus.QUEUED, UploadStatus.RUNNING}


ALLOWED: dict[UploadStatus, frozenset[UploadStatus]] = {
    UploadStatus.QUEUED: frozenset(
        # Its worker may have died, so that it ends without having run again.
        {UploadStatus.RUNNING, UploadStatus.FAILED, UploadStatus.CANCELLED}
    ),
    UploadStatus.RUNNING: frozenset(
        {
            UploadStatus.QUEUED,
            UploadStatus.CHECKED,
            UploadStatus.DONE,
            UploadStatus.FAILED,
            UploadStatus.CANCELLED,
        }
    ),
    UploadStatus.CHECKED: frozenset({UploadStatus.QUEUED}),
    UploadStatus.DONE: frozenset(),
    UploadStatus.FAILED: frozenset({UploadStatus.QUEUED}),
    UploadStatus.CANCELLED: frozenset({UploadStatus.QUEUED}),
}
