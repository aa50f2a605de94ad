"""`manage.py run`, started as a person starts it, in a var folder of its own."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from accounts.tests.browser import Browser
from core.embedded_postgres.keeper import servers_in
from demo.accounts import DEMO_ACCOUNTS
from tests.ports import free_port

PROJECT = Path(__file__).resolve().parents[2]


def environment(var, **changes):
    left_out = (
        "DATABASE_URL", "PORT", "PG_BIN", "DJANGO_SETTINGS_MODULE", "SHOP_URL", "OIDC_ISSUER",
        "IDENTITY_FILE", "SHIPPING_PROVIDERS", "FAKE_CARRIER_PORT", "REPAIR_SOURCES",
        "REPAIRS_WORKSHOP_URL", "FAKE_CLIENT_FILE",
    )  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "DUKA_VAR": str(var), **changes}


def run_to_its_end(var, **changes):
    return subprocess.run(
        [sys.executable, "manage.py", "run"],
        cwd=PROJECT,
        env=environment(var, **changes),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def processes_of(var):
    """Every process that got `var` in its environment, or is a server on it."""
    marker = f"DUKA_VAR={var}\0".encode()
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            mine = marker in (path / "environ").read_bytes()
            named = f"{var}/postgres\0".encode() in (path / "cmdline").read_bytes()
            if (mine or named) and int(path.name) != os.getpid():
                found.add(int(path.name))
    for data in Path(var).glob("postgres/data-*"):
        found |= servers_in(data)
    return found


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.05)


class Shop:
    def __init__(self, var, **changes):
        self.var = var
        self.port = free_port()
        self.lines = []
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "run"],
            cwd=PROJECT,
            env=environment(var, PORT=str(self.port), **changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        self.lines.extend(self.process.stdout)  # So that a full pipe holds nobody up.

    @property
    def output(self):
        return "".join(self.lines)

    def wait_for_banner(self):
        wait_until(lambda: "Ctrl-C" in self.output or self.process.poll() is not None, 240)
        assert "Ctrl-C" in self.output, self.output

    def status(self, path):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return answer.status

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(40)
        self.reader.join(10)
        return code


@pytest.fixture
def var():
    # Short, so that the socket is in it.
    with tempfile.TemporaryDirectory(prefix="duka-run-", dir="/tmp") as folder:
        yield Path(folder)
        for pid in processes_of(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_run_opens_the_shop_and_ends_without_a_trace_and_a_second_run_finds_its_data(var):
    shop = Shop(var)
    shop.wait_for_banner()

    assert f"Duka is open at http://127.0.0.1:{shop.port}/" in shop.output
    assert f"http://127.0.0.1:{shop.port}/api/docs/" in shop.output
    assert f"http://127.0.0.1:{shop.port}/admin/" in shop.output
    assert f"http://127.0.0.1:{shop.port}/graphql/" in shop.output
    for account in DEMO_ACCOUNTS:
        assert f"{account.email} " in shop.output
        assert f" {account.password} " in shop.output
    assert f"{var}/demo.env" in shop.output
    assert shop.status("/readyz") == 200
    assert shop.status("/") == 200
    assert "Preparing the database (" in shop.output
    assert re.fullmatch(r"\d+ would be sent\.", beside(var, "send_shipments"))
    assert f"A workshop is played here, too; its repair jobs: {var}/client.sqlite3" in shop.output
    wait_until(lambda: "job 00125:" in shop.output, 240)
    assert FORESEEN.fullmatch(beside(var, "collect_repairs", "--source", "workshop"))
    secret = secret_of(var)
    kept = dict(line.split("=", 1) for line in secret.splitlines())
    assert shop.stop() == 0
    assert shop.output.endswith("Duka has stopped.\n")
    assert processes_of(var) == set()

    # In a terminal that has what the first one wrote.
    again = Shop(var, **kept)
    again.wait_for_banner()

    assert "Preparing the database" not in again.output
    assert again.status("/readyz") == 200
    now = dict(line.split("=", 1) for line in secret_of(var).splitlines())
    assert now.keys() == kept.keys()
    # A port that was free is at times free again.
    ports = {
        "DUKA_URL": again.port,
        "DUKA_TOKEN_URL": again.port,
        "DUKA_AUDIENCE": again.port,
        "COURIER_URL": now["FAKE_CARRIER_PORT"],
        "PARCELPOST_URL": now["FAKE_CARRIER_PORT"],
    }
    for name, port in ports.items():
        assert f"{now[name]}/".startswith(f"http://127.0.0.1:{port}/"), name
    anew = {
        "DUKA_CLIENT_SECRET",
        "COURIER_API_KEY",
        "COURIER_WEBHOOK_SECRETS",
        "PARCELPOST_PASSWORD",
        "PARCELPOST_WEBHOOK_KEY",
    }
    changed = {name for name in now if now[name] != kept[name]}
    assert anew <= changed <= {*anew, *ports, "FAKE_CARRIER_PORT"}
    assert re.fullmatch(r"\d+ would be sent\.", beside(var, "send_shipments"))
    wait_until(lambda: brought(again.output), 240)
    told = re.findall(r"we have received your .*?, job (\d+):", shop.output + again.output)
    assert sorted(told) == sorted(set(told))
    assert told[:2] == ["00123", "00124"]
    assert brought(again.output)[0] > max(brought(shop.output))
    assert again.stop(signal.SIGINT) == 0
    assert processes_of(var) == set()


def secret_of(var):
    """Return what demo.env says, which nobody else may read."""
    assert (var / "demo.env").stat().st_mode & 0o777 == 0o600
    return (var / "demo.env").read_text()


FORESEEN = re.compile(
    r"workshop: \d+ taken in, 0 of them as there before us, \d+ followed, 1 set aside,"
    r" if it were done\."
)


def brought(output):
    """Return the jobs that came at the client's while the shop ran."""
    return re.findall(r"At the client's: job (\d+), NEW", output)


