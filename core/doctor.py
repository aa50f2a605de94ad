"""What `manage.py doctor` finds: each check says how something stands, and what to do about it.

An app registers its checks in its `receivers.py`. They change nothing, send nothing to anybody, and
none can hold up the others: each runs in a thread of its own, for a time.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db import connection

from .untold import without_secrets


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How something stands, in a sentence, and what to do, in another."""

    level: Level
    said: str
    do: str = ""


def ok(said: str) -> Finding:
    return Finding(level=Level.OK, said=said)


def warning(said: str, *, do: str) -> Finding:
    return Finding(level=Level.WARNING, said=said, do=do)


def problem(said: str, *, do: str) -> Finding:
    return Finding(level=Level.PROBLEM, said=said, do=do)


Check = Callable[[], Iterable[Finding]]


@dataclass(frozen=True, kw_only=True)
class Named:
    """A check. `database`: it needs ours; `network`: it asks somebody else's server."""

    name: str
    check: Check
    database: bool = False
    network: bool = False


@dataclass(frozen=True, kw_only=True)
class Examined:
    name: str
    findings: Sequence[Finding]


_checks: list[Named] = []
# Where one of these fails, those that need the database would only say so again.
FIRST = ("database", "migrations")


def register(name: str, check: Check, *, database: bool = False, network: bool = False) -> None:
    """Let the doctor make a check; from an app's `receivers.py`."""
    if all((each.name, each.check) != (name, check) for each in _checks):
        _checks.append(Named(name=name, check=check, database=database, network=network))


def examine(*, seconds: float, offline: bool = False) -> list[Examined]:
    """Make all checks; return what they found, the database's first.

    Args:
        seconds: for which the database may take to answer, as long again for its migrations, and
            as long again for all others together.
        offline: without those that ask servers of others.
    """
    rest = [each for each in _checks if not (offline and each.network)]
    examined: list[Examined] = []
    for name in FIRST:
        if not has_problems(examined):
            examined += _run([each for each in rest if each.name == name], seconds)
    rest = [each for each in rest if each.name not in FIRST]
    if has_problems(examined):
        left_out = sorted({each.name for each in rest if each.database})
        rest = [each for each in rest if not each.database]
        later = warning(
            f"Not looked at, as this comes first: {', '.join(left_out)}.",
            do="Mend the database, then ask again.",
        )
        examined.append(Examined(name="database", findings=[later]))
    return examined + _run(rest, seconds)


def _run(checks: Sequence[Named], seconds: float) -> list[Examined]:
    found: dict[int, list[Finding]] = {}

    def run(place: int, named: Named) -> None:
        try:
            findings = list(named.check())
        except Exception as error:  # noqa: BLE001  whatever it is, the others go on
            findings = [
                problem(
                    f"This check failed: {type(error).__name__}: {error}".strip(),
                    do="Report it, if nothing above explains it.",
                )
            ]
        finally:
            # The thread's own.
            connection.close()
        found[place] = findings

    # Daemons: one that hangs does not keep the command from ending.
    threads = [
        threading.Thread(target=run, args=each, name=f"doctor-{each[1].name}", daemon=True)
        for each in enumerate(checks)
    ]
    ends = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(ends - time.monotonic(), 0))
    late = problem(
        f"It did not answer within {seconds:g} s.",
        do="What it asks hangs: look at that server, and at the network and firewall between.",
    )
    return [
        Examined(name=named.name, findings=[_told(each) for each in found.get(place, [late])])
        for place, named in enumerate(checks)
    ]


def _told(finding: Finding) -> Finding:
    return Finding(
        level=finding.level,
        said=without_secrets(" ".join(finding.said.split())),
        do=without_secrets(finding.do),
    )


def as_json(examined: Sequence[Examined]) -> str:
    findings = [
        {"check": each.name, "level": finding.level, "said": finding.said, "do": finding.do}
        for each in examined
        for finding in each.findings
    ]
    return json.dumps({"ok": not has_problems(examined), "findings": findings}, indent=2)


def as_text(examined: Sequence[Examined]) -> str:
    lines = []
    for each in examined:
        for finding in each.findings:
            lines.append(f"{finding.level:<8} {each.name:<12} {finding.said}")
            if finding.do:
                lines.append(f"{'':<8} {'':<12} → {finding.do}")
    counted = [f.level for each in examined for f in each.findings]
    lines.append(
        f"{counted.count(Level.PROBLEM)} problem(s), {counted.count(Level.WARNING)} warning(s)."
    )
    return "\n".join(lines)


def has_problems(examined: Sequence[Examined]) -> bool:
    return any(finding.level == Level.PROBLEM for each in examined for finding in each.findings)


def refused(said: str) -> list[Examined]:
    """Return what is found where the settings themselves refuse: nothing else can be looked at."""
    do = "Set it as README, Configuration, has it; nothing else can be looked at before."
    return [Examined(name="settings", findings=[_told(problem(said, do=do))])]
