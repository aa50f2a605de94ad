"""What a test deploys to a machine of `tests.machines`, and those who call the shop meanwhile."""

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .machines import Machine
from .processes import PROJECT

HOST = "shop.example"
_CACHE = Path(os.environ.get("DUKA_MACHINES", "/var/cache/duka-machines"))
# Debian 12's Python is older than the one that asks here, and needs a package more.
_MARKER = re.compile(r"""^(\S+) ; python_full_version < '3\.11\.3' ?(\\?)$""", re.MULTILINE)


def packages() -> Path:
    """Return a folder of all that requirements/base.txt names; fetched once for each lock."""
    lock = (PROJECT / "requirements/base.txt").read_text()
    folder = _CACHE / f"packages-{hashlib.sha256(lock.encode()).hexdigest()[:16]}"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "packages.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not folder.exists():
            half = folder.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir()
            everywhere = half / "base.txt"
            everywhere.write_text(_MARKER.sub(r"\1 \2", lock))
            pip = (sys.executable, "-m", "pip", "download", "--quiet",
                   "--disable-pip-version-check", f"--dest={half}")  # fmt: skip
            locked = ("--no-deps", "--require-hashes", f"--requirement={everywhere}")
            # What makes a wheel of the one package that has none.
            for asked in (locked, ("setuptools", "wheel")):
                done = subprocess.run([*pip, *asked], capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr
            everywhere.unlink()
            half.rename(folder)
    return folder


def give_python(machine: Machine) -> str:
    """Copy this interpreter, of which a machine has no package, and return where it is there."""
    archive = subprocess.run(
        ["tar", "--create", "--exclude=__pycache__", "--exclude=test", "--exclude=site-packages",
         f"--directory={sys.base_prefix}", "."],
        capture_output=True, check=True,
    )  # fmt: skip
    machine.run("mkdir /opt/python3.11")
    subprocess.run(
        [*machine._within(), "/bin/tar", "--extract", "--no-same-owner",
         "--directory=/opt/python3.11"],
        input=archive.stdout, check=True,
    )  # fmt: skip
    # It may have been built to look for its library where it was.
    machine.run("echo /opt/python3.11/lib > /etc/ld.so.conf.d/python3.11.conf && /sbin/ldconfig")
    return "/opt/python3.11/bin/python3.11"


def write_source(folder: Path, version: str, changes: Mapping[str, str] | None = None) -> Path:
    """Copy this checkout with another version, and files written or extended by `changes`."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)
    project = folder / "pyproject.toml"
    project.write_text(
        re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', project.read_text(), count=1)
    )
    for name, added in (changes or {}).items():
        with (folder / name).open("a") as file:
            file.write(added)
    return folder


def commit_source(folder: Path) -> str:
    """Make a repository of a source, and return its commit's short name."""
    git = ("git", "-C", str(folder), "-c", "user.name=Test", "-c", "user.email=test@shop.example")
    for words in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message=all")):
        subprocess.run([*git, *words], check=True, capture_output=True)
    said = subprocess.run(
        [*git, "rev-parse", "--short=8", "HEAD"], check=True, capture_output=True, text=True
    )
    return said.stdout.strip()


def pack_release(folder: Path, version: str, changes: Mapping[str, str] | None = None) -> Path:
    """Return a release as CI makes one: duka-VERSION.tar.gz."""
    source = write_source(folder / f"source-{version}", version, changes)
    packed = folder / f"duka-{version}.tar.gz"
    with tarfile.open(packed, "w:gz", compresslevel=1) as archive:
        archive.add(source, ".")
    shutil.rmtree(source)
    return packed


class _Https(http.client.HTTPSConnection):
    """By the shop's name, which no name server knows, to the machine's address."""

    def __init__(self, address: str, context: ssl.SSLContext) -> None:
        super().__init__(HOST, context=context, timeout=60)
        self.address, self.context = address, context

    def connect(self) -> None:
        plain = socket.create_connection((self.address, 443), timeout=60)
        self.sock = self.context.wrap_socket(plain, server_hostname=HOST)


@dataclass(kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Shop:
    """The shop on a machine, as callers from outside find it: over TLS, by its name."""

    def __init__(self, machine: Machine, certificate: str) -> None:
        self.machine = machine
        self._context = ssl.create_default_context(cadata=certificate)
        self._client = ("", "")
        self._token, self._token_until = "", 0.0
        self._lock = threading.Lock()

    def call(
        self, method: str, path: str, data: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask by a connection of its own."""
        body = data if isinstance(data, bytes | None) else json.dumps(data).encode()
        kind = {"Content-Type": "application/json"} if body else {}
        connection = _Https(self.machine.address, self._context)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers={**kind, **(headers or {})})
            response = connection.getresponse()
            return Answer(
                status=response.status,
                headers={name.lower(): value for name, value in response.getheaders()},
                body=response.read(),
            )

    def duka(self, arguments: str, *, check: bool = True) -> str:
        return self.machine.run(f"/usr/local/bin/duka {arguments}", check=check)

    def make_client(self) -> None:
        """Give a program access, as a shopkeeper does in the admin."""
        said = self.duka(
            "shell -c '"
            "from django.conf import settings;"
            "from accounts.services.machines import create_machine;"
            'machine, secret = create_machine(by=None, name="Till", rights=settings.SHOP_RIGHTS);'
            'print("client", machine.client_id, secret)\''
        )
        found = re.search(r"^client (\S+) (\S+)$", said, re.MULTILINE)
        assert found, said
        self._client = (found[1], found[2])

    def api(self, method: str, path: str, data: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        bearer = {"Authorization": f"Bearer {self._bearer()}"}
        return self.call(method, f"/api/v1{path}", data, {**bearer, **named})

    def _bearer(self) -> str:
        with self._lock:
            if time.monotonic() > self._token_until:
                basic = b64encode(":".join(self._client).encode()).decode()
                answer = self.call(
                    "POST",
                    json.loads(self.call("GET", "/.well-known/openid-configuration").body)[
                        "token_endpoint"
                    ].removeprefix(f"https://{HOST}"),
                    urlencode(
                        {
                            "grant_type": "client_credentials",
                            "scope": "api",
                            "resource": f"https://{HOST}/api",
                        }
                    ).encode(),
                    {
                        "Authorization": f"Basic {basic}",
                        "Content-Type": "application/x-www-form-urlencoded",
                    },
                )
                assert answer.status == 200, answer
                self._token = answer.json()["access_token"]
                self._token_until = time.monotonic() + 120
            return self._token


@dataclass(kw_only=True)
class Callers:
    """What people did meanwhile: how often it went well, and all that did not."""

    placed: list[str] = field(default_factory=list)
    read: int = 0
    failures: list[str] = field(default_factory=list)


@contextlib.contextmanager
def steady_callers(shop: Shop, customer: str, sku: str) -> Iterator[Callers]:
    """Have two people look at goods and one order them, all the time, until the block ends."""
    callers, over = Callers(), threading.Event()

    def look() -> None:
        answer = shop.call("GET", "/api/v1/products/")
        assert answer.status == 200, answer
        callers.read += 1

    def order() -> None:
        lines = [{"sku": sku, "quantity": 1}]
        answer = shop.api("POST", "/orders/", {"customer": customer, "lines": lines})
        assert answer.status == 201, answer
        callers.placed.append(answer.json()["number"])

    def go_on(act: Any) -> None:
        while not over.wait(0.2):
            try:
                act()
            except Exception as error:  # noqa: BLE001  whatever it is, a caller was failed
                callers.failures.append(f"{time.strftime('%X')} {act.__name__}: {error!r}")

    threads = [threading.Thread(target=go_on, args=(act,)) for act in (look, look, order)]
    for thread in threads:
        thread.start()
    try:
        yield callers
    finally:
        over.set()
        for thread in threads:
            thread.join()
