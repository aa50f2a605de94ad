"""The shop under a steady load of orders, while what it stands on is killed at random.

`DRILL_SECONDS` makes it longer, `DRILL_SEED` another one; `DRILL_FOLDER` keeps its files.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import psutil
import pytest
import requests

from core.supervisor import dies_with_parent

from .drill import HOST, Journal, read_journal
from .infrastructure import Server
from .judging import judge
from .live_shop import CUSTOMERS, SKUS, Kept, LiveShop, spawn_live_shop
from .processes import PROJECT, wait_until

SECONDS = float(os.environ.get("DRILL_SECONDS", "60"))
SEED = int(os.environ.get("DRILL_SEED", "11"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A shop that the tests of this module share; each leaves it in order."""
    kept = os.environ.get("DRILL_FOLDER")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("drill")
    with spawn_live_shop(folder) as shop:
        yield shop


def order_of(number: int = 1) -> dict:
    return {"customer": "C1", "lines": [{"sku": f"TEA-{number}", "quantity": 1}]}


def new_key() -> str:
    return str(uuid.uuid4())


def is_told(shop: LiveShop, number: str) -> str:
    """Return where an order's first message stands."""
    [(status,)] = shop.postgres.rows(
        "SELECT status FROM notifications_message WHERE event = 'order.placed' AND reference = %s",
        number,
    )
    return status


def recover(shop: LiveShop, journal: Journal, seconds: float = 180) -> None:
    """Wait until the shop is ready, takes an order and tells its customer; nobody helps it."""
    deadline = time.monotonic() + seconds
    wait_until(shop.is_ready, seconds, every=0.1)
    caller = shop.caller(journal)
    while True:
        status, order = caller.insist(
            "/orders/", order_of(), key=new_key(), what="order", seconds=seconds
        )
        assert status == 201, order
        wait_until(
            lambda number=order["number"]: is_told(shop, number) in {"sent", "unknown"},
            seconds,
            every=0.1,
        )
        if is_told(shop, order["number"]) == "sent":
            return
        # A worker died with this one in hand, so that nobody sends it again: another one, then.
        assert time.monotonic() < deadline


def faults_of(shop: LiveShop, chance: random.Random) -> dict:
    """Return what can happen, each by its name."""

    def dies(server: Server) -> None:
        server.kill()
        time.sleep(chance.uniform(0, 2))
        server.start()

    def hangs(server: Server) -> None:
        os.kill(server.pid, signal.SIGSTOP)
        time.sleep(chance.uniform(1, 3))
        os.kill(server.pid, signal.SIGCONT)

    def gateway(behaviour: str) -> None:
        shop.gateway.behave("*", behaviour)
        time.sleep(chance.uniform(0.5, 2))
        shop.gateway.behave("*", "101")

    def die(kept: list[Kept], many: int = 1) -> None:
        for each in chance.sample(kept, many):
            each.kill()

    def kill_web_child() -> None:
        # None where its master is just being started again.
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(chance.choice(shop.webs).pid).children()
            for child in children[:1]:
                child.kill()

    return {
        "PostgreSQL restarted": shop.postgres.restart,
        "PostgreSQL ended at once": lambda: shop.postgres.restart("immediate"),
        "PostgreSQL killed": lambda: dies(shop.postgres),
        "PgBouncer restarted": shop.pgbouncer.restart,
        "PgBouncer killed": lambda: dies(shop.pgbouncer),
        "PgBouncer hangs": lambda: hangs(shop.pgbouncer),
        "worker killed": lambda: die(shop.workers),
        "two workers killed": lambda: die(shop.workers, 2),
        "ticker killed": lambda: die(shop.tickers),
        "web server killed": lambda: die(shop.webs),
        "a web server's process killed": kill_web_child,
        "nginx reloaded": shop.nginx.reload,
        "Redis killed": lambda: dies(shop.redis),
        "Redis hangs": lambda: hangs(shop.redis),
        "gateway hangs": lambda: gateway("hang"),
        "gateway drops": lambda: gateway("drop_after"),
    }


