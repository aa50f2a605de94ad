"""Documents of jobs in MongoDB: the outbox `DocumentWrite` is worked off.

1. claim: due rows are stamped with a fence and a lease (`FOR UPDATE SKIP LOCKED`, any number of
   workers);
2. write: the documents as they are by now, outside of any transaction;
3. settle: what was written goes, where nothing changed meanwhile and the claim still holds.

An older document must not stay for good. While a row is claimed nobody else writes it, so what
could come late is a write of which nobody knows what became: of a worker that died, or that waited
for an answer in vain. Its row keeps its fence, and by that the next worker knows: after its own
write the row stays for some time, and is written once more. A worker that finds its claim lost
after it wrote puts the row back.
"""

import contextlib
import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import unquote_plus

from bson.errors import BSONError
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models.functions import Now
from pymongo import MongoClient, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from core import jobs
from core.stored import storable
from repairs.models import DocumentWrite, Job

from .documents import document_of, documents_changed

logger = logging.getLogger("duka.repairs")

Documents = Collection[dict[str, Any]]

WRITTEN_AT_ONCE = 500
# Seconds after which a worker looks what else there is to do.
LONGEST_RUN = 5
# Seconds until it is known that no server is there, and for which one may be busy with a page.
FINDING_SECONDS = 3
WRITING_SECONDS = 20
LEASE = timedelta(seconds=120)
# Seconds after a write of which nobody knows what became, when it comes no more.
CONFIRM_AFTER = 60
# The fence of a row that only waits to be written once more.
CONFIRMING = uuid.UUID(int=0)
# Seconds until a document that MongoDB refused is offered again; the last again and again.
RETRY_SECONDS = (10, 60, 300, 1800, 7200)
# Seconds for which a server that could not be reached is left in peace; the last again and again.
PAUSE_SECONDS = (5, 10, 30, 60, 300)
# The count of failures in a row, shared by all workers. Without it nothing is lost but the pauses.
DOWN = "repairs.mongo.down"
PAUSED = "repairs.mongo.paused"


