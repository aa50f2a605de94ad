"""Jobs come from a client's database: a round of it (contract, "Collecting").

1. claim: the source is stamped with a fence and leased (`leasing`);
2. on first contact, what is there is taken in as the baseline (`baseline`);
3. what is NEW is looked at, and what we do not have becomes a job (`storing`);
4. the client's database is told our statuses (`writing_back`);
5. now and then all keys and statuses are compared with ours (`sweeping`).

No step holds a transaction of ours while the client's database is asked, and each page is committed
with how far it came. No key is a watermark: a job may be committed after one of a higher key.
"""

import logging
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.db.models import Exists, F, Max, Q
from django.db.models.functions import Coalesce, Now

from core import jobs
from repairs.clients import ClientDatabase, SourceFailed
from repairs.exceptions import LeaseLost, SourceBusy
from repairs.models import Job, Source
from repairs.states import FindingCode

from .baseline import take_baseline
from .leasing import HAND_OVER, claim, hold, release
from .reading import kept_key, last_key
from .rounds import Round, Run
from .sources import layout_of
from .storing import take_in
from .sweeping import sweep
from .writing_back import write_back

logger = logging.getLogger("duka.repairs")

# Rows that are NEW, at once.
PAGE = 1_000
# Pages in a row with nothing new, after which the rest waits for the next round.
_IDLE_PAGES = 10
_FIRST_WAIT, _LONGEST_WAIT = 5, 300


def collect(
    *,
    source_id: int,
    seconds: float | None = None,
    thorough: bool = False,
    goes_on: bool = False,
) -> Round:
    """Collect from a source for about so long; None: until all is done.

    Args:
        thorough: compare all jobs and write back now, whenever that is due.
        goes_on: the caller sees to what is left, so that nobody else is to begin with it soon.

    Raises:
        SourceBusy: another collector is at it.
        SourceFailed: its database did not do what was asked; it is noted at the source.
        UnknownSource: it is in the settings no more.
    """
    end = None if seconds is None else time.monotonic() + seconds

    def is_over() -> bool:
        return jobs.stopping() or (end is not None and time.monotonic() >= end)

    source = claim(source_id=source_id)
    try:
        layout = layout_of(source)
        with ClientDatabase(layout) as client:
            run = Run(
                source=source, layout=layout, client=client, is_over=is_over, thorough=thorough
            )
            _collect(run)
    except LeaseLost:
        raise SourceBusy(f"Another collector took over {source.name}.") from None
    except SourceFailed as error:
        _note_failure(source, error)
        raise
    except BaseException:
        # Our own database may be what failed; then the lease passes.
        with suppress(DatabaseError, InterfaceError):
            release(source)
        raise
    _note_success(run, goes_on=goes_on)
    return run.result


def _collect(run: Run) -> None:
    if take_baseline(run):
        look_for_new(run)
    else:
        # What came since we first asked does not wait for it, as far as one can tell what did.
        if run.source.baseline_to is not None:
            _look_from(run, run.source.baseline_to, keep=False)
        return
    failed = None
    try:
        write_back(run)
    except SourceFailed as error:
        # What may not be written may be read.
        failed = error
    sweep(run)
    if failed is not None:
        raise failed
    write_back(run)


def look_for_new(run: Run) -> None:
    """Look at all that is NEW, from where the last round stopped."""
    source = run.source
    if run.thorough:
        hold(source, scan_after=None, scan_begun_at=None)
    if isinstance(source.scan_after, int):
        # It takes several rounds: the newest do not wait for their turn.
        newest = Job.objects.filter(source=source).aggregate(key=Max("key"))["key"]
        _look_from(run, newest, keep=False)
    _look_from(run, source.scan_after, keep=True)


def _look_from(run: Run, after: Any, *, keep: bool) -> None:
    """Look at pages of what is NEW behind a key; with `keep` the next round goes on from there."""
    source, idle = run.source, 0
    limit = run.page(PAGE)
    begun_at = source.scan_begun_at or source.tried_at
    while True:
        rows = run.client.new_rows(after=after, limit=limit)
        taken = take_in(source=source, layout=run.layout, rows=rows)
        run.result.collected += taken
        last = last_key(rows, limit)
        changes = {"scan_after": kept_key(last), "scan_begun_at": begun_at}
        if last is None:
            changes = {"scan_after": None, "scan_begun_at": None, "complete_at": begun_at}
        hold(source, **(changes if keep else {}))
        if last is None:
            return
        after = last
        idle = 0 if taken else idle + 1
        if run.leave_the_rest() or (idle == _IDLE_PAGES and not run.thorough):
            return


def _note_success(run: Run, *, goes_on: bool) -> None:
    source = run.source
    wait = HAND_OVER if goes_on and not run.result.done else timedelta(0)
    release(source, failures=0, failing_since=None, next_at=Now() + wait)
    # That it may not be written to, or a job of it, is known until it is tried again.
    still = Q(write_next_at__gt=Now(), error_code=FindingCode.MISSING_RIGHT)
    if run.result.refused or source.failing_since is None:
        refused = Job.objects.to_write_back().filter(source=source, write_next_at__gt=Now())
        still |= Q(Exists(refused), error_code=FindingCode.FAILED)
    Source.objects.filter(pk=source.pk).exclude(still).exclude(error_code="").update(
        error="", error_code=""
    )
    if source.failing_since is not None:
        logger.info("%s answers again", source.name, extra={"source": source.name})


def _note_failure(source: Source, error: SourceFailed) -> None:
    wait = min(_FIRST_WAIT * 2 ** min(source.failures, 10), _LONGEST_WAIT)
    release(
        source,
        failures=F("failures") + 1,
        failing_since=Coalesce("failing_since", Now()),
        next_at=Now() + timedelta(seconds=wait),
        error=error.detail,
        error_code=error.finding,
    )
    if source.failing_since is None:
        logger.warning(
            "%s fails: %s",
            source.name,
            error.detail,
            extra={"source": source.name, "finding": error.finding.value},
        )
