"""A stand-in that plays Africa's Talking over real HTTP, by the measured contract.

In a test's own process:

    with Gateway(book) as gateway:          # the fixture `gateway` does this
        gateway.behave("+254722000001", "503", "101")

As a process of its own, so that it outlives and cross-examines the others:

    python -m notifications.tests.gateway --port N --book FILE

It keeps its own book: one JSON line for each request, written before any
answer, with `id` where it took the message to send it on. What it does with a
message is chosen for each phone number by a queue of behaviours, of which the
last stays; `*` stands for all numbers without one:

    100 101 102              took it (processed, sent, queued)
    401 … 502                refuses this recipient with that code of the contract
    invalid_sender           no recipients, and a message that says why
    dnd_409                  do-not-disturb as HTTP 409 with the usual JSON
    http_N                   HTTP status N with a line of text, not taken
    took_http_N              took it, yet answers with HTTP status N
    charset:B                as B (a code), with a charset in the Content-Type
    slow:S                   took it, answers after S seconds
    hang                     took it, never answers
    hold                     took it, answers when it is released
    drop_after               took it, closes the connection without an answer
    drop_midway              took it, closes the connection in the midst of its answer
    redirect_N               took it, and points somewhere else with HTTP status N
    body:TEXT, text:TEXT     took it, answers HTTP 200 with TEXT as JSON or as HTML
    took_500:TEXT            took it, answers HTTP 500 with TEXT

The queue of the number `connection` is asked before a request is read: `drop`
closes the connection, `serve` goes on.
"""

import argparse
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import requests

API_KEY = "key-of-the-tests"
ACCEPTED = {"100": "Processed", "101": "Sent", "102": "Queued"}
REFUSED = {
    "401": "RiskHold",
    "402": "InvalidSenderId",
    "403": "InvalidPhoneNumber",
    "404": "UnsupportedNumberType",
    "405": "InsufficientBalance",
    "406": "UserInBlacklist",
    "407": "CouldNotRoute",
    "409": "DoNotDisturbRejection",
    "500": "InternalServerError",
    "501": "GatewayError",
    "502": "RejectedByGateway",
}
PATH = "/version1/messaging"


