"""Housekeeping of carts."""

from datetime import timedelta

from django_tasks import task

from core import jobs

from . import services


@jobs.periodic(every=timedelta(hours=1))
@task()
def remove_expired_carts() -> int:
    return services.remove_expired_carts()
