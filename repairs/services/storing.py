"""Rows of a client's become jobs, each once, and their customers are told.

What keeps a job from coming twice is the inbox: its row is inserted in the transaction of its
message, and only who inserted it writes the message. So it holds whoever collects beside us, and
whatever is killed.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from core import clock
from repairs.clients import Layout, Row
from repairs.models import Aside, Job, Source, looked_for
from repairs.states import WAY, JobStatus

from .documents import documents_changed
from .leasing import hold
from .moving import CLIENT, DUKA
from .reading import Bad, Good, Reader, second_row
from .telling import look_at_phone, tell

# Taken in by one transaction.
AT_ONCE = 200
# A row that stays aside is noted anew this often where it is met in each round.
_NOTED_EVERY = timedelta(minutes=1)


def take_in(
    *,
    source: Source,
    layout: Layout,
    rows: Sequence[Row],
    seen_since: datetime | None = None,
) -> int:
    """Let rows that are no jobs of ours yet become some; return how many did.

    Those that cannot are set aside. A row that was set aside as one of the baseline becomes a job
    of the baseline.

    Args:
        seen_since: those that are set aside and were not met since are noted as met now.

    Raises:
        LeaseLost: another collector has the source by now.
    """
    good, bad = Reader(layout).read_all(rows)
    good, doubled = sort_out(source, good)
    if bad := [*bad, *doubled]:
        since = clock.now() - _NOTED_EVERY if seen_since is None else seen_since
        with transaction.atomic():
            hold(source)
            set_aside(source, bad, seen_since=since)
    return sum(
        _take_in(source, layout, good[start : start + AT_ONCE])
        for start in range(0, len(good), AT_ONCE)
    )


def sort_out(source: Source, good: Sequence[Good]) -> tuple[list[Good], list[Bad]]:
    """Return those that are no jobs of ours yet, and second rows of a number."""
    texts = known_keys(source, [each.key for each in good])
    unknown, doubled = [], []
    for each in good:
        if each.key not in texts:
            texts[each.key] = each.own_key or ""
            unknown.append(each)
        elif each.own_key not in {None, texts[each.key]}:
            doubled.append(second_row(each, texts[each.key]))
    return unknown, doubled


def known_keys(source: Source, keys: Iterable[int]) -> dict[int, str]:
    """Return those keys of which we have a job, with its `key_text`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT key, key_text FROM repairs_job"
            " WHERE source_id = %s AND key = ANY(%s::bigint[])",
            [source.pk, list(keys)],
        )
        return dict(cursor.fetchall())


@transaction.atomic
def _take_in(source: Source, layout: Layout, good: Sequence[Good]) -> int:
    hold(source)
    texts = [each.key_text for each in good]
    aside = Aside.objects.open().filter(source=source, key__in=texts)
    silent = set(aside.filter(baseline=True).values_list("key", flat=True))
    jobs = {}
    for each in good:
        job = job_of(source, each, baseline=each.key_text in silent)
        if not job.baseline:
            look_at_phone(job)
        # Without the right to write there is nothing to be written, now or later.
        job.write_due = layout.write_back and job.state != each.status
        jobs[each.key] = job
    inserted = [jobs[key] for key in _insert(source, jobs.values())]
    for job in inserted:
        if not job.baseline:
            tell(job, _told(job.state))
    documents_changed([job.pk for job in inserted])
    # The key may be given out again.
    aside.update(resolved_at=Now(), baseline=False)
    Source.objects.filter(pk=source.pk).update(collected=F("collected") + len(inserted))
    return len(inserted)


def job_of(source: Source, row: Good, *, baseline: bool) -> Job:
    """Return the job, not stored yet, that a row becomes when it is first seen."""
    _, job_type, word, firstname, lastname, postcode, mobile, product_sku, product_type = row.cells
    updates = life_of(row.status, word, baseline=baseline)
    return Job(
        source=source,
        key=row.key,
        key_text=row.own_key or "",
        status=row.status if baseline else _came_to(row.status),
        client_status=word,
        job_date=clock.today(),
        job_type=job_type,
        firstname=firstname,
        lastname=lastname,
        postcode=postcode,
        mobile=mobile,
        product_sku=product_sku,
        product_type=product_type,
        updates=updates,
        baseline=baseline,
        **looked_for(firstname=firstname, lastname=lastname, postcode=postcode, mobile=mobile),
    )


