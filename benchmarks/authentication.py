"""CPU a request by the way of signing in: none, session, bearer."""

import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import requests

ROUNDS = 7
REQUESTS = 200
PROJECT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Start a shop, sign in both ways, measure in alternation, print a table."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="duka-bench-") as folder:
        env = {**os.environ, "PORT": str(port), "DUKA_VAR": folder, "LOG_LEVEL": "WARNING"}
        shop = subprocess.Popen(
            [sys.executable, "manage.py", "run"], cwd=PROJECT, env=env, stdout=subprocess.DEVNULL
        )
        try:
            _measure(f"http://127.0.0.1:{port}", Path(folder), psutil.Process(shop.pid))
        finally:
            shop.terminate()
            shop.wait(30)


def _measure(base: str, folder: Path, shop: psutil.Process) -> None:
    while not _ready(base):
        time.sleep(0.2)
    callers = {
        "none": requests.Session(),
        "session": _by_session(base),
        "bearer": _by_bearer(folder),
    }
    costs: dict[str, list[float]] = {name: [] for name in callers}
    for number in range(ROUNDS):
        for name, caller in callers.items():
            cost = _cpu_of(
                base, caller, partial(_cpu, shop, folder), 401 if name == "none" else 200
            )
            # The first round warms caches and connections.
            if number:
                costs[name].append(cost)
    least = statistics.median(costs["none"])
    print("| signed in by | CPU, ms (median, min–max) | × none |")
    print("| --- | --- | --- |")
    for name, each in costs.items():
        middle = statistics.median(each)
        spread = f"{middle:.2f} ({min(each):.2f}–{max(each):.2f})"
        print(f"| {name} | {spread} | {middle / least:.2f} |")


def _cpu_of(base: str, caller: requests.Session, cpu: Callable[[], float], status: int) -> float:
    before = cpu()
    for _ in range(REQUESTS):
        response = caller.get(f"{base}/api/v1/me/", timeout=10)
        if response.status_code != status:
            raise SystemExit(f"expected {status}: {response.status_code} {response.text}")
    return (cpu() - before) / REQUESTS * 1000


def _cpu(shop: psutil.Process, folder: Path) -> float:
    """Return the seconds of CPU that the web server and its database have used."""
    web = [each for each in shop.children(recursive=True) if "gunicorn" in " ".join(each.cmdline())]
    # Not the shop's child: a keeper of its own is its parent.
    servers = [
        each
        for each in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(each.info["cmdline"] or []) and "postgres" in each.name()
    ]
    database = [child for server in servers for child in (server, *server.children(recursive=True))]
    times = [each.cpu_times() for each in {*web, *database}]
    return float(sum(each.user + each.system for each in times))


def _ready(base: str) -> bool:
    try:
        return requests.get(f"{base}/readyz", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def _by_session(base: str) -> requests.Session:
    session = requests.Session()
    form = session.get(f"{base}/oidc/authenticate/?next=/account/", timeout=10)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)
    if token is None:
        raise SystemExit(f"no form to sign in with at {form.url}")
    data = {
        "csrfmiddlewaretoken": token[1],
        "login": "employee@duka.example",
        "password": "employee-demo",
    }
    session.post(form.url, data=data, headers={"Referer": form.url}, timeout=20)
    return session


def _by_bearer(folder: Path) -> requests.Session:
    lines = (folder / "demo.env").read_text().splitlines()
    env = dict(line.split("=", 1) for line in lines)
    answer = requests.post(
        env["DUKA_TOKEN_URL"],
        data={"grant_type": "client_credentials", "scope": env["DUKA_SCOPE"]},
        auth=(env["DUKA_CLIENT_ID"], env["DUKA_CLIENT_SECRET"]),
        timeout=10,
    )
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return session


if __name__ == "__main__":
    main()
