"""The shop under a steady load of orders, while what it stands on is killed at random.

`DRILL_SECONDS` makes it longer, `DRILL_SEED` another one; `DRILL_FOLDER` keeps its files.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path

import psutil
import pytest
import requests

from core.supervisor import dies_with_parent

from .drill import HOST, Journal, read_journal
from .infrastructure import Server
from .live_shop import CUSTOMERS, SKUS, STOCK, Kept, LiveShop, spawn_live_shop
from .processes import PROJECT, wait_until

SECONDS = float(os.environ.get("DRILL_SECONDS", "60"))
SEED = int(os.environ.get("DRILL_SEED", "11"))
# What processes may say when something dies under them; anything else is a fault of theirs.
EXPECTED = re.compile(
    r"(django\.db\.utils|psycopg2(\.errors|\.extensions)?)\.(OperationalError|InterfaceError|"
    r"AdminShutdown|CrashShutdown|CannotConnectNow|ProtocolViolation)|"
    r"redis\.exceptions\.(ConnectionError|TimeoutError)|BrokenPipeError|ConnectionResetError"
)


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
    for judge in (judge_answers, judge_orders, judge_messages, judge_peace, judge_logs):
        judge(shop, lines)


def answers(lines: list[dict], what: str) -> dict[str, list[dict]]:
    """Return what each key of a kind was answered for good: all of its 2xx."""
    found = {line["key"]: [] for line in lines if line["what"] == what and "sent" in line}
    for line in lines:
        if line["what"] == what and line.get("status") in {200, 201}:
            found[line["key"]].append(line)
    return found


def judge_answers(shop: LiveShop, lines: list[dict]) -> None:
    """Each request was answered in the end, and before that told to come again, quickly."""
    asked = [line for line in lines if "attempt" in line]
    print("answers:", Counter(line.get("status") or line["error"] for line in asked))
    print("replayed:", sum(bool(line.get("replayed")) for line in asked))
    print("slowest, ms:", sorted(line["ms"] for line in asked)[-5:])
    for what in ("order", "accept"):
        for key, good in answers(lines, what).items():
            assert len(good) == 1, (what, key)
    strange = [
        line
        for line in lines
        if line.get("status") not in {None, 200, 201, 401, 409, 502, 503, 504}
    ]
    assert strange == []
    # Ours says when to come again; nginx's own 502 is of a web server that was killed.
    for line in asked:
        if line.get("status") == 503:
            assert (line["problem"], line["retry_after"] is not None) == (True, True), line
        if line.get("status") == 409:
            assert line["code"] == "idempotency_in_flight", line
        # nginx waits less long than they.
        assert line.get("error") not in {"ReadTimeout", "ConnectTimeout"}, line


def judge_orders(shop: LiveShop, lines: list[dict]) -> None:
    """Orders, lines, stock and history are what was answered, and no others."""
    sent = {
        line["key"]: line["sent"] for line in lines if line["what"] == "order" and "sent" in line
    }
    wanted = {good[0]["number"]: sent[key] for key, good in answers(lines, "order").items()}
    assert len(wanted) == len(sent)
    since = min(map(int, wanted))
    rows = shop.postgres.rows(
        "SELECT o.number, c.code, l.sku, l.quantity FROM orders_order o"
        " JOIN orders_orderline l ON l.order_id = o.id"
        " JOIN customers_customer c ON c.id = o.customer_id WHERE o.number::int >= %s",
        since,
    )
    there = defaultdict(dict)
    buyers = {}
    for number, code, sku, quantity in rows:
        assert sku not in there[number]
        there[number][sku] = quantity
        buyers[number] = code
    assert {
        number: (buyers[number], goods) for number, goods in there.items()
    } == {
        number: (body["customer"], {each["sku"]: each["quantity"] for each in body["lines"]})
        for number, body in wanted.items()
    }  # fmt: skip
    [(orders,)] = shop.postgres.rows(
        "SELECT count(*) FROM orders_order WHERE number::int >= %s", since
    )
    assert orders == len(wanted)
    print("orders:", orders)

    sold = shop.postgres.rows(
        "SELECT m.order, v.sku, m.quantity FROM catalog_stockmovement m"
        " JOIN catalog_variant v ON v.id = m.variant_id"
        " WHERE m.kind = 'sold' AND m.order::int >= %s",
        since,
    )
    assert sorted(sold) == sorted(
        (number, sku, -quantity)
        for number, goods in there.items()
        for sku, quantity in goods.items()
    )
    for sku, stock, ordered in shop.postgres.rows(
        "SELECT v.sku, v.stock, coalesce((SELECT sum(quantity) FROM orders_orderline l"
        " WHERE l.variant_id = v.id), 0) FROM catalog_variant v"
    ):
        assert (sku, stock) == (sku, STOCK - ordered)
    assert shop.run("manage.py", "check_stock") == "On hand is what the ledger says.\n"

    accepted = {good[0]["number"] for good in answers(lines, "accept").values()}
    assert accepted
    history = shop.postgres.rows(
        "SELECT o.number, h.from_status, h.to_status FROM orders_orderchange h"
        " JOIN orders_order o ON o.id = h.order_id WHERE o.number::int >= %s",
        since,
    )
    assert sorted(history) == sorted(
        [(number, "", "pending") for number in wanted]
        + [(number, "pending", "accepted") for number in accepted]
    )


def judge_messages(shop: LiveShop, lines: list[dict]) -> None:
    """Each order is told once, and went out once, unless nobody can know."""
    wait_until(
        lambda: (
            shop.postgres.rows(
                "SELECT count(*) FROM notifications_message WHERE status IN ('queued', 'sending')"
            )
            == [(0,)]
        ),
        180,
        every=0.5,
    )
    placed = [good[0]["number"] for good in answers(lines, "order").values()]
    accepted = [good[0]["number"] for good in answers(lines, "accept").values()]
    since = min(map(int, placed))
    rows = shop.postgres.rows(
        "SELECT event, reference, status, transport_id FROM notifications_message"
        " WHERE subject = 'order' AND reference::int >= %s",
        since,
    )
    assert sorted((event, number) for event, number, _, _ in rows) == sorted(
        [("order.placed", number) for number in placed]
        + [("order.accepted", number) for number in accepted]
    )
    print("messages:", Counter(status for _, _, status, _ in rows))
    assert {status for _, _, status, _ in rows} <= {"sent", "unknown"}
    taken = defaultdict(list)
    for entry in shop.gateway.book():
        if entry["id"]:
            number = re.search(r"order (\d+)[, ]", entry["message"])[1]
            event = "order.placed" if "thank you" in entry["message"] else "order.accepted"
            taken[event, number].append(entry["id"])
    for event, number, status, ident in rows:
        if status == "sent":
            assert taken[event, number] == [ident], (event, number)
        else:
            assert len(taken[event, number]) <= 1, (event, number)


def judge_peace(shop: LiveShop, lines: list[dict]) -> None:
    """Nothing is left half done."""
    long_run = (
        "SELECT count(*) FROM django_tasks_database_dbtaskresult"
        " WHERE status = 'RUNNING' AND started_at < now() - interval '20 seconds'"
    )
    wait_until(lambda: shop.postgres.rows(long_run) == [(0,)], 120, every=0.5)
    idle = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE state LIKE 'idle in transaction%' AND xact_start < now() - interval '10 seconds'"
    )
    wait_until(lambda: shop.postgres.rows(idle) == [(0,)], 60, every=0.5)
    assert shop.is_ready()


def judge_logs(shop: LiveShop, lines: list[dict]) -> None:
    """Nobody met an error that is not of what died."""
    unexpected = Counter()
    for entry in shop.log():
        trace = entry.get("exc_info") or ""
        last = trace.strip().splitlines()
        if trace and not EXPECTED.search(trace):
            unexpected[entry["of"], entry["message"], last[-1]] += 1
        elif "logger" not in entry and entry["message"].startswith("Traceback"):
            unexpected[entry["of"], entry["message"]] += 1
    assert unexpected == Counter()
