"""compose.yaml and what stands beside it: what it says is so, and its scripts do what they must."""

import http.server
import os
import re
import runpy
import socket
import socketserver
import stat
import subprocess
import threading
import tomllib
from datetime import timedelta

import pytest
from django.utils import timezone

from core.embedded_postgres.binaries import find_binaries
from core.embedded_postgres.system_user import run_as, server_user, uid_change
from core.models import PeriodicJob, Worker

from .containers import read_compose
from .processes import PROJECT, test_database_url

HEALTHY = PROJECT / "ops/container/healthy.py"
MAKE_SECRETS = PROJECT / "ops/container/make_secrets.py"
OPS = PROJECT / ".venv/ops/bin"


@pytest.fixture
def healthy(capsys):
    """`healthy("web")`: the status, and what it says."""
    main = runpy.run_path(str(HEALTHY))["main"]

    def ask(*words):
        return main([*words]), capsys.readouterr().err

    return ask


@pytest.mark.parametrize("name", ["compose.yaml", "ops/compose/compose.tls.yaml"])
def test_a_compose_file_is_what_the_specification_asks_for(name):
    if not OPS.exists():
        pytest.skip("check-jsonschema is not installed: make test does that")
    words = [OPS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", PROJECT / name]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_dockerfile_has_no_findings():
    if not OPS.exists():
        pytest.skip("hadolint is not installed: make test does that")
    words = [OPS / "hadolint", PROJECT / "Dockerfile"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_container_is_hardened_and_nothing_listens_beyond_this_machine():
    compose = read_compose()
    services = compose["services"]
    assert list(services) == ["init", "database", "migrate", "web", "worker", "ticker"]
    for name, said in services.items():
        assert said["read_only"] is True, name
        assert said["cap_drop"] == ["ALL"], name
        assert "cap_add" not in said, name
        assert said["security_opt"] == ["no-new-privileges:true"], name
        assert (said["mem_limit"], said["pids_limit"]) == ("1g", 256), name
    assert services["web"]["ports"] == ["127.0.0.1:8000:8000"]
    assert [name for name, said in services.items() if "ports" in said] == ["web"]
    assert services["database"]["networks"] == ["data"]
    assert compose["networks"]["data"] == {"internal": True}
    used = {each.split(":")[0] for said in services.values() for each in said["volumes"]}
    assert used == set(compose["volumes"])
    # The database sees one secret, and the shop only its own.
    assert [each for each in services["database"]["volumes"] if "secret" in each] == [
        "database-secret:/run/duka:ro"
    ]
    assert [each for each in services["web"]["volumes"] if "secret" in each] == [
        "secrets:/etc/duka/secrets:ro"
    ]


def test_each_service_waits_for_what_it_needs():
    services = read_compose()["services"]
    after = {
        name: {each: how["condition"] for each, how in said.get("depends_on", {}).items()}
        for name, said in services.items()
    }
    prepared = {"database": "service_healthy", "migrate": "service_completed_successfully"}
    assert after == {
        "init": {},
        "database": {"init": "service_completed_successfully"},
        "migrate": {"database": "service_healthy"},
        "web": prepared,
        "worker": prepared,
        "ticker": prepared,
    }
    restart = {name: said["restart"] for name, said in services.items()}
    assert restart == {
        "init": "no", "migrate": "no", "database": "unless-stopped", "web": "unless-stopped",
        "worker": "unless-stopped", "ticker": "unless-stopped",
    }  # fmt: skip


def test_every_variable_is_one_that_the_settings_know():
    settings = "".join(path.read_text() for path in (PROJECT / "config/settings").glob("*.py"))
    services = read_compose()["services"]
    named = {name.removesuffix("_FILE") for name in services["web"]["environment"]}
    example = (PROJECT / "ops/compose/env.example").read_text().splitlines()
    named |= {line.partition("=")[0] for line in example if not line.startswith("#")}
    # Of Docker's own.
    named -= {"COMPOSE_FILE"}
    assert {name for name in named if f'"{name}"' not in settings} == set()


def test_what_somebody_sets_goes_before_what_compose_says():
    web = read_compose(DUKA_PORT="8001", EMAIL_URL="smtp://mail")["services"]["web"]
    assert web["environment"]["SHOP_URL"] == "http://127.0.0.1:8001"
    assert web["environment"]["EMAIL_URL"] == "smtp://mail"
    assert web["ports"] == ["127.0.0.1:8001:8000"]
    public = read_compose(SHOP_URL="https://shop.example")["services"]["web"]
    assert public["environment"]["SHOP_URL"] == "https://shop.example"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("/etc/duka/secrets/SECRET_KEY", "/etc/duka/secrets/DATABASE_URL", "consolemail://")),
        ({"SECRET_KEY_FILE": "/run/secrets/key", "DATABASE_URL_FILE": "/run/secrets/url"},
         ("/run/secrets/key", "/run/secrets/url", "consolemail://")),
        # What is set in its other form.
        ({"SECRET_KEY_FILE": "", "DATABASE_URL_FILE": "", "EMAIL_URL": ""}, ("", "", "")),
    ],
)  # fmt: skip
def test_a_secret_may_be_in_another_file_or_in_none(given, expected):
    said = read_compose(**given)["services"]["web"]["environment"]
    names = ("SECRET_KEY_FILE", "DATABASE_URL_FILE", "EMAIL_URL")
    assert tuple(said[name] for name in names) == expected
    # They are in env_file, and nothing goes before them.
    assert {"SECRET_KEY", "DATABASE_URL", "EMAIL_URL_FILE"} & set(said) == set()


