"""The image: built by the Dockerfile, and run as compose.yaml says, on a private PostgreSQL."""

import json
import os
import shutil
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from .containers import Shop, read_compose
from .images import spawn_image, tree_of, why_not
from .infrastructure import DATABASE, spawn_postgres
from .ports import free_port
from .processes import PROJECT, wait_until
from .test_journey import Caller

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not())]
UID = 10001
NUMBERS = {"VERSION": "1.2.3", "REVISION": "0123abc", "SOURCE": "https://code.example/duka"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A checkout that stays as it is, with what must not get into an image lying about."""
    folder = tmp_path_factory.mktemp("sources")
    for line in (PROJECT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            _copy(PROJECT / line[1:], folder / line[1:])
    for name in ("Dockerfile", ".dockerignore", "demo", "tests", "requirements/dev.txt"):
        _copy(PROJECT / name, folder / name)
    (folder / ".env").write_text("SECRET_KEY=of-somebody\n")
    for name in ("var", ".git", ".venv"):
        (folder / name).mkdir()
        (folder / name / "something").write_text("x")
    return folder


def _copy(source, target):
    """Copy without times."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=shutil.copy)
    else:
        shutil.copy(source, target)


@pytest.fixture(scope="module")
def image(sources):
    with spawn_image(f"duka-test-{os.getpid()}", sources, arguments=NUMBERS) as built:
        yield built


def test_the_image_says_who_it_runs_as_and_what_it_is(image):
    config = image.config
    keys = ("User", "Cmd", "Entrypoint", "StopSignal", "WorkingDir", "ExposedPorts")
    assert {key: config[key] for key in keys} == {
        "User": "10001:10001",
        "Cmd": ["gunicorn", "--config", "python:config.gunicorn", "config.wsgi:application"],
        "Entrypoint": [],
        "StopSignal": "SIGTERM",
        "WorkingDir": "/srv/duka",
        "ExposedPorts": {"8000/tcp": {}},
    }
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "ops/container/healthy.py", "web"]
    labels = {
        key.removeprefix("org.opencontainers.image."): value
        for key, value in config["Labels"].items()
        if key.startswith("org.opencontainers.image.")
    }
    assert labels == {
        "title": "Duka",
        "description": "Order management that a small business hosts itself.",
        "version": "1.2.3",
        "revision": "0123abc",
        "source": "https://code.example/duka",
    }
    # No secret, and nothing of where it was built.
    assert {each.partition("=")[0] for each in config["Env"]} == {
        "PATH", "LANG", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "HOME",
        "DJANGO_SETTINGS_MODULE", "DUKA_VAR", "IDENTITY_FILE", "METRICS_DIR", "WEB_BIND",
    }  # fmt: skip


