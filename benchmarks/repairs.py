"""A baseline of many rows: how long, at what cost and with how much memory it is taken in."""

import contextlib
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from unittest.mock import patch

ROWS = 1_000_000
PAGE = 10_000
# People, places and goods as a workshop may have them in many years.
_FILL = """
INSERT INTO Jobs SELECT seq, 'Repair', ELT(1 + seq % 20, 'NEW', 'OPENED', 'CANCELLED'),
    ELT(1 + seq % 7, 'John', 'Mary', 'Wanjiru', 'Otieno', 'Amina', 'Peter', 'Zoë'),
    CONCAT('Smith', FLOOR(RAND(1) * 20000)),
    CONCAT('SG', FLOOR(RAND(2) * 99), ' ', FLOOR(RAND(3) * 9), 'TZ'),
    CONCAT('+44 7770 ', LPAD(FLOOR(RAND(4) * 999999), 6, '0')),
    CONCAT('SKU-', FLOOR(RAND(5) * 5000)),
    ELT(1 + seq % 4, 'spider catcher', 'kettle', 'radio', 'bicycle pump')
FROM seq_1_to_{rows}
"""


def main(rows: int) -> None:
    """Fill a private MariaDB, take it in as a shop in a temporary database does, print a table."""
    with tempfile.TemporaryDirectory(prefix="duka-bench-") as folder:
        os.environ |= {"DUKA_VAR": folder, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
        import django

        django.setup()
        from django.test.utils import setup_databases, teardown_databases

        # Of the tests, which are not typed.
        client: Any = import_module("repairs.tests.mariadb")
        old = setup_databases(verbosity=0, interactive=False)
        server = client.MariaDB()
        try:
            server.start()
            table = client.MariaDBTable(server)
            table.execute(_FILL.format(rows=rows))
            # Those that ELT has no word for.
            table.execute("UPDATE Jobs SET job_status = 'CLOSED' WHERE job_status IS NULL")
            _measure(table, server, rows)
        finally:
            server.close()
            teardown_databases(old, verbosity=0)


def _measure(table: Any, server: Any, rows: int) -> None:
    ways = {
        "PyMySQL alone, the same pages": _bare,
        "the baseline": _baseline,
        "comparing all keys": _sweep,
    }
    seconds: dict[str, float] = {}
    print(f"| {rows:,} rows | seconds | CPU: Python, s | PostgreSQL, s | MariaDB, s | memory, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, way in ways.items():
        before, least = _used(server), _memory()
        began = time.perf_counter()
        way(table, rows)
        seconds[name] = time.perf_counter() - began
        used = [f"{now - then:.1f}" for now, then in zip(_used(server), before, strict=True)]
        memory = f"+{_memory() - least:.0f}"
        print(f"| {name} | {seconds[name]:.1f} | {' | '.join(used)} | {memory} |")
    bare, whole, _ = seconds.values()
    print(f"\nThe baseline takes {whole / bare:.2f} times as long as reading alone.")


def _bare(table: Any, rows: int) -> None:
    after, read = 0, 0
    with contextlib.closing(table.connect()) as connection, connection.cursor() as cursor:
        while True:
            cursor.execute(
                "SELECT * FROM Jobs WHERE job_id > %s ORDER BY job_id LIMIT %s", (after, PAGE)
            )
            page = cursor.fetchall()
            read += len(page)
            if len(page) < PAGE:
                break
            after = page[-1][0]
    _expect(read, rows)


def _baseline(table: Any, rows: int) -> None:
    from django.conf import settings

    from repairs.models import Source
    from repairs.services import collect

    settings.REPAIR_SOURCES = {
        "workshop": {
            "url": table.url,
            "table": "Jobs",
            "columns": {},
            "statuses": {},
            "write_back": True,
        }
    }
    source = Source.objects.create(name="workshop")
    # The comparison of all keys, which the first round does as well, is measured alone.
    with patch("repairs.services.collecting.sweep"):
        _expect(collect(source_id=source.pk).collected, rows)


def _sweep(table: Any, rows: int) -> None:
    from repairs.models import Job, Source
    from repairs.services import collect

    done = collect(source_id=Source.objects.get().pk, thorough=True)
    _expect(done.collected + done.followed, 0)
    _expect(Job.objects.count(), rows)


def _expect(found: int, rows: int) -> None:
    if found != rows:
        raise SystemExit(f"{found} rows instead of {rows}.")


def _used(server: Any) -> tuple[float, float, float]:
    """Return the seconds of CPU that each has used so far."""
    import psutil

    mariadb = psutil.Process(server.process.pid).cpu_times()
    return (
        time.process_time(),
        sum(_postgres()),
        mariadb.user + mariadb.system,
    )


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


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
