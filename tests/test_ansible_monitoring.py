"""The monitoring of real Debian machines, by Ansible: it reads the shop, and somebody is told."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import ansible, machines
from .ansible import run_playbook
from .machines import Machine, spawn_machine
from .processes import PROJECT, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(machines.why_not() or ansible.why_not()),
        reason=machines.why_not() or ansible.why_not(),
    ),
]
# In place of the shop's own web server, which other tests run: its numbers, for who has the token.
# What is posted to it is kept, as by the webhook of whoever is told.
SHOP = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        allowed = self.headers["Authorization"] == "Bearer tokeni"
        self.send_response(200 if self.path == "/metrics" and allowed else 401)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        if allowed:
            self.wfile.write(b"duka_backup_ok 0\\n")

    def do_POST(self):
        with open("/tmp/told", "ab") as file:
            file.write(self.rfile.read(int(self.headers["Content-Length"])) + b"\\n")
        self.send_response(200)
        self.end_headers()

ThreadingHTTPServer(("127.0.0.1", 8081), Handler).serve_forever()
"""
VARIABLES: dict[str, Any] = {
    "duka_monitoring": True,
    "duka_monitoring_interval": "1s",
    "duka_host": "shop.example",
    "duka_secrets": {"METRICS_TOKEN": "tokeni"},
    "duka_alert_webhook": "http://127.0.0.1:8081/told",
    "duka_alert_email": "keeper@shop.example",
    "duka_alert_smarthost": "127.0.0.1:9",
    "duka_alert_smtp_user": "shop",
    "duka_alert_smtp_password": "siri",
}


@pytest.fixture(params=machines.RELEASES)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    folder = tmp_path / "machine"
    folder.mkdir()
    with spawn_machine(request.param, folder) as machine:
        yield machine


def fetch(machine: Machine, address: str) -> Any:
    line = (
        "import urllib.request as u;"
        f" print(u.urlopen('http://127.0.0.1:{address}', timeout=20).read().decode())"
    )
    said = machine.run(f'python3 -c "{line}"', check=False)
    return json.loads(said)["data"] if said else None


def test_prometheus_reads_the_shop_and_somebody_is_told(machine, tmp_path):
    playbook = tmp_path / "monitoring.yml"
    playbook.write_text("- hosts: all\n  roles: [monitoring]\n")
    machine.run(f"cat >/tmp/shop.py <<'END'\n{SHOP}\nEND")
    machine.run("systemd-run --unit=shop python3 /tmp/shop.py")

    off = run_playbook(machine, str(playbook), **VARIABLES | {"duka_monitoring": False})
    assert off.changed == 0
    run_playbook(machine, str(playbook), **VARIABLES)
    assert run_playbook(machine, str(playbook), **VARIABLES).changes == []

    # Nobody from outside reads along.
    listening = machine.run("ss --listening --tcp --numeric --no-header")
    assert sorted(set(re.findall(r" (\S+:9\d\d\d) ", listening))) == [
        f"127.0.0.1:{port}" for port in (9090, 9093, 9100, 9115)
    ]
    # Its token is nobody else's.
    assert machine.run("stat --format '%U:%G %a' /etc/prometheus/duka-metrics-token").strip() == (
        "root:prometheus 640"
    )

    def health() -> dict[str, str]:
        data = fetch(machine, "9090/api/v1/targets") or {"activeTargets": []}
        return {
            f"{each['labels']['job']} {each['labels']['instance']}": each["health"]
            for each in data["activeTargets"]
        }

    names = [
        "duka 127.0.0.1:8081",
        "node 127.0.0.1:9100",
        # That it was asked, not what it answered.
        "probe https://shop.example/healthz",
        "prometheus 127.0.0.1:9090",
        "prometheus 127.0.0.1:9093",
    ]
    wait_until(lambda: health() == dict.fromkeys(names, "up"), every=0.5)
    # The rules are the shop's own.
    loaded = [
        rule["name"]
        for group in fetch(machine, "9090/api/v1/rules")["groups"]
        for rule in group["rules"]
    ]
    rules = (PROJECT / "ops/alerts.yml").read_text()
    assert sorted(loaded) == sorted(re.findall(r"- alert: (\w+)", rules))

    # They wait some minutes before they are sure; this one does not.
    machine.run("amtool --alertmanager.url=http://127.0.0.1:9093 alert add Drill severity=page")

    def told() -> list[dict[str, str]]:
        posted = machine.run("cat /tmp/told", check=False).split("\n")
        labels = [
            alert["labels"] for line in posted if line for alert in json.loads(line)["alerts"]
        ]
        return [each for each in labels if each["alertname"] == "Drill"]

    wait_until(told, every=1)
    assert told() == [{"alertname": "Drill", "severity": "page"}]

    # Web servers on machines of their own, which nobody here is.
    others = {
        "duka_monitoring_scheme": "https",
        "duka_monitoring_targets": ["web1.shop.example:443", "web2.shop.example:443"],
    }
    run_playbook(machine, str(playbook), **VARIABLES | others)
    asked = {f"https://web{number}.shop.example:443/metrics" for number in (1, 2)}
    wait_until(
        lambda: (
            {
                each["scrapeUrl"]
                for each in fetch(machine, "9090/api/v1/targets")["activeTargets"]
                if each["labels"]["job"] == "duka"
            }
            == asked
        ),
        every=0.5,
    )
