"""`manage.py export KIND FILE`: writes all of a kind into a file."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from uploads.services import export
from uploads.states import Format, Kind


class Command(BaseCommand):
    help = "Export all customers, products or orders, in the form in which they are uploaded."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=Kind.values)
        parser.add_argument("file", type=Path, help="Its name ends .csv, .xlsx or .json.")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        format_ = path.suffix.removeprefix(".").lower()
        if format_ not in Format.values:
            raise CommandError(f"{path} must end .csv, .xlsx or .json.")
        try:
            # For the shop's own eyes: it holds all customers.
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as to:
                for piece in export(kind=options["kind"], format=format_):
                    to.write(piece)
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