@pytest.mark.parametrize("service", ["web", "worker", "ticker", "migrate"])
def test_what_is_counted_has_a_small_file_system_of_its_own(service):
    places = dict(each.split(":") for each in read_compose()["services"][service]["tmpfs"])
    [folder] = re.findall(r"METRICS_DIR=(\S+)", (PROJECT / "Dockerfile").read_text())

    assert places == {"/tmp": "mode=1777,size=256m", folder: "mode=1777,size=32m"}
    # Mounted after what it lies in.
    assert list(places) == ["/tmp", folder]


def test_every_app_gets_into_the_image():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    packages = set(project["tool"]["importlinter"]["root_packages"])
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    # The demo shop runs by `make run`; Lambda has a package of its own.
    assert let_in - {
        "manage.py", "ops/container", "pyproject.toml", "requirements/base.txt",
        "requirements/build.txt",
    } == packages - {"demo", "serverless"}  # fmt: skip
    assert lines[lines.index("*") + 1 :][: len(let_in)] == sorted(f"!{name}" for name in let_in)


def test_the_database_understands_how_it_is_to_be_made(tmp_path):
    words = read_compose()["services"]["database"]["environment"]["POSTGRES_INITDB_ARGS"].split()
    binaries = find_binaries()
    if binaries.major < 17:
        pytest.skip("no PostgreSQL 18 is installed")
    user = server_user(tmp_path)
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, user.uid, user.gid)
    prefix = run_as(user, needs=[tmp_path, binaries.folder], end_signal="KILL")
    switch = uid_change(user, prefix)
    made = subprocess.run(
        [*prefix, binaries.initdb, "--no-sync", "--auth=trust", f"--pgdata={data}", *words],
        capture_output=True, text=True, check=False, cwd="/", env={"PATH": os.environ["PATH"]},
        user=switch.uid if switch else None, group=switch.gid if switch else None,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert "The default database encoding has accordingly been set to" not in made.stdout
    assert "builtin" in made.stdout
    assert "C.UTF-8" in made.stdout


# --- Secrets ---


def make_secrets(folder):
    for name in ("shop", "database"):
        (folder / name).mkdir(exist_ok=True)
    main = runpy.run_path(str(MAKE_SECRETS))["main"]
    place = "duka@database:5432/duka"
    words = [f"--shop={folder}/shop", f"--database={folder}/database", f"--at={place}"]
    assert main(words) == 0
    return {path.name: path.read_text() for path in folder.glob("*/*")}


def test_secrets_are_made_once_and_fit_together(tmp_path):
    made = make_secrets(tmp_path)
    assert set(made) == {"SECRET_KEY", "PASSWORD", "DATABASE_URL"}
    assert (len(made["SECRET_KEY"]), len(made["PASSWORD"])) == (64, 43)
    assert made["DATABASE_URL"] == f"postgres://duka:{made['PASSWORD']}@database:5432/duka"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*/*")}
    assert modes == {"SECRET_KEY": 0o400, "DATABASE_URL": 0o400, "PASSWORD": 0o444}
    assert make_secrets(tmp_path) == made


def test_a_first_start_that_was_broken_off_is_finished(tmp_path):
    made = make_secrets(tmp_path)
    (tmp_path / "shop/DATABASE_URL").unlink()
    assert make_secrets(tmp_path) == made


def test_two_shops_have_other_secrets(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = make_secrets(tmp_path / "a"), make_secrets(tmp_path / "b")
    assert [name for name in first if first[name] == second[name]] == []


def test_of_two_who_make_a_secret_at_once_one_wins(tmp_path):
    make = runpy.run_path(str(MAKE_SECRETS))["make"]
    start = threading.Barrier(8)
    got = []

    def one(number):
        start.wait()
        got.append(make(tmp_path / "KEY", str(number), mode=0o400))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [(tmp_path / "KEY").read_text()] * 8
    assert [path.name for path in tmp_path.iterdir()] == ["KEY"]


# --- Health ---


class _Handler(http.server.BaseHTTPRequestHandler):
    status = 200
    asked = []

    def do_GET(self):
        self.asked.append((self.path, self.headers["Host"]))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *args):
        """Say nothing."""

    def address_string(self):
        return "somebody"


class _OnSocket(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def served(monkeypatch):
    """`served(server, status)`: it answers in a thread until the test is over."""
    servers = []

    def serve(server, status=200):
        monkeypatch.setattr(_Handler, "status", status)
        monkeypatch.setattr(_Handler, "asked", [])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return _Handler.asked

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_web_server_is_asked_by_the_shops_own_name(served, healthy, monkeypatch, host):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    asked = served(server)
    monkeypatch.setenv("WEB_BIND", f"{host}:{server.server_port}")
    monkeypatch.setenv("SHOP_URL", "https://shop.example")
    assert healthy("web") == (0, "")
    assert asked == [("/healthz", "shop.example")]


def test_a_web_server_is_asked_over_its_socket(served, healthy, monkeypatch, tmp_path):
    place = tmp_path / "web.sock"
    asked = served(_OnSocket(str(place), _Handler))
    monkeypatch.setenv("WEB_BIND", f"unix:{place},127.0.0.1:1")
    (tmp_path / "url").write_text("http://127.0.0.1:8000\n")
    monkeypatch.setenv("SHOP_URL_FILE", str(tmp_path / "url"))
    assert healthy("web") == (0, "")
    assert asked == [("/healthz", "127.0.0.1:8000")]


def test_a_web_server_that_fails_or_is_away_is_not_well(served, healthy, monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    served(server, status=500)
    place = f"127.0.0.1:{server.server_port}"
    monkeypatch.setenv("WEB_BIND", place)
    assert healthy("web") == (1, f"{place} answers 500\n")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setenv("WEB_BIND", place)
        assert healthy("web") == (1, f"{place} does not answer: [Errno 111] Connection refused\n")


@pytest.mark.django_db(transaction=True)
def test_a_worker_is_well_while_it_gives_signs_of_life_from_this_very_container(
    healthy, monkeypatch
):
    monkeypatch.setenv("DATABASE_URL", test_database_url())
    silent = (1, "no worker of this container has given a sign of life lately\n")
    here = socket.gethostname()[:32]
    Worker.objects.create(id=f"not-{here}-1-ab")
    assert healthy("worker") == silent
    mine = Worker.objects.create(id=f"{here}-1-cd")
    assert healthy("worker") == (0, "")
    mine.seen_at = timezone.now() - timedelta(seconds=40)
    mine.save()
    assert healthy("worker") == silent
    monkeypatch.setenv("WORKER_LEASE_SECONDS", "120")
    assert healthy("worker") == (0, "")


@pytest.mark.django_db(transaction=True)
def test_a_ticker_is_well_while_what_is_due_is_seen_to(healthy, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", test_database_url())
    PeriodicJob.objects.all().delete()
    late = (1, "a periodic job has been due for more than 60 s\n")
    assert healthy("ticker") == late
    every = timedelta(seconds=5)
    PeriodicJob.objects.create(name="one", every=every, next_run_at=timezone.now())
    assert healthy("ticker") == (0, "")
    missed = timezone.now() - timedelta(minutes=5)
    job = PeriodicJob.objects.create(name="two", every=every, next_run_at=missed)
    assert healthy("ticker") == late
    job.enabled = False
    job.save()
    assert healthy("ticker") == (0, "")


def test_without_a_database_nobody_is_well(healthy, monkeypatch):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        monkeypatch.setenv("DATABASE_URL", f"postgres://duka@127.0.0.1:{port}/duka")
        status, said = healthy("worker")
    assert (status, "Connection refused" in said) == (1, True)


def test_a_word_that_it_does_not_know_is_no_health(healthy):
    assert healthy("nothing") == (2, "One of web, worker, ticker, please.\n")
    assert healthy() == (2, "One of web, worker, ticker, please.\n")
