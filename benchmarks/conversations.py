"""Many documents: how fast a file of them comes in, beside COPY alone, and how they are found."""

import argparse
import contextlib
import json
import logging
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

DOCUMENTS = 100_000
# Requests of each kind.
REQUESTS = 40
_BEGINS = 1_500_000_000_000
_ENGAGEMENTS = [f"5f18d12f42262eec0d4355{number:02x}" for number in range(8)]
_BARE = """
CREATE UNLOGGED TABLE bare_interaction (LIKE conversations_interaction);
ALTER TABLE bare_interaction SET LOGGED, DROP COLUMN words,
    ALTER created_at SET DEFAULT now(), ALTER updated_at SET DEFAULT now()
"""
# What runs in a process of its own, so that its memory is nobody else's.
_IMPORT = """
import resource, sys, django
django.setup()
from pathlib import Path
from django.core.management import call_command
def memory():
    # getrusage() would begin with what the parent had when it forked.
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
least = memory()
call_command("import_interactions", sys.argv[1])
used = resource.getrusage(resource.RUSAGE_SELF)
print(memory() // 1024, (memory() - least) // 1024, used.ru_utime + used.ru_stime)
"""


def main(documents: int) -> None:
    """Fill a temporary shop in the three ways, one after the other, and print two tables.

    The database keeps what it was given, as a shop's own does: `config.settings.test` would not.
    """
    with tempfile.TemporaryDirectory(prefix="duka-bench-") as folder:
        os.environ |= {"DUKA_VAR": folder, "DJANGO_SETTINGS_MODULE": "config.settings.development"}
        import django

        django.setup()
        from django.conf import settings
        from django.test.utils import setup_databases, teardown_databases

        settings.ALLOWED_HOSTS = ["testserver"]
        # Of the tests, which are not typed.
        factories: Any = import_module("conversations.tests.factories")
        old = setup_databases(verbosity=0, interactive=False)
        try:
            client = factories.ClientFactory.create()
            for ident in _ENGAGEMENTS:
                factories.EngagementFactory.create(id=ident, client=client)
            _measure(Path(folder), documents, client.pk)
            _find(documents)
        finally:
            teardown_databases(old, verbosity=0)


def _measure(folder: Path, documents: int, client_id: str) -> None:
    file, rows = folder / "interactions.json", folder / "rows"
    with file.open("w") as out:
        for text in _texts(documents):
            out.write(text + "\n")
    _write_rows(rows, documents, client_id)
    _run(_BARE)
    print(f"A file of {file.stat().st_size / 1e6:.0f} MB, load {os.getloadavg()[0]:.1f}.\n")
    ways: dict[str, Callable[[], str]] = {
        "COPY into a bare table": lambda: _copy(rows, "bare_interaction"),
        "COPY into the table, its indexes and foreign keys": lambda: _copy(
            rows, "conversations_interaction"
        ),
        "`import_interactions`": lambda: _import(file),
    }
    print(
        f"| {documents:,} documents | seconds | a second | × bare | × indexed"
        " | CPU: Python, s | PostgreSQL, s | memory, MB |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    seconds: list[float] = []
    for name, way in ways.items():
        _run("TRUNCATE conversations_interaction; CHECKPOINT")
        python, postgres = time.process_time(), sum(_postgres())
        began = time.perf_counter()
        said = way()
        seconds.append(time.perf_counter() - began)
        python, postgres = time.process_time() - python, sum(_postgres()) - postgres
        ratios = [f"{seconds[-1] / each:.2f}" for each in seconds[:2]]
        ratios += ["–"] * (2 - len(ratios))
        # The import is another process.
        used, memory = said.split(" ") if said else (f"{python:.1f}", "–")
        print(
            f"| {name} | {seconds[-1]:.1f} | {documents / seconds[-1]:,.0f} | {' | '.join(ratios)}"
            f" | {used} | {postgres:.1f} | {memory} |",
            flush=True,
        )


def _texts(documents: int) -> Iterator[str]:
    """Yield documents as a call centre may have them, the same ones each time."""
    chance = random.Random(10)  # noqa: S311  to be the same each time
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(chance.choices(letters, range(26, 0, -1), k=n % 8 + 3)) for n in range(5000)]
    # As words of a language: a few of them again and again.
    shares = [1 / (rank + 1) for rank in range(len(words))]
    agents = [
        (f"{a.title()}", f"{b.title()}") for a, b in zip(words[:60], words[60:], strict=False)
    ]
    said = chance.choices(words, shares, k=400_000)
    for number in range(documents):
        first, last = agents[number * 7 % 60]
        at = chance.randrange(len(said) - 40)
        document = {
            "_id": {"$oid": f"5f18d12f{number:016x}"},
            "engagementId": {"$oid": _ENGAGEMENTS[number % len(_ENGAGEMENTS)]},
            "interactionDate": {"$date": _BEGINS + number * 100_000},
            "agentName": f"{first} {last}",
            "sentiment": ("Negative", "Neutral", "Positive")[number % 3],
            "custom": {
                "csvName": f"2020_{number // 11200 % 12 + 1:02d}_{number // 400 % 28 + 1:02d}.csv",
                "agentFirstName": first,
                "agentLastName": last,
                "ticket": f"T-{number}",
                "score": number % 11,
                "duration": round(chance.expovariate(1 / 180), 1),
                "text": " ".join(said[at : at + 12 + number % 20]) + ".",
            },
        }
        yield json.dumps(document, separators=(",", ":"))