def beside(var, *command):
    """Return the last line of a dry run beside the shop, in a terminal that has demo.env."""
    script = 'set -a; . "$1"; set +a; shift; "$@" --dry-run'
    env_file = str(var / "demo.env")
    ended = subprocess.run(
        ["sh", "-euc", script, "sh", env_file, sys.executable, "manage.py", *command],
        cwd=PROJECT,
        env=environment(var),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()[-1]


def tour(var):
    """Return the README's tour as a person pastes it, for the shop in `var`."""
    [script] = re.findall(
        r"^## A tour.*?^```sh\n(.*?)^```",
        (PROJECT / "README.md").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    assert "\n. var/demo.env\n" in f"\n{script}"
    return script.replace(". var/demo.env", f". {var}/demo.env")


def lines_of_repairs():
    """Return what docs/repairs.md asks the demo shop."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```",
        (PROJECT / "docs" / "repairs.md").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    return next(each for each in blocks if each.startswith("duka "))


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl, as the tour does")
def test_the_readme_s_tour_works_and_each_demo_account_sees_what_is_theirs(var):
    shop = Shop(var)
    shop.wait_for_banner()

    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'{tour(var)}\n{lines_of_repairs()}\necho "$SKU"'],
        env=environment(var, no_proxy="127.0.0.1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    said = ended.stdout
    assert '"name": "Demo program"' in said
    assert said.count('"orders.handle_order"') == 2  # by REST and by GraphQL
    numbers = re.findall(r"Order (\d+)$", said, re.MULTILINE)
    assert len(numbers) == 2
    assert len(set(numbers)) == 1
    for status in ("pending", "accepted", "fulfilled"):
        assert f'"status":"{status}"' in said or f'"to_status":"{status}"' in said
    events = re.findall(r'"event": "(order\.\w+)"', said)
    assert sorted(events) == ["order.accepted", "order.fulfilled", "order.placed"]
    assert '"code": "out_of_stock"' in said
    # What docs/repairs.md asks.
    assert '"job_id": "00123"' in said
    assert '"job_status":"JOB COMPLETED"' in said
    assert '"job_status":"CLOSED"' in said
    told = re.findall(r'"event": "(repair\.\w+)"', said)
    assert sorted(told) == ["repair.closed", "repair.opened"]
    assert '"error_code": ""' in said
    assert '"status":"CLOSED"' in said.splitlines()[-2]

    base = f"http://127.0.0.1:{shop.port}"
    sku = said.splitlines()[-1]
    opened = {}
    for account in DEMO_ACCOUNTS:
        page = Browser(http=base).sign_in(account.email, account.password, following="/admin/")
        opened[account.email.partition("@")[0]] = (page.status, page.url.removeprefix(base))
    keeper = Browser(http=base)
    keeper.sign_in(*of("shopkeeper"), following="/admin/")
    assert opened == {
        "shopkeeper": (200, "/admin/"),
        "employee": (200, "/admin/"),
        "shopper": (403, "/admin/login/?next=/admin/"),
    }
    assert sku in keeper.open("/admin/catalog/variant/").text
    assert shop.stop() == 0


def of(name):
    account = next(each for each in DEMO_ACCOUNTS if each.email.startswith(f"{name}@"))
    return account.email, account.password


def test_run_leaves_nothing_behind_when_it_is_killed(var):
    shop = Shop(var)
    shop.wait_for_banner()
    assert len(processes_of(var)) > 6  # Itself, web and its workers, worker, ticker, database.

    shop.process.kill()
    shop.process.wait()

    wait_until(lambda: processes_of(var) == set(), 30)


def test_a_busy_port_is_named_with_the_way_out(var):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        ended = run_to_its_end(var, PORT=str(port))

    assert ended.returncode == 1
    assert ended.stdout == ""
    other = port + 1 if port < 65535 else 8000
    assert ended.stderr == (f"Port {port} is busy. Choose another: PORT={other} make run\n")
    assert not (var / "postgres").exists()


@pytest.mark.parametrize("port", ["shop", "0", "65536", "-1", "80 "])
def test_a_port_that_is_none_is_refused(var, port):
    ended = run_to_its_end(var, PORT=port)

    assert ended.returncode == 1
    assert ended.stderr == f"PORT must be a number from 1 to 65535, not {port!r}.\n"


def test_a_database_that_cannot_be_reached_is_told_without_its_password(var):
    closed = free_port()

    ended = run_to_its_end(
        var,
        PORT=str(free_port()),
        DATABASE_URL=f"postgres://duka:verysecret@127.0.0.1:{closed}/shop",
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith(
        f"The database shop at 127.0.0.1:{closed} (DATABASE_URL) cannot be used: "
    )
    assert "Connection refused" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "verysecret" not in ended.stderr


def test_a_private_database_that_cannot_start_is_told_in_a_sentence(var):
    ended = run_to_its_end(var, PORT=str(free_port()), PG_BIN=str(var))

    assert ended.returncode == 1
    assert ended.stderr == (
        f"There is no working PostgreSQL in {var} (PG_BIN): it must hold the "
        "programs postgres and initdb.\n"
    )
