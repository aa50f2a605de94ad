"""What a customer's timeline has of their repair jobs."""

from datetime import datetime, time

from core import clock
from core.timeline import Entry, Window
from customers.models import Customer
from repairs.models import Job

from .records import jobs_of


def repairs_of(*, customer: Customer, window: Window) -> list[Entry]:
    """Return the jobs that have a customer's number, where they were collected.

    What was there before us came on its day. They are few, and cut here: a number is written in
    many ways, so that no index has them in order.
    """
    jobs = Job.objects.for_display().defer("updates")
    return [_entry(job) for job in window.cut(jobs_of(customer.phone, jobs), at=_begin)]


def _begin(job: Job) -> datetime:
    if not job.baseline:
        return job.collected_at
    return min(clock.moment(job.job_date, time()), job.collected_at)


def _entry(job: Job) -> Entry:
    what = job.product_type or job.product_sku or "something"
    kind = job.job_type or "Repair"
    return Entry(
        at=_begin(job),
        kind="repair",
        key=job.pk,
        reference=job.full_id,
        title=f"{kind} {job.job_id}: {what}",
        status=job.status,
    )
