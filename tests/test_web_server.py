"""gunicorn as `config.gunicorn` sets it up: alone, behind a real nginx, before a real PgBouncer."""

import contextlib
import re
import signal
import sys
import threading

import psycopg2
import pytest
import requests
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created

from core.deadlines import limit_statements

from .infrastructure import spawn_nginx, spawn_pgbouncer, spawn_postgres
from .processes import spawn, test_database_url, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SHOP_URL": "https://shop.example",
    "ALLOWED_HOSTS": "127.0.0.1",
    "EMAIL_URL": "consolemail://",
    "IDENTITY_FILE": "/nowhere/identity.json",
}


@contextlib.contextmanager
def gunicorn(**env):
    """Run it as a server does; give the process and its address."""
    command = ("-m", "gunicorn", "--config", "python:config.gunicorn", "config.wsgi:application")
    env = {"WEB_BIND": "127.0.0.1:0", "WEB_WORKERS": "1"} | env
    with spawn(sys.executable, *command, env=env) as process:
        listening = re.compile(r"Listening at: http://(127\.0\.0\.1:\d+)")
        wait_until(lambda: listening.search(process.log()) or process.process.poll() is not None)
        found = listening.search(process.log())
        assert found, process.log()
        try:
            yield process, f"http://{found[1]}"
        finally:
            process.stop()


@contextlib.contextmanager
def locked(table):
    """Let everybody who reads a table wait."""
    holder = psycopg2.connect(test_database_url())
    try:
        with holder.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        holder.close()


def waits_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return cursor.fetchone()[0]


def test_one_that_is_told_to_end_finishes_what_it_has_begun():
    answers = []
    with gunicorn() as (process, url):
        assert requests.get(f"{url}/healthz", timeout=60).status_code == 200
        with locked("catalog_product"):
            asking = threading.Thread(
                target=lambda: answers.append(requests.get(f"{url}/api/v1/products/", timeout=60))
            )
            asking.start()
            wait_until(waits_for_a_lock)
            process.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "Handling signal: term" in process.log())
            assert answers == []
        asking.join(60)

        assert [answer.status_code for answer in answers] == [200]
        assert answers[0].json()["results"] == []
        assert process.process.wait(60) == 0


def test_processes_are_renewed_and_no_request_fails_of_it():
    booted = re.compile(r"Booting worker with pid: (\d+)")
    with gunicorn(WEB_WORKERS="2", WEB_MAX_REQUESTS="12") as (process, url):
        kept = requests.Session()
        answers = [
            ask(f"{url}/healthz", timeout=60).status_code
            for _ in range(20)
            for ask in (requests.get, kept.get)
        ]
        assert answers == [200] * 40
        wait_until(lambda: len(set(booted.findall(process.log()))) >= 4)


def test_what_is_too_long_or_takes_too_long_is_refused():
    with gunicorn(DATABASE_STATEMENT_SECONDS="0.3") as (_, url):
        assert requests.get(f"{url}/{'x' * 8000}", timeout=60).status_code == 404
        assert requests.get(f"{url}/{'x' * 9000}", timeout=60).status_code == 414
        assert requests.get(url, headers={"X-Long": "x" * 9000}, timeout=60).status_code == 431
        many = {f"X-{n}": "x" for n in range(100)}
        assert requests.get(url, headers=many, timeout=60).status_code == 431
        with locked("catalog_product"):
            late = requests.get(f"{url}/api/v1/products/", timeout=60)

        assert (late.status_code, late.headers["Retry-After"]) == (503, "10")
        assert late.json()["code"] == "too_slow"
        assert requests.get(f"{url}/api/v1/products/", timeout=60).status_code == 200


