"""`manage.py doctor`: looks at all that the shop needs, and says what to do."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core import doctor


class Command(BaseCommand):
    help = (
        "Look at the database, the workers, providers, disks, backups and settings, and say what to"
        " do. Changes and sends nothing. Ends with 1 where there is a problem."
    )
    # It makes them itself, and goes on.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="For programs.")
        parser.add_argument(
            "--offline", action="store_true", help="Ask no server but the database and the cache."
        )
        parser.add_argument(
            "--seconds",
            type=float,
            default=15,
            help="For the database, and for all the rest together (default: 15).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        examined = doctor.examine(seconds=options["seconds"], offline=options["offline"])
        show = doctor.as_json if options["json"] else doctor.as_text
        self.stdout.write(show(examined))
        if doctor.has_problems(examined):
            sys.exit(1)