class MongoFailed(Exception):
    """MongoDB did not do what was asked, whatever the document.

    `unclear`: it may have done it, or may do it yet.
    """

    def __init__(self, detail: str, *, unclear: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.unclear = unclear


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A row of the outbox, in our hands until `until`.

    `attempts`: how often it was refused so far. `doubtful`: an earlier write of it may still come.
    """

    job_id: int
    revision: int
    fence: uuid.UUID
    attempts: int
    doubtful: bool
    # By the wall clock: the other one stands still while a Lambda function is frozen.
    until: float


@contextlib.contextmanager
def open_documents() -> Iterator[Documents]:
    """Connect to the collection, in the process that uses it and for as long as it does.

    Raises:
        MongoFailed: it is not there, does not let us in, or MONGO_URL cannot be understood.
    """
    with failures_named():
        client: MongoClient[dict[str, Any]] = MongoClient(
            settings.MONGO_URL,
            appname="duka",
            connect=False,
            serverSelectionTimeoutMS=FINDING_SECONDS * 1000,
            connectTimeoutMS=FINDING_SECONDS * 1000,
            # Of each operation in all, however the answer drips.
            timeoutMS=WRITING_SECONDS * 1000,
        )
    with client:
        with failures_named():
            # Before anything is claimed: a server that is not there costs no document a try.
            client.admin.command("ping")
            documents = client.get_default_database(default="duka")[settings.MONGO_COLLECTION]
        yield documents


@contextlib.contextmanager
def failures_named() -> Iterator[None]:
    """Turn what pymongo raises into MongoFailed, without the password."""
    try:
        yield
    except ServerSelectionTimeoutError as error:
        # It never got as far as to send anything.
        raise MongoFailed(f"MongoDB cannot be reached: {_told(str(error))}") from None
    except (ConfigurationError, ValueError):
        # Without the reason, which may quote a part of the password.
        raise MongoFailed(
            "MONGO_URL cannot be understood: special characters in the user's name or the password"
            " are written as %2F, %40, …."
        ) from None
    except OperationFailure as error:
        raise MongoFailed(f"MongoDB refuses: {_told(str(error))}", unclear=True) from None
    except PyMongoError as error:
        raise MongoFailed(f"MongoDB gave no answer: {_told(str(error))}", unclear=True) from None
    except OSError as error:
        raise MongoFailed(
            "MongoDB cannot be reached. Can the files be read that MONGO_URL names?"
            f" ({_told(str(error))})",
            unclear=True,
        ) from None


def _told(said: str) -> str:
    """Return what an error says, as it may be kept and shown."""
    netloc = settings.MONGO_URL.partition("://")[2].partition("/")[0]
    userinfo, at, _ = netloc.rpartition("@")
    password = userinfo.partition(":")[2] if at else ""
    # As it stands there, and as pymongo reads it.
    for secret in sorted({password, unquote_plus(password)} - {""}, key=len, reverse=True):
        said = said.replace(secret, "…")
    return storable(said, 500)


def write_due_documents(*, seconds: float = LONGEST_RUN) -> int:
    """Write what is due until nothing is, for some seconds; return how many were written.

    Without MONGO_URL nothing is done; while MongoDB cannot be reached it is asked seldom.
    """
    if not documents_due():
        return 0
    ends = time.monotonic() + seconds
    written = 0
    try:
        with open_documents() as documents:
            while time.monotonic() < ends and not jobs.stopping():
                claimed = claim_documents(limit=WRITTEN_AT_ONCE)
                if not claimed:
                    break
                written += write_claimed(documents, claimed)
    except MongoFailed as error:
        _pause(error)
    else:
        cache.delete(DOWN)
    return written


def documents_due() -> bool:
    """Tell whether there is something to write, and MongoDB is not left in peace just now."""
    return bool(
        settings.MONGO_URL and not cache.get(PAUSED) and DocumentWrite.objects.due().exists()
    )


def _pause(error: MongoFailed) -> None:
    """Leave MongoDB in peace for a while, longer each time."""
    failures = cache.get(DOWN, 0)
    seconds = PAUSE_SECONDS[min(failures, len(PAUSE_SECONDS) - 1)]
    cache.set(DOWN, failures + 1, timeout=86400)
    cache.set(PAUSED, value=True, timeout=seconds)
    # One of those that wait says why, to whom looks for it.
    first = DocumentWrite.objects.due().order_by("due_at", "job").values("pk")[:1]
    DocumentWrite.objects.filter(pk__in=first).update(error=error.detail)
    logger.warning("documents wait for %s s: %s", seconds, error.detail)


@transaction.atomic
def claim_documents(*, limit: int) -> list[Claimed]:
    """Take up to `limit` due documents for a lease, those first that wait longest."""
    until = time.time() + LEASE.total_seconds() - WRITING_SECONDS
    due = list(
        DocumentWrite.objects.due()
        .select_for_update(skip_locked=True)
        .order_by("due_at", "job")[:limit]
    )
    fence = uuid.uuid4()
    DocumentWrite.objects.filter(pk__in=[row.pk for row in due]).update(
        fence=fence, due_at=Now() + LEASE
    )
    return [
        Claimed(
            job_id=row.job_id,
            revision=row.revision,
            fence=fence,
            attempts=row.attempts,
            doubtful=row.fence not in {None, CONFIRMING},
            until=until,
        )
        for row in due
    ]


def write_claimed(documents: Documents, claimed: Sequence[Claimed]) -> int:
    """Write the documents of claimed rows and settle them; return how many were written.

    Raises:
        MongoFailed: it is about MongoDB as a whole. What was not written stays due.
    """
    found = Job.objects.select_related("source").in_bulk([row.job_id for row in claimed])
    # A job that is gone meanwhile took its row along.
    rows = [row for row in claimed if row.job_id in found]
    # As they are by now, and so at least as new as the revision that was claimed.
    writes = [upsert_of(found[row.job_id]) for row in rows]
    try:
        refused = _write(documents, writes, until=min(row.until for row in claimed))
    except MongoFailed as error:
        _put_back(rows, error)
        raise
    settle_documents(
        written=[row for place, row in enumerate(rows) if place not in refused],
        refused=[(rows[place], why) for place, why in refused.items()],
    )
    return len(rows) - len(refused)


def upsert_of(job: Job) -> UpdateOne:
    """Return the contract's statement for a job."""
    return UpdateOne({"_id": job.full_id}, {"$set": document_of(job)}, upsert=True)


def _write(documents: Documents, writes: Sequence[UpdateOne], *, until: float) -> dict[int, str]:
    """Write all; return those that were refused, each for itself: {its place: why}."""
    if not writes:
        return {}
    if time.time() >= until:
        # Another may have them by now: what we would write could be older than what it wrote.
        raise MongoFailed("This worker was held up until its claim ran out.")
    try:
        with failures_named():
            return _write_together(documents, writes)
    except _Unsendable as error:
        if len(writes) == 1:
            return {0: error.detail}
    # One of them cannot even be sent, and keeps the others with it: it is looked for by halves.
    half = len(writes) // 2
    refused = _write(documents, writes[:half], until=until)
    behind = _write(documents, writes[half:], until=until)
    return refused | {half + place: why for place, why in behind.items()}


class _Unsendable(Exception):
    """A document is too large, or BSON has no form for it."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def _write_together(documents: Documents, writes: Sequence[UpdateOne]) -> dict[int, str]:
    try:
        documents.bulk_write(writes, ordered=False)
    except BSONError as error:
        raise _Unsendable(_told(str(error))) from None
    except BulkWriteError as error:
        details = error.details or {}
        if details["writeConcernErrors"]:
            # Taken, but perhaps not for good.
            said = details["writeConcernErrors"][0].get("errmsg", "")
            raise MongoFailed(f"MongoDB refuses: {_told(said)}", unclear=True) from None
        return {
            each["index"]: _told(f"{each['errmsg']} (code {each['code']})")
            for each in details["writeErrors"]
        }
    return {}


@transaction.atomic
def settle_documents(
    *, written: Sequence[Claimed], refused: Sequence[tuple[Claimed, str]] = ()
) -> None:
    """Store what came of claimed rows. Where a claim was lost meanwhile, that is put right."""
    rows = _locked([*written, *(each for each, _ in refused)])
    done, lost = [], []
    for each in written:
        row = rows.get(each.job_id)
        if row is None or row.fence != each.fence:
            # Another wrote it meanwhile; who of us came last is not known.
            lost.append(each.job_id)
        elif row.revision != each.revision:
            _settle(each, row, wait=0, attempts=0, error="")
        elif each.doubtful:
            _settle(each, row, wait=CONFIRM_AFTER, fence=CONFIRMING, attempts=0, error="")
        else:
            done.append(row.pk)
    for each, why in refused:
        row = rows.get(each.job_id)
        if row is None or row.fence != each.fence:
            continue
        logger.warning("the document of job %s is refused: %s", each.job_id, why)
        again = RETRY_SECONDS[min(each.attempts, len(RETRY_SECONDS) - 1)]
        wait = again if row.revision == each.revision else 0
        _settle(each, row, wait=wait, attempts=each.attempts + 1, error=why)
    DocumentWrite.objects.filter(pk__in=done).delete()
    # Those that are there still: who deletes a job deletes its row.
    documents_changed(list(Job.objects.filter(pk__in=lost).values_list("pk", flat=True)))


def _settle(each: Claimed, row: DocumentWrite, *, wait: float, **changes: Any) -> None:
    # A doubtful one keeps its fence until it was written, and so stays doubtful.
    fence = row.fence if each.doubtful else None
    DocumentWrite.objects.filter(pk=row.pk).update(
        **{"fence": fence, "due_at": Now() + timedelta(seconds=wait), **changes}
    )


def _put_back(claimed: Sequence[Claimed], error: MongoFailed) -> None:
    """Let rows be due again that were not written, or of which nobody knows."""
    ours = DocumentWrite.objects.filter(
        pk__in=[each.job_id for each in claimed], fence__in={each.fence for each in claimed}
    )
    # Those keep a fence of which an earlier write, or this one, may still come.
    certain = [] if error.unclear else [each.job_id for each in claimed if not each.doubtful]
    ours.filter(pk__in=certain).update(fence=None, due_at=Now(), error=error.detail)
    ours.update(due_at=Now(), error=error.detail)


def _locked(claimed: Sequence[Claimed]) -> dict[int, DocumentWrite]:
    rows = DocumentWrite.objects.filter(pk__in=[each.job_id for each in claimed])
    return {row.pk: row for row in rows.select_for_update().order_by("pk")}
