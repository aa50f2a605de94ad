"""A job moves on: by staff, or because the client's database says so."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import transaction

from core import clock
from core.errors import InvalidInput
from core.phones import parse_phone
from core.stored import storable
from repairs.exceptions import MoveNotAllowed, NothingToSettle
from repairs.models import Job, JobNote, phone_key
from repairs.states import WAY, JobStatus

from .documents import documents_changed
from .sources import meaning_in
from .telling import look_at_phone, tell

if TYPE_CHECKING:
    from accounts.models import User

CLIENT, DUKA, OURS = "client", "duka", "ours"


def locked(job_id: int) -> Job:
    # Not against those that only refer to it, as the outbox of documents does.
    return (
        Job.objects.select_related("source")
        .select_for_update(of=("self",), no_key=True)
        .get(pk=job_id)
    )


@transaction.atomic
def move_job(*, job_id: int, to: JobStatus, by: "User | None", note: str = "") -> Job:
    """Move a job on; its customer is told that it is closed.

    Raises:
        MoveNotAllowed: its status does not allow this.
    """
    job = locked(job_id)
    if to not in job.state.allowed:
        allowed = sorted(job.state.allowed)
        raise MoveNotAllowed(
            f"Job {job.job_id} is {job.status}: it cannot become {to.value}.",
            status=job.status,
            allowed=allowed,
        )
    enter(job, to, word=to.value, by=_name_of(by))
    # Not over a word of the client's that a person is to look at first.
    job.write_due = not job.conflict
    job.save()
    documents_changed([job.pk])
    if note:
        JobNote.objects.create(job=job, text=note, by=by)
    return job


def enter(job: Job, status: JobStatus, *, word: str, by: str, settled: bool = False) -> None:
    """Let a locked job be in a status, and tell what is to be told. The caller saves it.

    Args:
        settled: a person led it there, whatever may follow what.
    """
    came_before = status in map(meaning_in(job.source), (each["status"] for each in job.updates))
    update = {"at": clock.now().isoformat(), "status": word, "by": by}
    job.status = status
    job.updates = [*job.updates, update | ({"settled": True} if settled else {})]
    # That it was received is told once, and of what was there before us to nobody.
    opened = status == JobStatus.OPENED and not job.baseline and not came_before
    if opened or status == JobStatus.CLOSED:
        look_at_phone(job)
        tell(job, status)


@transaction.atomic
def follow_client(
    *,
    job_id: int,
    word: str,
    meaning_of: Callable[[str], JobStatus | None],
    base: str | None = None,
) -> bool:
    """Take notice of the word that stands in the client's database now; return whether it counts.

    What goes on from where both were is followed, step by step. What contradicts us (it goes
    back, or is cancelled where we are done, or nobody knows the word) is kept for a person, and
    the client's database is left as it is.

    Args:
        base: our `client_status` before the client's database was asked. Where it is another by
            now, somebody wrote there meanwhile, so that `word` may be of before: it is passed over.
    """
    word = storable(word)
    job = locked(job_id)
    if word == job.client_status or base not in {None, job.client_status}:
        return False
    meaning, before = meaning_of(word), meaning_of(job.client_status)
    job.client_status = word
    if meaning is not None and meaning == before:
        # The same in other letters.
        job.conflict = job.conflict and word
    elif meaning is None or _contradicts(job, meaning, before):
        job.conflict = word if word.strip() else "(empty)"
        job.write_due = False
    else:
        job.conflict = ""
        _go_along(job, meaning, word)
    job.save()
    documents_changed([job.pk])
    return True


def _go_along(job: Job, meaning: JobStatus, word: str) -> None:
    """Follow the client's word to where it is; where it comes after us there is nothing to do."""
    if meaning == job.state:
        job.write_due = False
    elif meaning == JobStatus.CANCELLED:
        enter(job, meaning, word=word, by=CLIENT)
        job.write_due = False
    elif meaning in WAY[WAY.index(job.state) + 1 :]:
        for step in WAY[WAY.index(job.state) + 1 : WAY.index(meaning) + 1]:
            enter(job, step, word=word if step == meaning else step.value, by=CLIENT)
        job.write_due = False


def _contradicts(job: Job, theirs: JobStatus, before: JobStatus | None) -> bool:
    """Tell whether a word of the client's, which was another before, cannot stand beside ours."""
    ours = job.state
    if theirs == ours:
        return False
    if theirs == JobStatus.CANCELLED:
        return theirs not in ours.allowed
    if ours == JobStatus.CANCELLED:
        return True
    # Behind us it is no contradiction where the client only comes after, and did so all along.
    comes_after = not job.conflict and before in WAY and WAY.index(before) < WAY.index(theirs)
    return WAY.index(theirs) < WAY.index(ours) and not comes_after


@transaction.atomic
def settle_conflict(*, job_id: int, keep: str, by: "User | None") -> Job:
    """End a contradiction: keep "ours", which is written back, or the "client"'s.

    Raises:
        InvalidInput: `keep` is neither.
        NothingToSettle: there is no contradiction, or the client's word is none that we know.
    """
    if keep not in {OURS, CLIENT}:
        raise InvalidInput.at("keep", detail=f"Must be {OURS} or {CLIENT}.", code="invalid_choice")
    job = locked(job_id)
    if not job.conflict:
        raise NothingToSettle(f"The client's database does not contradict job {job.job_id}.")
    if keep == CLIENT:
        meaning = meaning_in(job.source)(job.conflict)
        if meaning is None:
            raise NothingToSettle(
                f"Nobody knows what {job.conflict!r} means: say it in the source's statuses, or"
                " keep ours."
            )
        if meaning != job.state:
            enter(job, meaning, word=job.conflict, by=_name_of(by), settled=True)
    job.conflict = ""
    job.write_due = keep == OURS
    job.save()
    documents_changed([job.pk])
    return job


@transaction.atomic
def correct_phone(*, job_id: int, mobile: str, by: "User | None") -> Job:
    """Give a job a number that can be right, for all that is told from now on.

    Who could not be told that it was received, as there was none, is told now. What the client
    wrote is kept in a note.

    Raises:
        ImpossiblePhone: nobody's phone has such a number.
    """
    phone = parse_phone(mobile, field="client_mobile")
    job = locked(job_id)
    if (job.mobile, job.phone) == (mobile.strip(), phone):
        return job
    untold = bool(job.phone_error) and job.state.is_open and not job.baseline
    note = f"The phone number was {job.mobile!r}." if job.mobile else "There was no phone number."
    job.mobile, job.phone, job.phone_error = mobile.strip(), phone, ""
    job.phone_key = phone_key(job.mobile)
    job.save()
    JobNote.objects.create(job=job, text=note, by=by)
    if untold:
        tell(job, JobStatus.OPENED, corrected=True)
    documents_changed([job.pk])
    return job


def _name_of(by: "User | None") -> str:
    return str(by.pk) if by else DUKA


@transaction.atomic
def add_note(*, job_id: int, text: str, by: "User | None") -> JobNote:
    """Keep what staff say of a job."""
    job = locked(job_id)
    return JobNote.objects.create(job=job, text=text, by=by)
