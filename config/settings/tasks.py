"""Background work: django.tasks on our own PostgreSQL."""

from .env import env

TASKS = {
    "default": {
        "BACKEND": env.str("TASKS_BACKEND", default="django_tasks_db.DatabaseBackend"),
        "QUEUES": [],
    }
}
# Seconds without a heartbeat after which a worker counts as dead and its task
# is taken from it. A worker beats every third of this.
WORKER_LEASE_SECONDS = env.float("WORKER_LEASE_SECONDS", default=30)
# Seconds between two looks at the queue (worker) and at the due jobs (ticker).
WORKER_POLL_SECONDS = env.float("WORKER_POLL_SECONDS", default=0.5)
