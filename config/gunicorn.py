"""How gunicorn serves the shop: `gunicorn --config python:config.gunicorn config.wsgi:application`.

A proxy stands in front (nginx): gunicorn reads a request in one of its threads, and a caller who
sends it a byte at a time would hold that thread. The proxy passes on whole requests only.
"""

import os

from config.settings.env import checked, env
from config.settings.logging import GUNICORN_LOGGING


def _positive(name: str, default: int) -> int:
    return int(
        checked(
            name, env.int(name, default=default), fits=lambda number: number > 0, must="more than 0"
        )
    )


# `127.0.0.1:8000`, or `unix:/run/duka/web.sock`. Never where strangers can reach it.
bind = env.list("WEB_BIND", default=["127.0.0.1:8000"])
# Processes, and requests that each of them works at at once; a database connection for each.
workers = _positive("WEB_WORKERS", 2)
threads = _positive("WEB_THREADS", 4)
worker_class = "gthread"

# Seconds after which a process that does nothing at all any more is ended. One slow request is
# not: its statements have a limit of their own (DATABASE_STATEMENT_SECONDS).
timeout = _positive("WEB_TIMEOUT", 60)
# Seconds for which a stopping one finishes what it has begun.
graceful_timeout = _positive("WEB_GRACEFUL_SECONDS", 30)
# Longer than the proxy keeps its connections: else it would send a request into one just closed.
keepalive = 75
# A process is renewed after so many requests, and not all of them at once.
max_requests = _positive("WEB_MAX_REQUESTS", 10_000)
max_requests_jitter = max_requests // 10

# Of a request's first line, and of its headers.
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190
# Who called, and whether by https, is for Django alone to say (BEHIND_PROXY).
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""

# Its heartbeat is a file that must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  not for secrets
control_socket_disable = True
# `core.middleware` writes a line for each request.
accesslog = None
# Its own lines look like all others.
logconfig_dict = GUNICORN_LOGGING
