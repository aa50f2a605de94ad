"""All of a client's jobs beside ours: what the look at the NEW ones did not show.

A job may have gone on before it was ever seen as NEW, its status changes later, and a row that was
set aside may be mended or be gone.
"""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from repairs.models import Aside, Source
from repairs.states import AsideReason

from .leasing import hold
from .moving import follow_client
from .reading import Reader, kept_key, key_shown, last_key, own_key, shown, whole_number, word_of
from .rounds import Run
from .storing import take_in

PAGE = 5_000
# Whole rows that are asked for at once.
ROWS = 500
# Of the time a sweep takes, so many times is none.
_REST = 20


class Changed(NamedTuple):
    """A job of ours beside which another word stands by now."""

    job_id: int
    key: int
    base: str
    word: str


def sweep(run: Run) -> None:
    """Compare page by page, from where the last round stopped, if it is time for it.

    Raises:
        LeaseLost: another collector has the source by now.
    """
    source = run.source
    if run.thorough or source.sweep_begun_at is None:
        if not (run.thorough or _is_due(source)):
            return
        hold(source, sweep_begun_at=source.tried_at, sweep_after=None, sweep_seconds=0)
    after: Any = source.sweep_after
    limit = run.page(PAGE)
    while True:
        began = time.monotonic()
        page = run.client.statuses(after=after, limit=limit)
        compared = _compare(run, page)
        seconds = source.sweep_seconds + time.monotonic() - began
        if not compared:
            hold(source, sweep_seconds=seconds)
            return
        after = last_key(page, limit)
        if after is None:
            _finish(source, seconds)
            return
        hold(source, sweep_after=kept_key(after), sweep_seconds=seconds)
        if run.leave_the_rest():
            return


def _is_due(source: Source) -> bool:
    if source.swept_at is None or source.tried_at is None:
        return True
    gap = max(settings.REPAIRS_SWEEP_SECONDS, _REST * source.sweep_seconds)
    return source.tried_at - source.swept_at >= timedelta(seconds=gap)


def _finish(source: Source, seconds: float) -> None:
    with transaction.atomic():
        begun_at = source.sweep_begun_at
        hold(source, swept_at=Now(), sweep_begun_at=None, sweep_after=None, sweep_seconds=seconds)
        # Not met since it began: it is gone from the client's table, or a job by now.
        gone = Aside.objects.open().filter(source=source, last_seen_at__lt=begun_at)
        gone.update(resolved_at=Now(), baseline=False)


def _compare(run: Run, page: Sequence[tuple[Any, Any]]) -> bool:
    """Take in what is missing and follow what changed; return whether the time was enough.

    What was done is not met again, so that the page can be begun anew.
    """
    missing, changed = beside_ours(run.source, page)
    raw_keys = without_hopeless(run.source, run.reader, missing, touch=True)
    for start in range(0, len(raw_keys), ROWS):
        rows = run.client.rows_by_key(raw_keys[start : start + ROWS])
        run.result.collected += take_in(
            source=run.source,
            layout=run.layout,
            rows=rows,
            seen_since=run.source.sweep_begun_at,
        )
        if start + ROWS < len(raw_keys) and run.leave_the_rest():
            return False
    for number, each in enumerate(changed, start=1):
        run.result.followed += follow(run, job_id=each.job_id, word=each.word, base=each.base)
        if number < len(changed) and run.leave_the_rest():
            return False
    return True


def follow(run: Run, *, job_id: int, word: str, base: str) -> bool:
    """Take notice of a word of the client's, as long as the source is ours."""
    with transaction.atomic():
        hold(run.source)
        return follow_client(job_id=job_id, word=word, meaning_of=run.reader.meaning, base=base)


def beside_ours(
    source: Source, page: Sequence[tuple[Any, Any]]
) -> tuple[list[tuple[Any, str]], list[Changed]]:
    """Return keys, each with its word, of rows that are no jobs of ours, and what changed."""
    keys = [whole_number(key) for key, _ in page]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT key, id, client_status, key_text FROM repairs_job"
            " WHERE source_id = %s AND key = ANY(%s::bigint[])",
            [source.pk, [key for key in keys if key is not None]],
        )
        ours = {key: rest for key, *rest in cursor.fetchall()}
    missing, changed = [], []
    for (raw_key, raw_word), key in zip(page, keys, strict=True):
        word = word_of(raw_word)
        if key is None or key not in ours:
            missing.append((raw_key, word))
            continue
        job_id, base, text = ours[key]
        # Another row of the same number is no job of ours.
        if own_key(raw_key, key) not in {None, text}:
            missing.append((raw_key, word))
        elif base != word:
            changed.append(Changed(job_id, key, base, word))
    return missing, changed


def without_hopeless(
    source: Source, reader: Reader, missing: Sequence[tuple[Any, str]], *, touch: bool
) -> list[Any]:
    """Leave out keys of rows that are set aside already for what is still so.

    Their whole rows need not be read again, of which there may be very many. With `touch` they
    are noted as met now.
    """
    if not missing:
        return []
    rows = Aside.objects.open().filter(
        source=source, key__in=[key_shown(raw_key) for raw_key, _ in missing]
    )
    aside = {key: (reason, row) for key, reason, row in rows.values_list("key", "reason", "row")}
    hopeless, others = [], []
    for raw_key, word in missing:
        reason, row = aside.get(key_shown(raw_key), ("", {}))
        same = row.get("job_status") == shown(word)
        if same and (
            (reason == AsideReason.UNKNOWN_STATUS and reader.meaning(word) is None)
            or reason == AsideReason.BAD_KEY
        ):
            hopeless.append(key_shown(raw_key))
        else:
            others.append(raw_key)
    if touch and hopeless:
        Aside.objects.open().filter(source=source, key__in=hopeless).update(last_seen_at=Now())
    return others
