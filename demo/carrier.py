"""The carriers' other side: a program that plays the courier and Parcelpost over real HTTP.

It takes shipments and tells the shop what becomes of them. Its book has a JSON line for each
request, written before any answer, with `made` where a shipment was made of it. Whoever wants to
see what the shop does when a carrier fails chooses how it answers, for each number by a queue of
which the last stays, `*` for all numbers without their own:

    take                     as a carrier does
    http:STATUS              refuses the request with a line of text
    refuse:CODE              refuses the shipment with that code
    took_http:STATUS         takes it, yet answers with STATUS
    nonsense                 takes it, answers 200 with what nobody understands
    endless                  takes it, answers without an end
    drip                     takes it, answers without an end, a byte at a time
    redirect                 takes it, and points somewhere else
    hang                     takes it, never answers
    hang_before              never answers, and does not take it
    late                     never answers, and takes it when it is released
    hold                     takes it, answers when it is released
    drop_after               takes it, closes the connection without an answer
    drop_before              closes the connection, and does not take it
    drop_midway              takes it, closes the connection in the midst of its answer

Questions about a number, and cancellations, have queues of their own: `look_up:S1001`,
`cancel:S1001`. `POST /_behave {"*": ["http:500", "take"]}` and `POST /_release` say it from
another process; `docs/carriers.md` has examples.
"""

import base64
import binascii
import contextlib
import hmac
import json
import secrets
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from standardwebhooks.webhooks import Webhook

