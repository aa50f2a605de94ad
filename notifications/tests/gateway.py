"""A stand-in that plays Africa's Talking over real HTTP, by the measured contract.

In a test's own process, as the fixture `gateway` does it:

    with Gateway(book) as gateway:
        gateway.behave("+254722000001", "503", "101")

As a process of its own, so that it outlives and cross-examines the others:

    python -m notifications.tests.gateway --port N --book FILE

It keeps its own book: one JSON line for each request, written before any
answer, with an `id` where it took the message to send it on. What it does with
a message is chosen for each phone number by a queue of behaviours, of which
the last stays; those of `*` are for all numbers without their own:

    100 101 102              takes it (processed, sent, queued)
    401 … 502                refuses this recipient with that code of the contract
    invalid_sender           no recipients, and a message that says why
    dnd_409                  do-not-disturb as HTTP 409 with the usual JSON
    charset:CODE             as CODE, with a charset in the Content-Type
    http:STATUS              refuses the request with a line of text
    took_http:STATUS [TEXT]  takes it, yet answers with STATUS and TEXT
    redirect:STATUS [URL]    takes it, and points somewhere else
    body:TEXT, text:TEXT     takes it, answers 200 with TEXT, as JSON or as HTML
    slow:SECONDS             takes it, answers late
    hold                     takes it, answers when it is released
    hang                     takes it, never answers
    drop_after               takes it, closes the connection without an answer
    drop_midway              takes it, closes the connection in the midst of its answer

The queue of the number `connection` is asked before a request is read: `drop`
closes the connection, `serve` goes on.
"""

import argparse
import json
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

API_KEY = "key-of-the-tests"
PATH = "/version1/messaging"
ACCEPTED = {"100", "101", "102"}
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
JSON = "application/json"
PLAIN = "text/plain"


