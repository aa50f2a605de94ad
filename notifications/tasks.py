"""Background work of the outbox."""

from datetime import timedelta

from django_tasks import task

from core import jobs

from . import services


@jobs.periodic(every=timedelta(seconds=2))
@task()
def deliver_messages() -> int:
    """Also periodic: it finds what waits for another try, and what a crash left behind."""
    return services.deliver_due_messages()


@jobs.periodic(every=timedelta(seconds=5))
@task()
def look_at_callbacks() -> int:
    """Also periodic: it finds what a crash left behind."""
    return services.look_at_callbacks()


@jobs.periodic(every=timedelta(days=1))
@task()
def remove_old_links() -> int:
    return services.remove_old_links()


@jobs.periodic(every=timedelta(hours=1))
@task()
def sync_templates() -> None:
    """Due as soon as a ticker starts: an event that the code declares since has its templates."""
    services.sync_templates()
