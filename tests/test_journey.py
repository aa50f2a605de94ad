"""The whole shop as separate processes: web server, worker, ticker, gateway, one database."""

import os
import re
import signal
from contextlib import ExitStack

import psutil
import pytest
import requests

from accounts.services.machines import create_machine

from .brokers import BROKERS, env_of
from .ports import free_port
from .processes import spawn_manage, wait_until
from .servers import spawn_gateway, spawn_web

PHONE = "+254722000001"


class Caller:
    """A shopkeeper's program: a bearer token, JSON, an idempotency key for what it creates."""

    def __init__(self, base: str, *, client_id: str, secret: str) -> None:
        self.base = base
        self.session = requests.Session()
        grant = {"grant_type": "client_credentials", "scope": "api"}
        answer = self.session.post(
            f"{base}/identity/o/api/token", grant, auth=(client_id, secret), timeout=60
        )
        assert answer.status_code == 200, answer.text
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def get(self, path: str, **query: str) -> dict:
        response = self.session.get(f"{self.base}/api/v1{path}", params=query, timeout=60)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: dict | None = None, *, key: str) -> tuple[int, dict]:
        response = self.session.post(
            f"{self.base}/api/v1{path}",
            json=body or {},
            headers={"Idempotency-Key": key},
            timeout=60,
        )
        return response.status_code, response.json()


def without_link(text: str) -> str:
    return re.sub(r"http://127\.0\.0\.1:[0-9]+/t/[0-9]+-[A-Za-z0-9_-]{22}", "LINK", text)


@pytest.mark.parametrize("backend", ["database", *BROKERS])
@pytest.mark.django_db(transaction=True)
def test_an_order_is_placed_accepted_and_fulfilled_and_the_customer_is_told_each_time(
    backend, brokers, tmp_path
):
    rights = ["handle_orders", "manage_catalogue", "manage_customers"]
    till, secret = create_machine(by=None, name="Till", rights=rights)

    with ExitStack() as stack:
        gateway = stack.enter_context(spawn_gateway(tmp_path))
        env = gateway.env | {"WORKER_LEASE_SECONDS": "15"} | env_of(brokers, backend)
        web, base = stack.enter_context(spawn_web(env=env, port=free_port()))
        ready = requests.get(f"{base}/readyz", timeout=60)
        assert (ready.status_code, ready.json()["checks"]["worker"]) == (
            503,
            "none has been seen lately",
        )
        worker = stack.enter_context(spawn_manage("worker", env=env))
        ticker = stack.enter_context(spawn_manage("ticker", env=env))
        wait_until(lambda: requests.get(f"{base}/readyz", timeout=60).status_code == 200)
        shop = Caller(base, client_id=till.client_id, secret=secret)

        status, product = shop.post(
            "/products/", {"name": "Chai", "sku": "TEA-1", "price": "12.50", "stock": 50}, key="p"
        )
        assert (status, product["variants"][0]["stock"]) == (201, 50)
        status, customer = shop.post(
            "/customers/", {"name": "Wanjiru", "phone": "0722 000 001", "code": "C7"}, key="c"
        )
        assert (status, customer["phone"]) == (201, PHONE)

        body = {"customer": "C7", "lines": [{"sku": "TEA-1", "quantity": 3}]}
        status, order = shop.post("/orders/", body, key="o")
        assert (status, order["status"], order["total"]) == (201, "pending", "37.50")
        number = order["number"]
        # A caller who lost the answer asks again: no second order, no second message.
        assert shop.post("/orders/", body, key="o") == (201, order)
        wait_until(lambda: len(gateway.numbers()) == 1)

        for verb, reached in [("accept", "accepted"), ("fulfil", "fulfilled")]:
            before = len(gateway.numbers())
            status, order = shop.post(f"/orders/{number}/{verb}/", key=verb)
            assert (status, order["status"]) == (200, reached)
            wait_until(lambda before=before: len(gateway.numbers()) == before + 1)

        # Too late for this, which changes nothing and tells nobody.
        status, problem = shop.post(f"/orders/{number}/cancel/", key="late")
        assert (status, problem["allowed"]) == (409, [])

        placed = (
            f"Duka: thank you, Wanjiru. We have your order {number}, KES 37.50 in all,"
            " and will confirm it soon. LINK"
        )
        accepted = (
            f"Duka: good news, Wanjiru. Your order {number}, KES 37.50 in all, is accepted. LINK"
        )
        done = f"Duka: Wanjiru, your order {number}, KES 37.50 in all, is complete. Thank you."
        messages = {"order": number, "status": "sent", "ordering": "created_at"}
        wait_until(lambda: len(shop.get("/messages/", **messages)["results"]) == 3)
        book = gateway.book()
        assert [(entry["to"], without_link(entry["message"])) for entry in book] == [
            (PHONE, placed),
            (PHONE, accepted),
            (PHONE, done),
        ]
        rows = shop.get("/messages/", order=number, ordering="created_at")["results"]
        told = [(row["event"], row["to"], without_link(row["body"]), row["status"]) for row in rows]
        assert told == [
            ("order.placed", PHONE, placed, "sent"),
            ("order.accepted", PHONE, accepted, "sent"),
            ("order.fulfilled", PHONE, done, "sent"),
        ]
        assert [row["transport_id"] for row in rows] == [entry["id"] for entry in book]
        assert {(row["transport"], row["attempts"], row["cost"]) for row in rows} == {
            ("africastalking", 1, "KES 0.8000")
        }
        [variant] = shop.get(f"/products/{product['id']}/")["variants"]
        assert (variant["sku"], variant["stock"]) == ("TEA-1", 47)
        ready = requests.get(f"{base}/readyz", timeout=60)
        assert (ready.status_code, ready.json()) == (
            200,
            {"status": "ok", "checks": {"database": "ok", "migrations": "ok", "worker": "ok"}},
        )

        # Each ends by itself when it is told to, and takes its own children along.
        children = psutil.Process(web.pid).children(recursive=True)
        assert children
        for process in (web, worker, ticker):
            os.kill(process.pid, signal.SIGTERM)
        assert [process.process.wait(60) for process in (web, worker, ticker)] == [0, 0, 0]
        assert psutil.wait_procs(children, timeout=30)[1] == []
