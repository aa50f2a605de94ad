"""Look at a running shop from outside, as its callers do: `.ci/smoke https://shop.example`.

Nothing is changed there, and nothing but Python is needed here.
"""

import argparse
import http.cookiejar
import json
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class Wrong(Exception):
    """What is not as it must be, in a sentence."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """What redirects leads nowhere: the answer is looked at itself."""

    def redirect_request(self, *arguments: Any, **named: Any) -> None:
        return None


class Answer:
    def __init__(self, status: int, url: str, headers: Message, body: bytes) -> None:
        self.status = status
        self.url = url
        self.headers = headers
        self.body = body

    def must_be(self, status: int) -> None:
        if self.status != status:
            raise Wrong(f"{self.url} answers {self.status}, not {status}: {self.body[:300]!r}")

    def must_say(self, header: str, word: str) -> None:
        value = self.headers.get(header, "")
        if word not in value:
            raise Wrong(f"{self.url}: {header} is {value!r}, without {word!r}.")


class Shop:
    """One caller's view of a shop."""

    def __init__(
        self, url: str, *, ca: Path | None = None, seconds: float = 30, days: int = 14
    ) -> None:
        self.url = url.rstrip("/")
        # For which its certificate must last.
        self.days = days
        self.parts = urlsplit(self.url)
        self.secure = self.parts.scheme == "https"
        self.context = ssl.create_default_context(cafile=str(ca) if ca else None)
        self._seconds = seconds
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        tls = urllib.request.HTTPSHandler(context=self.context)
        self._open = urllib.request.build_opener(cookies, tls).open
        self._open_once = urllib.request.build_opener(tls, _Stay()).open

    def get(self, path: str, *, follow: bool = False) -> Answer:
        return self.ask(self.url + path, follow=follow)

    def ask(self, url: str, *, data: Any = None, follow: bool = False) -> Answer:
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(  # noqa: S310
            url, data=body, headers={"Content-Type": "application/json"} if body else {}
        )
        ask = self._open if follow else self._open_once
        try:
            with ask(request, timeout=self._seconds) as got:
                return Answer(got.status, got.url, got.headers, got.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.url, error.headers, error.read())
        except OSError as error:
            raise Wrong(f"{url} cannot be reached: {error}") from None


def alive(shop: Shop) -> None:
    shop.get("/healthz").must_be(200)


def ready(shop: Shop) -> None:
    shop.get("/readyz").must_be(200)


def certificate(shop: Shop) -> None:
    if not shop.secure:
        return
    name, port = shop.parts.hostname or "", shop.parts.port or 443
    with (
        socket.create_connection((name, port), timeout=30) as plain,
        shop.context.wrap_socket(plain, server_hostname=name) as wrapped,
    ):
        ends = (wrapped.getpeercert() or {})["notAfter"]
    left = (ssl.cert_time_to_seconds(str(ends)) - time.time()) / 86400
    if left < shop.days:
        raise Wrong(f"The certificate ends in {left:.0f} days, on {ends}.")


def headers(shop: Shop) -> None:
    home = shop.get("/")
    home.must_be(200)
    home.must_say("X-Content-Type-Options", "nosniff")
    home.must_say("X-Frame-Options", "DENY")
    home.must_say("Referrer-Policy", "same-origin")
    home.must_say("Content-Security-Policy", "default-src 'none'")
    policy = home.headers["Content-Security-Policy"]
    if "unsafe-inline" in policy or "unsafe-eval" in policy:
        raise Wrong(f"/ lets a page run what is written into it: {policy}")
    if shop.secure:
        home.must_say("Strict-Transport-Security", "max-age=")


def sign_in(shop: Shop) -> None:
    page = shop.get("/account/", follow=True)
    page.must_be(200)
    if page.url == f"{shop.url}/account/":
        raise Wrong("/account/ is open to whoever has not signed in.")
    # An outside provider's page is its own business.
    if page.url.startswith(shop.url) and b"<form" not in page.body:
        raise Wrong(f"{page.url} has no form to sign in with.")


def graphql(shop: Shop) -> None:
    answer = shop.ask(f"{shop.url}/graphql/", data={"query": "{ __typename }"})
    answer.must_be(200)
    if json.loads(answer.body).get("data") != {"__typename": "Query"}:
        raise Wrong(f"/graphql/ answers {answer.body[:300]!r}.")


def rest(shop: Shop) -> None:
    answer = shop.get("/api/v1/orders/")
    answer.must_be(401)
    answer.must_say("Content-Type", "application/problem+json")
    answer.must_say("WWW-Authenticate", "Bearer")


def numbers(shop: Shop) -> None:
    answer = shop.get("/metrics")
    if answer.status not in {401, 403, 404}:
        raise Wrong(f"/metrics answers {answer.status} to a stranger.")


CHECKS: tuple[Callable[[Shop], None], ...] = (
    certificate, alive, ready, headers, sign_in, graphql, rest, numbers,
)  # fmt: skip


def look(shop: Shop, *, wait: float) -> Iterator[tuple[str, str]]:
    """Yield each check's name, and what it found wrong or nothing.

    Args:
        wait: seconds for which a check is tried again, of all of them together.
    """
    until = time.monotonic() + wait
    for check in CHECKS:
        while True:
            try:
                check(shop)
                found = ""
            except (Wrong, OSError) as error:
                found = str(error)
            except (ValueError, KeyError) as error:
                found = f"not what it should answer: {error!r}"
            if not found or time.monotonic() >= until:
                break
            time.sleep(min(1.0, max(0.0, until - time.monotonic())))
        yield check.__name__, found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog=".ci/smoke", description=__doc__)
    parser.add_argument("url", help="https://shop.example")
    parser.add_argument("--ca", type=Path, help="who signed the certificate, if nobody well known")
    parser.add_argument("--days", type=int, default=14, help="the certificate must last (14)")
    parser.add_argument("--wait", type=float, default=60, help="seconds to try again (60)")
    given = parser.parse_args(arguments)
    wrong = 0
    for name, found in look(Shop(given.url, ca=given.ca, days=given.days), wait=given.wait):
        print(f"{name}: {found or 'ok'}", flush=True)  # noqa: T201
        wrong += bool(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