@contextlib.contextmanager
def steady_orders(shop: LiveShop, journal: Path):
    """Have another process order; at the end all that it began has been answered."""
    client, secret = shop.client
    process = subprocess.Popen(
        [*dies_with_parent(), sys.executable, "-m", "tests.drill", "load", "--base", shop.nginx.url,
         "--client", client, "--secret", secret, "--journal", str(journal),
         "--seed", str(SEED), "--skus", str(SKUS), "--customers", str(CUSTOMERS)],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 0
    finally:
        process.kill()
        process.wait(15)


def test_an_answer_that_was_lost_after_the_commit_is_given_again(shop):
    """A web server is killed between the two, for sure: its commit waits for a standby.

    There is none, so that whatever is committed is on the disk and yet nobody is told of it.
    """
    caller = shop.caller()
    # Else the order would not be the first thing that its request commits.
    assert caller.ask("POST", "/orders/", order_of(), key=new_key()).status_code == 201
    key, outcome = new_key(), []

    def order() -> None:
        with contextlib.suppress(requests.ConnectionError):
            outcome.append(caller.ask("POST", "/orders/", order_of(), key=key).status_code)

    # Whoever holds the key's lock and waits for the standby: nothing else locks so.
    waits = (
        "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid"
        " WHERE a.wait_event = 'SyncRep' AND l.locktype = 'advisory'"
    )
    _set_standby(shop, "nobody")
    try:
        thread = threading.Thread(target=order)
        thread.start()
        wait_until(lambda: shop.postgres.rows(waits) == [(1,)])
        [(before,)] = shop.postgres.rows("SELECT count(*) FROM orders_order")
        for web in shop.webs:
            web.kill()
        thread.join()
    finally:
        _set_standby(shop, "")

    # nginx's word, in place of the one that died.
    assert outcome in ([], [502])
    wait_until(lambda: shop.postgres.rows("SELECT count(*) FROM orders_order") == [(before + 1,)])
    wait_until(shop.is_ready, every=0.1)
    status, answer = caller.insist("/orders/", order_of(), key=key, what="order", seconds=90)
    again = caller.ask("POST", "/orders/", order_of(), key=key)
    assert (status, again.status_code, again.json()["number"]) == (201, 201, answer["number"])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert shop.postgres.rows("SELECT count(*) FROM orders_order") == [(before + 1,)]
    wait_until(lambda: is_told(shop, answer["number"]) == "sent", every=0.1)


def _set_standby(shop: LiveShop, name: str) -> None:
    connection = shop.postgres.connect()
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("ALTER SYSTEM SET synchronous_standby_names = %s", [name])
        cursor.execute("SELECT pg_reload_conf()")
    connection.close()


def test_the_key_of_a_request_whose_web_server_was_killed_is_free_at_once(shop):
    """Before the commit nothing is there, and no lease has to pass."""
    caller = shop.caller()
    key = new_key()
    blocker = shop.postgres.connect()
    with blocker.cursor() as cursor:
        # The order cannot take its goods from the stock.
        cursor.execute("SELECT 1 FROM catalog_variant WHERE sku = 'TEA-1' FOR UPDATE")
    outcome = []

    def order() -> None:
        with contextlib.suppress(requests.ConnectionError):
            outcome.append(caller.ask("POST", "/orders/", order_of(), key=key).status_code)

    thread = threading.Thread(target=order)
    thread.start()
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    wait_until(lambda: shop.postgres.rows(held) == [(1,)])
    in_flight = shop.caller().ask("POST", "/orders/", order_of(), key=key)
    for web in shop.webs:
        web.kill()
    thread.join()
    # Its lock goes with its session, which PgBouncer ends although it still waits.
    blocker.rollback()
    blocker.close()
    wait_until(shop.is_ready, every=0.1)
    wait_until(lambda: shop.postgres.rows(held) == [(0,)])
    first = shop.caller().ask("POST", "/orders/", order_of(), key=key)

    assert outcome in ([], [502])
    assert (in_flight.status_code, in_flight.json()["code"]) == (409, "idempotency_in_flight")
    assert first.status_code == 201
    assert "Idempotent-Replayed" not in first.headers


def test_while_a_part_is_away_callers_are_told_to_come_back_or_do_not_notice(shop):
    caller = shop.caller()

    def order() -> tuple:
        answer = caller.ask("POST", "/orders/", order_of(), key=new_key())
        return answer.status_code, answer.headers.get("Retry-After"), answer.json().get("code")

    def token() -> int:
        return requests.post(
            f"{shop.nginx.url}/identity/o/api/token",
            {"grant_type": "client_credentials", "scope": "api"},
            auth=shop.client, headers={"Host": HOST}, timeout=40,
        ).status_code  # fmt: skip

    taken, away = (201, None, None), (503, "2", "unavailable")
    assert [order(), token()] == [taken, 200]
    shop.redis.kill()
    try:
        assert [order(), token(), shop.is_ready()] == [taken, 200, True]
    finally:
        shop.redis.start()
    os.kill(shop.redis.pid, signal.SIGSTOP)
    try:
        assert [order(), token()] == [taken, 200]
    finally:
        os.kill(shop.redis.pid, signal.SIGCONT)
    for server in (shop.postgres, shop.pgbouncer):
        server.kill()
        try:
            # Each process, and each of its threads, has a connection that it does not know dead.
            assert [order() for _ in range(8)] == [away] * 8
            assert [token() for _ in range(4)] == [503] * 4
            assert shop.readyz().json() == {
                "status": "unavailable",
                "checks": {"database": "unreachable"},
            }
        finally:
            server.start()
        wait_until(shop.is_ready, every=0.1)
        wait_until(lambda: order() == taken, every=0.1)
        wait_until(lambda: token() == 200, every=0.1)


def test_what_was_answered_is_there_once_whatever_died_meanwhile(shop, tmp_path):
    drill(shop, tmp_path, seconds=SECONDS)


def test_so_it_is_with_celery_whose_broker_forgets_all_when_it_dies(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    with spawn_live_shop(folder, webs=1, workers=2, tickers=1, celery=True) as shop:
        among = {"Redis killed", "Redis hangs", "two workers killed", "PostgreSQL killed",
                 "PgBouncer restarted", "ticker killed"}  # fmt: skip
        drill(shop, tmp_path, seconds=0, among=among)


def drill(
    shop: LiveShop, folder: Path, *, seconds: float, among: Collection[str] | None = None
) -> None:
    """Let each thing happen once at least, `seconds` long, and look at what is left."""
    chance = random.Random(SEED)
    faults = {
        name: fault
        for name, fault in faults_of(shop, chance).items()
        if among is None or name in among
    }
    journals = [folder / "load.jsonl", folder / "own.jsonl"]
    own = Journal(journals[1])
    happened: Counter = Counter()
    with steady_orders(shop, journals[0]) as load:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends or len(happened) < len(faults):
            for name in chance.sample(sorted(faults), len(faults)):
                time.sleep(chance.uniform(0.3, 1.5))
                print(f"{time.strftime('%X')} {name}", flush=True)
                faults[name]()
                happened[name] += 1
                recover(shop, own)
                assert load.poll() is None, "the load ended by itself"
    print(dict(happened))
    lines = [line for path in journals for line in read_journal(path)]
    judge(shop, lines)
