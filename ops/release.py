"""The version and its chapter of CHANGELOG.md: `python3 -m ops.release`, which needs only Python.

prepare VERSION   makes "Unreleased" the version's chapter, and writes the version
check TAG         says whether a tag, the version and the chapters agree
notes TAG         prints the chapter's text
"""

import argparse
import datetime as dt
import re
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_CHAPTER = re.compile(r"^## (?:(Unreleased)|(\d+\.\d+\.\d+) \((\d{4}-\d{2}-\d{2})\))$")


class ReleaseError(Exception):
    """What is wrong, in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A version's entries. `version` is empty for what is not released."""

    version: str
    text: str


def version(root: Path = ROOT) -> str:
    """Return the version in pyproject.toml."""
    found: str = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    return found


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def chapters(root: Path = ROOT) -> list[Chapter]:
    """Return the chapters of CHANGELOG.md as they stand there, newest first.

    Raises:
        ReleaseError: its form is another.
    """
    lines = (root / "CHANGELOG.md").read_text().splitlines()
    if lines[:1] != ["# Changelog"]:
        raise ReleaseError("CHANGELOG.md begins with “# Changelog”.")
    found: list[tuple[str, list[str]]] = []
    for number, line in enumerate(lines[1:], start=2):
        if line.startswith("#"):
            heading = _CHAPTER.match(line)
            if heading is None or (heading[1] and found):
                raise ReleaseError(
                    f"CHANGELOG.md, line {number}: a chapter is “## 1.2.3 (2026-11-22)”, "
                    "the first may be “## Unreleased”."
                )
            found.append((heading[2] or "", []))
        elif line and (not found or not line.startswith(("- ", "  "))):
            raise ReleaseError(f"CHANGELOG.md, line {number}: an entry begins with “- ”.")
        elif found:
            found[-1][1].append(line)
    made = [Chapter(version=name, text="\n".join(text).strip()) for name, text in found]
    released = [_numbers(each.version) for each in made if each.version]
    if released != sorted(set(released), reverse=True):
        raise ReleaseError("CHANGELOG.md: the newest version comes first, each once.")
    for each in made:
        if each.version and not each.text:
            raise ReleaseError(f"CHANGELOG.md says nothing of {each.version}.")
    return made


def check(root: Path = ROOT) -> None:
    """Compare the version with the newest chapter.

    Raises:
        ReleaseError: they differ.
    """
    newest = next((each.version for each in chapters(root) if each.version), "")
    if newest and newest != version(root):
        raise ReleaseError(f"pyproject.toml says {version(root)}, CHANGELOG.md {newest}.")


def notes(tag: str, root: Path = ROOT) -> str:
    """Return what CHANGELOG.md says of a tag.

    Raises:
        ReleaseError: the tag is not `v` and the version, or no chapter is about it.
    """
    check(root)
    if tag != f"v{version(root)}":
        raise ReleaseError(f"The tag is {tag}, but pyproject.toml says {version(root)}.")
    for each in chapters(root):
        if each.version == version(root):
            return each.text
    raise ReleaseError(f"CHANGELOG.md has no chapter of {version(root)}: make release first.")


def prepare(new: str, root: Path = ROOT, *, today: dt.date | None = None) -> None:
    """Write a version, and give what was unreleased to it.

    Raises:
        ReleaseError: it is none, it goes back, or there is nothing to release.
    """
    if not _VERSION.fullmatch(new):
        raise ReleaseError(f"A version is three numbers, such as 1.2.3, not {new!r}.")
    found = chapters(root)
    if any(each.version == new for each in found) or _numbers(new) < _numbers(version(root)):
        raise ReleaseError(f"{new} is not newer than {version(root)}.")
    if not found or found[0].version or not found[0].text:
        raise ReleaseError("CHANGELOG.md has nothing under “## Unreleased”.")
    day = today or dt.datetime.now(tz=dt.UTC).date()
    log = root / "CHANGELOG.md"
    log.write_text(log.read_text().replace("## Unreleased\n", f"## {new} ({day})\n", 1))
    project = root / "pyproject.toml"
    text, changed = re.subn(
        r'^version = "[^"]*"$',
        f'version = "{new}"',
        project.read_text(),
        count=1,
        flags=re.MULTILINE,
    )
    if changed:
        project.write_text(text)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ops.release",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["prepare", "check", "notes"])
    parser.add_argument("which", nargs="?", default="", help="VERSION or TAG")
    given = parser.parse_args(arguments)
    try:
        if given.what == "prepare":
            prepare(given.which)
            print(f"Now commit, tag it v{given.which} and push the tag.")  # noqa: T201
        elif given.what == "notes":
            print(notes(given.which))  # noqa: T201
        elif given.which:
            notes(given.which)
        else:
            check()
    except ReleaseError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
