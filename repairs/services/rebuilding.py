"""MongoDB beside what is here: what differs is written anew, what has no job is named."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from repairs.models import LARGEST_KEY, Job
from repairs.querysets import JobQuerySet

from .documents import document_of, documents_changed
from .mirroring import Documents, MongoFailed, claim_documents, failures_named, write_claimed

PAGE = 1000
# So many of those without a job are named; all are counted.
NAMED = 20
_OURS = re.compile(r"([a-z][a-z0-9_]{0,31}):([0-9]{5,19})")


@dataclass
class Strays:
    """Documents without a job: how many, the names of some, how many are not of our making."""

    count: int = 0
    named: list[str] = field(default_factory=list)
    foreign: int = 0


def jobs_of(source: str | None) -> JobQuerySet:
    jobs = Job.objects.all()
    return jobs.filter(source__name=source) if source else jobs


def rebuild_documents(
    documents: Documents,
    *,
    source: str | None,
    everything: bool,
    told: Callable[[int, int, str], None],
) -> tuple[int, int]:
    """Let each document of a source, or of all, be as its job is; return (looked at, differed).

    By pages, through the outbox: so a worker that writes the same job meanwhile and this one do
    not overtake one another, and what was begun is finished by a worker where this one is ended.

    Args:
        everything: write all, without looking at what is there.
        told: called after each page with how many were looked at and noted, and the last one.

    Raises:
        MongoFailed: MongoDB cannot be reached, or refuses.
    """
    looked, noted = 0, 0
    for page in _pages(jobs_of(source)):
        wrong = page if everything else _differing(documents, page)
        with transaction.atomic():
            documents_changed([job.pk for job in wrong])
        _work_off(documents)
        looked += len(page)
        noted += len(wrong)
        told(looked, noted, page[-1].full_id)
    return looked, noted


def _pages(jobs: JobQuerySet) -> Iterator[list[Job]]:
    after = 0
    while page := list(jobs.select_related("source").filter(pk__gt=after).order_by("pk")[:PAGE]):
        yield page
        after = page[-1].pk


def _differing(documents: Documents, page: Sequence[Job]) -> list[Job]:
    with failures_named():
        found = {
            each["_id"]: each
            for each in documents.find({"_id": {"$in": [job.full_id for job in page]}})
        }
    return [job for job in page if not _is_right(found.get(job.full_id), document_of(job))]


def _is_right(found: dict[str, Any] | None, document: dict[str, Any]) -> bool:
    # What others added to it is theirs.
    return found is not None and all(found.get(key) == value for key, value in document.items())


def _work_off(documents: Documents) -> None:
    while claimed := claim_documents(limit=PAGE):
        write_claimed(documents, claimed)


def find_strays(documents: Documents, *, source: str | None, prune: bool) -> Strays:
    """Find documents that have no job, by pages; `prune`: remove them.

    What is not called as a job is, is none of ours and stays.

    Raises:
        MongoFailed: MongoDB cannot be reached, or refuses.
    """
    strays = Strays()
    for ids in _ids(documents, source):
        ours = {
            each: parts
            for each in ids
            if (parts := _OURS.fullmatch(each)) and int(parts[2]) <= LARGEST_KEY
        }
        strays.foreign += len(ids) - len(ours)
        # Asked after the documents were: a job is here before its document is there.
        there = {
            job.full_id
            for job in Job.objects.select_related("source").filter(
                source__name__in={parts[1] for parts in ours.values()},
                key__in={int(parts[2]) for parts in ours.values()},
            )
        }
        without = [each for each in ours if each not in there]
        strays.count += len(without)
        strays.named += without[: NAMED - len(strays.named)]
        if prune and without:
            with failures_named():
                documents.delete_many({"_id": {"$in": without}})
    return strays


def _ids(documents: Documents, source: str | None) -> Iterator[list[str]]:
    # Of one source: all that begin with its name and a colon; a semicolon comes next after it.
    within = {"$lt": f"{source};"} if source else {}
    after = f"{source}:" if source else ""
    while True:
        with failures_named():
            ids = [
                each["_id"]
                for each in documents.find({"_id": {"$gt": after, **within}}, {"_id": 1})
                .sort("_id", 1)
                .limit(PAGE)
            ]
        if not ids:
            return
        yield ids
        after = ids[-1]


__all__ = ["MongoFailed", "Strays", "find_strays", "jobs_of", "rebuild_documents"]