class Gateway(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, book: Path, *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.book_path = book
        self.released = threading.Event()
        # Called with each entry of the book before its request is answered.
        self.on_request: Callable[[dict[str, Any]], None] | None = None
        self._lock = threading.Lock()
        self._behaviours: dict[str, list[str]] = {}
        self._requests = 0

    def __enter__(self) -> "Gateway":
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def behave(self, number: str, *behaviours: str) -> None:
        with self._lock:
            self._behaviours[number] = list(behaviours)

    def release(self) -> None:
        self.released.set()

    def book(self) -> list[dict[str, Any]]:
        return read_book(self.book_path)

    def next_behaviour(self, number: str) -> str:
        with self._lock:
            queue = self._behaviours.get(number) or self._behaviours.get("*") or ["101"]
            return _next(queue)

    def drops_connection(self) -> bool:
        with self._lock:
            return _next(self._behaviours.get("connection", ["serve"])) == "drop"

    def enter(self, entry: dict[str, Any], *, takes: bool) -> dict[str, Any]:
        """Write down a request, and where it takes the message, under which id."""
        with self._lock:
            self._requests += 1
            entry |= {"at": time.time(), "id": f"ATXid_{self._requests}" if takes else None}
            with self.book_path.open("a") as book:
                book.write(json.dumps(entry) + "\n")
        if self.on_request is not None:
            self.on_request(entry)
        return entry

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed on purpose are no news."""


def _next(queue: list[str]) -> str:
    return queue.pop(0) if len(queue) > 1 else queue[0]


class _Handler(BaseHTTPRequestHandler):
    server: Gateway

    def handle(self) -> None:
        if self.server.drops_connection():
            self.server.enter({"behaviour": "drop"}, takes=False)
            self._reset()
        else:
            super().handle()

    def do_GET(self) -> None:
        # Where a redirect leads: had the client followed it, this would show in the book.
        self.server.enter({"method": "GET", "path": self.path}, takes=False)
        self._answer(404, "There is nothing here.", "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/_behave":
            for number, behaviours in json.loads(body).items():
                self.server.behave(number, *behaviours)
            self._answer(200, "{}", "application/json")
        elif self.path == "/_release":
            self.server.release()
            self._answer(200, "{}", "application/json")
        else:
            self._messaging({name: value[0] for name, value in parse_qs(body, True).items()})

    def _messaging(self, form: dict[str, str]) -> None:
        entry = {
            "method": "POST",
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "form": form,
            "to": form.get("to"),
            "message": form.get("message"),
        }
        if self.path != PATH:
            self.server.enter(entry | {"behaviour": "http_404"}, takes=False)
            self._answer(404, "There is nothing here.", "text/plain")
            return
        if self.headers["apiKey"] != API_KEY:
            self.server.enter(entry | {"behaviour": "http_401"}, takes=False)
            self._answer(401, "The supplied authentication is invalid", "text/plain")
            return
        behaviour = self.server.next_behaviour(form["to"])
        entry["behaviour"] = behaviour
        self._play(entry, *behaviour.partition(":")[::2])

    def _play(self, entry: dict[str, Any], name: str, detail: str) -> None:
        content_type = "application/json"
        if name == "charset":
            name, content_type = detail, "application/json; charset=utf-8"
        takes = not (
            name in REFUSED or name in {"invalid_sender", "dnd_409"} or name.startswith("http_")
        )
        entry = self.server.enter(entry, takes=takes)
        number = entry["to"]
        match name.rsplit("_", 1):
            case [code] if code in ACCEPTED:
                self._answer(201, _taken(number, entry["id"], code), content_type)
            case [code] if code in REFUSED:
                self._answer(201, _refusal(number, code), content_type)
            case ["invalid", "sender"]:
                answer = {"SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}}
                self._answer(201, json.dumps(answer), content_type)
            case ["dnd", "409"]:
                self._answer(409, _refusal(number, "409"), content_type)
            case ["http" | "took_http", status]:
                self._answer(int(status), "An answer in plain words.", "text/plain")
            case ["took", status]:
                self._answer(int(status), detail, "text/plain")
            case ["slow"]:
                time.sleep(float(detail))
                self._answer(201, _taken(number, entry["id"]), content_type)
            case ["hang"]:
                self.connection.recv(1)  # Until the client has gone.
            case ["hold"]:
                self.server.released.wait()
                self._answer(201, _taken(number, entry["id"]), content_type)
            case ["drop", "after"]:
                self._reset()
            case ["drop", "midway"]:
                self._answer(201, _taken(number, entry["id"]), content_type, cut=20)
            case ["redirect", status]:
                self.send_response(int(status))
                self.send_header("Location", detail or f"{self.server.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
            case ["body"]:
                self._answer(200, detail, content_type)
            case ["text"]:
                self._answer(200, detail, "text/html; charset=utf-8")
            case _:
                raise ValueError(f"The stand-in knows no behaviour {name!r}.")

    def _answer(self, status: int, text: str, content_type: str, *, cut: int = 0) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) - cut])

    def _reset(self) -> None:
        """Close as a crash does: with RST, at once."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """The book says it all."""


def _taken(number: str, id: str, code: str = "101") -> str:
    return json.dumps(
        {
            "SMSMessageData": {
                "Message": "Sent to 1/1 Total Cost: KES 0.8000",
                "Recipients": [
                    {
                        "statusCode": int(code),
                        "number": number,
                        "status": "Success",
                        "cost": "KES 0.8000",
                        "messageId": id,
                    }
                ],
            }
        }
    )


def _refusal(number: str, code: str) -> str:
    return json.dumps(
        {
            "SMSMessageData": {
                "Message": "Sent to 0/1 Total Cost: 0",
                "Recipients": [
                    {
                        "statusCode": int(code),
                        "number": number,
                        "status": REFUSED[code],
                        "cost": "0",
                        "messageId": "None",
                    }
                ],
            }
        }
    )


def read_book(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    # Without a last line that is still being written.
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


class RemoteGateway:
    """The stand-in in a process of its own, as a test talks to it."""

    def __init__(self, url: str, book: Path) -> None:
        self.url = url
        self.book_path = book

    def behave(self, number: str, *behaviours: str) -> None:
        requests.post(f"{self.url}/_behave", json={number: behaviours}, timeout=5)

    def release(self) -> None:
        requests.post(f"{self.url}/_release", json={}, timeout=5)

    def book(self) -> list[dict[str, Any]]:
        return read_book(self.book_path)

    def taken(self) -> Iterator[dict[str, Any]]:
        return (entry for entry in self.book() if entry["id"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--book", type=Path, required=True)
    options = parser.parse_args()
    gateway = Gateway(options.book, port=options.port)
    print(gateway.url, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        gateway.serve_forever()


if __name__ == "__main__":
    main()
