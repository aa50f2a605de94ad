"""`manage.py fake_client`: plays a client whose old system of repair jobs the shop follows."""

import signal
import threading
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from demo.client import FakeClient


class Command(BaseCommand):
    help = (
        "Play a client's people at work in a database file of repair jobs: they bring new jobs, and"
        " complete, close or cancel some."
    )
    # It needs no database of the shop's.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--file", type=Path, default=Path(settings.VAR_DIR) / "client.sqlite3", help="its own"
        )
        parser.add_argument(
            "--pace", type=float, default=5, help="seconds between two things that happen"
        )
        parser.add_argument("--jobs", type=int, default=12, help="how many new ones are brought")
        parser.add_argument("--once", action="store_true", help="bring one, move one on, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        client = FakeClient(options["file"])
        client.prepare()
        if options["once"]:
            self._bring(client)
            self._go_on(client)
            return
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self.stdout.write(f"The client's jobs are in {client.file}")
        if not settings.REPAIR_SOURCES:
            self.stdout.write(f"REPAIR_SOURCES=workshop\nREPAIRS_WORKSHOP_URL={client.url}")
        self.stdout.flush()
        try:
            self._work(client, jobs=options["jobs"], pace=options["pace"])
        except KeyboardInterrupt:
            return

    def _work(self, client: FakeClient, *, jobs: int, pace: float) -> None:
        never = threading.Event()
        turn = 0
        while not never.wait(pace):
            # In turns, so that what was brought is opened before it is moved on.
            if turn % 2 == 0 and jobs > 0:
                self._bring(client)
                jobs -= 1
            else:
                self._go_on(client)
            turn += 1

    def _bring(self, client: FakeClient) -> None:
        key, _, word, first, last, *_, product = client.bring()
        self.stdout.write(f"At the client's: job {key:05}, {word}: {first} {last}, {product}.")
        self.stdout.flush()

    def _go_on(self, client: FakeClient) -> None:
        if moved := client.go_on():
            key, word = moved
            self.stdout.write(f"At the client's: job {key:05} is {word}.")
            self.stdout.flush()
