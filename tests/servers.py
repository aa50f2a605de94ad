"""Real servers for a test: the gateways' stand-ins, the web server, each its own process."""

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import requests

from notifications.tests import vonage_gateway
from notifications.tests.gateway import API_KEY, read_book

from .processes import PROJECT, Managed, spawn, wait_until


class RemoteGateway:
    """The stand-in of Africa's Talking, as a test talks to it."""

    module = "notifications.tests.gateway"
    # What its certificate is checked by; it has none.
    ca: Path | bool = True

    def __init__(self, url: str, book: Path) -> None:
        self.url = url
        self._book = book

    @property
    def env(self) -> dict[str, str]:
        """What leads a worker to it, with leases that pass while a test waits."""
        return self._env() | {"MESSAGE_LEASE_SECONDS": "2"}

    def _env(self) -> dict[str, str]:
        return {
            "SMS_TRANSPORT": "africastalking",
            "AFRICASTALKING_USERNAME": "duka",
            "AFRICASTALKING_API_KEY": API_KEY,
            "AFRICASTALKING_URL": self.url,
        }

    def behave(self, number: str, *behaviours: str) -> None:
        self.behave_each({number: behaviours})

    def behave_each(self, behaviours: Mapping[str, Sequence[str]]) -> None:
        """Say for many numbers at once what it does with their messages."""
        self._post("_behave", behaviours)

    def release(self) -> None:
        self._post("_release", {})

    def _post(self, path: str, data: Mapping[str, Any]) -> None:
        requests.post(f"{self.url}/{path}", json=data, verify=self.ca, timeout=20)

    def book(self) -> list[dict[str, Any]]:
        return read_book(self._book)

    def numbers(self) -> list[str]:
        """Where the messages that it took went, in their order."""
        return [entry["to"] for entry in self.book() if entry["id"]]


class RemoteVonage(RemoteGateway):
    """The stand-in of Vonage."""

    module = "notifications.tests.vonage_gateway"

    def __init__(self, url: str, book: Path) -> None:
        super().__init__(url, book)
        self.ca = book.with_suffix(".pem")

    def _env(self) -> dict[str, str]:
        return {
            "SMS_TRANSPORT": "vonage",
            "VONAGE_API_HOST": self.url.removeprefix("https://"),
            "VONAGE_API_KEY": vonage_gateway.API_KEY,
            "VONAGE_API_SECRET": vonage_gateway.API_SECRET,
            "VONAGE_SENDER": "DUKA",
            "VONAGE_SIGNATURE_SECRET": vonage_gateway.SIGNATURE_SECRET,
            "REQUESTS_CA_BUNDLE": str(self.ca),
        }


Remote = TypeVar("Remote", bound=RemoteGateway)


def spawn_gateway(
    folder: Path, *, port: int = 0
) -> contextlib.AbstractContextManager[RemoteGateway]:
    return _spawn_stand_in(RemoteGateway, folder / "gateway.jsonl", port)


def spawn_vonage(folder: Path, *, port: int = 0) -> contextlib.AbstractContextManager[RemoteVonage]:
    return _spawn_stand_in(RemoteVonage, folder / "vonage.jsonl", port)


@contextlib.contextmanager
def _spawn_stand_in(kind: type[Remote], book: Path, port: int) -> Iterator[Remote]:
    command = (sys.executable, "-m", kind.module, "--book", str(book), "--port", str(port))
    with spawn(*command) as process:
        wait_until(lambda: "\n" in process.log())
        yield kind(process.log().strip(), book)


@contextlib.contextmanager
def spawn_web(
    env: dict[str, str] | None = None, *, port: int | None = None, cwd: Path = PROJECT
) -> Iterator[tuple[Managed, str]]:
    """Run gunicorn; give the process and its address.

    With a `port`, SHOP_URL says so too: what the shop signs and whom it sends where fits.
    """
    command = (
        f"-m gunicorn config.wsgi:application --bind 127.0.0.1:{port or 0} --no-control-socket"
    )
    named = {"SHOP_URL": f"http://127.0.0.1:{port}"} if port else {}
    with spawn(sys.executable, *command.split(), env=named | (env or {}), cwd=cwd) as process:
        listening = re.compile(r"Listening at: (http://127\.0\.0\.1:\d+)")
        wait_until(lambda: listening.search(process.log()) or process.process.poll() is not None)
        found = listening.search(process.log())
        assert found, process.log()
        try:
            yield process, found[1]
        finally:
            # Asked, not killed, or its own workers would outlive it for a moment.
            process.stop()
