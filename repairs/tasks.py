"""Background work of repairs."""

from datetime import timedelta

from django_tasks import task

from core import jobs
from core.errors import DomainError

from . import services
from .clients import SourceFailed
from .models import Source

# How long one source keeps a worker before the worker looks what else there is, such as SMS.
SLICE = timedelta(seconds=10)


@jobs.periodic(every=timedelta(seconds=5))
@task()
def collect_repairs() -> int:
    """Give each source that is due to a worker of its own: one that hangs holds up no other."""
    keys = services.sources_to_collect()
    for source_id in keys:
        collect_source.enqueue(source_id=source_id)
    return len(keys)


@task()
def collect_source(source_id: int) -> None:
    if not Source.objects.filter(pk=source_id, active=True).exists():
        # No longer, since this was put into the queue.
        return
    try:
        done = services.collect(
            source_id=source_id, seconds=SLICE.total_seconds(), goes_on=True
        ).done
    except (SourceFailed, DomainError):
        # Noted at the source; or another is at it, or it is in the settings no more.
        return
    if not done and not jobs.stopping():
        # Behind what has come into the queue meanwhile.
        collect_source.enqueue(source_id=source_id)


@jobs.periodic(every=timedelta(minutes=1))
@task()
def sync_repair_sources() -> None:
    """Often, so that one that is configured since is collected from soon."""
    services.sync_sources()


@jobs.periodic(every=timedelta(seconds=5))
@task()
def write_documents() -> int:
    """Periodic alone: a page of jobs is not to wake a worker for each of them."""
    written = services.write_due_documents()
    if written and services.documents_due() and not jobs.stopping():
        write_documents.enqueue()
    return written
