"""What was told of jobs, as the outbox has it."""

from notifications.models import Message


def told(job=None):
    """Return (event, status) of what was told of one job, or of all, the oldest first."""
    found = Message.objects.filter(subject="repair")
    if job is not None:
        found = found.filter(reference=job.full_id)
    return list(found.order_by("pk").values_list("event", "status"))


def words_of(job):
    return [each["status"] for each in job.updates]
