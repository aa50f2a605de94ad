"""The alert rules: that promtool takes them, that they ring, and that what they ask for is there."""

import re
import shutil
import subprocess

import pytest
import yaml
from django.conf import settings
from django.test import Client

FOLDER = settings.BASE_DIR / "ops"
# Of other exporters, by what their names begin with.
OTHERS = ("node_", "probe_", "up")
# What stands in /metrics only once it happened.
COUNTED = {
    "duka_http_requests_total",
    "duka_http_request_duration_seconds_bucket",
    "duka_http_request_duration_seconds_count",
    "duka_logged_errors_total",
    "duka_tasks_total",
}
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]


@pytest.mark.parametrize(
    ("verb", "name"), [("check", "alerts.yml"), ("test", "alerts_test.yml")], ids=["form", "effect"]
)
def test_promtool_finds_nothing_wrong(verb, name):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    ended = subprocess.run(
        [promtool, verb, "rules", str(FOLDER / name)], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_each_alert_is_tested():
    tests = (FOLDER / "alerts_test.yml").read_text()

    assert len(RULES) == len({rule["alert"] for rule in RULES}) == 33
    assert [r["alert"] for r in RULES if f'alertname="{r["alert"]}"' not in tests] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule):
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert re.fullmatch(r"[0-9]+[mh]", rule["for"])
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["do"].endswith(".")


@pytest.mark.django_db
def test_each_number_of_the_rules_is_there(client, settings, tmp_path):
    settings.METRICS_TOKEN = "tests-only-0123456789"
    (tmp_path / "backup.json").write_text('{"finished_at": "2026-11-22T02:00:00Z", "ok": true}')
    settings.BACKUP_STATUS_FILE = str(tmp_path / "backup.json")
    asked = {
        name
        for rule in RULES
        for name in re.findall(r"\b(?:duka|node|probe)_\w+|\bup\b", rule["expr"])
    }
    client.get("/healthz")

    answer = Client().get("/metrics", headers={"Authorization": "Bearer tests-only-0123456789"})
    there = set(re.findall(r"^# TYPE (\w+)", answer.content.decode(), re.MULTILINE))
    ours = {name for name in asked if not name.startswith(OTHERS)}
    # Of counters and histograms, which are named otherwise there.
    bare = {re.sub(r"_(bucket|count)$", "", name) if name in COUNTED else name for name in ours}

    assert bare - there == set()
    assert ours >= COUNTED
    assert len(ours) > 25
