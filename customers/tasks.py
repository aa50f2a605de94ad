"""Housekeeping of customers."""

from datetime import timedelta

from django_tasks import task

from core import jobs

from . import services


@jobs.periodic(every=timedelta(hours=1))
@task()
def remove_old_codes() -> None:
    services.remove_old_codes()
