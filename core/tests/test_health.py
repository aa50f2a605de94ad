import json
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Now
from django.test import Client, RequestFactory

from core import health, jobs
from core.models import Worker
from core.tests.races import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def look_anew(monkeypatch):
    monkeypatch.setattr(health, "_seen_applied", False)


def ask():
    response = Client().get("/readyz")
    return response.status_code, json.loads(response.content)


def test_healthz_touches_nothing(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert "no-store" in response["Cache-Control"]


def test_readyz_is_ok_when_the_database_its_tables_and_a_worker_are_there(
    client, django_assert_num_queries
):
    jobs.beat("w1")

    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (
        200,
        {"status": "ok", "checks": {"database": "ok", "migrations": "ok", "worker": "ok"}},
    )
    assert "no-store" in response["Cache-Control"]
    with django_assert_num_queries(2):
        client.get("/readyz")


@pytest.mark.parametrize("ago", [None, 31])
def test_readyz_says_that_no_worker_was_seen_for_a_lease(ago):
    if ago:
        jobs.beat("w1")
        Worker.objects.update(seen_at=Now() - timedelta(seconds=ago))

    checks = {"database": "ok", "migrations": "ok", "worker": "none has been seen lately"}
    assert ask() == (503, {"status": "unavailable", "checks": checks})


def test_readyz_says_that_a_migration_is_missing_until_it_is_applied():
    jobs.beat("w1")
    applied = MigrationRecorder.Migration.objects.filter(app="orders").order_by("-pk").first()
    applied.delete()

    checks = {"database": "ok", "migrations": "not applied: run manage.py migrate"}
    assert ask() == (503, {"status": "unavailable", "checks": checks})
    MigrationRecorder(connection).record_applied(applied.app, applied.name)
    assert ask()[0] == 200


def test_readyz_says_that_the_database_is_not_there():
    def without_database():
        connection.close()
        connection.settings_dict = {**connection.settings_dict, "NAME": "gone"}
        return ask()

    unavailable = {"status": "unavailable", "checks": {"database": "unreachable"}}
    assert at_once([without_database]) == [(503, unavailable)]


@pytest.mark.parametrize("how", ["by the server", "here"])
def test_readyz_says_that_the_session_has_ended(how):
    def without_session():
        connection.ensure_connection()
        if how == "here":
            connection.connection.close()
        else:
            connection.connection.cursor().execute("SET idle_session_timeout = 1")
            connection.connection.commit()
            time.sleep(1)
        request = RequestFactory().get("/readyz")
        return [json.loads(health.readyz(request).content)["checks"] for _ in range(2)]

    unreachable = {"database": "unreachable"}
    assert at_once([without_session]) == [[unreachable, unreachable]]


def test_no_credentials_are_needed_and_no_other_method_is_known(client):
    assert client.post("/healthz").status_code == 405
    assert client.head("/readyz").status_code == 503
    assert client.get("/healthz/").status_code == 404
