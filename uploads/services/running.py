"""What a worker does with an upload.

1. claim: the upload is stamped with a fence, and `due_at` pushed forward by a lease;
2. read: the file becomes rows, all in one transaction;
3. check and write: batch by batch. Each is one transaction that first sees that the fence still
   holds (the row stays locked, so nobody can take it over meanwhile), and last moves the
   checkpoint. Where all or nothing is wanted, all batches that write are one transaction.

A worker that dies leaves the work of its last committed batch, and after the lease another goes on
from there. One that only seemed dead finds its fence gone and leaves without having written.
"""

import json
import logging
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import groupby, islice

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from core import jobs
from core.api.problems import errors_of
from core.errors import DomainError, FieldError, InvalidInput
from uploads.exceptions import ClaimLost, UnreadableFile
from uploads.models import Upload, UploadRow
from uploads.states import Format, Mode, Outcome, Phase, UploadStatus

from .files.reading import is_formula_error, read_rows
from .kinds import KINDS, Batch, Plan
from .shared import forget_outcomes, rewind

logger = logging.getLogger("duka.uploads")

READ_AT_ONCE = 1000
CHECKED_AT_ONCE = 200
# The longest group is an order of 200 lines; one more lets the order itself refuse it.
MAX_GROUP = 201
# Claims without progress after which an upload is given up.
MAX_ATTEMPTS = 5


class _RefusedAfterAll(Exception):
    """A row that was fine when it was checked is refused now: nothing is to be written."""

    def __init__(self, refused: list[UploadRow]) -> None:
        super().__init__()
        self.refused = refused


def run_due_upload(*, seconds: float) -> bool:
    """Work on one due upload for about so long; return whether something was done."""
    upload = claim_upload()
    if upload is None:
        return False
    _work_on(upload, until=time.monotonic() + seconds)
    return True


def run_upload(*, upload_id: int) -> bool:
    """Work on this upload to its end; False where another worker has it now."""
    upload = claim_upload(upload_id=upload_id)
    if upload is None:
        return False
    _work_on(upload, until=float("inf"))
    return True


@transaction.atomic
def claim_upload(*, upload_id: int | None = None) -> Upload | None:
    """Take the upload that has waited longest, or this one, for as long as a lease lasts."""
    due = Upload.objects.due().select_for_update(skip_locked=True, no_key=True)
    if upload_id is not None:
        due = due.filter(pk=upload_id)
    upload = due.order_by("due_at", "pk").first()
    if upload is None:
        return None
    upload.status = UploadStatus.RUNNING
    upload.fence = uuid.uuid4()
    upload.attempts += 1
    upload.started_at = upload.started_at or timezone.now()
    upload.due_at = timezone.now() + _lease()
    upload.save(update_fields=["status", "fence", "attempts", "started_at", "due_at"])
    return upload


def _work_on(upload: Upload, *, until: float) -> None:
    try:
        if upload.attempts > MAX_ATTEMPTS:
            row = f" after row {upload.position}" if upload.position else ""
            _fail(upload, "gave_up", f"{MAX_ATTEMPTS} workers failed on it{row}.")
            return
        while upload.status == UploadStatus.RUNNING:
            _step(upload)
            if upload.status == UploadStatus.RUNNING and (
                jobs.stopping() or time.monotonic() > until
            ):
                _release(upload)
    except ClaimLost:
        # Or this worker is to stop; what is another's stays another's.
        logger.info("upload %s is no longer ours", upload.pk)
        _release(upload)
    except Exception:
        # Of ours or of the database: another try may help, a few do no harm.
        logger.exception("upload %s failed", upload.pk, extra={"upload_id": upload.pk})
        _release(upload, wait=timedelta(seconds=upload.attempts * 2))


def _step(upload: Upload) -> None:
    if upload.phase == Phase.READING:
        _read(upload)
    elif upload.phase == Phase.WRITING and upload.mode == Mode.ALL_OR_NOTHING:
        _write_all(upload)
    else:
        with transaction.atomic():
            _hold(upload)
            _take_in_next(upload)
            _save(upload)
            upload.attempts = 0


# Reading


