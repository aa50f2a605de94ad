"""`manage.py export_interactions`: writes documents out, one a line."""

import os
import sys
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from conversations.documents import read_hex
from conversations.services import Chosen, export_documents, written
from conversations.states import Collection
from core.errors import DomainError


class Command(BaseCommand):
    help = (
        "Export documents, one a line, as mongoimport and import_interactions take them;"
        " interactions in the order of their time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--collection",
            choices=Collection.values,
            default=Collection.INTERACTIONS,
            help="What is exported.",
        )
        parser.add_argument("--client", default="", metavar="ID")
        parser.add_argument("--engagement", default="", metavar="ID")
        parser.add_argument("--customer", default="", metavar="CODE")
        parser.add_argument(
            "--after", default="", metavar="TIME", help="A day or a time of the shop's, or with Z."
        )
        parser.add_argument("--before", default="", metavar="TIME", help="Up to, without it.")
        parser.add_argument(
            "--output", type=Path, metavar="FILE", help="Packed if its name ends .gz."
        )
        parser.add_argument(
            "--without-links",
            action="store_true",
            help="Without Duka's own members: sourceId, customer and order.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = Chosen(
            client_id=_id("client", options),
            engagement_id=_id("engagement", options),
            customer=options["customer"],
            after=_time("after", options),
            before=_time("before", options),
        )
        asked: dict[str, Any] = {
            "collection": Collection(options["collection"]),
            "chosen": chosen,
            "with_own": not options["without_links"],
        }
        path: Path | None = options["output"]
        try:
            if path is None:
                _to_stdout(asked)
                return
            with written(path) as file:
                count = export_documents(write=file.write, **asked)
        except DomainError as error:
            raise CommandError(error.detail) from None
        print(f"{count:,} documents are in {path}.")


def _to_stdout(asked: dict[str, Any]) -> None:
    try:
        export_documents(write=sys.stdout.buffer.write, **asked)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads it has enough. Python would complain of it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _id(name: str, options: dict[str, Any]) -> str:
    try:
        return read_hex(options[name]) if options[name] else ""
    except ValueError as error:
        raise CommandError(f"--{name}: {error}") from None


def _time(name: str, options: dict[str, Any]) -> datetime | None:
    if not options[name]:
        return None
    try:
        read = datetime.fromisoformat(options[name])
    except ValueError:
        raise CommandError(
            f"--{name}: it must be a day or a time: 2020-05-16, 2020-05-16T12:00Z."
        ) from None
    return read if read.tzinfo else read.replace(tzinfo=ZoneInfo(settings.SHOP_TIME_ZONE))
