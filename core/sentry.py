"""Errors, told to Sentry: where in the code, in which version, in which request; never of whom.

A report is put together anew from what is known to be harmless, rather than taken apart: what a
later SDK adds to it stays here.
"""

import re
from typing import Any

import sentry_sdk
from django.conf import settings
from sentry_sdk.integrations import Integration
from sentry_sdk.integrations.django import DjangoIntegration

from . import request_id
from .untold import without_secrets

# Seconds for which a process that ends waits until its last reports are out.
SHUTDOWN_SECONDS = 2

_KEPT = (
    "event_id", "timestamp", "level", "platform", "release", "environment", "server_name", "logger",
    "sdk", "modules", "type",
)  # fmt: skip
_FRAME = (
    "filename", "abs_path", "module", "function", "lineno", "in_app", "context_line", "pre_context",
    "post_context",
)  # fmt: skip
_CONTEXTS = ("runtime", "os", "trace")
# What of a line of the log may be somebody's: a mail address, a phone number, what opens a door.
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_PHONE = re.compile(r"\+?\d[\d ()-]{6,}\d")
_TOKEN = re.compile(r"(?=[^\s/]*\d)(?=[^\s/]*[A-Za-z])[\w.~+:=-]{20,}")
# PostgreSQL shows the values of the row that it refuses.
_DETAIL = re.compile(r"(DETAIL|CONTEXT|STATEMENT):.*", re.DOTALL)


def begin() -> None:
    """Tell Sentry of errors from now on."""
    integrations: list[Integration] = [
        # No spans, no signals' names: an error and where it was.
        DjangoIntegration(middleware_spans=False, signals_spans=False, cache_spans=False)
    ]
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        environment=settings.SENTRY_ENVIRONMENT,
        release=f"duka@{settings.VERSION}",
        sample_rate=settings.SENTRY_SAMPLE_RATE,
        integrations=integrations,
        # Others would be found by what happens to be installed.
        auto_enabling_integrations=False,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        send_client_reports=False,
        auto_session_tracking=False,
        max_breadcrumbs=0,
        # Gateways and carriers need not know by which Sentry we are watched.
        trace_propagation_targets=[],
        shutdown_timeout=SHUTDOWN_SECONDS,
        before_send=harmless,
    )


def harmless(event: Any, hint: Any = None) -> Any:
    """Return what may be told of an error."""
    told: dict[str, Any] = {name: event[name] for name in _KEPT if name in event}
    told["contexts"] = {
        name: context for name, context in event.get("contexts", {}).items() if name in _CONTEXTS
    }
    told["tags"] = {"request_id": request_id.current() or ""}
    method = event.get("request", {}).get("method")
    if method:
        told["tags"]["method"] = method
    if "transaction" in event:
        # The route's name for what has one; else the path.
        told["transaction"] = scrubbed(event["transaction"])
    line = event.get("logentry", {})
    if line:
        told["logentry"] = {"message": scrubbed(line.get("formatted") or line.get("message") or "")}
    if "message" in event:
        told["message"] = scrubbed(event["message"])
    values = event.get("exception", {}).get("values", ())
    if values:
        told["exception"] = {"values": [_exception(each) for each in values]}
    return told


def _exception(value: Any) -> dict[str, Any]:
    told = {
        name: value[name] for name in ("type", "module", "mechanism", "thread_id") if name in value
    }
    # What an integration adds to how it was caught may be anything.
    if "mechanism" in told:
        told["mechanism"] = {
            name: each
            for name, each in (told["mechanism"] or {}).items()
            if name in {"type", "handled", "exception_id", "parent_id", "source"}
        }
    told["value"] = scrubbed(str(value.get("value") or ""))
    frames = (value.get("stacktrace") or {}).get("frames", ())
    told["stacktrace"] = {
        "frames": [{name: frame[name] for name in _FRAME if name in frame} for frame in frames]
    }
    return told


def scrubbed(text: str) -> str:
    """Return a text without what may be a person's, or open something."""
    text = _DETAIL.sub(r"\1: …", without_secrets(text))
    for pattern in (_MAIL, _TOKEN, _PHONE):
        text = pattern.sub("…", text)
    return text