def _read(upload: Upload) -> None:
    """Turn the file into rows. The upload is not locked meanwhile, so that it can be cancelled."""
    kind = KINDS[upload.kind]
    try:
        with _beating(upload) as beat, tempfile.TemporaryFile() as file, transaction.atomic():
            for chunk in upload.chunks.iterator(chunk_size=1):
                file.write(chunk.content)
            file.seek(0)
            rows = read_rows(
                file,
                Format(upload.format),
                [column.name for column in kind.columns],
                [column.name for column in kind.columns if column.required],
            )
            made = _rows_of(upload, kind, rows)
            while some := list(islice(made, READ_AT_ONCE)):
                beat.check()
                if some[-1].number > settings.UPLOAD_MAX_ROWS + 1:
                    raise UnreadableFile.at(
                        "file",
                        detail=f"The file has more than {settings.UPLOAD_MAX_ROWS:,} rows."
                        " Split it.",
                        code="too_many_rows",
                    )
                UploadRow.objects.bulk_create(some)
                upload.rows_total = (upload.rows_total or 0) + len(some)
            _hold(upload)
            upload.chunks.all().delete()
            checks = upload.dry_run or upload.mode == Mode.ALL_OR_NOTHING
            upload.phase = Phase.CHECKING if checks else Phase.WRITING
            _save(upload)
    except UnreadableFile as error:
        upload.rows_total = None
        _fail(upload, error.errors[0].code if error.errors else error.code, error.detail)


def _rows_of(
    upload: Upload, kind: type[Batch], rows: Iterator[tuple[int, dict[str, str]]]
) -> Iterator[UploadRow]:
    group, size, before = 0, 0, None
    for number, data in rows:
        these = tuple(data.get(name, "").strip() for name in kind.grouped_by)
        if not any(these) or these != before or size == MAX_GROUP:
            group, size = group + 1, 0
        before, size = these, size + 1
        yield UploadRow(upload=upload, number=number, group=group, data=data)


# Checking and writing


def _take_in_next(upload: Upload) -> None:
    """Plan, and in the phase of writing write, the next items; move the checkpoint past them."""
    kind = KINDS[upload.kind]
    writing = upload.phase == Phase.WRITING
    if not upload.position:
        forget_outcomes(upload)
    alone = writing and upload.mode != Mode.ALL_OR_NOTHING
    items = _next_items(upload, kind.written_at_once if alone else CHECKED_AT_ONCE)
    if not items:
        _finish_phase(upload)
        return
    if writing and kind.quick and _take_in_together(upload, items):
        return
    batch = kind(upload=upload, items=items, writing=writing)
    done: list[UploadRow] = []
    for item in items:
        refused = _take_in(batch, item)
        done += item
        if refused and writing and upload.mode == Mode.ALL_OR_NOTHING:
            raise _RefusedAfterAll(refused)
        if refused and writing and upload.mode == Mode.STOP_AT_FIRST_ERROR:
            batch.keep_said()
            _count(upload, done)
            _store(upload, done)
            # To go on with this item, once what is wrong about it is mended.
            upload.rows_done -= len(item)
            upload.position = item[0].number - 1
            _end(upload, UploadStatus.FAILED)
            upload.error_code = "bad_row"
            first = refused[0].errors[0]
            about = f"{first['field']}: " if first["field"] else ""
            upload.error = f"Row {refused[0].number}: {about}{first['detail']}"
            return
    batch.keep_said()
    _count(upload, done)
    _store(upload, done)
    upload.position = done[-1].number


def _take_in_together(upload: Upload, items: Sequence[Sequence[UploadRow]]) -> bool:
    """Try the quick way; False where a row is refused, and nothing was written."""
    batch = KINDS[upload.kind](upload=upload, items=items, writing=False)
    plans = []
    try:
        with transaction.atomic():
            for item in items:
                _refuse_formula_errors(item)
                plan = batch.plan(item)
                batch.remember(item, plan)
                plans.append(plan)
            subjects = batch.write_together(plans)
    except (DomainError, ValidationError):
        return False
    rows: list[UploadRow] = []
    for item, plan, subject in zip(items, plans, subjects, strict=True):
        _note(item, plan, subject)
        rows += item
    batch.keep_said()
    _count(upload, rows)
    _store(upload, rows)
    upload.position = rows[-1].number
    return True