def test_what_a_caller_says_of_a_proxy_counts_for_nothing_where_there_is_none():
    with gunicorn(**PRODUCTION, THROTTLE_ANON="2/hour", SECURE_SSL_REDIRECT="false") as (_, url):
        asked = [
            requests.get(
                f"{url}/api/v1/products/", headers={"X-Forwarded-For": f"10.0.0.{n}"}, timeout=60
            ).status_code
            for n in range(3)
        ]
        assert asked == [200, 200, 429]
        forged = {"X-Forwarded-Host": "evil.example", "Script_Name": "/evil"}
        found = requests.get(f"{url}/admin/", headers=forged, timeout=60, allow_redirects=False)
        assert (found.status_code, found.headers["Location"]) == (
            302,
            "/admin/login/?next=/admin/",
        )
    with gunicorn(**PRODUCTION, METRICS_TOKEN="t" * 16) as (_, url):
        forged = {"X-Forwarded-Proto": "https", "X-Forwarded-SSL": "on"}
        found = requests.get(f"{url}/readyx", headers=forged, timeout=60, allow_redirects=False)
        assert (found.status_code, found.headers["Location"]) == (301, f"https{url[4:]}/readyx")
        for open_to_all, status in (("healthz", 200), ("readyz", 503), ("metrics", 401)):
            assert requests.get(f"{url}/{open_to_all}", timeout=60).status_code == status
        host = {"Host": "evil.example"}
        assert requests.get(f"{url}/healthz", headers=host, timeout=60).status_code == 400


def test_behind_nginx_only_what_nginx_says_counts(tmp_path):
    # A place that nginx reached by TLS, and the rest that it did not.
    by_tls = """
        location /api/ {
            proxy_pass http://duka;
            proxy_set_header Host shop.example;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
        }
    """
    behind = PRODUCTION | {"BEHIND_PROXY": "true", "THROTTLE_ANON": "2/hour"}
    with (
        gunicorn(**behind) as (process, url),
        spawn_nginx(tmp_path / "nginx", [url.removeprefix("http://")], more=by_tls) as nginx,
    ):
        asked = [
            requests.get(
                f"{nginx.url}/api/v1/products/",
                headers={"X-Forwarded-For": f"10.0.0.{n}", "X_Forwarded_For": f"10.0.1.{n}"},
                timeout=60,
            ).status_code
            for n in range(3)
        ]
        forged = {"X-Forwarded-Proto": "https"}
        refused = requests.get(
            f"{nginx.url}/account/", headers=forged, timeout=60, allow_redirects=False
        )

        assert asked == [200, 200, 429]
        assert refused.status_code == 301
        wait_until(
            lambda: sum("/api/v1/products/" in str(line) for line in process.log_lines()) >= 3
        )


def test_behind_pgbouncer_no_statement_takes_longer_and_nobody_else_has_the_limit(
    tmp_path, settings
):
    settings.DATABASE_STATEMENT_SECONDS = 0.5
    web = connection.copy()
    with (
        spawn_postgres(tmp_path / "postgres") as postgres,
        spawn_pgbouncer(
            tmp_path / "pgbouncer", postgres, options={"default_pool_size": "1"}
        ) as pgbouncer,
    ):
        web.settings_dict |= {
            "HOST": pgbouncer.host,
            "PORT": pgbouncer.port,
            "NAME": "duka",
            "USER": "duka",
            "OPTIONS": {},
            "DISABLE_SERVER_SIDE_CURSORS": True,
        }
        limit_statements()
        try:
            for _ in range(2):
                with (
                    pytest.raises(OperationalError, match="statement timeout"),
                    web.cursor() as cursor,
                ):
                    cursor.execute("SELECT pg_sleep(60)")
                with web.cursor() as cursor:
                    cursor.execute("SHOW statement_timeout")
                    assert cursor.fetchone() == ("500ms",)
                # One connection to the database, and now it is a worker's.
                worker = psycopg2.connect(pgbouncer.url)
                try:
                    worker.autocommit = True
                    with worker.cursor() as cursor:
                        cursor.execute("SHOW statement_timeout")
                        assert cursor.fetchone() == ("0",)
                finally:
                    worker.close()
        finally:
            connection_created.disconnect(dispatch_uid="core.deadlines")
            web.close()
