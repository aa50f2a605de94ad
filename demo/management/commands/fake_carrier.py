"""`manage.py fake_carrier`: plays the shop's carriers, so that goods go out without any."""

import signal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from demo.carrier import FakeCarrier, Keys


class Command(BaseCommand):
    help = (
        "Play the courier and Parcelpost on this machine: take shipments, then tell the shop what"
        " becomes of them. It knows the shop by the shop's own settings, and prints those that"
        " lead to it where there are none."
    )
    # It needs no database.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=0, help="0: any that is free")
        parser.add_argument(
            "--book", type=Path, default=Path(settings.VAR_DIR) / "carrier.jsonl", help="its book"
        )
        parser.add_argument(
            "--pace",
            type=float,
            default=20,
            help="seconds between two things that happen to a shipment; negative: nothing does",
        )
        parser.add_argument("--shop", default=settings.SHOP_URL, help="whom it tells")

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        keys = _keys()
        book: Path = options["book"]
        book.parent.mkdir(parents=True, exist_ok=True)
        carrier = FakeCarrier(
            book,
            keys=keys or Keys.new(),
            port=options["port"],
            shop=options["shop"],
            pace=options["pace"] if options["pace"] >= 0 else None,
        )
        self.stdout.write(f"The carriers are at {carrier.url}")
        if keys is None:
            for name, value in carrier.keys.environment(carrier.url).items():
                self.stdout.write(f"{name}={value}")
        self.stdout.flush()
        carrier.go_on()
        try:
            carrier.serve_forever()
        except KeyboardInterrupt:
            carrier.server_close()


def _keys() -> Keys | None:
    """Return what the shop is known by; None where nothing is set."""
    if not settings.COURIER_API_KEY or not settings.COURIER_WEBHOOK_SECRETS:
        return None
    return Keys(
        courier_api_key=settings.COURIER_API_KEY,
        courier_webhook_secret=settings.COURIER_WEBHOOK_SECRETS[0],
        parcelpost_user=settings.PARCELPOST_USER,
        parcelpost_password=settings.PARCELPOST_PASSWORD,
        parcelpost_webhook_key=settings.PARCELPOST_WEBHOOK_KEY,
    )
