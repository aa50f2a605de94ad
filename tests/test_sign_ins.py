"""Sixteen people sign in at once, through the real forms, at a real web server.

The provider is the very process that asks it: over HTTP, each sign-in held one
thread while it waited for another, and sixteen on eight threads stopped the shop.
"""

import contextlib
import socket
import sys
import threading

import pytest
import requests
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.cache import cache

from accounts.models import User
from accounts.services.people import create_local_person
from accounts.tests.browser import Browser

from .processes import spawn, wait_until

PEOPLE = 16
PASSWORD = "mboga na matunda 9"


@contextlib.contextmanager
def spawn_shop(*options):
    """Run gunicorn where SHOP_URL says that it is; give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = f"-m gunicorn config.wsgi:application --bind 127.0.0.1:{port} --no-control-socket"
    env = {"SHOP_URL": url, "OIDC_ISSUER": "", "WEB_CONCURRENCY": "1"}
    with spawn(sys.executable, *command.split(), *options, env=env) as process:
        wait_until(lambda: f"Listening at: {url}" in process.log() or process.process.poll())
        assert process.process.poll() is None, process.log()
        wait_until(lambda: requests.get(f"{url}/healthz", timeout=30).status_code == 200)
        try:
            yield url, process
        finally:
            process.stop()


@pytest.fixture
def people():
    # Of the test before: all of them come from one address.
    cache.clear()
    made = [
        create_local_person(name=f"P{number}", email=f"p{number}@example.com", password=PASSWORD)
        for number in range(PEOPLE)
    ]
    # The web server runs without the tests' quick hasher; one hash for all, as each takes long.
    User.objects.update(password=PBKDF2PasswordHasher().encode(PASSWORD, "salt" * 6))
    yield made
    cache.clear()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "options",
    [
        ("--workers", "2", "--worker-class", "gthread", "--threads", "4"),
        # Its own timeout is for one request that hangs, not for fifteen that wait.
        ("--workers", "1", "--worker-class", "sync", "--timeout", "120"),
    ],
    ids=["two workers of four threads", "one synchronous worker"],
)
def test_sixteen_sign_in_at_once_and_each_is_who_they_are(people, options):
    start = threading.Barrier(PEOPLE)
    outcomes = {}

    def sign_in(person):
        browser = Browser(http=url)
        start.wait(timeout=90)
        try:
            page = browser.sign_in(person.email, PASSWORD)
            me = browser.get("/api/v1/me/")
            outcomes[person] = (page.status, me.status, str(person.subject) in me.text)
        except (requests.RequestException, AssertionError) as error:
            outcomes[person] = str(error)[:500]

    with spawn_shop(*options) as (url, process):
        threads = [threading.Thread(target=sign_in, args=[person]) for person in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log = process.log()

    assert [outcomes[person] for person in people] == [(200, 200, True)] * PEOPLE, log[-5000:]
    assert '"level": "ERROR"' not in log
