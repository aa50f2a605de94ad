"""The life of a repair job, and what is said of a source."""

from django.db.models import TextChoices


class JobStatus(TextChoices):
    """Where a job stands, in the contract's words."""

    # `ALLOWED` says what may follow.
    NEW = "NEW", "New"
    OPENED = "OPENED", "Opened"
    JOB_COMPLETED = "JOB COMPLETED", "Job completed"
    CLOSED = "CLOSED", "Closed"
    CANCELLED = "CANCELLED", "Cancelled"

    @property
    def allowed(self) -> frozenset["JobStatus"]:
        """The statuses that may follow this one."""
        return ALLOWED[self]

    @property
    def is_open(self) -> bool:
        """Whether anything is still to be done."""
        return bool(self.allowed)


# NEW: made in the client's system. OPENED: in our store, the customer told. JOB COMPLETED: the
# client's work is done. CLOSED: the customer told of that, too.
ALLOWED: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.NEW: frozenset({JobStatus.OPENED, JobStatus.CANCELLED}),
    JobStatus.OPENED: frozenset({JobStatus.JOB_COMPLETED, JobStatus.CANCELLED}),
    JobStatus.JOB_COMPLETED: frozenset({JobStatus.CLOSED}),
    JobStatus.CLOSED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}
OPEN = frozenset(status for status in JobStatus if status.is_open)
# The way of a job that is not cancelled.
WAY = (JobStatus.NEW, JobStatus.OPENED, JobStatus.JOB_COMPLETED, JobStatus.CLOSED)

_SPELLINGS = {"CANCELED": JobStatus.CANCELLED, "COMPLETED": JobStatus.JOB_COMPLETED}


def status_meant(word: str, others: dict[str, str] | None = None) -> JobStatus | None:
    """Return the status that a word in a client's database means; None: nobody knows.

    Capitals, underscores and spaces do not matter. `others` are the client's own words.
    """
    said = plain(word)
    for own, status in (others or {}).items():
        if plain(own) == said:
            return JobStatus(status)
    if said in _SPELLINGS:
        return _SPELLINGS[said]
    return JobStatus(said) if said in JobStatus.values else None


def plain(word: str) -> str:
    """Return a word in the form in which words are compared."""
    return " ".join(word.replace("_", " ").upper().split())


class AsideReason(TextChoices):
    """Why a row of a client's table could not become a job."""

    BAD_KEY = "bad_key", "Its job_id is not a whole number"
    UNKNOWN_STATUS = "unknown_status", "Its status is not known"
    UNREADABLE = "unreadable", "It cannot be read as text"


class FindingCode(TextChoices):
    """What can be wrong with a source."""

    BAD_URL = "bad_url", "The address cannot be understood"
    UNREACHABLE = "unreachable", "The server cannot be reached"
    WRONG_PASSWORD = "wrong_password", "The user or the password is refused"
    UNKNOWN_DATABASE = "unknown_database", "There is no such database"
    MISSING_TABLE = "missing_table", "There is no such table"
    MISSING_COLUMN = "missing_column", "A column is missing"
    MISSING_RIGHT = "missing_right", "The account lacks a right"
    BAD_KEY_COLUMN = "bad_key_column", "job_id is not a unique whole number"
    SLOW = "slow", "It answers too slowly"
    LOCKED = "locked", "Its rows are locked by others"
    FAILED = "failed", "It answers with an error"