def _write_rows(path: Path, documents: int, client_id: str) -> None:
    """Write what COPY is sent, beforehand."""
    from conversations.documents import read_interaction
    from conversations.services import copying

    with path.open("w") as out:
        for text in _texts(documents):
            read = read_interaction(text)
            row = copying.Row(
                id=read.id,
                client_id=client_id,
                engagement_id=read.engagement_id,
                source_id="",
                interaction_date=read.interaction_date.isoformat(),
                agent_name=read.agent_name,
                sentiment=read.sentiment,
                customer_id=None,
                order_id=None,
                document=read.text,
                custom=read.custom,
            )
            out.writelines(copying._chunks([row]))


def _copy(rows: Path, table: str) -> str:
    from django.db import connection

    from conversations.services import copying

    columns = ", ".join(copying.Row._fields)
    with rows.open("rb") as file, connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", file)
    return ""


def _import(file: Path) -> str:
    processes: Any = import_module("tests.processes")
    environment = {**os.environ, "DATABASE_URL": processes.test_database_url()}
    done = subprocess.run(  # noqa: S603  ourselves
        [sys.executable, "-c", _IMPORT, str(file)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    total, more, used = done.stdout.split()[-3:]
    return f"{float(used):.1f} {total}\u00a0(+{more})"


def _find(documents: int) -> None:
    from django.db import connection
    from django.test import Client

    factories: Any = import_module("accounts.tests.factories")
    _run("VACUUM ANALYZE conversations_interaction")
    logging.getLogger("duka.request").disabled = True
    browser: Client = factories.browser_of(factories.ShopkeeperFactory.create())
    middle = _BEGINS + documents * 50_000
    after = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(middle / 1000))
    pages = {
        "one document": f"/interactions/5f18d12f{documents // 2:016x}",
        "a page": "/interactions?page_size=50",
        "of an engagement": f"/interactions?page_size=50&engagement={_ENGAGEMENTS[3]}",
        "of a sentiment, before the middle": f"/interactions?page_size=50&sentiment=Negative"
        f"&before={after}",
        "`custom.ticket=…` (one)": f"/interactions?custom.ticket=T-{documents // 3}",
        "`custom.csvName=…`": "/interactions?page_size=50&custom.csvName=2020_01_03.csv",
    }
    print("\n| request | time, ms (median, max) | CPU: Python, ms | statements |")
    print("| --- | --- | --- | --- |")
    for name, address in pages.items():
        costs, spent = [], 0.0
        for number in range(REQUESTS + 3):
            before, began = time.process_time(), time.perf_counter()
            answer = browser.get(address)
            if answer.status_code != 200:
                raise SystemExit(f"{address}: {answer.status_code} {answer.content!r}")
            # The first ones warm caches and connections.
            if number >= 3:
                costs.append((time.perf_counter() - began) * 1000)
                spent += (time.process_time() - before) * 1000 / REQUESTS
        connection.force_debug_cursor = True
        connection.queries_log.clear()
        browser.get(address)
        connection.force_debug_cursor = False
        print(
            f"| {name} | {statistics.median(costs):.1f} ({max(costs):.1f}) | {spent:.1f}"
            f" | {len(connection.queries_log)} |"
        )


def _run(statements: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in statements.split(";"):
            cursor.execute(statement)


def _postgres() -> Iterator[float]:
    """Yield what each process of PostgreSQL used that lives, and what those used that are gone."""
    import psutil
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        server = psutil.Process(cursor.fetchone()[0]).parent()
    for process in [server, *server.children()] if server else []:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            yield times.user + times.system
    if server:
        yield server.cpu_times().children_user + server.cpu_times().children_system


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    main(parser.parse_args().documents)
