"""How real processes are seen from outside: their numbers, their lines, their errors."""

import json
import os
import re
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from django.conf import settings as ours
from prometheus_client.parser import text_string_to_metric_families

from core import counting
from core.tests import probe
from core.tests.seen import KEY, spawn_sentry
from tests.processes import spawn, spawn_manage, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = "tests-only-0123456789"
LINK = "12-k3yofthestatuslink99"
ABOUT = {"mail": "njeri@example.com", "phone": "+254 722 000111"}


@pytest.fixture
def sentry():
    with spawn_sentry() as stand_in:
        yield stand_in


@contextmanager
def spawn_gunicorn(**env):
    """Run gunicorn as on a server, with two processes; give it and its address."""
    command = "-m gunicorn --config python:config.gunicorn config.wsgi:application"
    given = {
        "DJANGO_SETTINGS_MODULE": "core.tests.seen_settings",
        "WEB_BIND": "127.0.0.1:0",
        "WEB_WORKERS": "2",
        "METRICS_TOKEN": TOKEN,
    }
    with spawn(sys.executable, *command.split(), env=given | env) as web:
        listening = re.compile(r"Listening at: (http://127\.0\.0\.1:\d+)")
        wait_until(lambda: listening.search(web.log()) or web.process.poll() is not None)
        found = listening.search(web.log())
        assert found, web.log()
        try:
            yield web, found[1]
        finally:
            web.stop()


def told(url, name):
    answer = requests.get(
        f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60
    )
    assert answer.status_code == 200, answer.text
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name
    }


def processes_of(web):
    """Return gunicorn's processes that serve."""
    found = Path(f"/proc/{web.pid}/task/{web.pid}/children").read_text()
    return {int(pid) for pid in found.split()}


def test_processes_count_together_and_what_a_killed_one_counted_stays(tmp_path):
    folder = tmp_path / "made" / "metrics"
    with spawn_gunicorn(METRICS_DIR=str(folder)) as (web, url):
        served = ("GET", "core.health.healthz", "200")

        def serve(times):
            # Each over a connection of its own: now this process has it, now that.
            for _ in range(times):
                assert requests.get(f"{url}/healthz", timeout=60).status_code == 200

        serve(30)
        wait_until(lambda: len(processes_of(web)) == 2)
        assert told(url, "duka_http_requests_total")[served] == 30
        assert told(url, "duka_metrics_success")[("processes",)] == 1

        for round_ in (1, 2):
            before = processes_of(web)
            for victim in before:
                os.kill(victim, signal.SIGKILL)
            wait_until(lambda before=before: len(processes_of(web) - before) == 2)
            serve(10)
            assert told(url, "duka_http_requests_total")[served] == 30 + 10 * round_
            seconds = told(url, "duka_http_request_duration_seconds_bucket")
            assert seconds[("+Inf", "GET", "core.health.healthz")] == 30 + 10 * round_

        # Of the four that are no more there are no files, and one with what they counted.
        pids = {re.search(r"_([0-9]+)\.db", each.name)[1] for each in folder.glob("*.db")}
        assert "0" in pids
        assert pids - {"0"} <= {str(pid) for pid in processes_of(web)}
        assert told(url, "duka_http_requests_total")[served] == 50

        # A worker of the same machine counts there too.
        good, bad = probe.note.enqueue(str(tmp_path)), probe.fail.enqueue()
        with spawn_manage("worker", env={"METRICS_DIR": str(folder)}) as worker:
            worker.wait_until_said(f"Task id={bad.id} path=core.tests.probe.fail state=FAILED")
            assert told(url, "duka_tasks_total") == {
                ("successful", "core.tests.probe.note"): 1,
                ("failed", "core.tests.probe.fail"): 1,
            }
            assert told(url, "duka_logged_errors_total")[("django_tasks",)] == 1
        assert told(url, "duka_tasks_total")[("successful", "core.tests.probe.note")] == 1
        assert good.id != bad.id


def test_an_error_is_told_to_sentry_with_the_id_of_the_answer_and_of_nobody(sentry):
    with spawn_gunicorn(
        SENTRY_DSN=sentry.dsn, SENTRY_ENVIRONMENT="drill", AFRICASTALKING_API_KEY="atsk-1234567890"
    ) as (web, url):
        answer = requests.post(
            f"{url}/leak/{LINK}",
            params=ABOUT,
            data={"password": "pass-secret-1"},
            cookies={"sessionid": "cookie-secret-1", "csrftoken": "t" * 32},
            headers={
                "Authorization": "Bearer bearer-secret-1",
                "X-Forwarded-For": "198.51.100.7",
                "X-CSRFToken": "t" * 32,
                "User-Agent": "secret-browser/1",
            },
            timeout=60,
        )
        assert answer.status_code == 500
        wait_until(lambda: sentry.events)
        lines = web.log().splitlines()

    [event] = sentry.events
    assert event["tags"] == {"request_id": answer.headers["X-Request-ID"], "method": "POST"}
    assert event["release"] == f"duka@{ours.VERSION}"
    assert event["environment"] == "drill"
    assert event["transaction"] == "/leak/{token}"
    [error] = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("LookupError", "No <…> at … by …")
    assert error["stacktrace"]["frames"][-1]["function"] == "leak"
    assert not {"request", "user", "extra", "breadcrumbs", "spans"} & event.keys()
    everything = "\n".join(sentry.bodies)
    for untold in (
        *ABOUT.values(), LINK, "pass-secret", "cookie-secret", "bearer-secret", "198.51.100.7",
        "secret-browser", "atsk-1234567890", "tests-only",
    ):  # fmt: skip
        assert untold not in everything, untold

    # Each line is one object, gunicorn's own too, with what a reader looks for.
    parsed = [json.loads(line) for line in lines]
    assert all(
        {"time", "level", "logger", "message", "request_id"} <= each.keys() for each in parsed
    )
    assert {"gunicorn.error", "django.request", "duka.request"} <= {e["logger"] for e in parsed}
    [crash] = [each for each in parsed if each["logger"] == "django.request"]
    assert crash["request_id"] == answer.headers["X-Request-ID"]
    assert "LookupError" in crash["exc_info"]
    # What an error says is in the log alone; all else is without it.
    assert LINK not in str([each | {"exc_info": ""} for each in parsed])


