"""Jobs by what they are called: `00123`, or `workshop:00123` where several sources are."""

import re

from repairs.exceptions import AmbiguousJob
from repairs.models import LARGEST_KEY, Job
from repairs.querysets import JobQuerySet

ID = r"(?:[a-z][a-z0-9_]{0,31}:)?[0-9]{1,19}"


def find_job(called: str, among: JobQuerySet | None = None) -> Job | None:
    """Return the job of this name; None: there is none.

    Raises:
        AmbiguousJob: several sources have one of this number.
    """
    if not re.fullmatch(ID, called):
        return None
    name, _, digits = called.rpartition(":")
    jobs = Job.objects.all() if among is None else among
    key = int(digits)
    if key > LARGEST_KEY:
        return None
    found = list((jobs.filter(source__name=name) if name else jobs).filter(key=key)[:20])
    if len(found) > 1:
        ids = sorted(job.full_id for job in found)
        raise AmbiguousJob(
            f"Several sources have a job {found[0].job_id}: name one of {', '.join(ids)}.", ids=ids
        )
    return found[0] if found else None
