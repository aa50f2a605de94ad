"""`/metrics`: who is told, and that the numbers are those of the moment."""

import pytest
from django.test import Client
from prometheus_client.metrics_core import GaugeMetricFamily

from core import metrics

# Refusals of whoever shows a credential are in the audit log.
pytestmark = pytest.mark.django_db
TOKEN = "tests-only-0123456789"


@pytest.fixture
def numbers(settings, monkeypatch):
    """Numbers that an app reads: those in the list."""
    settings.METRICS_TOKEN = TOKEN
    values = [1]
    monkeypatch.setattr(metrics, "_readers", [])

    def read():
        yield GaugeMetricFamily("duka_tests_things", "Things.", value=values[-1])

    metrics.register(read)
    metrics.register(read)
    return values


def ask(authorization=None, method="get"):
    headers = {} if authorization is None else {"Authorization": authorization}
    return getattr(Client(), method)("/metrics", headers=headers)


def test_whoever_shows_the_token_is_told_what_is_so_now(numbers):
    first = ask(f"Bearer {TOKEN}")
    numbers.append(2)
    second = ask(f"bearer  {TOKEN} ")

    assert first.status_code == second.status_code == 200
    assert first["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "no-store" in first["Cache-Control"]
    assert first.content.decode() == (
        "# HELP duka_tests_things Things.\n# TYPE duka_tests_things gauge\nduka_tests_things 1.0\n"
    )
    # Registered twice, it is read once.
    assert second.content.decode().splitlines()[2:] == ["duka_tests_things 2.0"]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer  ", "Bearer ü"],
)
def test_strangers_learn_nothing(numbers, authorization):
    answer = ask(authorization)

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')
    assert answer.content == b"Show METRICS_TOKEN as a bearer token.\n"


@pytest.mark.parametrize("authorization", [None, "Bearer ", f"Bearer {TOKEN}"])
def test_where_no_token_is_set_there_is_nothing(numbers, settings, authorization):
    settings.METRICS_TOKEN = ""

    assert ask(authorization).status_code == 404


def test_it_is_read_and_nothing_else(numbers):
    assert ask(f"Bearer {TOKEN}", method="head").status_code == 200
    assert ask(f"Bearer {TOKEN}", method="post").status_code == 405