def test_a_failing_task_and_a_failing_command_are_told_too(sentry):
    bad = probe.fail.enqueue()
    with spawn_manage("worker", env={"SENTRY_DSN": sentry.dsn}) as worker:
        wait_until(lambda: sentry.events)
        lines = [json.loads(line) for line in worker.log().splitlines()]
    [event] = sentry.events
    [error] = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("ValueError", "no good")
    assert event["release"] == f"duka@{ours.VERSION}"
    [line] = [each for each in lines if each["level"] == "ERROR"]
    assert bad.id in line["message"]

    with spawn_manage("shell", "-c", "1/0", env={"SENTRY_DSN": sentry.dsn}) as command:
        assert command.process.wait(90) == 1
    wait_until(lambda: len(sentry.events) == 2)
    assert sentry.events[1]["exception"]["values"][0]["type"] == "ZeroDivisionError"


def test_a_sentry_that_hangs_costs_nothing(sentry):
    sentry.hangs.set()
    with spawn_gunicorn(SENTRY_DSN=sentry.dsn) as (web, url):
        for _ in range(5):
            failed = requests.get(f"{url}/leak/{LINK}", params=ABOUT, timeout=60)
            assert failed.status_code == 500
        wait_until(sentry.asked.is_set)
        assert requests.get(f"{url}/healthz", timeout=60).status_code == 200
        # It ends while nobody has answered yet.
        assert web.stop() == 0
    with spawn_manage("shell", "-c", "1/0", env={"SENTRY_DSN": sentry.dsn}) as command:
        assert command.process.wait(90) == 1
    assert sentry.bodies == []


def test_an_address_that_is_none_is_refused_without_telling_it(sentry):
    with spawn_manage("check", env={"SENTRY_DSN": f"{KEY}@sentry.example"}) as command:
        assert command.process.wait(90) == 1
        assert command.log() == (
            "SENTRY_DSN must be an address such as https://key@sentry.example/1, or empty.\n"
        )


def test_counting_in_a_folder_goes_on_where_files_are_not_understood(tmp_path, settings):
    settings.METRICS_DIR = str(tmp_path)
    # Of a process that was killed before it wrote, and of one whose disk was full.
    (tmp_path / "counter_4194305.db").write_bytes(b"")
    (tmp_path / "histogram_4194306.db").write_bytes(b"\x40\x00\x00\x00....")

    assert [family.name for family in counting.counted()] == []
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "counter_0.db",
        "histogram_0.db",
        "lock",
    ]


# What a process does first of all is to log an error; then it says that it lives.
LOGS_AN_ERROR = """
import logging, os, pathlib, sys
folder = pathlib.Path(os.environ["METRICS_DIR"])
if os.environ["DAMAGE"]:
    damaged = folder / f"counter_{os.getpid()}.db"
    damaged.write_bytes(bytes.fromhex(os.environ["DAMAGE"]))
logging.getLogger("duka.tests").error("boom")
print("lives on")
"""


@pytest.mark.parametrize(
    ("below", "damage"),
    [
        ("file/below", ""),
        # Shorter than its own head: struct.error.
        ("", "40"),
        # Says of a key that it is longer than the file: RuntimeError.
        ("", "4000000000000000ffffff7f" + "00" * 52),
        # A key that is no text: ValueError.
        ("", "2800000000000000" + "04000000ffffffff" + "00" * 48),
    ],
)
def test_a_line_of_the_log_ends_nothing_where_nothing_can_be_counted(tmp_path, below, damage):
    (tmp_path / "file").write_text("no folder")
    env = {"METRICS_DIR": str(tmp_path / below), "DAMAGE": damage}
    with spawn_manage("shell", "-c", LOGS_AN_ERROR, env=env) as command:
        assert command.process.wait(120) == 0, command.log()
        assert command.log().splitlines()[-1] == "lives on"
        assert "boom" in command.log()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system of its own: needs root")
def test_a_full_folder_kills_no_process(tmp_path):
    # The mount is the process's own, and goes with it.
    inside = (
        f"mount -t tmpfs -o size=2m tmpfs {tmp_path} && "
        f"(dd if=/dev/zero of={tmp_path}/fill bs=4k status=none || true) && "
        f'exec {sys.executable} manage.py shell -c "$CODE"'
    )
    env = {"METRICS_DIR": str(tmp_path), "DAMAGE": "", "CODE": LOGS_AN_ERROR}
    with spawn("unshare", "--mount", "sh", "-ec", inside, env=env) as command:
        # Not -7, SIGBUS.
        assert command.process.wait(120) == 0, command.log()
        assert "No space left on device" in command.log()
        assert command.log().splitlines()[-1] == "lives on"
    assert list(tmp_path.iterdir()) == []
