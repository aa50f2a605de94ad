"""The client's database is told the status of its jobs, where it is to be told.

Told outside of our transactions, and only where the word that we read last still stands there.
Whoever dies in between leaves a job that is due still; the next one sees what stands there.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from repairs.clients import SourceFailed
from repairs.models import Job, Source
from repairs.states import FindingCode

from .leasing import hold
from .reading import shown, word_of
from .rounds import Run
from .sweeping import follow

PAGE = 100
# Without the right to write; or of one job, which the client's database refuses.
_TRIED_AGAIN = timedelta(minutes=5)
# What may be so of one row alone, as somebody there has it in hand; after so many of them the rest
# waits for the next round.
_OF_ONE_ROW = {FindingCode.LOCKED, FindingCode.SLOW}
_MOST_LOCKED = 3


def write_back(run: Run) -> None:
    """Write what is due, from where the last round stopped, as far as the time goes.

    Raises:
        LeaseLost: another collector has the source by now.
    """
    source = run.source
    if not run.layout.write_back:
        hold(source, write_next_at=None)
        return
    waits = Source.objects.filter(pk=source.pk, write_next_at__gt=Now())
    if not run.thorough and waits.exists():
        return
    hold(source, write_next_at=None)
    locked = 0
    while page := _due(run):
        for job in page:
            try:
                locked += _is_locked(run, job)
            except SourceFailed as error:
                if error.finding != FindingCode.MISSING_RIGHT:
                    raise
                hold(
                    source,
                    write_next_at=Now() + _TRIED_AGAIN,
                    error_code=error.finding,
                    error=error.detail,
                )
                return
            hold(source, write_after=job.pk)
            if locked == _MOST_LOCKED or run.leave_the_rest():
                return
    # The next round begins with the first again.
    if source.write_after is not None:
        hold(source, write_after=None)


def _due(run: Run) -> list[Job]:
    due = Job.objects.to_write_back().filter(source=run.source)
    if not run.thorough:
        due = due.filter(Q(write_next_at=None) | Q(write_next_at__lte=Now()))
    return list(due.filter(pk__gt=run.source.write_after or 0).order_by("pk")[:PAGE])


def _is_locked(run: Run, job: Job) -> bool:
    """Write a job's status, or note that it is refused; return whether its row is not free."""
    try:
        run.result.written += _write(run, job)
    except SourceFailed as error:
        if error.finding in _OF_ONE_ROW:
            return True
        if error.finding != FindingCode.FAILED:
            raise
        _note_refused(run, job, error)
    return False


def _write(run: Run, job: Job) -> bool:
    written = run.client.write_status(job.key_there, status=job.state, expected=job.client_status)
    if not written:
        _look_why_not(run, job)
        return False
    with transaction.atomic():
        hold(run.source)
        word = run.layout.words_for(job.state)[0]
        theirs = Job.objects.filter(pk=job.pk, client_status=job.client_status)
        if theirs.update(client_status=word, write_next_at=None):
            # It may have moved on meanwhile, and then there is more to be written.
            Job.objects.filter(pk=job.pk, status=job.status).update(write_due=False)
    return True


def _note_refused(run: Run, job: Job, error: SourceFailed) -> None:
    """Let a job wait that the client's database does not take as it is, such as by a trigger."""
    run.result.refused += 1
    with transaction.atomic():
        hold(
            run.source,
            error_code=error.finding,
            error=f"The status of job {job.job_id} cannot be written back: {error.detail}",
        )
        Job.objects.filter(pk=job.pk).update(write_next_at=Now() + _TRIED_AGAIN)


def _look_why_not(run: Run, job: Job) -> None:
    """Another word stands there by now, which is normal, or the row is gone."""
    rows = run.client.rows_by_key([job.key_there])
    if not rows:
        # It is due again when it moves on.
        _write_no_more(run, job)
        return
    found = rows[0].job_status
    word = word_of(found)
    if word != job.client_status:
        follow(run, job_id=job.pk, word=word, base=job.client_status)
    elif isinstance(found, bytes) or (found is not None and str(found) != word):
        # What stands there cannot be asked for: a person is to look at it.
        _write_no_more(run, job, conflict=shown(found).strip() or "(empty)")


def _write_no_more(run: Run, job: Job, **changes: str) -> None:
    with transaction.atomic():
        hold(run.source)
        same = Job.objects.filter(pk=job.pk, status=job.status, client_status=job.client_status)
        same.update(write_due=False, **changes)
