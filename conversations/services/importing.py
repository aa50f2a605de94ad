"""Files in, by batches. Each is one transaction together with how far the file is done.

Whatever is killed, no line is taken in twice and none is left out: the next command goes on where
the last batch ended. While PostgreSQL takes one batch in, a thread reads the next.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.db import DataError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from conversations.exceptions import BadDocument, BadFile, ImportTaken, TooLarge
from conversations.models import Engagement, ImportedFile, RejectedLine
from conversations.states import Collection, Outcome
from core.errors import DomainError, FieldError, InvalidInput
from core.stored import storable

from .collections import Storer, reader_of, storer_of
from .csv_mapping import CsvMapping, CsvReader
from .files import Form, Piece, Surveyed, go_to, lines, objects, survey, unpacked
from .storing import Result

# A batch has so many documents, or so many bytes of the file, whichever comes first.
BATCH_DOCUMENTS = 5000
BATCH_BYTES = 8 * 1024 * 1024
# PostgreSQL's errors of class 54: something is too large or too complex for it.
_LIMIT_EXCEEDED = "54"
# Of one line.
_MOST_ERRORS = 20

Errors = Sequence[dict[str, Any]]


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a file is done. `is_surveyed` is False while it is read for the first time."""

    is_surveyed: bool = False
    position: int = 0
    size: int = 0
    line: int = 0
    created: int = 0
    unchanged: int = 0
    rejected: int = 0
    # It was done before, and when; nothing was done now.
    was_done: bool = False
    ended_at: datetime | None = None
    is_done: bool = False
    # The row that is kept of it; 0 of a dry run.
    file_id: int = 0
    form: Form = Form.LINES
    # Of CSV, the first line.
    header: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A line that is not taken in, as it came, and why."""

    number: int
    content: bytes
    errors: Errors


@dataclass(slots=True)
class _Batch:
    """What is stored at once: the pieces of a file between two positions."""

    begins: int
    ends: int
    # The last line that it has.
    number: int
    pieces: list[Piece] = field(default_factory=list)
    documents: list[Any] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return (
            len(self.documents) + len(self.rejected) >= BATCH_DOCUMENTS
            or self.ends - self.begins >= BATCH_BYTES
        )


def import_file(
    *,
    path: Path,
    collection: Collection = Collection.INTERACTIONS,
    engagement_id: str = "",
    mapping: CsvMapping | None = None,
    again: bool = False,
    dry_run: bool = False,
    told: Callable[[Progress], None] = lambda _: None,
    refused: Callable[[Rejected], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Progress:
    """Take a file in, from where the last command ended; return how far it came.

    Args:
        path: one JSON document a line, or an array of them, or CSV with a `mapping`; gzip or not.
        engagement_id: whose those are that do not say so themselves.
        again: begin anew, though it was done.
        dry_run: each batch is taken back; nothing is stored.
        told: called after each batch.
        refused: called with what is set aside now.
        stopped: asked after each batch whether to leave the rest to another command.

    Raises:
        BadFile: it cannot be read, or is neither JSON nor has a mapping. Nothing was stored.
        BadMapping: it has not the columns that the mapping names.
        InvalidInput: there is no such engagement, or the collection has none.
        ImportTaken: another command takes the file in, or it was written to meanwhile.
    """
    _check_options(collection, engagement_id, mapping)
    progress = Progress()

    def tell(size: int) -> bool:
        progress.size = size
        told(progress)
        return not stopped()

    surveyed = survey(path, told=tell, is_csv=mapping is not None)
    if surveyed is None:
        return progress
    if not (surveyed.is_json or mapping):
        raise BadFile("This is no JSON; for CSV give --csv-mapping.")
    progress.is_surveyed = True
    source = _Source(surveyed, collection, engagement_id, mapping)
    with closing(source):
        progress.form = surveyed.form
        progress.header = source.csv.header_line if source.csv else b""
        if not dry_run:
            _begin(source, progress, again=again)
        if not progress.was_done:
            _take_in(source, progress, dry_run=dry_run, told=told, refused=refused, stopped=stopped)
    return progress


def _check_options(collection: Collection, engagement_id: str, mapping: CsvMapping | None) -> None:
    if collection != Collection.INTERACTIONS and (mapping or engagement_id):
        raise InvalidInput("CSV and an engagement are for interactions alone.")
    if engagement_id and not Engagement.objects.filter(pk=engagement_id).exists():
        raise InvalidInput(f"There is no engagement {engagement_id}.")


class _Source:
    """A file as batches of documents."""

    def __init__(
        self,
        surveyed: Surveyed,
        collection: Collection,
        engagement_id: str,
        mapping: CsvMapping | None,
    ) -> None:
        self.surveyed = surveyed
        self.collection = collection
        self.engagement_id = engagement_id
        self.read = reader_of(collection)
        self.store = storer_of(collection)
        self.file = unpacked(surveyed.path)
        self.csv = CsvReader(mapping) if mapping else None
        if self.csv:
            self.csv.read_header(self._lines(0, 0))
        how = [collection, engagement_id, mapping.fingerprint if mapping else None]
        self.fingerprint = sha256(f"{surveyed.digest} {json.dumps(how)}".encode()).hexdigest()

    def close(self) -> None:
        self.file.close()

    def batches(self, position: int, number: int) -> Iterator[_Batch]:
        """Yield what stands behind a position, with as much of it in memory as one batch has."""
        batch = _Batch(position, position, number)
        for piece in self._pieces(position, number):
            batch.ends, batch.number = piece.ends, piece.last
            self._add(batch, piece)
            if batch.is_full:
                yield batch
                batch = _Batch(piece.ends, piece.ends, piece.last)
        if batch.ends > batch.begins:
            yield batch

    def _pieces(self, position: int, number: int) -> Iterator[Piece]:
        if self.csv:
            rows = self.csv.rows(self._lines(position, number))
            if position == 0:
                # The header.
                next(rows)
            return rows
        if self.surveyed.form == Form.OBJECTS:
            position = self._go_to(position)
            return objects(self.file, position=position, number=number)
        return self._lines(position, number)

    def _lines(self, position: int, number: int) -> Iterator[Piece]:
        position = self._go_to(position)
        return lines(self.file, position=position, number=number)

    def _go_to(self, position: int) -> int:
        position = max(position, self.surveyed.begins)
        self.file.close()
        self.file = unpacked(self.surveyed.path)
        go_to(self.file, position)
        return position

    def _add(self, batch: _Batch, piece: Piece) -> None:
        content = piece.content
        try:
            if self.csv:
                if self.csv.is_blank:
                    return
                document = self.csv.document(self.engagement_id)
            else:
                text = content.strip()
                if not text:
                    return
                if piece.length > len(content):
                    raise TooLarge(
                        f"A document may have 16 MB at most; this has {piece.length:,} bytes, of"
                        " which only the beginning is kept."
                    )
                document = self.read(text.decode(), self.engagement_id)
        except UnicodeDecodeError:
            error: DomainError = BadDocument("It is not in UTF-8.")
        except DomainError as refusal:
            error = refusal
        else:
            batch.pieces.append(piece)
            batch.documents.append(document)
            return
        batch.rejected.append(_rejected(piece, error))


def _begin(source: _Source, progress: Progress, *, again: bool) -> None:
    """Find out how far the file is done, after what another command has in hand."""
    with transaction.atomic():
        row, _ = ImportedFile.objects.get_or_create(
            fingerprint=source.fingerprint,
            defaults={
                "name": storable(source.surveyed.path.name, 200),
                "collection": source.collection,
            },
        )
        row = ImportedFile.objects.select_for_update().get(pk=row.pk)
        if again:
            row.position = row.line = row.created = row.unchanged = row.rejected = 0
            row.ended_at = None
            row.save()
            row.rejected_lines.all().delete()
    progress.file_id = row.pk
    progress.position, progress.line = row.position, row.line
    progress.created, progress.unchanged = row.created, row.unchanged
    progress.rejected = row.rejected
    progress.was_done = progress.is_done = row.ended_at is not None
    progress.ended_at = row.ended_at


def _take_in(
    source: _Source,
    progress: Progress,
    *,
    dry_run: bool,
    told: Callable[[Progress], None],
    refused: Callable[[Rejected], None],
    stopped: Callable[[], bool],
) -> None:
    batches = source.batches(progress.position, progress.line)
    with ThreadPoolExecutor(1, "import") as ahead:
        coming = ahead.submit(next, batches, None)
        while batch := coming.result():
            coming = ahead.submit(next, batches, None)
            for line in _store(source, progress, batch, dry_run=dry_run):
                refused(line)
            told(progress)
            if stopped():
                return
    source.surveyed.check()
    if not dry_run:
        with transaction.atomic():
            _lock(progress)
            _row_of(progress).update(ended_at=Now(), updated_at=Now())
    progress.is_done = True


def _store(source: _Source, progress: Progress, batch: _Batch, *, dry_run: bool) -> list[Rejected]:
    """Store a batch, and with it how far the file is done; return what was set aside."""
    source.surveyed.check()
    with transaction.atomic():
        if not dry_run:
            _lock(progress)
        results = _results(source.store, batch.documents)
        failed = [
            _rejected(piece, result.error)
            for piece, result in zip(batch.pieces, results, strict=True)
            if result.error
        ]
        rejected = sorted([*batch.rejected, *failed], key=lambda line: line.number)
        outcomes = [result.outcome for result in results]
        progress.created += outcomes.count(Outcome.CREATED)
        progress.unchanged += outcomes.count(Outcome.UNCHANGED)
        progress.rejected += len(rejected)
        progress.position, progress.line = batch.ends, batch.number
        if dry_run:
            transaction.set_rollback(True)
        else:
            _keep(progress, rejected)
    return rejected


def _row_of(progress: Progress) -> QuerySet[ImportedFile]:
    return ImportedFile.objects.filter(pk=progress.file_id)


def _lock(progress: Progress) -> None:
    """Hold the file until the end of the transaction, or raise `ImportTaken`."""
    row = _row_of(progress).select_for_update().first()
    if row is None or row.position != progress.position or row.ended_at:
        raise ImportTaken(
            "Another command takes the same file in, or began anew with it. Let it end."
        )


def _keep(progress: Progress, rejected: Sequence[Rejected]) -> None:
    _row_of(progress).update(
        position=progress.position,
        line=progress.line,
        created=progress.created,
        unchanged=progress.unchanged,
        rejected=progress.rejected,
        updated_at=Now(),
    )
    RejectedLine.objects.bulk_create(
        [
            RejectedLine(
                file_id=progress.file_id,
                number=line.number,
                content=line.content,
                errors=line.errors,
            )
            for line in rejected
        ],
        batch_size=1000,
    )


def _results(store: Storer, documents: Sequence[Any]) -> list[Result]:
    """Store documents; one that the database has a limit for fails alone."""
    if not documents:
        return []
    try:
        # As COPY's errors are not Django's.
        with transaction.atomic(), connection.wrap_database_errors:
            return store(documents)
    except (DataError, OperationalError) as error:
        code = getattr(error.__cause__, "pgcode", None) or ""
        if isinstance(error, OperationalError) and not code.startswith(_LIMIT_EXCEEDED):
            raise
        if len(documents) == 1:
            refusal = BadDocument(f"The database cannot hold it: {str(error).split(chr(10))[0]}")
            return [Result(id="", outcome=Outcome.FAILED, error=refusal)]
    half = len(documents) // 2
    return [*_results(store, documents[:half]), *_results(store, documents[half:])]


def _rejected(piece: Piece, error: DomainError) -> Rejected:
    failures = error.errors[:_MOST_ERRORS] or [
        FieldError(path=(), code=error.code, detail=error.detail)
    ]
    return Rejected(
        number=piece.number,
        content=piece.content,
        errors=[
            {
                "pointer": storable(each.pointer, 200),
                "code": each.code,
                "detail": storable(each.detail, 500),
            }
            for each in failures
        ],
    )
