"""What goes wrong on demand in a real server, and a stand-in of Sentry that keeps what it is told."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

KEY = "0123456789abcdef0123456789abcdef"


def leak(request: HttpRequest, token: str) -> HttpResponse:
    """Fail with all in hand that nobody is to be told."""
    mail, phone = request.GET["mail"], request.GET["phone"]
    raise LookupError(f"No <{mail}> at {phone} by {token}")


urlpatterns = [
    path("", include("config.urls")),
    path("leak/<str:token>", leak, name="leak"),
]


class Sentry:
    """Takes envelopes; `events` are those of them that are errors."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        # While it is set, nobody is answered.
        self.hangs = threading.Event()
        self.asked = threading.Event()
        self.released = threading.Event()
        self.dsn = ""

    @property
    def events(self) -> list[dict[str, Any]]:
        return [
            json.loads(payload)
            for body in self.bodies
            for head, payload in _pairs(body)
            if head.get("type") == "event"
        ]


def _pairs(body: str) -> Iterator[tuple[dict[str, Any], str]]:
    lines = body.splitlines()[1:]
    for head, payload in zip(lines[::2], lines[1::2], strict=False):
        yield json.loads(head), payload


@contextmanager
def spawn_sentry() -> Iterator[Sentry]:
    sentry = Sentry()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            sentry.asked.set()
            if sentry.hangs.is_set():
                sentry.released.wait(120)
            sentry.bodies.append(body.decode())
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    sentry.dsn = f"http://{KEY}@127.0.0.1:{server.server_port}/1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield sentry
    finally:
        sentry.released.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
