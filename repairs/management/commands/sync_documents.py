"""`manage.py sync_documents`: let MongoDB have each job's document as it is here."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from repairs import services
from repairs.models import DocumentWrite, Source

# Jobs between two lines that say how far it is.
TELL_EACH = 10_000


class Command(BaseCommand):
    help = "Compare MongoDB with the jobs that are here, and write what differs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--source", help="Those of this source alone.")
        parser.add_argument(
            "--all", action="store_true", help="Write every document, whatever is there."
        )
        parser.add_argument(
            "--prune", action="store_true", help="Remove documents that have no job here."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.MONGO_URL:
            raise CommandError("MONGO_URL is not set: no documents are kept in MongoDB.")
        source = options["source"]
        known = sorted(Source.objects.values_list("name", flat=True))
        if source and source not in known:
            raise CommandError(
                f"There is no source {source!r}. Known: {', '.join(known) or 'none'}."
            )
        self.last = ""
        try:
            self._sync(source, everything=options["all"], prune=options["prune"])
        except services.MongoFailed as error:
            raise CommandError(f"{error.detail} {self._how_far()}") from None
        except KeyboardInterrupt:
            raise CommandError(f"Stopped. {self._how_far()}", returncode=130) from None

    def _sync(self, source: str | None, *, everything: bool, prune: bool) -> None:
        with services.open_documents() as documents:
            looked, differed = services.rebuild_documents(
                documents, source=source, everything=everything, told=self._tell
            )
            said = "written" if everything else f"looked at, {differed:,} written as they differed"
            self.stdout.write(f"{looked:,} jobs: {said}.")
            refused = DocumentWrite.objects.refused()
            if refused:
                first = refused.order_by("pk")[0]
                self.stderr.write(
                    f"{refused.count():,} documents are refused and are offered again from time to"
                    f" time; that of job {first.job}: {first.error}"
                )
            strays = services.find_strays(documents, source=source, prune=prune)
        if strays.count:
            end = "removed." if prune else "kept; --prune removes them."
            more = ", …" if strays.count > len(strays.named) else ""
            self.stdout.write(
                f"{strays.count:,} documents have no job: {', '.join(strays.named)}{more}; {end}"
            )
        if strays.foreign:
            self.stdout.write(f"{strays.foreign:,} documents are no jobs' and were left alone.")

    def _tell(self, looked: int, noted: int, last: str) -> None:
        self.last = last
        if looked % TELL_EACH == 0:
            self.stdout.write(f"{looked:,} jobs, {noted:,} to write; at {last}…")
            self.stdout.flush()

    def _how_far(self) -> str:
        if not self.last:
            return "Nothing was compared yet."
        return (
            f"It came as far as {self.last}; what was noted so far is written by the worker."
            " Run it again: without --all, what is right already is not written anew."
        )