class Gateway(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    # How it calls the messages that it takes.
    ident = "ATXid_{}"

    def __init__(self, book: Path, *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), self.handler())
        self.book_path = book
        self.released = threading.Event()
        # Called with each new entry of the book, before its request is answered.
        self.on_request: Callable[[dict[str, Any]], None] | None = None
        self._lock = threading.Lock()
        self._behaviours: dict[str, list[str]] = {}
        self._requests = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()

    def handler(self) -> "type[Handler]":
        return Handler

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

    def next_behaviour(self, *numbers: str, otherwise: str) -> str:
        with self._lock:
            for number in numbers:
                if queue := self._behaviours.get(number):
                    return queue.pop(0) if len(queue) > 1 else queue[0]
        return otherwise

    def enter(self, entry: dict[str, Any], *, takes: bool = False) -> dict[str, Any]:
        """Write down a request, and under which id it takes the message if it does."""
        with self._lock:
            self._requests += 1
            entry |= {"at": time.time(), "id": self.ident.format(self._requests) if takes else None}
            with self.book_path.open("a") as book:
                book.write(json.dumps(entry) + "\n")
        if self.on_request is not None:
            self.on_request(entry)
        return entry

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed on purpose are no news."""


class Handler(BaseHTTPRequestHandler):
    server: Gateway

    def handle(self) -> None:
        if self.server.next_behaviour("connection", otherwise="serve") == "drop":
            # Once the request is on its way, or the client could not even connect.
            select.select([self.connection], [], [])
            self.server.enter({"behaviour": "drop"})
            self._reset()
        else:
            super().handle()

    def do_GET(self) -> None:
        # Where a redirect leads: had a client followed it, the book would tell.
        self.server.enter({"method": "GET", "path": self.path})
        self._answer(404, "There is nothing here.", PLAIN)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/_behave":
            for number, behaviours in json.loads(body).items():
                self.server.behave(number, *behaviours)
            self._answer(200, "{}")
        elif self.path == "/_release":
            self.server.release()
            self._answer(200, "{}")
        else:
            self._messaging(self._form(body))

    def _form(self, body: str) -> dict[str, Any]:
        return {name: values[0] for name, values in parse_qs(body, True).items()}

    def _about(self, form: dict[str, Any]) -> dict[str, Any]:
        return {"to": form.get("to"), "message": form.get("message")}

    def _messaging(self, form: dict[str, Any]) -> None:
        behaviour = self._behaviour(form)
        name, _, detail = behaviour.partition(":")
        refuses = {*REFUSED, "invalid_sender", "dnd_409", "charset", "http"}
        entry = self.server.enter(
            {
                "method": "POST",
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "form": form,
                **self._about(form),
                "behaviour": behaviour,
            },
            takes=name not in refuses or (name == "charset" and detail in ACCEPTED),
        )
        if name in ACCEPTED | set(REFUSED):
            self._code(entry, name)
        else:
            getattr(self, f"_{name}")(entry, detail)

    def _behaviour(self, form: dict[str, str]) -> str:
        if self.path != PATH:
            return "http:404"
        if self.headers["apiKey"] != API_KEY:
            return "http:401"
        return self.server.next_behaviour(form["to"], "*", otherwise="101")

    def _code(self, entry: dict[str, Any], code: str, content_type: str = JSON) -> None:
        self._answer(201, _answer_of(entry, code), content_type)

    def _charset(self, entry: dict[str, Any], code: str) -> None:
        self._code(entry, code, f"{JSON}; charset=utf-8")

    def _invalid_sender(self, entry: dict[str, Any], detail: str) -> None:
        answer = {"SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}}
        self._answer(201, json.dumps(answer))

    def _dnd_409(self, entry: dict[str, Any], detail: str) -> None:
        self._answer(409, _answer_of(entry, "409"))

    def _http(self, entry: dict[str, Any], status: str) -> None:
        self._answer(int(status), "No, thank you.", PLAIN)

    def _took_http(self, entry: dict[str, Any], detail: str) -> None:
        status, _, text = detail.partition(" ")
        self._answer(int(status), text, PLAIN)

    def _redirect(self, entry: dict[str, Any], detail: str) -> None:
        status, _, url = detail.partition(" ")
        self._answer(int(status), "", PLAIN, Location=url or f"{self.server.url}/elsewhere")

    def _body(self, entry: dict[str, Any], text: str) -> None:
        self._answer(200, text)

    def _text(self, entry: dict[str, Any], text: str) -> None:
        self._answer(200, text, "text/html; charset=utf-8")

    def _slow(self, entry: dict[str, Any], seconds: str) -> None:
        time.sleep(float(seconds))
        self._taken(entry)

    def _hold(self, entry: dict[str, Any], detail: str) -> None:
        self.server.released.wait()
        self._taken(entry)

    def _hang(self, entry: dict[str, Any], detail: str) -> None:
        self.connection.recv(1)  # Until the client has gone.

    def _drop_after(self, entry: dict[str, Any], detail: str) -> None:
        self._reset()

    def _drop_midway(self, entry: dict[str, Any], detail: str) -> None:
        self._taken(entry, cut=20)

    def _taken(self, entry: dict[str, Any], *, cut: int = 0) -> None:
        self._answer(201, _answer_of(entry, "101"), cut=cut)

    def _answer(
        self, status: int, text: str, content_type: str = JSON, *, cut: int = 0, **headers: str
    ) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) - cut])

    def _reset(self) -> None:
        """Close as a crash does: with RST, at once."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """The book says it all."""


def _answer_of(entry: dict[str, Any], code: str) -> str:
    """Return the usual JSON about one recipient. A refused one has the word "None" as its id."""
    taken = code in ACCEPTED
    return json.dumps(
        {
            "SMSMessageData": {
                "Message": f"Sent to {taken:d}/1 Total Cost: {'KES 0.8000' if taken else 0}",
                "Recipients": [
                    {
                        "statusCode": int(code),
                        "number": entry["to"],
                        "status": "Success" if taken else REFUSED[code],
                        "cost": "KES 0.8000" if taken else "0",
                        "messageId": str(entry["id"]),
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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--book", type=Path, required=True)
    options = parser.parse_args()
    gateway = Gateway(options.book, port=options.port)
    print(gateway.url, flush=True)
    gateway.serve_forever()


if __name__ == "__main__":
    main()
