"""Checks of clients' databases for `manage.py doctor`.

They are not asked again for it: collectors ask them all the time, and note what comes of it.
"""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings

from core import clock
from core.doctor import Finding, ok, problem, warning
from repairs.clients import usable
from repairs.models import Source

# Without a complete round.
LATE = timedelta(minutes=15)


def examine_sources() -> Iterator[Finding]:
    """Whether each source can be asked, and answers."""
    if not settings.REPAIR_SOURCES:
        yield ok("None is used (REPAIR_SOURCES).")
        return
    rows = {source.name: source for source in Source.objects.all()}
    for name, given in settings.REPAIR_SOURCES.items():
        source = rows.get(name)
        if wrong := usable(given["url"]):
            yield problem(f"{name}: {wrong}", do=f"See REPAIRS_{name.upper()}_URL.")
        elif source is None:
            yield warning(f"{name} was never collected from.", do="See that a worker runs.")
        elif not source.active:
            yield ok(f"{name} is not active: nobody collects from it.")
        elif source.failures:
            yield problem(
                f"{name} has failed {source.failures} times in a row: {source.error[:200]}",
                do=f"Test its connection in the admin, and see REPAIRS_{name.upper()}_URL.",
            )
        elif source.complete_at is not None and clock.now() - source.complete_at > LATE:
            minutes = (clock.now() - source.complete_at).total_seconds() / 60
            yield warning(
                f"{name} was last looked at {minutes:.0f} min ago.", do="See that workers run."
            )
        else:
            yield ok(f"{name} answers.")
