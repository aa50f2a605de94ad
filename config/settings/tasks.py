"""Background work: django.tasks on our own PostgreSQL."""

from .env import checked, env

TASKS = {
    "default": {
        "BACKEND": env.str("TASKS_BACKEND", default="django_tasks_db.DatabaseBackend"),
        "QUEUES": [],
    }
}
# Seconds without a heartbeat after which a worker counts as dead and its task
# is taken from it. A worker beats every third of this.
WORKER_LEASE_SECONDS = checked(
    "WORKER_LEASE_SECONDS",
    env.float("WORKER_LEASE_SECONDS", default=30),
    fits=lambda seconds: seconds >= 1,
    must="1 or more",
)
# Seconds between two looks at the queue (worker) and at the due jobs (ticker).
WORKER_POLL_SECONDS = checked(
    "WORKER_POLL_SECONDS",
    env.float("WORKER_POLL_SECONDS", default=0.5),
    fits=lambda seconds: seconds > 0,
    must="more than 0",
)
