"""A steady load of orders, as a process of its own that writes down all it sent and was answered.

    python -m tests.drill load --base URL --client ID --secret SECRET --journal FILE …

Each order has an Idempotency-Key, and is sent again with it until it is answered. A line of the
journal is on the disk before the request that it is about, so that it survives whatever dies.
"""

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import requests

HOST = "shop.example"
# Longer than anything may take that is to be answered at all.
PATIENCE = 150


class Journal:
    def __init__(self, path: Path) -> None:
        self._file = path.open("a")
        self._guard = threading.Lock()

    def write(self, **line: Any) -> None:
        with self._guard:
            self._file.write(json.dumps({"at": time.time(), **line}) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())


def read_journal(path: Path) -> list[dict[str, Any]]:
    # Without a last line that is still being written.
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


class Caller:
    """A program that orders by REST; it comes back until it is answered."""

    def __init__(self, base: str, *, client: str, secret: str, journal: Journal | None) -> None:
        self.base = base
        self._auth = (client, secret)
        self._journal = journal
        self._token = ""
        self._session = requests.Session()
        # As a proxy in front of nginx would have passed it on.
        self._session.headers["Host"] = HOST

    def ask(
        self, method: str, path: str, body: Any = None, *, key: str = "", seconds: float = PATIENCE
    ) -> requests.Response:
        """Ask once."""
        headers = {"Authorization": f"Bearer {self._token}"}
        if key:
            headers["Idempotency-Key"] = key
        return self._session.request(
            method, f"{self.base}/api/v1{path}", json=body, headers=headers, timeout=seconds
        )

    def insist(
        self, path: str, body: Any, *, key: str, what: str, seconds: float = 600
    ) -> tuple[int, Any]:
        """POST until it is answered for good, and return that answer."""
        self._note(what=what, key=key, sent=body, path=path)
        attempt = 0
        deadline = time.monotonic() + seconds
        while True:
            assert time.monotonic() < deadline, f"not answered after {seconds} s: {path} {key}"
            attempt += 1
            began = time.monotonic()
            wait = 0.3
            try:
                response = self.ask("POST", path, body, key=key)
                answer = response.json() if "json" in response.headers["Content-Type"] else {}
            except (requests.RequestException, ValueError) as error:
                self._note(what=what, key=key, attempt=attempt, error=type(error).__name__,
                           ms=_ms(began))  # fmt: skip
            else:
                status, code = response.status_code, answer.get("code", "")
                self._note(
                    what=what, key=key, attempt=attempt, status=status, code=code,
                    replayed="Idempotent-Replayed" in response.headers,
                    number=answer.get("number"), ms=_ms(began),
                    retry_after=response.headers.get("Retry-After"),
                    problem=response.headers["Content-Type"] == "application/problem+json",
                    text="" if status < 500 else response.text[:300],
                )  # fmt: skip
                if status == 401:
                    self.sign_in()
                    continue
                if status < 500 and status != 429 and code != "idempotency_in_flight":
                    return status, answer
                wait = min(float(response.headers.get("Retry-After") or wait), 2)
            time.sleep(wait)

    def sign_in(self) -> None:
        """Get a token, however long that takes."""
        while True:
            began = time.monotonic()
            wait = 0.3
            try:
                answer = self._session.post(
                    f"{self.base}/identity/o/api/token",
                    {"grant_type": "client_credentials", "scope": "api"},
                    auth=self._auth,
                    timeout=PATIENCE,
                )
                self._note(what="token", status=answer.status_code, ms=_ms(began),
                           text="" if answer.status_code == 200 else answer.text[:300])  # fmt: skip
                if answer.status_code == 200:
                    self._token = answer.json()["access_token"]
                    return
                # A web server that is killed while it counts leaves the count of its caller's
                # address locked for ten seconds.
                assert answer.status_code == 429 or answer.status_code >= 500, answer.text
                wait = min(float(answer.headers.get("Retry-After") or wait), 2)
            except requests.RequestException as error:
                self._note(what="token", error=type(error).__name__, ms=_ms(began))
            time.sleep(wait)

    def _note(self, **line: Any) -> None:
        if self._journal is not None:
            self._journal.write(**line)


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _keep_ordering(
    caller: Caller, chance: random.Random, options: argparse.Namespace, stop: threading.Event
) -> None:
    caller.sign_in()
    while not stop.is_set():
        skus = chance.sample(range(options.skus), k=chance.choice([1, 1, 2]))
        lines = [{"sku": f"TEA-{n}", "quantity": chance.randint(1, 3)} for n in skus]
        body = {"customer": f"C{chance.randrange(options.customers)}", "lines": lines}
        status, order = caller.insist("/orders/", body, key=str(uuid.uuid4()), what="order")
        if status == 201 and chance.random() < 0.4:
            path = f"/orders/{order['number']}/accept/"
            caller.insist(path, {}, key=str(uuid.uuid4()), what="accept")
        stop.wait(chance.uniform(0, 2 * options.pause))


def load(options: argparse.Namespace) -> None:
    """Order until SIGTERM, then see to it that all that was begun is answered, and end."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    journal = Journal(options.journal)
    threads = []
    for n in range(options.callers):
        caller = Caller(options.base, client=options.client, secret=options.secret, journal=journal)
        chance = random.Random(options.seed * 1000 + n)
        threads.append(
            threading.Thread(target=_keep_ordering, args=(caller, chance, options, stop))
        )
        threads[-1].start()
    for thread in threads:
        thread.join()


def machine() -> None:
    """Print the client id and the secret of a new program, with the settings of the environment."""
    import django  # noqa: PLC0415  only here

    django.setup()
    from accounts.services.machines import create_machine  # noqa: PLC0415

    rights = ["handle_orders", "manage_catalogue", "manage_customers"]
    made, secret = create_machine(by=None, name="Till", rights=rights)
    sys.stdout.write(json.dumps([made.client_id, secret]))


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("machine")
    loading = commands.add_parser("load")
    for name in ("base", "client", "secret"):
        loading.add_argument(f"--{name}", required=True)
    loading.add_argument("--journal", type=Path, required=True)
    loading.add_argument("--seed", type=int, default=1)
    loading.add_argument("--callers", type=int, default=4)
    loading.add_argument("--customers", type=int, default=20)
    loading.add_argument("--skus", type=int, default=5)
    loading.add_argument("--pause", type=float, default=0.3)
    options = parser.parse_args()
    if options.command == "machine":
        machine()
    else:
        load(options)


if __name__ == "__main__":
    main()
