"""Background work of uploads."""

from datetime import timedelta

from django_tasks import task

from core import jobs

from . import services

# How long one upload keeps a worker before the worker looks what else there is, such as SMS.
SLICE = timedelta(seconds=10)


@jobs.periodic(every=timedelta(seconds=5))
@task()
def run_uploads() -> None:
    """Also periodic: it finds what a crash left behind."""
    if services.run_due_upload(seconds=SLICE.total_seconds()) and not jobs.stopping():
        # Behind what has come into the queue meanwhile.
        run_uploads.enqueue()


@jobs.periodic(every=timedelta(hours=1))
@task()
def remove_old_uploads() -> None:
    services.remove_old_uploads()
