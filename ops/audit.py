"""Compare the lock files with what is known of vulnerable versions: `python -m ops.audit`.

pip-audit asks the index's own list of advisories. Where that cannot be reached it asks
ops/advisories.json by way of a small server on loopback, which answers as OSV does.
"""

import argparse
import contextlib
import datetime as dt
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
ADVISORIES = ROOT / "ops/advisories.json"
ACCEPTED = ROOT / "ops/accepted-advisories.toml"
_PIP_AUDIT = ROOT / ".venv/ops/bin/pip-audit"
# Known to be vulnerable, so an answer that says nothing of it is no answer.
_KNOWN = "django==4.2.0\n"


class AuditError(Exception):
    """What the caller is told; the audit did not pass."""


def accepted(path: Path = ACCEPTED, *, today: dt.date | None = None) -> list[str]:
    """Return the advisories that somebody accepted for now.

    Raises:
        AuditError: one has no reason, or its time is over.
    """
    today = today or dt.datetime.now(tz=dt.UTC).date()
    entries = tomllib.loads(path.read_text()).get("accepted", [])
    for entry in entries:
        if not (entry.get("id") and entry.get("reason") and entry.get("until")):
            raise AuditError(f"{path.name}: each entry needs id, reason and until: {entry}")
        if entry["until"] < today:
            raise AuditError(f"{path.name}: {entry['id']} was accepted until {entry['until']}.")
    return [entry["id"] for entry in entries]


def affects(advisory: dict[str, Any], name: str, version: str) -> bool:
    """Whether an advisory in OSV's form is about this version of this package."""
    wanted = Version(version)
    for affected in advisory["affected"]:
        if canonicalize_name(affected["package"]["name"]) != name:
            continue
        if version in affected.get("versions", []):
            return True
        for span in affected.get("ranges", []):
            inside = False
            for event in sorted(span["events"], key=_when):
                if "introduced" in event:
                    inside = inside or wanted >= Version(event["introduced"])
                elif "fixed" in event:
                    inside = inside and wanted < Version(event["fixed"])
                elif "last_affected" in event:
                    inside = inside and wanted <= Version(event["last_affected"])
            if inside:
                return True
    return False


def _when(event: dict[str, str]) -> Version:
    return Version(next(iter(event.values())))


@contextlib.contextmanager
def osv_server(advisories: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Answer OSV's query on loopback from these advisories; give its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = canonicalize_name(query["package"]["name"])
            found = [each for each in advisories if affects(each, name, query["version"])]
            body = json.dumps({"vulns": found} if found else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _pip_audit(lock: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    with tempfile.TemporaryDirectory() as cache:
        return subprocess.run(  # noqa: S603
            [_PIP_AUDIT, "--strict", "--no-deps", "--disable-pip", "--progress-spinner=off",
             "--desc=off", f"--cache-dir={cache}", f"--requirement={lock}", *options],
            capture_output=True, text=True, check=False,
            env=os.environ | {"NO_PROXY": "127.0.0.1"},
        )  # fmt: skip


def online() -> bool:
    """Whether the index tells what it knows: of a version that everybody knows to be vulnerable."""
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "known.txt"
        lock.write_text(_KNOWN)
        done = _pip_audit(lock, "--format=json")
    try:
        return any(each.get("vulns") for each in json.loads(done.stdout)["dependencies"])
    except (ValueError, KeyError):
        return False


def audit(locks: Sequence[Path], *, source: str = "auto", today: dt.date | None = None) -> str:
    """Audit lock files; return what was asked.

    Args:
        source: `online`, `offline`, or `auto`, which is online where that can be reached.

    Raises:
        AuditError: a version is vulnerable and not accepted, or it cannot be told.
    """
    ignored = [f"--ignore-vuln={each}" for each in accepted(today=today)]
    if source == "auto":
        source = "online" if online() else "offline"
    with contextlib.ExitStack() as stack:
        if source == "offline":
            database = json.loads(ADVISORIES.read_text())
            url = stack.enter_context(osv_server(database["advisories"]))
            options = [f"--osv-url={url}", "--vulnerability-service=osv"]
            said = (
                f"against ops/advisories.json ({len(database['advisories'])} advisories, "
                f"{database['taken_on']}), as the index's own list cannot be had here"
            )
        else:
            options, said = [], "against the index's own list"
        for lock in locks:
            done = _pip_audit(lock, *options, *ignored)
            if done.returncode:
                raise AuditError(f"{lock.name}, {said}:\n{done.stdout}{done.stderr}".rstrip())
    return f"{', '.join(lock.name for lock in locks)} audited {said}."


def locked_names(locks: Sequence[Path]) -> set[str]:
    """Return the packages that the lock files name."""
    pattern = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", re.MULTILINE)
    return {canonicalize_name(name) for lock in locks for name in pattern.findall(lock.read_text())}


def update(archive: Path, locks: Sequence[Path], *, today: dt.date | None = None) -> int:
    """Write ops/advisories.json from OSV's archive of PyPI; return how many advisories it has."""
    names = locked_names(locks)
    kept = []
    with zipfile.ZipFile(archive) as opened:
        for member in sorted(opened.namelist()):
            advisory = json.loads(opened.read(member))
            affected = [
                {key: each[key] for key in ("package", "ranges", "versions") if key in each}
                for each in advisory.get("affected", [])
                if each["package"]["ecosystem"] == "PyPI"
                and canonicalize_name(each["package"]["name"]) in names
            ]
            for each in affected:
                each["ranges"] = [
                    span for span in each.get("ranges", []) if span["type"] == "ECOSYSTEM"
                ]
                each["package"] = {
                    "ecosystem": "PyPI", "name": canonicalize_name(each["package"]["name"])
                }  # fmt: skip
            if affected and "withdrawn" not in advisory:
                kept.append({
                    "id": advisory["id"], "aliases": advisory.get("aliases", []),
                    "summary": advisory.get("summary", ""), "affected": affected,
                })  # fmt: skip
    taken_on = today or dt.datetime.now(tz=dt.UTC).date()
    ADVISORIES.write_text(
        json.dumps({"taken_on": f"taken on {taken_on}", "advisories": kept}, indent=1) + "\n"
    )
    return len(kept)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.audit", description=__doc__)
    parser.add_argument("locks", nargs="*", type=Path, help="lock files; all by default")
    parser.add_argument("--source", choices=["auto", "online", "offline"], default="auto")
    parser.add_argument("--update", type=Path, metavar="ZIP", help="OSV's archive of PyPI")
    given = parser.parse_args(arguments)
    locks = given.locks or sorted((ROOT / "requirements").glob("*.txt"))
    if given.update:
        print(f"{update(given.update, locks)} advisories kept.")  # noqa: T201
        return 0
    try:
        print(audit(locks, source=given.source))  # noqa: T201
    except AuditError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
