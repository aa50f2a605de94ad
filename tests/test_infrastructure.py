"""The servers of other tests come back at their address, with what they must keep."""

import os
import signal

import psycopg2
import pytest
import redis
import requests

from .infrastructure import spawn_nginx, spawn_pgbouncer, spawn_postgres, spawn_redis
from .processes import wait_until


def test_postgres_and_pgbouncer_come_back_at_their_address_with_what_was_committed(tmp_path):
    with (
        spawn_postgres(tmp_path / "postgres") as postgres,
        spawn_pgbouncer(tmp_path / "pgbouncer", postgres) as pgbouncer,
    ):
        first = postgres.pid
        postgres.rows("CREATE TABLE kept (n int)")
        for n, end in enumerate(
            [postgres.restart, lambda: postgres.restart("immediate"), postgres.kill]
        ):
            postgres.rows("INSERT INTO kept VALUES (%s)", n)
            end()
            if postgres.process is None:
                with pytest.raises(psycopg2.OperationalError):
                    postgres.connect()
                postgres.start()
        pgbouncer.kill()
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(pgbouncer.url)
        pgbouncer.start()

        assert postgres.pid != first
        connection = psycopg2.connect(pgbouncer.url)
        with connection.cursor() as cursor:
            cursor.execute("SELECT n FROM kept ORDER BY n")
            assert cursor.fetchall() == [(0,), (1,), (2,)]
            cursor.execute("SHOW fsync")
            assert cursor.fetchone() == ("on",)
        connection.close()
        leader = postgres.pid

    with pytest.raises(ProcessLookupError):
        os.kill(leader, 0)


def test_redis_and_nginx_come_back_at_their_address(tmp_path):
    with (
        spawn_redis(tmp_path / "redis") as server,
        spawn_nginx(tmp_path / "nginx", ["127.0.0.1:1"], more="location = /own { return 204; }")
        as nginx,
    ):  # fmt: skip
        client = redis.Redis.from_url(server.url)
        client.set("a", "1")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("a")
        server.start()
        assert client.get("a") is None
        client.close()

        for restart in (nginx.restart, lambda: nginx.restart("immediate"), nginx.reload):
            restart()
            wait_until(lambda: requests.get(f"{nginx.url}/own", timeout=20).status_code == 204)
            assert requests.get(nginx.url, timeout=20).status_code == 502
        # Its children hold the port too, and are to go with it.
        os.kill(nginx.pid, signal.SIGKILL)

    with pytest.raises(requests.ConnectionError):
        requests.get(nginx.url, timeout=20)
