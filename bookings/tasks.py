"""Background work of bookings."""

from datetime import timedelta

from django_tasks import task

from core import jobs

from . import services


@jobs.periodic(every=timedelta(minutes=5))
@task()
def remind_customers() -> int:
    return services.remind_customers()
