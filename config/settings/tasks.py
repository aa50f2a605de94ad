"""Background work: django.tasks on our own PostgreSQL, and a broker before it if there is one."""

import re

from django.core.exceptions import ImproperlyConfigured

from .env import checked, env, readable

_DATABASE, _CELERY = "core.task_backends.DatabaseBackend", "core.celery.CeleryBackend"
TASKS_BACKEND = checked(
    "TASKS_BACKEND",
    env.str("TASKS_BACKEND", default="") or _DATABASE,
    fits=lambda name: name in (_DATABASE, _CELERY),
    must=f"{_DATABASE} or {_CELERY}",
)
TASKS = {"default": {"BACKEND": TASKS_BACKEND, "QUEUES": []}}
# Where Celery's messages go: Redis or RabbitMQ.
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="")
if not re.match(r"(rediss?|amqps?)://.", CELERY_BROKER_URL) and (
    CELERY_BROKER_URL or TASKS_BACKEND == _CELERY
):
    # Without it, as it may hold a password.
    raise ImproperlyConfigured(
        "CELERY_BROKER_URL must be an address that starts with redis://, rediss://, amqp:// or"
        " amqps://."
    )
readable("CELERY_BROKER_URL", CELERY_BROKER_URL)
# Each shop on a broker has its own.
CELERY_QUEUE = env.str("CELERY_QUEUE", default="duka")
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
