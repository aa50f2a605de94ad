"""Clients' databases: which there are, and how their tables are called."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from repairs.clients import Layout
from repairs.exceptions import SourceInactive, UnknownSource
from repairs.models import Job, Source
from repairs.states import JobStatus, plain, status_meant

from .mapping import checked_changes

# How far its collecting has come.
_OF_ONE_TABLE = (
    "baseline_to",
    "baseline_after",
    "baselined_at",
    "scan_after",
    "scan_begun_at",
    "sweep_after",
    "sweep_begun_at",
)


def sync_sources() -> None:
    """Give each source of the settings its row. Those that are in them no more keep theirs."""
    Source.objects.bulk_create(
        [Source(name=name) for name in sorted(settings.REPAIR_SOURCES)], ignore_conflicts=True
    )


def is_configured(source: Source) -> bool:
    return source.name in settings.REPAIR_SOURCES


def layout_of(source: Source) -> Layout:
    """Return where a source's jobs are: what its row says, else what the settings say.

    Raises:
        UnknownSource: it is in the settings no more.
    """
    given: dict[str, Any] | None = settings.REPAIR_SOURCES.get(source.name)
    if given is None:
        raise UnknownSource.at(
            "source", detail=f"REPAIR_SOURCES names no {source.name}: its address is not known."
        )
    write_back = given["write_back"] if source.write_back is None else source.write_back
    return Layout(
        url=given["url"],
        table=source.table or given["table"],
        columns={**given["columns"], **source.columns},
        statuses=_statuses(given["statuses"], source.statuses),
        write_back=write_back,
    )


def _statuses(given: dict[str, str], own: dict[str, str]) -> dict[str, str]:
    """Return a source's own words, and those of the settings' that it does not spell otherwise."""
    known = set(map(plain, own))
    return {**own, **{word: status for word, status in given.items() if plain(word) not in known}}


def meaning_in(source: Source) -> Callable[[str], JobStatus | None]:
    """Return what says which status a word of a source's means; None: nobody knows."""
    if is_configured(source):
        return layout_of(source).meaning
    # It is collected from no more, but its jobs live on.
    return partial(status_meant, others=source.statuses)


def locked(source_id: int) -> Source:
    return Source.objects.select_for_update().get(pk=source_id)


@transaction.atomic
def update_source(*, source_id: int, **changes: Any) -> Source:
    """Change how a source is read: `active`, `table`, `columns`, `statuses`, `write_back`.

    It is tried at once. What is there under another table's name, or with other keys, was there
    before us: it is taken in as on first contact.

    Raises:
        BadMapping: a name is no column of the contract, or a word leads to no status.
    """
    source = locked(source_id)
    given = settings.REPAIR_SOURCES.get(source.name, {})
    checked_changes(changes, beside=given.get("columns", {}))
    before = _where(source)
    for name, value in changes.items():
        setattr(source, name, value)
    anew: dict[str, Any] = dict.fromkeys(_OF_ONE_TABLE) if _where(source) != before else {}
    # Who collects by what was said before does not go on.
    anew |= dict.fromkeys(("fence", "leased_until", "write_next_at"))
    for name, value in (anew | {"failures": 0, "next_at": Now()}).items():
        setattr(source, name, value)
    source.save(update_fields=[*changes, *anew, "failures", "next_at"])
    refused = Job.objects.to_write_back().filter(source=source).exclude(write_next_at=None)
    refused.update(write_next_at=None)
    source.refresh_from_db(fields=["next_at"])
    return source


def _where(source: Source) -> tuple[str | None, str | None]:
    """Return its table, and the column of its keys."""
    given = settings.REPAIR_SOURCES.get(source.name, {"table": None, "columns": {}})
    columns = {"job_id": "job_id", **given["columns"], **source.columns}
    return source.table or given["table"], columns["job_id"]


@transaction.atomic
def collect_soon(*, source_id: int) -> Source:
    """Let a source be due now, however long it was to be left alone. The caller wakes a worker.

    Raises:
        UnknownSource: it is in the settings no more.
        SourceInactive: it is not to be collected from.
    """
    source = locked(source_id)
    layout_of(source)
    if not source.active:
        raise SourceInactive(f"{source} is not active: nobody collects from it.")
    Source.objects.filter(pk=source_id).update(next_at=Now())
    return source