HOST = "127.0.0.1"
COURIER, PARCELPOST = "courier", "parcelpost"
# What happens to a shipment, by the contract's names, and what Parcelpost calls it.
NAMES = {
    "waiting-for-collection": "READY",
    "in-transit": "ROLLING",
    "delivered": "SIGNED",
    "failed-to-deliver": "UNDELIVERED",
}
# Goods for such a street come back.
NOWHERE = "nowhere"
JSON, FORM, PLAIN = "application/json", "application/x-www-form-urlencoded", "text/plain"
# Seconds for which the shop is told a thing again that it did not answer with 200.
INSISTS = 60


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What the shop and the carriers know each other by."""

    courier_api_key: str
    courier_webhook_secret: str
    parcelpost_user: str
    parcelpost_password: str
    parcelpost_webhook_key: str

    @classmethod
    def new(cls) -> Self:
        return cls(
            courier_api_key=secrets.token_urlsafe(24),
            courier_webhook_secret=f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}",
            parcelpost_user="duka",
            parcelpost_password=secrets.token_urlsafe(24),
            parcelpost_webhook_key=secrets.token_urlsafe(24),
        )

    def environment(self, url: str) -> dict[str, str]:
        """Return the settings that lead a shop to carriers at this address."""
        return {
            "SHIPPING_PROVIDERS": f"{COURIER},{PARCELPOST}",
            "COURIER_URL": f"{url}/{COURIER}",
            "COURIER_API_KEY": self.courier_api_key,
            "COURIER_WEBHOOK_SECRETS": self.courier_webhook_secret,
            "PARCELPOST_URL": f"{url}/{PARCELPOST}",
            "PARCELPOST_USER": self.parcelpost_user,
            "PARCELPOST_PASSWORD": self.parcelpost_password,
            "PARCELPOST_WEBHOOK_KEY": self.parcelpost_webhook_key,
        }


@dataclass(kw_only=True)
class Carried:
    """A shipment that it took: `events` are (contract's name, seconds since 1970)."""

    carrier: str
    number: str
    id: str
    comes_back: bool = False
    cancelled: bool = False
    events: list[tuple[str, float]] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return self.cancelled or any(
            name in {"delivered", "failed-to-deliver"} for name, _ in self.events
        )


class FakeCarrier(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self,
        book: Path,
        *,
        keys: Keys,
        port: int = 0,
        shop: str = "",
        pace: float | None = None,
    ) -> None:
        """Take the port, and up what the book says was taken before.

        Args:
            shop: the address of the shop that is told what happens.
            pace: seconds between two things that happen to a shipment by themselves; None: nothing.
        """
        super().__init__((HOST, port), Handler)
        self.keys = keys
        self.shop = shop
        self.pace = pace
        self.released = threading.Event()
        self.stopped = threading.Event()
        self._book = book
        self._lock = threading.RLock()
        self._behaviours: dict[str, list[str]] = {}
        self._carried: dict[tuple[str, str], Carried] = {}
        self._made = 0
        for entry in read_book(book):
            self._remember(entry)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.stopped.set()
        self.shutdown()
        self.server_close()

    def go_on(self) -> None:
        """Let go on what was under way when it ended."""
        for carried in list(self._carried.values()):
            self._begin_journey(carried)

    def behave(self, key: str, *behaviours: str) -> None:
        with self._lock:
            self._behaviours[key] = list(behaviours)

    def release(self) -> None:
        self.released.set()

    def book(self) -> list[dict[str, Any]]:
        return read_book(self._book)

    def shipped(self) -> Counter[str]:
        return shipped(self.book())

    def next_behaviour(self, call: str, number: str) -> str:
        keys = [number, "*"] if call == "send" else [f"{call}:{number}", f"{call}:*"]
        with self._lock:
            for key in keys:
                if queue := self._behaviours.get(key):
                    return queue.pop(0) if len(queue) > 1 else queue[0]
        return "take"

    def take(self, carrier: str, number: str, *, comes_back: bool, said: Any) -> Carried:
        """Make a shipment; the courier makes none of a number that it has."""
        with self._lock:
            there = self._carried.get((carrier, number))
            if there is not None and carrier == COURIER:
                self.enter(carrier, "send", number, id=there.id, made=False, said=said)
                return there
            entry = self.enter(
                carrier,
                "send",
                number,
                id=f"{carrier[0].upper()}{self._made + 1:06}",
                made=True,
                comes_back=comes_back,
                said=said,
            )
            self._remember(entry)
            carried = self._carried[(carrier, number)]
        self._begin_journey(carried)
        return carried

    def find(self, carrier: str, number: str) -> Carried | None:
        with self._lock:
            return self._carried.get((carrier, number))

    def named(self, ident: str) -> Carried | None:
        """Return a shipment by the carrier's own name for it."""
        with self._lock:
            return next((each for each in self._carried.values() if each.id == ident), None)

    def cancel(self, carried: Carried) -> bool:
        """Call it off; False: it is under way."""
        with self._lock:
            if any(name != "waiting-for-collection" for name, _ in carried.events):
                return False
            carried.cancelled = True
            self.enter(carried.carrier, "cancelled", carried.number)
            return True

    def enter(self, carrier: str, call: str, number: str, **more: Any) -> dict[str, Any]:
        entry = {"at": time.time(), "carrier": carrier, "call": call, "number": number, **more}
        with self._lock, self._book.open("a") as book:
            book.write(json.dumps(entry) + "\n")
        return entry

    def _remember(self, entry: Mapping[str, Any]) -> None:
        key = (entry["carrier"], entry["number"])
        if entry.get("made"):
            self._made += 1
            self._carried[key] = Carried(
                carrier=entry["carrier"],
                number=entry["number"],
                id=entry["id"],
                comes_back=entry["comes_back"],
            )
        elif entry["call"] == "event":
            self._carried[key].events.append((entry["name"], entry["at"]))
        elif entry["call"] == "cancelled":
            self._carried[key].cancelled = True

    def happen(self, carrier: str, number: str, name: str, at: float | None = None) -> int:
        """Let something happen to a shipment, and tell the shop; return what it answered."""
        at = time.time() if at is None else at
        with self._lock:
            carried = self._carried[(carrier, number)]
            carried.events.append((name, at))
            self.enter(carrier, "event", number, name=name, at=at)
        return self.tell(carrier, number, name, at)

    def tell(self, carrier: str, number: str, name: str, at: float) -> int:
        """Call the shop's webhook once; 0: it cannot be reached, or there is none."""
        if not self.shop:
            return 0
        address = f"{self.shop}/webhooks/shipping/{carrier}/"
        if carrier == COURIER:
            body = json.dumps({"order_id": number, "event_name": name, "event_time": said_as(at)})
            now = datetime.now(tz=UTC)
            ident = f"msg_{secrets.token_hex(12)}"
            headers = {
                "Content-Type": JSON,
                "webhook-id": ident,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": Webhook(self.keys.courier_webhook_secret).sign(
                    ident, now, body
                ),
            }
        else:
            address += f"{quote(self.keys.parcelpost_webhook_key, safe='')}/"
            headers = {"Content-Type": FORM}
            body = urlencode({"reference": number, "what": NAMES[name], "when": int(at)})
        request = urllib.request.Request(address, body.encode(), headers)  # noqa: S310  the shop's
        # Past a proxy in the environment, which would look for 127.0.0.1 on its own machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def _begin_journey(self, carried: Carried) -> None:
        if self.pace is not None and not carried.is_over:
            threading.Thread(target=self._journey, args=(carried, self.pace), daemon=True).start()

    def _journey(self, carried: Carried, pace: float) -> None:
        end = "failed-to-deliver" if carried.comes_back else "delivered"
        names = ["waiting-for-collection", "in-transit", end]
        for name in names[len(carried.events) :]:
            if self.stopped.wait(pace) or carried.cancelled:
                return
            at = time.time()
            status = self.happen(carried.carrier, carried.number, name, at)
            # As carriers do: told again until it is answered, though not for ever.
            while status != 200 and time.time() < at + INSISTS and not self.stopped.wait(2):
                status = self.tell(carried.carrier, carried.number, name, at)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that has gone is none of an error here."""


class Handler(BaseHTTPRequestHandler):
    server: FakeCarrier
    protocol_version = "HTTP/1.1"
    # Set, or a request's last packet waits for the answer to the one before.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        if path.path.startswith("/track/"):
            # For customers, who have no key.
            self._track(path.path.removeprefix("/track/"))
            return
        if not self._is_known(path.path):
            return
        if path.path.startswith("/courier/orders/"):
            self._look_up(COURIER, unquote(path.path.removeprefix("/courier/orders/")))
        elif path.path == "/parcelpost/consignments":
            self._look_up(PARCELPOST, parse_qs(path.query).get("reference", [""])[0])
        else:
            self._answer(404, "There is nothing here.", PLAIN)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/_behave":
            for key, behaviours in json.loads(body).items():
                self.server.behave(key, *behaviours)
            self._answer(200, "{}")
        elif self.path == "/_release":
            self.server.release()
            self._answer(200, "{}")
        elif self._is_known(self.path):
            self._serve(body)

    def _serve(self, body: str) -> None:
        form = {name: values[0] for name, values in parse_qs(body, True).items()}
        match self.path:
            case "/courier/orders":
                data = json.loads(body)
                street = data["delivery_address"]["line_1"]
                self._send(COURIER, data["order_id"], street, data)
            case "/parcelpost/consignments":
                self._send(PARCELPOST, form["reference"], form["street"], form)
            case "/parcelpost/cancellations":
                self._cancel(form["reference"])
            case "/parcelpost/prices":
                grams = sum(
                    int(form[f"weight_{position}"])
                    for position in range(1, int(form["parcels"]) + 1)
                )
                fast = form["product"] == "PRIORITY"
                price = f"{(300 if fast else 150) + grams // 1000 * 20}.00"
                days = 1 if fast else 3
                self._form(200, price=price, currency="KES", days=str(days))
            case _:
                self._answer(404, "There is nothing here.", PLAIN)

    def _is_known(self, path: str) -> bool:
        """Tell whether the shop proves to be the shop; else refuse it."""
        keys = self.server.keys
        scheme, _, said = self.headers.get("Authorization", "").partition(" ")
        if path.startswith("/courier/"):
            known = scheme == "Bearer" and _same(said, keys.courier_api_key)
        else:
            login = f"{keys.parcelpost_user}:{keys.parcelpost_password}"
            with contextlib.suppress(binascii.Error, ValueError):
                said = base64.b64decode(said).decode()
            known = scheme == "Basic" and _same(said, login)
        if not known:
            self._answer(401, "Who are you?", PLAIN)
        return known

    def _send(self, carrier: str, number: str, street: str, said: Any) -> None:
        name, _, detail = self.server.next_behaviour("send", number).partition(":")
        if name in {"http", "refuse", "hang_before", "drop_before", "late"}:
            self.server.enter(carrier, "send", number, id=None, made=False, behaviour=name)
            self._refuse(name, detail, carrier)
            if name != "late":
                return
            self.server.released.wait()
        carried = self.server.take(carrier, number, comes_back=NOWHERE in street.lower(), said=said)
        answer = {"id": carried.id, "tracking_url": f"{self.server.url}/track/{carried.id}"}
        if carrier == COURIER:
            text = json.dumps({"order_id": number, **answer})
        else:
            text = urlencode(
                {
                    "reference": number,
                    "consignment": carried.id,
                    "track": answer["tracking_url"],
                    "price": "150.00",
                    "currency": "KES",
                }
            )
        self._answer_as(name, detail, text, JSON if carrier == COURIER else FORM)

    def _track(self, ident: str) -> None:
        carried = self.server.named(ident)
        if carried is None:
            self._answer(404, "There is nothing here.", PLAIN)
            return
        lines = [f"{carried.carrier} {ident} ({carried.number})", "taken"]
        for name, at in carried.events:
            lines.append(f"{datetime.fromtimestamp(at, tz=UTC):%Y-%m-%d %H:%M:%S} UTC {name}")
        self._answer(200, "\n".join([*lines, *(["cancelled"] * carried.cancelled)]), PLAIN)

    def _look_up(self, carrier: str, number: str) -> None:
        name, _, detail = self.server.next_behaviour("look_up", number).partition(":")
        carried = self.server.find(carrier, number)
        self.server.enter(carrier, "look_up", number, found=carried is not None, behaviour=name)
        if name == "hold":
            self.server.released.wait()
        if name in {"http", "refuse", "hang_before", "drop_before"}:
            self._refuse(name, detail, carrier)
        elif carrier == COURIER:
            if carried is None:
                self._json(404, code="unknown_order", message="There is no such order.")
                return
            events = [
                {"order_id": number, "event_name": event, "event_time": said_as(at)}
                for event, at in carried.events
            ]
            text = json.dumps({"order_id": number, "id": carried.id, "events": events})
            self._answer_as(name, detail, text, JSON)
        elif carried is None or carried.cancelled:
            self._form(404, error="unknown_reference", message="There is no such reference.")
        else:
            said = [("reference", number), ("consignment", carried.id)]
            said += [("event", f"{int(at)} {NAMES[event]}") for event, at in carried.events]
            text = urlencode(said)
            self._answer_as(name, detail, text, FORM)

    def _cancel(self, number: str) -> None:
        name, _, detail = self.server.next_behaviour("cancel", number).partition(":")
        carried = self.server.find(PARCELPOST, number)
        self.server.enter(PARCELPOST, "cancel", number, behaviour=name)
        if name in {"http", "refuse", "hang_before", "drop_before"}:
            self._refuse(name, detail, PARCELPOST)
        elif carried is None:
            self._form(404, error="unknown_reference", message="There is no such reference.")
        elif not self.server.cancel(carried):
            self._form(409, error="on_its_way", message="It is on its way.")
        else:
            text = urlencode({"reference": number, "cancelled": "yes"})
            self._answer_as(name, detail, text, FORM)

    def _refuse(self, name: str, detail: str, carrier: str) -> None:
        match name:
            case "http":
                self._answer(int(detail), "No, thank you.", PLAIN)
            case "refuse" if carrier == COURIER:
                self._json(422, code=detail, message="It is not taken.")
            case "refuse":
                self._form(422, error=detail, message="It is not taken.")
            case "hang_before" | "late":
                self._hang()
            case _:
                self._reset()

    def _answer_as(self, name: str, detail: str, text: str, content_type: str) -> None:
        match name:
            case "took_http":
                self._answer(int(detail), "Something broke.", PLAIN)
            case "nonsense":
                self._answer(200, "<h1>It works!</h1>", "text/html")
            case "endless" | "drip":
                self.send_response(200)
                self.send_header("Connection", "close")
                self.end_headers()
                with contextlib.suppress(OSError):
                    while not self.server.stopped.wait(0.05 if name == "drip" else 0):
                        self.wfile.write(b"." if name == "drip" else b"more and " * 4096)
                self.close_connection = True
            case "redirect":
                self._answer(307, "", PLAIN, Location=f"{self.server.url}/elsewhere")
            case "hang":
                self._hang()
            case "drop_after":
                self._reset()
            case "drop_midway":
                self._answer(200, text, content_type, cut=10)
            case _:
                if name == "hold":
                    self.server.released.wait()
                self._answer(200, text, content_type)

    def _json(self, status: int, **said: str) -> None:
        self._answer(status, json.dumps(said), JSON)

    def _form(self, status: int, **said: str) -> None:
        self._answer(status, urlencode(said), FORM)

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
        if cut:
            self._reset()

    def _hang(self) -> None:
        self.connection.recv(1)  # Until the client has gone.
        self.close_connection = True

    def _reset(self) -> None:
        """Close as a crash does: with RST, at once."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """The book says it all."""


def _same(said: str, expected: str) -> bool:
    return hmac.compare_digest(said.encode(), expected.encode())


def said_as(at: float) -> str:
    """Return a time as the contract writes it, in UTC."""
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def read_book(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    # Without a last line that is still being written.
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def shipped(book: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Return how often each number was shipped, by the carriers' own book."""
    return Counter(entry["number"] for entry in book if entry.get("made"))
