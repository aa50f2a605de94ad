"""What callers see while something that the shop stands on is away."""

import socket

import psycopg2
import pytest
from django.db import connection
from django.db.utils import OperationalError
from django.test import Client

from accounts.models import AuditEntry
from accounts.services.machines import create_machine
from accounts.states import Action
from catalog.tests.factories import VariantFactory
from core.api.problems import exception_handler
from orders.api.carts import NewCartThrottle

AWAY = {
    "type": "about:blank",
    "title": "Service Unavailable",
    "status": 503,
    "code": "unavailable",
    "errors": [],
}


@pytest.fixture
def no_cache(settings):
    """The cache is a Redis that nobody runs."""
    with socket.socket() as taken:
        # Bound, so that nobody else is there, and not listening.
        taken.bind(("127.0.0.1", 0))
        settings.CACHES = settings.CACHES | {
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": f"redis://127.0.0.1:{taken.getsockname()[1]}/0",
            }
        }
        yield


@pytest.fixture
def no_database():
    """Each statement meets a server that is not there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))

        def fail(execute, sql, params, many, context):
            with connection.wrap_database_errors:
                psycopg2.connect(host="127.0.0.1", port=taken.getsockname()[1])

        with connection.execute_wrapper(fail):
            yield


@pytest.fixture
def browser():
    return Client(raise_request_exception=False)


def token_of(browser, *, secret, client):
    return browser.post(
        "/identity/o/api/token",
        {"grant_type": "client_credentials", "client_id": client, "client_secret": secret},
    )


@pytest.mark.django_db
def test_programs_get_tokens_while_the_cache_is_away_and_wrong_secrets_get_none(browser, no_cache):
    till, secret = create_machine(by=None, name="Till")

    good = token_of(browser, client=till.client_id, secret=secret)
    bad = token_of(browser, client=till.client_id, secret="wrong")

    assert (good.status_code, bad.status_code) == (200, 401)
    # Not written down: how often that was cannot be counted.
    assert not AuditEntry.objects.filter(action=Action.REFUSED).exists()


@pytest.mark.django_db
def test_strangers_fill_carts_while_the_cache_is_away(api_as, no_cache, monkeypatch):
    monkeypatch.setattr(NewCartThrottle, "rate", "2/hour", raising=False)
    VariantFactory.create(sku="TEA", stock=9)

    answers = [api_as(None).post("/cart/lines/", {"sku": "TEA", "quantity": 1}) for _ in range(3)]

    assert [each.status_code for each in answers] == [201] * 3


@pytest.mark.django_db
def test_who_may_not_is_told_so_while_the_cache_is_away(api_as, no_cache):
    assert api_as(None).get("/orders/").status_code == 401


@pytest.mark.django_db
def test_signing_in_waits_for_the_cache(browser, no_cache, caplog):
    response = browser.post("/accounts/login/", {"login": "a@b.example", "password": "x"})

    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert "<h1>Back in a moment</h1>" in response.content.decode()


@pytest.mark.django_db
def test_a_page_and_a_program_are_told_to_come_back_while_the_database_is_away(
    browser, api_as, no_database, caplog
):
    link = f"/t/1-{'A' * 22}"
    page = browser.get(link)
    program = browser.get(link, headers={"Accept": "application/json"})
    rest = api_as(None).get("/products/")

    assert [each.status_code for each in (page, program, rest)] == [503] * 3
    assert [each["Retry-After"] for each in (page, program, rest)] == ["2"] * 3
    assert page["Content-Type"] == "text/html; charset=utf-8"
    for each in (program, rest):
        assert each["Content-Type"] == "application/problem+json"
        body = each.json()
        assert (body.pop("request_id"), body.pop("detail")) == (
            each["X-Request-ID"],
            "The database is away. Send it again shortly, with the same Idempotency-Key.",
        )
        assert body == AWAY


@pytest.mark.django_db
@pytest.mark.parametrize("code", ["08P01", "08006", "57P02", "57P03"])
def test_whatever_it_calls_a_lost_connection_it_is_away(code):
    with pytest.raises(OperationalError) as raised, connection.cursor() as cursor:
        cursor.execute(f"DO $$BEGIN RAISE 'gone' USING ERRCODE = '{code}'; END$$")

    assert exception_handler(raised.value, {}).status_code == 503