def _note(item: Sequence[UploadRow], plan: Plan, subject: str) -> None:
    for row in item:
        row.outcome = plan.outcome
        row.subject = subject[:64]
        row.changes, row.errors = {}, []
    item[0].changes = plan.changes


def _next_items(upload: Upload, limit: int) -> list[list[UploadRow]]:
    """Return about so many rows as items, the last one whole."""
    rows = UploadRow.objects.filter(upload=upload)
    some = list(rows.filter(number__gt=upload.position).order_by("number")[:limit])
    if some and KINDS[upload.kind].grouped_by:
        last = some[-1]
        some += rows.filter(number__gt=last.number, group=last.group)[:MAX_GROUP]
    return [list(item) for _, item in groupby(some, key=lambda row: row.group)]


def _take_in(batch: Batch, item: Sequence[UploadRow]) -> list[UploadRow]:
    """Let the rows say what became of them; return those that were refused."""
    for row in item:
        row.changes, row.errors = {}, []
    try:
        _refuse_formula_errors(item)
        plan = batch.plan(item)
        subject = plan.subject
        if batch.writing and plan.write:
            with transaction.atomic():
                subject = plan.write()
    except (DomainError, ValidationError) as error:
        return _refuse(batch, item, error)
    batch.remember(item, plan)
    _note(item, plan, subject)
    return []


def _refuse(
    batch: Batch, item: Sequence[UploadRow], error: DomainError | ValidationError
) -> list[UploadRow]:
    errors = errors_of(error) if isinstance(error, ValidationError) else error.errors
    if not errors:
        # Of no field in particular.
        code = error.code if isinstance(error, DomainError) else "invalid"
        errors = [FieldError(path=(), code=code, detail=str(error))]
    for each in errors:
        row, column = batch.locate(item, each.path)
        row.errors.append({"field": column, "code": each.code, "detail": each.detail})
    refused = [row for row in item if row.errors]
    batch.remember_refused(item)
    for row in item:
        row.outcome = Outcome.FAILED
        if not row.errors:
            row.errors = [
                {
                    "field": "",
                    "code": "not_alone",
                    "detail": f"It belongs to row {refused[0].number}, which has an error.",
                }
            ]
    return refused


def _refuse_formula_errors(item: Sequence[UploadRow]) -> None:
    wrong = [name for name, cell in item[0].data.items() if is_formula_error(cell)]
    if wrong:
        raise InvalidInput(
            "A formula failed.",
            errors=[
                FieldError(path=(name,), code="formula_error", detail="Its formula has an error.")
                for name in wrong
            ],
        )


def _count(upload: Upload, rows: Sequence[UploadRow]) -> None:
    upload.rows_done += len(rows)
    for row in rows:
        setattr(upload, row.outcome, getattr(upload, row.outcome) + 1)


def _finish_phase(upload: Upload) -> None:
    """There are no more rows: what comes next?"""
    if upload.phase == Phase.WRITING:
        _end(upload, UploadStatus.DONE)
    elif upload.dry_run:
        _end(upload, UploadStatus.CHECKED)
    elif upload.failed:
        _end(upload, UploadStatus.FAILED)
        upload.error_code = "bad_rows"
        upload.error = f"{upload.failed} rows are wrong, so nothing was written."
    else:
        upload.phase = Phase.WRITING
        rewind(upload)


def _write_all(upload: Upload) -> None:
    """Write all rows in one transaction, or none."""
    try:
        with _beating(upload) as beat, transaction.atomic():
            # What a try that was broken off told is over.
            rewind(upload)
            KINDS[upload.kind].lock_all(upload)
            while upload.phase == Phase.WRITING and upload.status == UploadStatus.RUNNING:
                beat.check()
                _take_in_next(upload)
                beat.progress = upload.rows_done
            status = upload.status
            # Locked only now, so that the beats could tell how far it is.
            upload.status = UploadStatus.RUNNING
            _hold(upload)
            upload.status = status
            _save(upload)
    except _RefusedAfterAll as error:
        first = error.refused[0]
        with transaction.atomic():
            _hold(upload)
            rewind(upload)
            upload.phase = Phase.CHECKING
            upload.failed = len(error.refused)
            _store(upload, error.refused)
            _end(upload, UploadStatus.FAILED)
            upload.error_code = "bad_rows"
            upload.error = f"Row {first.number}: {first.errors[0]['detail']} Nothing was written."
            _save(upload)


