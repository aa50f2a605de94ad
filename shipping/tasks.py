"""Background work of shipping."""

from datetime import timedelta

from django_tasks import task

from core import jobs

from . import services


@jobs.periodic(every=timedelta(seconds=5))
@task()
def send_shipments() -> int:
    """Find what is due, waits for another try, or was left behind by a crash."""
    return services.send_due_shipments()


@jobs.periodic(every=timedelta(seconds=5))
@task()
def cancel_shipments() -> int:
    return services.cancel_asked()


@jobs.periodic(every=timedelta(minutes=5))
@task()
def poll_silent_shipments() -> int:
    asked = services.poll_silent_shipments()
    if asked and not jobs.stopping():
        poll_silent_shipments.enqueue()
    return asked


@jobs.periodic(every=timedelta(minutes=1))
@task()
def sync_carriers() -> None:
    """Often, so that one that is configured since can be given its schedule."""
    services.sync_carriers()


@jobs.periodic(every=timedelta(seconds=5))
@task()
def look_at_news() -> int:
    """Also periodic: it finds what a crash left behind."""
    return services.look_at_news()


@jobs.periodic(every=timedelta(days=1))
@task()
def remove_old_news() -> int:
    return services.remove_old_news()


@jobs.periodic(every=timedelta(minutes=1))
@task()
def run_standing_orders() -> int:
    done = services.run_standing_orders()
    if done and not jobs.stopping():
        # Behind what has come into the queue meanwhile.
        run_standing_orders.enqueue()
    return done


@jobs.periodic(every=timedelta(minutes=5))
@task()
def retry_waiting() -> int:
    return services.retry_waiting()


@jobs.periodic(every=timedelta(minutes=10))
@task()
def announce_coming() -> int:
    told = services.announce_coming()
    if told and not jobs.stopping():
        announce_coming.enqueue()
    return told
