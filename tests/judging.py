"""What must hold after the fault drill, by the callers' journal, the database and the gateway."""

import re
from collections import Counter, defaultdict

from .live_shop import STOCK, LiveShop
from .processes import wait_until

# What processes may say when something dies under them; anything else is a fault of theirs.
EXPECTED = re.compile(
    r"(django\.db\.utils|psycopg2(\.errors|\.extensions)?)\.(OperationalError|InterfaceError|"
    r"AdminShutdown|CrashShutdown|CannotConnectNow|ProtocolViolation)|"
    r"redis\.exceptions\.(ConnectionError|TimeoutError)|BrokenPipeError|ConnectionResetError"
)


def judge(shop: LiveShop, lines: list[dict]) -> None:
    """Fail where anything of it does not hold; `lines`: the journal's."""
    for part in (_judge_answers, _judge_orders, _judge_messages, _judge_peace, _judge_logs):
        part(shop, lines)


def _answers(lines: list[dict], what: str) -> dict[str, list[dict]]:
    """Return what each key of a kind was answered for good: all of its 2xx."""
    found = {line["key"]: [] for line in lines if line["what"] == what and "sent" in line}
    for line in lines:
        if line["what"] == what and line.get("status") in {200, 201}:
            found[line["key"]].append(line)
    return found


def _judge_answers(shop: LiveShop, lines: list[dict]) -> None:
    """Each request was answered in the end, and before that told to come again, quickly."""
    asked = [line for line in lines if "attempt" in line]
    print("answers:", Counter(line.get("status") or line["error"] for line in asked))
    print("replayed:", sum(bool(line.get("replayed")) for line in asked))
    print("slowest, ms:", sorted(line["ms"] for line in asked)[-5:])
    for what in ("order", "accept"):
        for key, good in _answers(lines, what).items():
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


def _judge_orders(shop: LiveShop, lines: list[dict]) -> None:
    """Orders, lines, stock and history are what was answered, and no others."""
    sent = {
        line["key"]: line["sent"] for line in lines if line["what"] == "order" and "sent" in line
    }
    wanted = {good[0]["number"]: sent[key] for key, good in _answers(lines, "order").items()}
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

    accepted = {good[0]["number"] for good in _answers(lines, "accept").values()}
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


def _judge_messages(shop: LiveShop, lines: list[dict]) -> None:
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
    placed = [good[0]["number"] for good in _answers(lines, "order").values()]
    accepted = [good[0]["number"] for good in _answers(lines, "accept").values()]
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


def _judge_peace(shop: LiveShop, lines: list[dict]) -> None:
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


def _judge_logs(shop: LiveShop, lines: list[dict]) -> None:
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
