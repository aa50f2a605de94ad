"""Verbs that people use: upload, apply, cancel."""

from datetime import timedelta
from typing import IO, TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from uploads.exceptions import MoveNotAllowed, TooLarge
from uploads.models import Upload, UploadChunk
from uploads.states import Kind, Mode, Phase, UploadStatus

from .files.reading import format_of, read_rows
from .kinds import KINDS
from .shared import rewind

if TYPE_CHECKING:
    from accounts.models import User

CHUNK = 1_000_000


@transaction.atomic
def create_upload(
    *,
    kind: str,
    file: IO[bytes],
    name: str,
    mode: str = Mode.STOP_AT_FIRST_ERROR,
    dry_run: bool = False,
    by: "User | None",
) -> Upload:
    """Keep a file, for a worker to take in.

    Raises:
        TooLarge: by UPLOAD_MAX_BYTES.
        UnreadableFile: it is empty, no table that we read, or its header or first row is wrong.
    """
    file.seek(0, 2)
    size = file.tell()
    if size > settings.UPLOAD_MAX_BYTES:
        raise TooLarge(
            f"The file has {size:,} bytes; this shop accepts {settings.UPLOAD_MAX_BYTES:,}."
            " Split it."
        )
    file.seek(0)
    format_ = format_of(name, file.read(4096))
    file.seek(0)
    columns = KINDS[kind].columns
    read_rows(
        file,
        format_,
        [column.name for column in columns],
        [column.name for column in columns if column.required],
    )
    file.seek(0)
    upload = Upload.objects.create(
        kind=Kind(kind),
        name=name.rpartition("/")[2][-200:] or f"{kind}.{format_}",
        format=format_,
        size=size,
        mode=Mode(mode),
        dry_run=dry_run,
        by=by,
    )
    while content := file.read(CHUNK):
        UploadChunk.objects.create(upload=upload, content=content)
    upload.refresh_from_db(fields=["created_at", "due_at"])
    return upload


@transaction.atomic
def apply_upload(*, upload_id: int, by: "User | None") -> Upload:
    """Do for real what a dry run looked at, or go on where an upload failed or was cancelled.

    Raises:
        MoveNotAllowed: it is still running, or done.
    """
    upload = _moved(upload_id, UploadStatus.QUEUED)
    again = upload.phase == Phase.CHECKING
    upload.dry_run = False
    if again:
        # Looked at only, so all of it is still to be done. All or nothing is looked at anew: the
        # shop may have changed since.
        rewind(upload)
        if upload.mode != Mode.ALL_OR_NOTHING:
            upload.phase = Phase.WRITING
    upload.failed = 0 if upload.mode == Mode.STOP_AT_FIRST_ERROR else upload.failed
    upload.by = by
    upload.error_code = upload.error = ""
    upload.attempts = 0
    upload.due_at = timezone.now()
    upload.ended_at = None
    upload.save()
    return upload


@transaction.atomic
def cancel_upload(*, upload_id: int, by: "User | None" = None) -> Upload:
    """Stop it. What it has written stays, unless it is all or nothing.

    Raises:
        MoveNotAllowed: it is over.
    """
    upload = _moved(upload_id, UploadStatus.CANCELLED)
    upload.ended_at = timezone.now()
    upload.fence = None
    upload.save()
    return upload


def remove_old_uploads() -> int:
    """Delete what has been over for UPLOAD_KEEP_DAYS, with its rows; return how many."""
    old = Upload.objects.over().filter(
        ended_at__lt=Now() - timedelta(days=settings.UPLOAD_KEEP_DAYS)
    )
    keys = list(old.values_list("pk", flat=True)[:100])
    for key in keys:
        Upload.objects.filter(pk=key).delete()
    return len(keys)


def _moved(upload_id: int, to: UploadStatus) -> Upload:
    upload = Upload.objects.select_for_update(no_key=True).get(pk=upload_id)
    before = upload.state
    if to not in before.allowed or (
        # Nothing was read, so there is nothing to go on with.
        to == UploadStatus.QUEUED and not upload.rows.exists() and not upload.chunks.exists()
    ):
        raise MoveNotAllowed(
            f"This upload is {before.label.lower()}; it cannot become {to.label.lower()}.",
            status=before,
            allowed=[str(status) for status in before.allowed],
        )
    upload.status = to
    return upload
