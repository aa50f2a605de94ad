"""Fixtures for the tests of every app."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from accounts.models import User
from accounts.tests.factories import ShopkeeperFactory, browser_of
from core import request_id

pytest_plugins = ["tests.brokers"]

# Helpers that assert: their failures show values as a test's own do.
pytest.register_assert_rewrite(
    "core.tests.rights", "core.tests.rest", "tests.judging", "tests.processes"
)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With `CI=true`, fail where a test was skipped for a program that .ci/run installs."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or os.environ.get("CI") != "true":
        return
    skipped = [report.longrepr[2] for report in reporter.stats.get("skipped", [])]
    # No program brings what these lack: another user, the history of a shallow clone.
    unavoidable = ("only root", "has no history")
    if missing := [reason for reason in skipped if not any(word in reason for word in unavoidable)]:
        reporter.write_line(f"Skipped, which CI must not: {'; '.join(missing)}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


class Api:
    """A caller of the REST API: `api.post("/orders/", {...}, idempotency_key="…")`."""

    def __init__(self, user: User | None) -> None:
        self.client = browser_of(user, raise_request_exception=False)

    def _call(self, method: str, path: str, data: Any = None, **headers: str) -> HttpResponse:
        body = b"" if data is None else data if isinstance(data, bytes) else json.dumps(data)
        return self.client.generic(
            method,
            f"/api/v1{path}",
            body,
            content_type="application/json",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self._call("GET", path, **headers)

    def post(self, path: str, data: Any = None, **headers: str) -> HttpResponse:
        return self._call("POST", path, data, **headers)

    def put(self, path: str, data: Any = None, **headers: str) -> HttpResponse:
        return self._call("PUT", path, data, **headers)

    def patch(self, path: str, data: Any = None, **headers: str) -> HttpResponse:
        return self._call("PATCH", path, data, **headers)

    def delete(self, path: str, **headers: str) -> HttpResponse:
        return self._call("DELETE", path, **headers)


@pytest.fixture(autouse=True)
def outside_a_request() -> None:
    """What a test before this one asked for in this thread is over: no task comes from it."""
    request_id.leave()


@pytest.fixture(scope="module")
def chromium(django_db_setup: None) -> Iterator[Any]:
    """A real Chromium, which one module's tests share."""
    from tests.chromium import open_chromium  # noqa: PLC0415  Playwright, for these tests alone

    with open_chromium() as browser:
        yield browser


@pytest.fixture
def shopkeeper(db: None) -> User:
    """May do everything."""
    return ShopkeeperFactory.create()


@pytest.fixture
def api(shopkeeper: User) -> Api:
    """The REST API as the shopkeeper."""
    return Api(shopkeeper)


@pytest.fixture
def api_as():
    """`api_as(user)`: the REST API as somebody; `api_as(None)`: without signing in."""
    return Api


@pytest.fixture
def admin(shopkeeper: User) -> Client:
    """The admin as the shopkeeper."""
    return browser_of(shopkeeper)
