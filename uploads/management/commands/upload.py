"""`manage.py upload KIND FILE`: takes a file in, here and now."""

import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import DomainError
from uploads.models import Upload, UploadRow
from uploads.services import create_upload, run_upload
from uploads.states import Kind, Mode, Outcome, UploadStatus


class Command(BaseCommand):
    help = "Upload customers, products or orders from a CSV, XLSX or JSON file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=Kind.values)
        parser.add_argument("file", type=Path)
        parser.add_argument("--mode", choices=Mode.values, default=Mode.STOP_AT_FIRST_ERROR)
        parser.add_argument(
            "--dry-run", action="store_true", help="Only print what would become of each row."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            with path.open("rb") as file:
                upload = create_upload(
                    kind=options["kind"],
                    file=file,
                    name=path.name,
                    mode=options["mode"],
                    dry_run=options["dry_run"],
                    by=None,
                )
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
        except DomainError as error:
            raise CommandError(error.detail) from None
        while not upload.state.is_over:
            if not run_upload(upload_id=upload.pk):
                # A worker of the shop was faster.
                time.sleep(0.2)
            upload.refresh_from_db()
        self._report(upload)

    def _report(self, upload: Upload) -> None:
        rows = UploadRow.objects.filter(upload=upload).order_by("number")
        if upload.status == UploadStatus.CHECKED:
            for row in rows.exclude(outcome__in=[Outcome.UNCHANGED, Outcome.FAILED]).iterator(
                chunk_size=1000
            ):
                changes = "; ".join(
                    f"{name}: {before!r} → {after!r}"
                    for name, (before, after) in row.changes.items()
                )
                print(f"Row {row.number}: {row.outcome} {row.subject}. {changes}")
        for row in rows.filter(outcome=Outcome.FAILED).iterator(chunk_size=1000):
            for error in row.errors:
                where = f"Row {row.number}, {error['field']}" if error["field"] else str(row)
                print(f"{where}: {error['detail']} ({error['code']})", file=sys.stderr)
        print(
            f"{upload.get_status_display()}: {upload.created} created, {upload.changed} changed,"
            f" {upload.unchanged} unchanged, {upload.failed} failed."
        )
        if upload.status not in {UploadStatus.DONE, UploadStatus.CHECKED}:
            raise CommandError(upload.error or "It was cancelled.")
        if upload.failed:
            raise CommandError(f"{upload.failed} rows have errors.", returncode=2)