def _came_to(status: JobStatus) -> JobStatus:
    """Return where a job is that was first seen in a status: to store it is to open it."""
    return JobStatus.OPENED if status == JobStatus.NEW else status


def _told(status: JobStatus) -> JobStatus:
    """Return of what its customer is told when it is taken in: of one thing, the last."""
    return JobStatus.OPENED if status == JobStatus.JOB_COMPLETED else status


def life_of(status: JobStatus, word: str, *, baseline: bool) -> list[dict[str, str]]:
    """Return what a job went through that was first seen in a status, by the client's word."""
    at = clock.now().isoformat()
    if baseline:
        return [{"at": at, "status": word, "by": CLIENT}]
    last = _came_to(status)
    way: tuple[JobStatus, ...] = (JobStatus.NEW, last)
    if last != JobStatus.CANCELLED:
        way = WAY[: WAY.index(last) + 1]
    return [
        {
            "at": at,
            "status": word if step == status else step.value,
            # What came to us as NEW was opened by us.
            "by": DUKA if status == JobStatus.NEW and step == last else CLIENT,
        }
        for step in way
    ]


_TEXTS = (
    "key_text",
    "status",
    "client_status",
    "job_type",
    "firstname",
    "lastname",
    "postcode",
    "mobile",
    "product_sku",
    "product_type",
    "phone",
    "phone_error",
    "client_key",
    "postcode_key",
    "phone_key",
    "conflict",
)
_KINDS = {
    "key": "bigint",
    "job_date": "date",
    "updates": "jsonb",
    "baseline": "boolean",
    "write_due": "boolean",
    **dict.fromkeys(_TEXTS, "text"),
}
_INSERT = f"""
INSERT INTO repairs_job (source_id, collected_at, updated_at, {", ".join(_KINDS)})
SELECT %s, now(), now(), {", ".join(_KINDS)}
FROM jsonb_to_recordset(%s) AS new ({", ".join(f"{name} {kind}" for name, kind in _KINDS.items())})
-- In this order, so that two that insert the same wait for one another in it.
ORDER BY key
ON CONFLICT (source_id, key) DO NOTHING
RETURNING key, id
"""  # noqa: S608  only names that stand above


def _insert(source: Source, jobs: Iterable[Job]) -> list[int]:
    """Store jobs; return the keys of those that were not there, which have a `pk` now."""
    jobs_by_key = {job.key: job for job in jobs}
    document = [
        {name: getattr(job, name) for name in _KINDS} | {"job_date": str(job.job_date)}
        for job in jobs_by_key.values()
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [source.pk, json.dumps(document)])
        stored = cursor.fetchall()
    for key, pk in stored:
        jobs_by_key[key].pk = pk
    return [key for key, _ in stored]


_SET_ASIDE = """
INSERT INTO repairs_aside AS aside
    (source_id, key, reason, detail, row, baseline, first_seen_at, last_seen_at)
SELECT %(source)s, key_text, reason, detail, row, %(baseline)s, clock_timestamp(), clock_timestamp()
FROM jsonb_to_recordset(%(rows)s) AS new (key_text text, reason text, detail text, row jsonb)
ORDER BY key_text
ON CONFLICT (source_id, key) DO UPDATE SET
    reason = excluded.reason,
    detail = excluded.detail,
    row = excluded.row,
    last_seen_at = excluded.last_seen_at,
    baseline = excluded.baseline OR aside.baseline,
    resolved_at = NULL
WHERE aside.last_seen_at < %(since)s
    OR aside.resolved_at IS NOT NULL
    OR (aside.reason, aside.detail, aside.row)
        IS DISTINCT FROM (excluded.reason, excluded.detail, excluded.row)
"""


def set_aside(
    source: Source, rows: Sequence[Bad], *, seen_since: datetime, baseline: bool = False
) -> None:
    """Keep rows that cannot become jobs, with the reason."""
    document: list[dict[str, Any]] = [asdict(row) for row in rows]
    with connection.cursor() as cursor:
        cursor.execute(
            _SET_ASIDE,
            {
                "source": source.pk,
                "rows": json.dumps(document),
                "baseline": baseline,
                "since": seen_since,
            },
        )
