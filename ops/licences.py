"""List the licences of what the shop runs on, and refuse others: `python -m ops.licences`.

docs/licences.md is the list, of the versions in requirements/base.txt as they are installed. The
policy is ops/licences.toml.
"""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements/base.txt"
POLICY = ROOT / "ops/licences.toml"
LIST = ROOT / "docs/licences.md"
_PIP_LICENSES = ROOT / ".venv/ops/bin/pip-licenses"
_HEAD = """\
# Licences

What the shop runs on (`requirements/base.txt`), and under which licence each package says that it
comes. Written by `make licences`; `make check` fails where it is out of date, or where a licence is
not one that `ops/licences.toml` allows.

| package | version | licence |
| --- | --- | --- |
"""


@dataclass(frozen=True, kw_only=True)
class Package:
    name: str
    version: str
    licence: str


def locked(lock: Path = LOCK) -> dict[str, str]:
    """Return the packages of a lock file that this platform installs, with their versions."""
    found: dict[str, str] = {}
    for line in lock.read_text().splitlines():
        if not line.startswith((" ", "#")) and (text := line.rstrip(" \\")):
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate():
                name = canonicalize_name(wanted.name)
                found[name] = str(wanted.specifier).removeprefix("==")
    return found


def installed(wanted: Mapping[str, str]) -> list[Package]:
    """Return those packages as they are installed in .venv, with what they say of themselves.

    Raises:
        LookupError: one is not there, or of another version.
    """
    done = subprocess.run(  # noqa: S603
        [_PIP_LICENSES, "--python", ROOT / ".venv/bin/python", "--from=mixed", "--format=json",
         "--with-system"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    packages: dict[str, Package] = {
        canonicalize_name(each["Name"]): Package(
            name=canonicalize_name(each["Name"]),
            version=each["Version"],
            licence=" ".join(each["License"].split()),
        )
        for each in json.loads(done.stdout)
    }
    for name, version in wanted.items():
        if name not in packages or packages[name].version != version:
            raise LookupError(f"{name} {version} is not what is installed in .venv.")
    return [packages[name] for name in sorted(wanted)]


def refused(packages: Sequence[Package], policy: Path = POLICY) -> list[str]:
    """Return a sentence for each package that the policy does not allow."""
    rules = tomllib.loads(policy.read_text())
    excepted = {entry["package"]: entry for entry in rules.get("exception", [])}
    found = []
    for package in packages:
        entry = excepted.pop(package.name, None)
        if entry is not None:
            if entry["licence"] != package.licence or not entry["reason"]:
                found.append(
                    f"{package.name}: its exception is for {entry['licence']!r}, "
                    f"not for {package.licence!r}, or has no reason."
                )
        elif not allows(package.licence, rules["allowed"]):
            found.append(f"{package.name} {package.version}: {package.licence!r} is not allowed.")
    found += [f"{name}: an exception for what is not there." for name in excepted]
    return found


def allows(licence: str, allowed: Sequence[str]) -> bool:
    """Whether one of the alternatives is allowed in all its parts."""
    return any(
        all(part.strip() in allowed for part in re.split(r" AND |;", choice))
        for choice in re.split(r" OR ", licence)
    )


def rendered(packages: Sequence[Package]) -> str:
    rows = (f"| {each.name} | {each.version} | {each.licence} |\n" for each in packages)
    return _HEAD + "".join(rows)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.licences", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/licences.md anew")
    given = parser.parse_args(arguments)
    packages = installed(locked())
    wrong = refused(packages)
    if given.write:
        LIST.write_text(rendered(packages))
    elif not LIST.exists() or LIST.read_text() != rendered(packages):
        wrong.append(f"{LIST.relative_to(ROOT)} is out of date: run make licences.")
    for sentence in wrong:
        print(sentence, file=sys.stderr)  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
