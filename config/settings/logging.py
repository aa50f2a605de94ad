"""Structured logs: one JSON object a line on standard error, with the request's id.

`LOG_FORMAT=plain` is for people: `make run` sets it where it writes to a terminal.
"""

import logging
from typing import Any

from .env import checked, env

_FORMAT = checked(
    "LOG_FORMAT",
    env.str("LOG_FORMAT", default="json"),
    fits=lambda name: name in {"json", "plain"},
    must="json or plain",
)
LOG_LEVEL = checked(
    "LOG_LEVEL",
    env.str("LOG_LEVEL", default="INFO"),
    fits=lambda name: name in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"},
    must="DEBUG, INFO, WARNING, ERROR or CRITICAL",
)
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request_id": {"()": "core.request_id.RequestIdFilter"},
        "untold": {"()": "core.logs.UntoldFilter"},
    },
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(levelname)s %(name)s %(message)s %(request_id)s",
            "timestamp": "time",
            "rename_fields": {"levelname": "level", "name": "logger"},
        },
        "plain": {
            "()": "core.logs.PlainFormatter",
            "format": "%(asctime)s %(message)s",
            "datefmt": "%H:%M:%S",
        },
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            # Here too: loggers with a level of their own do not ask the root.
            "level": LOG_LEVEL,
            "formatter": _FORMAT,
            "filters": ["request_id"],
        },
        # For `/metrics`: how many there were, not what they say.
        "counted": {"class": "core.counting.CountingHandler", "level": "ERROR"},
    },
    "root": {"handlers": ["stderr", "counted"], "level": LOG_LEVEL},
    "loggers": {
        # Its lines are said by core.middleware, once for each request and with its id.
        "django.server": {"handlers": [], "level": "ERROR", "propagate": False},
        "django.request": {"level": "ERROR", "filters": ["untold"]},
        # What it says when it is told to stop is for a terminal of its own.
        "django_tasks": {"level": "ERROR"},
        "django_tasks_db": {"level": "ERROR"},
        # A line for each message that comes and goes.
        "celery": {"level": "WARNING"},
        # At DEBUG it writes down what is sent, to whom, and the headers that prove who sends it.
        "vonage": {"level": "CRITICAL", "propagate": False},
        # The same: each document as it is sent.
        "pymongo": {"level": "WARNING"},
    },
}
# What Python warns of is a line like any other.
logging.captureWarnings(_FORMAT == "json")

# Of gunicorn's own lines, in the process that starts the others and before they have read LOGGING.
GUNICORN_LOGGING: dict[str, Any] = {
    **{name: LOGGING[name] for name in ("version", "disable_existing_loggers", "formatters")},
    "filters": {"request_id": LOGGING["filters"]["request_id"]},
    "handlers": {"stderr": LOGGING["handlers"]["stderr"]},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    # In the place of the handler that it gave itself.
    "loggers": {"gunicorn.error": {"handlers": [], "level": LOG_LEVEL, "propagate": True}},
}
