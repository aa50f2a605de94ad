"""`manage.py collect_repairs --source workshop`: one whole round of collecting, now."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError

from core.errors import DomainError
from repairs.clients import SourceFailed
from repairs.models import Aside, Source
from repairs.services import collect, preview, sync_sources

# Of the rows set aside, so many are named.
_NAMED = 20


class Command(BaseCommand):
    help = "Collect jobs from a client's database: what is new, what changed, what was set aside."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--source", required=True, metavar="NAME", help="One of REPAIR_SOURCES."
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Say what would be done; nothing is written, here or there.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["dry_run"]:
                self._preview(_source(options["source"]))
            else:
                sync_sources()
                self._collect(_source(options["source"]))
        except SourceFailed as error:
            raise CommandError(f"{error.detail} ({error.finding})") from None
        except DomainError as error:
            raise CommandError(error.detail) from None

    def _collect(self, source: Source) -> None:
        done = collect(source_id=source.pk, thorough=True)
        aside = Aside.objects.open().filter(source=source)
        print(
            f"{source.name}: {done.collected} taken in, {done.followed} followed,"
            f" {done.written} written back, {aside.count()} set aside."
        )
        for row in aside.order_by("-last_seen_at", "pk")[:_NAMED]:
            print(f"{row.key}: {row.detail}")

    def _preview(self, source: Source) -> None:
        counts: Counter[str] = Counter()
        for each in preview(source=source):
            counts[each.what] += 1
            counts["baseline"] += each.baseline
            if not each.baseline:
                print(f"{each.key}: {each.what}: {each.detail}")
        print(
            f"{source.name}: {counts['taken in']} taken in, {counts['baseline']} of them as there"
            f" before us, {counts['followed']} followed, {counts['aside']} set aside, if it were"
            " done."
        )


def _source(name: str) -> Source:
    known = {name: Source(name=name) for name in settings.REPAIR_SOURCES}
    known |= {source.name: source for source in Source.objects.all()}
    if name not in known:
        names = ", ".join(sorted(known)) or "none, as REPAIR_SOURCES is empty"
        raise CommandError(f"There is no source {name}. Known: {names}.")
    return known[name]
