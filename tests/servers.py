"""Real servers for a test: the gateway's stand-in and the web server, each its own process."""

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from notifications.tests.gateway import API_KEY, read_book

from .processes import Managed, spawn, wait_until


class RemoteGateway:
    """The gateway's stand-in, as a test talks to it."""

    def __init__(self, url: str, book: Path) -> None:
        self.url = url
        self._book = book

    @property
    def env(self) -> dict[str, str]:
        """What leads a worker to it, with leases that pass while a test waits."""
        return {
            "SMS_TRANSPORT": "africastalking",
            "AFRICASTALKING_USERNAME": "duka",
            "AFRICASTALKING_API_KEY": API_KEY,
            "AFRICASTALKING_URL": self.url,
            "MESSAGE_LEASE_SECONDS": "2",
        }

    def behave(self, number: str, *behaviours: str) -> None:
        requests.post(f"{self.url}/_behave", json={number: behaviours}, timeout=5)

    def release(self) -> None:
        requests.post(f"{self.url}/_release", json={}, timeout=5)

    def book(self) -> list[dict[str, Any]]:
        return read_book(self._book)

    def numbers(self) -> list[str]:
        """Where the messages that it took went, in their order."""
        return [entry["to"] for entry in self.book() if entry["id"]]


@contextlib.contextmanager
def spawn_gateway(folder: Path) -> Iterator[RemoteGateway]:
    book = folder / "gateway.jsonl"
    with spawn(sys.executable, "-m", "notifications.tests.gateway", "--book", str(book)) as process:
        wait_until(lambda: "\n" in process.log())
        yield RemoteGateway(process.log().strip(), book)


@contextlib.contextmanager
def spawn_web(
    env: dict[str, str] | None = None, *, port: int | None = None
) -> Iterator[tuple[Managed, str]]:
    """Run gunicorn; give the process and its address.

    With a `port`, SHOP_URL says so too: what the shop signs and whom it sends where fits.
    """
    command = (
        f"-m gunicorn config.wsgi:application --bind 127.0.0.1:{port or 0} --no-control-socket"
    )
    named = {"SHOP_URL": f"http://127.0.0.1:{port}"} if port else {}
    with spawn(sys.executable, *command.split(), env=named | (env or {})) as process:
        listening = re.compile(r"Listening at: (http://127\.0\.0\.1:\d+)")
        wait_until(lambda: listening.search(process.log()) or process.process.poll() is not None)
        found = listening.search(process.log())
        assert found, process.log()
        try:
            yield process, found[1]
        finally:
            # Asked, not killed, or its own workers would outlive it for a moment.
            process.stop()