def test_the_image_holds_the_shop_and_nothing_to_build_or_to_become_somebody_else_with(image):
    root, shop = image.root, image.root / "srv/duka"
    packages = shop / ".venv/lib/python3.11/site-packages"

    # Nothing that installs, compiles or fetches.
    programs = "pip pip3 pip3.11 uv gcc cc g++ make ld git curl wget"
    places = [root / "usr/bin", root / "usr/local/bin", shop / ".venv/bin"]
    assert [str(place / name) for place in places for name in programs.split()
            if (place / name).exists()] == []  # fmt: skip
    names = {path.name.lower() for path in packages.iterdir()}
    assert {name for name in names
            if name.startswith(("pip", "setuptools", "wheel", "embedded", "pytest"))} == set()  # fmt: skip
    assert [*root.glob("usr/local/lib/python3.11/*-packages/pip*")] == []
    assert not (root / "usr/lib/python3.11/ensurepip").exists()
    assert [*root.glob("usr/share/python-wheels/*")] == []

    # Only what the shop runs on.
    assert sorted(path.name for path in shop.iterdir()) == [
        ".venv", "__pycache__", "accounts", "bookings", "catalog", "config", "conversations",
        "core", "customers", "manage.py", "notifications", "ops", "orders", "pyproject.toml",
        "repairs", "shipping", "staticfiles", "uploads",
    ]  # fmt: skip
    of_ours = [path for path in shop.rglob("*") if ".venv" not in path.parts]
    assert [path for path in of_ours if path.name in {"tests", "conftest.py", "node_modules"}] == []
    assert [path for path in of_ours
            if path.suffix == ".py" and path.is_file() and b"PRIVATE KEY-----" in path.read_bytes()] == []  # fmt: skip
    # Files by their contents' names, and what browsers get compressed.
    manifest = json.loads((shop / "staticfiles/staticfiles.json").read_text())
    admin = shop / "staticfiles" / manifest["paths"]["admin/css/base.css"]
    assert admin.with_suffix(".css.gz").is_file()
    # All is compiled, as nothing can be written there later.
    assert [path for path in shop.rglob("*.py")
            if not (path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc").exists()] == []  # fmt: skip

    # Nobody else's rights, and nothing of the shop's is its own to change.
    found = {
        path: path.lstat() for folder in (root, *root.rglob("*")) for path in [folder]
        if not folder.is_symlink()
    }  # fmt: skip
    assert [path for path, status in found.items()
            if path.is_file() and status.st_mode & (stat.S_ISUID | stat.S_ISGID)] == []  # fmt: skip
    theirs = {str(path.relative_to(root)): stat.S_IMODE(status.st_mode)
              for path, status in found.items() if UID in {status.st_uid, status.st_gid}}  # fmt: skip
    assert theirs == {
        "var/lib/duka": 0o750,
        "etc/duka/secrets": 0o750,
        "etc/duka/database": 0o755,
    }
    writable = {str(path.relative_to(root)) for path, status in found.items()
                if status.st_mode & stat.S_IWOTH and not stat.S_ISCHR(status.st_mode)}  # fmt: skip
    assert writable == {"tmp", "var/tmp", "run/lock"}
    # Of where it was built, there is nothing: neither the packages' folder nor a word to pip.
    assert sorted(path.name for path in (root / "root").iterdir()) == [".bashrc", ".profile"]
    assert [*root.glob("etc/pip*"), *root.glob("*.whl"), *packages.glob("*.whl")] == []


def test_the_same_sources_make_the_same_image(image, sources, tmp_path):
    # Elsewhere, written at another time.
    copy = tmp_path / "elsewhere"
    _copy(sources, copy)

    with spawn_image(f"duka-again-{os.getpid()}", copy, arguments=NUMBERS) as again:
        first, second = tree_of(image.root), tree_of(again.root)
        assert {path for path in first.keys() | second.keys()
                if first.get(path) != second.get(path)} == set()  # fmt: skip
        assert again.config["Env"] == image.config["Env"]
        times = {path.lstat().st_mtime for path in (again.root / "srv/duka").rglob("*")}
        assert times == {0.0}


def test_the_shop_runs_from_its_image_as_compose_says(image, tmp_path):
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    compose = read_compose(DUKA_PORT=str(port))
    before = tree_of(image.root, folders=("srv", "etc", "var"))

    with ExitStack() as stack:
        database = stack.enter_context(spawn_postgres(tmp_path / "postgres"))
        # Where the shop is before a network that has the name `database`, and its own ports.
        shop = Shop(
            image, tmp_path / "containers", compose,
            WEB_BIND=f"127.0.0.1:{port}", WORKER_POLL_SECONDS="0.1", WEB_WORKERS="1",
        )  # fmt: skip
        init = compose["services"]["init"]["command"]
        assert init[-1] == "--at=duka@database:5432/duka"
        init[-1] = f"--at=shop@127.0.0.1:{database.port}/{DATABASE}"

        # Secrets come into being, once.
        assert shop.run("init") == (0, "")
        secrets, seen = shop.volume("secrets"), shop.volume("database-secret")
        made = {path: path.read_text() for path in (*secrets.iterdir(), *seen.iterdir())}
        rights = {
            path.name: (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) for path in made
        }
        assert rights == {
            "SECRET_KEY": (0o400, UID),
            "DATABASE_URL": (0o400, UID),
            "PASSWORD": (0o444, UID),
        }
        assert shop.run("init") == (0, "")
        assert {path: path.read_text() for path in made} == made
        _let_in(database, password=made[seen / "PASSWORD"])

        # Before the database is prepared, nothing is well.
        for service in ("web", "worker", "ticker"):
            test = compose["services"][service]["healthcheck"]["test"][1:]
            status, said = shop.run(service, *test)
            assert (status, bool(said.strip())) == (1, True), said

        status, said = shop.run("migrate")
        assert status == 0, said
        assert f"Ready: people sign in at {base}." in said
        web, worker, ticker = (
            stack.enter_context(shop.up(service)) for service in ("web", "worker", "ticker")
        )
        running = {"web": web, "worker": worker, "ticker": ticker}
        for service, container in running.items():
            wait_until(
                lambda service=service, container=container: (
                    container.process.poll() is not None or shop.health(service, container) == 0
                ),
                every=0.3,
            )
            assert container.process.poll() is None, container.log()
            assert _rights_of(container.pid) == {
                "Uid": str(UID), "Gid": str(UID), "CapEff": "0" * 16, "CapBnd": "0" * 16,
                "NoNewPrivs": "1",
            }  # fmt: skip
        # The image's own is that of the web server.
        assert web.exec(*image.config["Healthcheck"]["Test"][1:]).returncode == 0
        assert requests.get(f"{base}/readyz", timeout=20).status_code == 200

        # An order, by a program that somebody lets in.
        given = web.exec("./manage.py", "shell", "--verbosity=0", "--command", _LET_A_PROGRAM_IN)
        assert given.returncode == 0, given.stderr
        client_id, secret = given.stdout.split()[-2:]
        caller = Caller(base, client_id=client_id, secret=secret)
        caller.post(
            "/products/", {"name": "Chai", "sku": "TEA", "price": "12.50", "stock": 5}, key="p"
        )
        caller.post(
            "/customers/", {"name": "Wanjiru", "phone": "0722 000 001", "code": "C"}, key="c"
        )
        status, order = caller.post(
            "/orders/", {"customer": "C", "lines": [{"sku": "TEA", "quantity": 2}]}, key="o"
        )
        assert (status, order["total"]) == (201, "25.00")
        wait_until(
            lambda: (
                [
                    row["status"]
                    for row in caller.get("/messages/", order=order["number"])["results"]
                ]
                == ["sent"]
            )
        )
        assert "+254722000001" in worker.log()

        # Pages, static files and uploaded pictures.
        page = requests.get(f"{base}/accounts/login/", timeout=20)
        assert page.status_code == 200
        manifest = json.loads((image.root / "srv/duka/staticfiles/staticfiles.json").read_text())
        sheet = requests.get(f"{base}/static/{manifest['paths']['admin/css/base.css']}", timeout=20)
        assert (sheet.status_code, sheet.headers["Content-Encoding"]) == (200, "gzip")
        assert (
            web.exec(
                "sh", "-ec", "mkdir -p /var/lib/duka/media; echo x > /var/lib/duka/media/x"
            ).returncode
            == 0
        )
        assert requests.get(f"{base}/media/x", timeout=20).text == "x\n"
        # The first shopkeeper's way in.
        link = web.exec("./manage.py", "create_shopkeeper")
        assert (link.returncode, link.stdout.startswith(f"{base}/invitations/")) == (0, True)

        # Nothing else can be written.
        for place in (
            "/srv/duka",
            "/srv/duka/.venv",
            "/etc",
            "/etc/duka/secrets",
            "/usr/local",
            "/",
        ):
            refused = web.exec("touch", f"{place}/new")
            assert (refused.returncode, "Read-only file system" in refused.stderr) == (1, True), (
                place
            )

        # Each ends in order; who is gone is not healthy.
        assert worker.stop() == 0, worker.log()
        assert ticker.stop() == 0, ticker.log()
        status, said = shop.run("web", *compose["services"]["worker"]["healthcheck"]["test"][1:])
        assert (status, said) == (
            1,
            "no worker of this container has given a sign of life lately\n",
        )
        assert web.stop() == 0, web.log()
        assert f"worker {worker.name}" in worker.log()
        assert [path.name for path in sorted(shop.volume("state").iterdir())] == [
            "identity.json",
            "media",
        ]

    assert tree_of(image.root, folders=("srv", "etc", "var")) == before


_LET_A_PROGRAM_IN = """
from accounts.services.machines import create_machine
rights = ["handle_orders", "manage_catalogue", "manage_customers"]
machine, secret = create_machine(by=None, name="Till", rights=rights)
print(machine.client_id, secret)
"""


def _let_in(database, *, password):
    """Make the shop's role, and let it in by its password alone."""
    database.rows(f"CREATE ROLE shop LOGIN PASSWORD '{password}'")
    database.rows(f"ALTER DATABASE {DATABASE} OWNER TO shop")
    rules = database.data / "pg_hba.conf"
    rules.write_text(f"host all shop 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
    database.rows("SELECT pg_reload_conf()")


def _rights_of(pid):
    """Return who a process is, and what it may."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    said = dict(line.split(":", 1) for line in lines if ":" in line)
    keys = ("Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs")
    return {key: said[key].split()[0] for key in keys}
