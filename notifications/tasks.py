"""Background work of the outbox."""

from datetime import timedelta

from django_tasks import task

from core import jobs

from . import services

# Seconds between two looks at the outbox. As long a worker waits there for its turn at a gateway
# with a rate, so that none is missed.
BEAT = 2


@task()
def deliver_now() -> int:
    return services.deliver_due_messages()


@jobs.periodic(every=timedelta(seconds=BEAT))
@task()
def deliver_messages() -> int:
    """Find what waits for its turn or for another try, and what a crash left behind."""
    return services.deliver_due_messages(patience=BEAT)


@jobs.periodic(every=timedelta(seconds=5))
@task()
def look_at_callbacks() -> int:
    """Also periodic: it finds what a crash left behind."""
    return services.look_at_callbacks()


@jobs.periodic(every=timedelta(minutes=10))
@task()
def record_missed_contacts() -> int:
    """Also what was written before there were conversations."""
    return services.record_missed_contacts()


@jobs.periodic(every=timedelta(days=1))
@task()
def remove_old_links() -> int:
    return services.remove_old_links()


@jobs.periodic(every=timedelta(days=1))
@task()
def remove_old_callbacks() -> int:
    return services.remove_old_callbacks()


@jobs.periodic(every=timedelta(hours=1))
@task()
def sync_templates() -> None:
    """Due as soon as a ticker starts: an event that the code declares since has its templates."""
    services.sync_templates()
