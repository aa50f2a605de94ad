"""An upgrade of a shop that stays open: the version before this one works on the new schema."""

import io
import subprocess
import sys
import tarfile
import threading
from collections import Counter
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
import requests
from django.db import connection

from orders.tests.test_migrations import another_database, rows

from .ports import free_port
from .processes import PROJECT, spawn, test_database_url, wait_until
from .servers import spawn_gateway, spawn_web
from .test_journey import Caller

# Until there is a release: the shop as it was before it kept conversations.
BEFORE_RELEASES = "ba8cc6b3f9dd3f55687fd04f89a8fd335ca7e241"
STOCK = 100_000
PREPARE = """
from accounts.services.machines import create_machine
rights = ["handle_orders", "manage_catalogue", "manage_customers"]
till, secret = create_machine(by=None, name="Till", rights=rights)
print(till.client_id, secret)
"""


def git(*words: str) -> bytes:
    done = subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else b""


@pytest.fixture
def earlier(tmp_path) -> Path:
    """The code of the release before this one."""
    tag = git("describe", "--tags", "--abbrev=0", "--match=v[0-9]*", "HEAD^").decode().strip()
    archive = git("archive", tag or BEFORE_RELEASES)
    if not archive:
        pytest.skip("this copy has no history: git fetch --unshallow --tags")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tmp_path / "earlier", filter="data")
    return tmp_path / "earlier"


@pytest.fixture
def a_database(django_db_blocker, django_db_setup):
    """A database that the earlier version has made."""
    with django_db_blocker.unblock():
        name = f"{connection.settings_dict['NAME']}_upgrade"
        with another_database(name) as database:
            yield database


class Till(threading.Thread):
    """Places orders, one after the other, at whatever servers there are; none may fail."""

    def __init__(self, caller: Caller, servers: list[str], name: str) -> None:
        super().__init__(daemon=True)
        self.caller, self.servers, self.name = caller, servers, name
        self.answers: list[tuple[int, str, int]] = []
        self.enough = threading.Event()

    def run(self) -> None:
        body = {"customer": "C7", "lines": [{"sku": "TEA-1", "quantity": 1}]}
        for number in count():
            if self.enough.is_set():
                return
            base = self.servers[number % len(self.servers)]
            try:
                answer = self.caller.session.post(
                    f"{base}/api/v1/orders/",
                    json=body,
                    headers={"Idempotency-Key": f"{self.name}-{number}"},
                    timeout=60,
                )
            except requests.RequestException as error:
                self.answers.append((0, repr(error), number))
            else:
                found = answer.json()["number"] if answer.status_code == 201 else answer.text
                self.answers.append((answer.status_code, found, number))

    def placed(self) -> int:
        return sum(status == 201 for status, *_ in list(self.answers))

    def place(self, some: int) -> None:
        """Wait until it has placed some more."""
        before = self.placed()
        wait_until(lambda: self.placed() >= before + some)


def manage(folder: Path, env: dict[str, str], *words: str) -> str:
    with spawn(sys.executable, "manage.py", *words, env=env, cwd=folder) as process:
        status = process.process.wait(180)
        assert status == 0, process.log()
        return process.log()


def start_background(stack: ExitStack, env: dict[str, str], *, cwd: Path) -> None:
    """Run a worker and a ticker until the stack ends, and ask them to end then, as systemd does.

    A worker that is killed keeps what it holds until its lease ends, and what it was just handing
    over is nobody's to send again: that is another test's.
    """
    for kind in ("worker", "ticker"):
        process = stack.enter_context(spawn(sys.executable, "manage.py", kind, env=env, cwd=cwd))
        stack.callback(process.stop)


@pytest.mark.slow
def test_a_shop_sells_all_the_time_while_it_is_upgraded_and_taken_back(
    earlier, a_database, tmp_path
):
    port = free_port()
    with ExitStack() as stack:
        gateway = stack.enter_context(spawn_gateway(tmp_path))
        env = gateway.env | {
            "DATABASE_URL": test_database_url(a_database.settings_dict["NAME"]),
            # One shop: the same keys for all of its servers, by the same name.
            "DUKA_VAR": str(tmp_path / "var"),
            "SHOP_URL": f"http://127.0.0.1:{port}",
            # The earlier code is not what is measured.
            "COVERAGE_PROCESS_START": "",
            "COVERAGE_PROCESS_CONFIG": "",
        }
        manage(earlier, env, "migrate")
        client_id, secret = manage(earlier, env, "shell", "-c", PREPARE).split()[-2:]

        with ExitStack() as before:
            _, base = before.enter_context(spawn_web(env=env, port=port, cwd=earlier))
            start_background(before, env, cwd=earlier)
            shop = Caller(base, client_id=client_id, secret=secret)
            product = {"name": "Chai", "sku": "TEA-1", "price": "12.50", "stock": STOCK}
            assert shop.post("/products/", product, key="p")[0] == 201
            customer = {"name": "Wanjiru", "phone": "0722 000 001", "code": "C7"}
            assert shop.post("/customers/", customer, key="c")[0] == 201

            servers = [base]
            till = Till(shop, servers, "till")
            till.start()
            stack.callback(till.join, 60)
            stack.callback(till.enough.set)
            till.place(5)
            # The new version's migrations, beside the earlier version's servers.
            manage(PROJECT, env, "migrate")
            till.place(10)
            assert requests.get(f"{base}/readyz", timeout=20).status_code == 200

            # Both versions side by side.
            after = stack.enter_context(ExitStack())
            _, later = after.enter_context(spawn_web(env=env))
            start_background(after, env, cwd=PROJECT)
            servers.append(later)
            till.place(20)
            assert requests.get(f"{later}/readyz", timeout=20).status_code == 200
            servers.remove(base)
            till.place(5)
        # The new one alone; and taken back, without migrating back.
        till.place(10)
        _, again = stack.enter_context(spawn_web(env=env, port=port, cwd=earlier))
        start_background(stack, env, cwd=earlier)
        servers.append(again)
        till.place(5)
        servers.remove(later)
        till.place(2)
        after.close()
        till.place(10)
        till.enough.set()
        till.join(60)

        assert [answer for answer in till.answers if answer[0] != 201] == []
        numbers = [number for _, number, _ in till.answers]
        assert len(set(numbers)) == len(numbers)
        stored = rows(a_database, "SELECT number FROM orders_order")
        assert sorted(number for (number,) in stored) == sorted(numbers)
        assert rows(a_database, "SELECT stock FROM catalog_variant") == [(STOCK - len(numbers),)]
        wait_until(lambda: len(gateway.numbers()) >= len(numbers))
        told = rows(
            a_database, "SELECT reference FROM notifications_message WHERE event = 'order.placed'"
        )
        assert Counter(number for (number,) in told) == Counter(numbers)
