"""Housekeeping of accounts."""

from datetime import timedelta

from django.core.management import call_command
from django_tasks import task

from core import jobs

from .services.sessions import remove_what_ran_out


@jobs.periodic(every=timedelta(hours=1))
@task()
def remove_old_sign_ins() -> None:
    remove_what_ran_out()
    call_command("clearsessions")
