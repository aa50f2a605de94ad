"""`manage.py import_interactions FILE`: takes a file of documents in, from where it was left."""

import contextlib
import signal
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone
from tqdm import tqdm

from conversations.documents import read_hex
from conversations.services import (
    CsvMapping,
    Progress,
    Rejected,
    import_file,
    read_mapping,
    write_rejected,
)
from conversations.states import Collection
from core.errors import DomainError

# Of the lines set aside, so many are named.
_NAMED = 20
# Seconds between two lines that say how far it is, where no bar can be drawn.
_TELL_EVERY = 5
_LARGEST_MAPPING = 1_000_000


class Command(BaseCommand):
    help = (
        "Import documents from a file of mongoexport's or CSV, packed by gzip or not. Stopped or"
        " killed, the same command goes on where it was. Clients come first, then their"
        " engagements, then interactions. Ends with 2 where lines were set aside."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="One JSON document a line, an array of them, or CSV.")
        parser.add_argument(
            "--collection",
            choices=Collection.values,
            default=Collection.INTERACTIONS,
            help="What the documents are.",
        )
        parser.add_argument(
            "--engagement", default="", metavar="ID", help="Whose those are that do not say so."
        )
        parser.add_argument(
            "--csv-mapping",
            type=Path,
            metavar="FILE",
            help="The file is CSV; this one says, in JSON, what its columns become.",
        )
        parser.add_argument(
            "--delimiter", default="", help="Of CSV; the one the header has most of is taken."
        )
        parser.add_argument("--encoding", default="utf-8-sig", help="Of CSV.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be done; nothing is stored."
        )
        parser.add_argument(
            "--rejected",
            type=Path,
            metavar="OUT",
            help="Write the lines that were set aside into OUT, and why into OUT.errors.",
        )
        parser.add_argument(
            "--again",
            action="store_true",
            help="Begin anew with a file that was done. Documents without `_id` and `sourceId`"
            " are there twice then.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["file"] == "-":
            raise CommandError(
                "Standard input cannot be read again where it was left. Write it into a file."
            )
        if options["dry_run"] and (options["rejected"] or options["again"]):
            raise CommandError("--dry-run sets nothing aside, so --rejected and --again are not.")
        path = Path(options["file"])
        try:
            with _asked_to_stop() as stopped, _Shown() as shown:
                done = import_file(
                    path=path,
                    collection=Collection(options["collection"]),
                    engagement_id=_engagement(options["engagement"]),
                    mapping=_mapping(options),
                    again=options["again"],
                    dry_run=options["dry_run"],
                    told=shown.progress,
                    refused=shown.refused,
                    stopped=stopped.is_set,
                )
            self._report(path, done, options)
        except DomainError as error:
            raise CommandError(error.detail) from None
        except OperationalError as error:
            raise CommandError(
                f"The database stopped it: {str(error).strip()}. What was stored stays; the same"
                " command goes on from there."
            ) from None

    def _report(self, path: Path, done: Progress, options: dict[str, Any]) -> None:
        if not done.is_surveyed:
            raise CommandError("Stopped. Nothing was stored yet.", returncode=130)
        lines = f"{_lines(done.rejected)} {'was' if done.rejected == 1 else 'were'}"
        counts = (
            f"{done.created:,} created, {done.unchanged:,} unchanged, {done.rejected:,} set aside"
        )
        if done.was_done:
            assert done.ended_at is not None  # noqa: S101  else it was not done
            ended = f"{timezone.localtime(done.ended_at):on %Y-%m-%d at %H:%M}"
            print(f"{path.name} was imported before, {ended}; nothing was done now.")
            then = f"{lines} set aside then. " if done.rejected else ""
            print(f"{then}--again begins anew with it.")
        elif options["dry_run"]:
            print(f"{path.name}: {counts}, if it were done.")
        else:
            print(f"{path.name}: {counts}.")
        if options["rejected"]:
            count = write_rejected(progress=done, path=options["rejected"])
            are = f"{_lines(count)} {'is' if count == 1 else 'are'}"
            print(f"{are} in {options['rejected']}, the reasons in its .errors.")
        if not done.is_done:
            how = "" if options["dry_run"] else " The same command goes on from there."
            raise CommandError(f"Stopped behind line {done.line:,}.{how}", returncode=130)
        if done.rejected and not done.was_done:
            more = "" if options["rejected"] or options["dry_run"] else "; --rejected writes them"
            raise CommandError(f"{lines} set aside{more}.", returncode=2)


class _Shown:
    """What is shown meanwhile: a bar on a terminal, else a line from time to time."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.named = 0
        self.next_line = time.monotonic() + _TELL_EVERY

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self.bar = tqdm(
                desc="Looking through it", unit="B", unit_scale=True, file=sys.stderr, total=None
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def progress(self, done: Progress) -> None:
        at = done.position if done.is_surveyed else done.size
        if self.bar is not None:
            if done.is_surveyed and self.bar.total is None:
                self.bar.reset(total=done.size)
                self.bar.set_description("Importing")
            self.bar.set_postfix_str(
                f"{done.created + done.unchanged:,} in, {done.rejected:,} set aside", refresh=False
            )
            self.bar.update(at - self.bar.n)
        elif time.monotonic() >= self.next_line:
            self.next_line = time.monotonic() + _TELL_EVERY
            if done.is_surveyed:
                share = f"{at / done.size:.0%}"
                said = f"{share}: {done.created:,} created, {done.unchanged:,} unchanged,"
                print(said, f"{done.rejected:,} set aside…", file=sys.stderr, flush=True)
            else:
                print(f"Looking through it: {at:,} bytes…", file=sys.stderr, flush=True)

    def refused(self, line: Rejected) -> None:
        self.named += 1
        if self.named > _NAMED + 1:
            return
        errors = "; ".join(f"{each['pointer']} {each['detail']}".strip() for each in line.errors)
        text = f"Line {line.number:,}: {errors}" if self.named <= _NAMED else "More are set aside…"
        if self.bar is not None:
            self.bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)


def _lines(count: int) -> str:
    return f"{count:,} line" if count == 1 else f"{count:,} lines"


@contextlib.contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """Let Ctrl-C and SIGTERM end the command after the batch; a second one ends it at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before: dict[int, Any] = {}

    def stop(number: int, _: object) -> None:
        stopped.set()
        signal.signal(number, before[number])

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _engagement(text: str) -> str:
    try:
        return read_hex(text) if text else ""
    except ValueError as error:
        raise CommandError(f"--engagement: {error}") from None


def _mapping(options: dict[str, Any]) -> CsvMapping | None:
    path: Path | None = options["csv_mapping"]
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_MAPPING).decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not in UTF-8.") from None
    return read_mapping(text, delimiter=options["delimiter"], encoding=options["encoding"])
