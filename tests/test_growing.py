"""Two web servers behind nginx, three workers, two tickers; one PostgreSQL by way of PgBouncer.

No session of the database is anybody's own there. Each way for a worker to hear of its tasks.
"""

import contextlib
import json
import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import cycle, pairwise

import pytest
import requests

from .brokers import env_of
from .drill import HOST, Caller
from .live_shop import LiveShop, spawn_live_shop
from .processes import wait_until

pytestmark = pytest.mark.slow
STRANGERS = 4
MONDAY = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=30)
_DJANGO = "import django; django.setup()\n"
# A program that may do all of this.
_SET_UP = """
import json
from accounts.services.machines import create_machine
rights = ["handle_orders", "handle_bookings", "manage_catalogue", "manage_customers"]
made, secret = create_machine(by=None, name="All", rights=rights)
print(json.dumps([made.client_id, secret]))
"""


@pytest.fixture(scope="module", params=["database", "redis", "rabbitmq"])
def shop(request, brokers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("growing")
    env = env_of(brokers, request.param) | {"THROTTLE_NEW_CARTS": f"{STRANGERS}/hour"}
    with spawn_live_shop(folder, webs=2, workers=3, tickers=2, env=env) as shop:
        shop.client = tuple(json.loads(shop.run("-c", _DJANGO + _SET_UP)))
        yield shop


def servers_of(shop: LiveShop) -> list[str]:
    return [f"http://{web._env['WEB_BIND']}" for web in shop.webs]


def beside_nginx(shop: LiveShop, caller: Caller) -> list[Caller]:
    """Return the same program, signed in once, as it asks each of the web servers itself."""
    found = []
    for base in servers_of(shop):
        one = Caller(base, client="", secret="", journal=None)
        one._token = caller._token
        one._session.headers["X-Forwarded-Proto"] = "https"
        found.append(one)
    return found


def at_once(calls, threads: int = 16) -> list:
    with ThreadPoolExecutor(threads) as pool:
        return [each.result() for each in [pool.submit(call) for call in calls]]


def order_of(sku: str, customer: str = "C1") -> dict:
    return {"customer": customer, "lines": [{"sku": sku, "quantity": 1}]}


def asked_of(web) -> int:
    """Return how many orders a web server was asked for."""
    return web.log().count('"message": "POST /api/v1/orders/ ')


def test_the_last_goods_are_sold_once_each_and_each_order_is_told_once(shop):
    caller = shop.caller()
    product = {"name": "Last", "sku": "LAST", "price": "5.00", "stock": 30}
    assert caller.ask("POST", "/products/", product, key="last").status_code == 201
    asked = [asked_of(web) for web in shop.webs]

    # Whoever is told by nginx that nobody is there comes again.
    answers = at_once(
        [
            lambda n=n: caller.insist(
                "/orders/", order_of("LAST", f"C{n % 20}"), key=f"last{n}", what="order"
            )
            for n in range(50)
        ]
    )

    assert Counter((status, each.get("code")) for status, each in answers) == {
        (201, None): 30,
        (409, "out_of_stock"): 20,
    }
    numbers = sorted(each["number"] for status, each in answers if status == 201)
    assert shop.postgres.rows("SELECT stock FROM catalog_variant WHERE sku = 'LAST'") == [(0,)]
    told = (
        "SELECT reference, status FROM notifications_message"
        " WHERE event = 'order.placed' AND reference = ANY(%s)"
    )
    wait_until(
        lambda: sorted(shop.postgres.rows(told, numbers)) == [(each, "sent") for each in numbers]
    )
    texts = [entry["message"] for entry in shop.gateway.book() if entry["id"]]
    assert [sum(f"order {each}," in text for text in texts) for each in numbers] == [1] * 30
    # Both servers had their part.
    assert all(asked_of(web) > before for web, before in zip(shop.webs, asked, strict=True))


def test_an_answer_is_given_again_by_the_other_server_too(shop):
    caller = shop.caller()

    answers = at_once(
        [
            lambda one=one: one.ask("POST", "/orders/", order_of("TEA-1"), key="same")
            for one in beside_nginx(shop, caller) * 6
        ]
    )

    codes = {(each.status_code, each.json().get("code")) for each in answers}
    assert (201, None) in codes
    assert codes <= {(201, None), (409, "idempotency_in_flight")}
    again = [
        one.ask("POST", "/orders/", order_of("TEA-1"), key="same")
        for one in beside_nginx(shop, caller)
    ]
    assert [(each.status_code, each.headers.get("Idempotent-Replayed")) for each in again] == [
        (201, "true")
    ] * 2
    placed = {each.json()["number"] for each in [*answers, *again] if each.status_code == 201}
    assert len(placed) == 1
    key = "SELECT count(*) FROM core_idempotencykey WHERE key = 'same'"
    assert shop.postgres.rows(key) == [(1,)]


def test_bookings_keep_their_gap(shop):
    caller = shop.caller()
    service = {"id": 123, "name": "Inspection"}
    assert caller.ask("POST", "/services/", service, key="service").status_code == 201

    answers = at_once(
        [
            lambda n=n: caller.insist(
                "/service-orders/",
                {
                    "datetime": (MONDAY + timedelta(minutes=25 * n)).isoformat(),
                    "services": [{"id": 123}],
                },
                key=f"booking{n}",
                what="booking",
            )
            for n in range(40)
        ]
    )

    assert {(status, each.get("code")) for status, each in answers} == {
        (201, None),
        (409, "booking_conflict"),
    }
    times = sorted(
        datetime.fromisoformat(each["datetime"]) for status, each in answers if status == 201
    )
    assert all(b - a >= timedelta(hours=3) for a, b in pairwise(times))
    assert shop.postgres.rows("SELECT count(*) FROM bookings_booking") == [(len(times),)]


def test_an_upload_is_taken_in_once(shop):
    caller = shop.caller()
    rows = "".join(f"U{n},Uploaded {n},07330{n:05}\n" for n in range(1500))
    answer = caller._session.post(
        f"{shop.nginx.url}/api/v1/uploads/",
        data={"kind": "customers"},
        files={"file": ("people.csv", f"code,name,phone\n{rows}")},
        headers={"Authorization": f"Bearer {caller._token}", "Idempotency-Key": "upload"},
        timeout=40,
    )
    assert answer.status_code == 202, answer.text
    path = f"/uploads/{answer.json()['id']}/"

    def upload() -> dict:
        return caller.ask("GET", path).json()

    wait_until(lambda: upload()["status"] not in {"queued", "running"}, every=0.3)
    found = upload()
    assert (found["status"], found["created"], found["failed"]) == ("done", 1500, 0)
    count = "SELECT count(*), count(DISTINCT phone) FROM customers_customer WHERE code LIKE 'U%%'"
    assert shop.postgres.rows(count) == [(1500, 1500)]


def test_who_signed_in_at_one_server_is_known_at_the_other_and_who_left_is_not(shop):
    made = shop.run("-c", _DJANGO + _SIGN_IN).strip()
    cookie = {"Cookie": f"__Host-sessionid={made}", "Host": HOST, "X-Forwarded-Proto": "https"}

    def who() -> list:
        answers = [
            requests.get(f"{base}/api/v1/me/", headers=cookie, timeout=40)
            for base in servers_of(shop)
        ]
        return [(each.status_code, each.json().get("name")) for each in answers]

    assert who() == [(200, "Zawadi")] * 2
    shop.run("-c", f"{_DJANGO}{_SIGN_OUT}({made!r})")
    assert [status for status, _ in who()] == [401, 401]
    # A program's token is of the keys that all servers share.
    callers = beside_nginx(shop, shop.caller())
    assert [one.ask("GET", "/me/").status_code for one in callers] == [200, 200]


_SIGN_IN = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from accounts.services.people import create_local_person
user = create_local_person(name="Zawadi", email="zawadi@example.com", password="mboga na matunda 9")
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "accounts.backends.PasswordBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
print(session.session_key)
"""
_SIGN_OUT = """
from django.contrib.sessions.backends.db import SessionStore
(lambda key: SessionStore(key).flush())"""


def test_what_is_limited_is_counted_over_both_servers(shop):
    headers = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    bases = cycle(servers_of(shop))

    def begin() -> int:
        return requests.post(
            f"{next(bases)}/api/v1/cart/lines/",
            json={"sku": "TEA-1", "quantity": 1},
            headers=headers,
            timeout=40,
        ).status_code

    statuses = [begin() for _ in range(STRANGERS + 4)]

    assert sorted(statuses) == [*sorted(statuses[:STRANGERS]), 429, 429, 429, 429]
    assert 429 not in statuses[:STRANGERS]


def test_a_web_server_that_is_stopped_costs_no_caller_their_answer(shop):
    caller = shop.caller()
    done, asked = threading.Event(), Counter()

    def look() -> None:
        mine = Caller(shop.nginx.url, client="", secret="", journal=None)
        mine._token = caller._token
        while not done.is_set():
            asked[mine.ask("GET", "/products/").status_code] += 1

    placed = []
    with ThreadPoolExecutor(3) as pool:
        looking = [pool.submit(look) for _ in range(3)]
        try:
            for web in shop.webs:
                seen = web.log().count("Listening at")
                os.kill(web.pid, signal.SIGTERM)
                for _ in range(8):
                    key = f"stopped{len(placed)}"
                    placed.append(
                        caller.insist("/orders/", order_of("TEA-2"), key=key, what="order")
                    )
                # The other is not to be stopped before this one is back.
                wait_until(lambda web=web, seen=seen: web.log().count("Listening at") > seen)
                wait_until(lambda web=web: is_there(web))
        finally:
            done.set()
        for each in looking:
            each.result()

    assert set(asked) == {200}
    assert asked[200] > 20
    assert {status for status, _ in placed} == {201}
    assert len({order["number"] for _, order in placed}) == 16


def is_there(web) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        address = f"http://{web._env['WEB_BIND']}/healthz"
        return requests.get(address, headers={"Host": HOST}, timeout=40).status_code < 500
    return False


def test_nothing_of_this_was_an_error_to_anybody(shop):
    """Above all none of what PgBouncer's transaction mode forbids."""
    errors = [line for line in shop.log() if line.get("level") in {"ERROR", "CRITICAL"}]
    assert errors == []
