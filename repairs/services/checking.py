"""The test of a source's connection, by hand or after a change."""

from core import clock
from repairs.clients import Finding, inspect
from repairs.models import Source

from .sources import layout_of


def check_source(*, source_id: int) -> list[Finding]:
    """Ask a client's database for all that collecting needs, keep what is wrong, and return it.

    It changes nothing there, and is outside of any transaction of ours: it may take long.

    Raises:
        UnknownSource: it is in the settings no more.
    """
    source = Source.objects.get(pk=source_id)
    findings = inspect(layout_of(source))
    Source.objects.filter(pk=source_id).update(
        findings=[{"code": str(each.code), "detail": each.detail} for each in findings],
        checked_at=clock.now(),
    )
    return findings