# One statement for a batch; Django's own for this compiles a CASE for each row and column.
_STORE = """
UPDATE uploads_uploadrow AS row
SET outcome = new.outcome, subject = new.subject, changes = new.changes, errors = new.errors
FROM jsonb_to_recordset(%s) AS new
    (id bigint, outcome text, subject text, changes jsonb, errors jsonb)
WHERE row.id = new.id
"""


def _store(upload: Upload, rows: Sequence[UploadRow]) -> None:
    document = [
        {name: getattr(row, name) for name in ("id", "outcome", "subject", "changes", "errors")}
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.execute(_STORE, [json.dumps(document)])


# The claim


def _hold(upload: Upload) -> None:
    """Lock the upload, or raise where it is no longer ours."""
    ours = Upload.objects.filter(
        pk=upload.pk, fence=upload.fence, status=UploadStatus.RUNNING
    ).select_for_update(no_key=True)
    if not ours.values_list("pk", flat=True):
        raise ClaimLost


def _save(upload: Upload) -> None:
    """Store how far it is, with a lease anew; the upload is held."""
    if upload.status == UploadStatus.RUNNING:
        upload.due_at = timezone.now() + _lease()
    Upload.objects.filter(pk=upload.pk).update(
        attempts=0,
        **{
            name: getattr(upload, name)
            for name in (
                "status",
                "phase",
                "rows_total",
                "rows_done",
                "created",
                "changed",
                "unchanged",
                "failed",
                "error_code",
                "error",
                "position",
                "memo",
                "due_at",
                "ended_at",
            )
        },
    )


def _end(upload: Upload, status: UploadStatus) -> None:
    upload.status = status
    upload.ended_at = timezone.now()
    logger.info(
        "upload %s: %s", upload.pk, status, extra={"upload_id": upload.pk, "kind": upload.kind}
    )


def _fail(upload: Upload, code: str, detail: str) -> None:
    with transaction.atomic():
        _hold(upload)
        upload.chunks.all().delete()
        _end(upload, UploadStatus.FAILED)
        upload.error_code, upload.error = code, detail
        _save(upload)


def _release(upload: Upload, *, wait: timedelta = timedelta()) -> None:
    """Let another worker have it, or this one later."""
    Upload.objects.filter(pk=upload.pk, fence=upload.fence, status=UploadStatus.RUNNING).update(
        status=UploadStatus.QUEUED, due_at=Now() + wait, fence=None
    )
    upload.status = UploadStatus.QUEUED


def _lease() -> timedelta:
    return timedelta(seconds=settings.UPLOAD_LEASE_SECONDS)


class _Beat:
    def __init__(self) -> None:
        self.lost = threading.Event()
        self.progress: int | None = None

    def check(self) -> None:
        """Raise where the long transaction is to be given up."""
        if self.lost.is_set() or jobs.stopping():
            raise ClaimLost


@contextmanager
def _beating(upload: Upload) -> Iterator[_Beat]:
    """Keep the lease, and tell how far it is, from a connection of its own, during one long
    transaction.
    """
    beat, done = _Beat(), threading.Event()

    def work() -> None:
        try:
            while not done.wait(min(2.0, settings.UPLOAD_LEASE_SECONDS / 3)):
                progress = {} if beat.progress is None else {"rows_done": beat.progress}
                ours = Upload.objects.filter(
                    pk=upload.pk, fence=upload.fence, status=UploadStatus.RUNNING
                )
                kept = ours.update(due_at=Now() + _lease(), **progress)
                if not kept and Upload.objects.filter(pk=upload.pk).exists():
                    beat.lost.set()
        except (DatabaseError, InterfaceError):
            logger.warning("upload %s: cannot reach the database to keep it", upload.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield beat
    finally:
        done.set()
        thread.join(timeout=10)
