"""A real Chromium at a real shop: web server, worker, e-mail into files, SMS into the log."""

import contextlib
import email
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from email.policy import default
from pathlib import Path

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from accounts.models import User
from accounts.services import memberships, people
from accounts.states import Role

from .processes import Managed, spawn, spawn_manage, wait_until

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
SIZES = {"desk": DESK, "phone": PHONE}
# Of a page, asked in the browser.
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
PASSWORD = "mboga-na-matunda-7"


def make_shopkeeper() -> User:
    """Return somebody who may do everything, and signs in by `PASSWORD`."""
    user = people.create_local_person(
        name="Mama Njeri", email="mama@example.com", password=PASSWORD
    )
    # The shop runs without the tests' quick hasher.
    user.password = PBKDF2PasswordHasher().encode(PASSWORD, "salt")
    user.save()
    memberships.employ(user=user, role=Role.SHOPKEEPER)
    return user


class Shop:
    """Where it is, what it mailed and what it texted."""

    def __init__(self, url: str, mail: Path, worker: Managed) -> None:
        self.url = url
        self._mail = mail
        self._worker = worker
        self._seen = 0

    def mail_to(self, address: str) -> str:
        """Return the words of the newest mail to somebody, once there is one not yet read."""

        def unread() -> list[str]:
            found = []
            for path in sorted(self._mail.glob("*"), key=lambda each: each.stat().st_mtime_ns):
                message = email.message_from_bytes(path.read_bytes(), policy=default)
                if address in (message["To"] or ""):
                    found.append(message.get_content())
            return found[self._seen :]

        wait_until(unread)
        words = unread()[-1]
        self._seen += len(unread())
        return words

    def code_to(self, number: str) -> str:
        """Return the code that was sent to a phone, as the console's gateway printed it."""
        said = re.compile(rf"SMS to {re.escape(number)}: \S+ (\d{{6}}) ")
        wait_until(lambda: said.search(self._worker.log()))
        return said.findall(self._worker.log())[-1]


@contextlib.contextmanager
def open_shop(
    folder: Path, *, host: str = "127.0.0.1", more: dict[str, str] | None = None
) -> Iterator[Shop]:
    """Open a shop on the test's database, at a free port; `more`: further variables."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://{host}:{port}"
    mail = folder / "mail"
    mail.mkdir()
    env = {"SHOP_URL": url, "EMAIL_URL": f"filemail:///{mail}", "DUKA_VAR": str(folder)}
    env |= more or {}
    gunicorn = f"gunicorn config.wsgi:application --bind 127.0.0.1:{port} --no-control-socket"
    with (
        spawn(sys.executable, "-m", *gunicorn.split(), "--threads", "4", env=env) as web,
        spawn_manage("worker", env=env) as worker,
    ):
        wait_until(lambda: "Listening at" in web.log() or web.process.poll() is not None)
        try:
            yield Shop(url, mail, worker)
        finally:
            web.stop()


@contextlib.contextmanager
def open_chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is missing: install it to have the pages clicked through.")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Its event loop is in this thread; the tests' database calls are not made from within it.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def visitor(browser: Browser, viewport: dict[str, int] = DESK) -> Page:
    """Return the first page of somebody new, which fails on whatever no page should do."""
    context: BrowserContext = browser.new_context(viewport=viewport)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if re.match(r"(http://(127\.0\.0\.1|localhost):|data:|blob:)", request.url)
            else page.errors.append(f"asked {request.url}")
        ),
    )
    return page


def picture(page: Page, name: str) -> None:
    """Keep a picture where DUKA_PICTURES says, for a person to look at."""
    if folder := os.environ.get("DUKA_PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def sign_in(page: Page, address: str, password: str) -> None:
    page.get_by_label("E-mail").fill(address)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
