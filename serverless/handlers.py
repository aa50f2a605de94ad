"""What AWS Lambda calls: `http` for each request of an HTTP API, `collect` by a schedule.

The shop is the same as on a server, and so is its database; only who starts the work differs
(docs/serverless.md). A process of Lambda's imports this once and then serves one event after the
other; between two of them it is frozen.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes
from wsgiref.types import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

# Here, so that the variable above is set before Django is.
import sentry_sdk
from apig_wsgi import make_lambda_handler
from django.db import close_old_connections

# It makes the apps ready, and so comes before them.
from config.wsgi import application
from core.api.problems import CONTENT_TYPE, problem
from core.errors import DomainError
from notifications import services as notifications
from repairs import services as repairs
from repairs.clients import SourceFailed
from repairs.models import Source

logger = logging.getLogger("duka.serverless")

# Bytes of an answer, as JSON, that Lambda carries: 6 MB and a little. Some are for its headers.
LARGEST_ANSWER = 6 * 1024 * 1024 - 64 * 1024
# Seconds before the end of an invocation from which nothing new is begun: longer than a gateway or
# MongoDB may take, or the two statements at a client's database that end a round.
RESERVE = 30
# Not in base64.
_TEXT = ("text/", "application/json", "application/javascript", "application/problem+json")


class Context(Protocol):
    """What Lambda says of an invocation."""

    def get_remaining_time_in_millis(self) -> int: ...


def _in_stage(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Serve a request of an HTTP API, wherever its stage is."""
    for name, value in environ.items():
        if isinstance(value, str):
            environ[name] = _in_latin_1(value)
    event = environ["apig_wsgi.full_event"]
    path, stage = event["rawPath"], f"/{event['requestContext'].get('stage', '')}"
    if stage != "/" and f"{path}/".startswith(f"{stage}/"):
        environ["SCRIPT_NAME"] = stage
        path = path.removeprefix(stage) or "/"
    # It comes decoded or not, and WSGI wants its bytes.
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
    # An HTTP API speaks nothing else, whatever the caller's own headers say.
    environ["wsgi.url_scheme"], environ["SERVER_PORT"] = "https", "443"
    return application(environ, start_response)


def _in_latin_1(text: str) -> str:
    """Return text as WSGI has it: where it has other signs, its bytes in their place."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode("latin-1")
    return text


_serve = make_lambda_handler(_in_stage, non_binary_content_type_prefixes=_TEXT)


def http(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Answer a request of an HTTP API, or of a function's URL (payload format 2.0)."""
    if event.get("version") != "2.0":
        raise ValueError("This function takes events of an HTTP API, payload format 2.0.")
    try:
        answer = _serve(event, context)
    finally:
        # Before the process is frozen. Without a report to send, or a Sentry, it is over at once.
        sentry_sdk.flush(timeout=2)
    # Django's have a space in front, which HTTP/2 does not allow.
    answer["cookies"] = [cookie.strip() for cookie in answer["cookies"]]
    if event["requestContext"]["http"]["method"] == "HEAD":
        answer["body"] = ""
    size = len(json.dumps(answer["body"]))
    return answer if size <= LARGEST_ANSWER else _too_large(size)


def _too_large(size: int) -> dict[str, Any]:
    """Return what is said in place of an answer that Lambda would drop with a bare 502."""
    said = problem(
        500,
        code="answer_too_large",
        detail=f"The answer has {size:,} bytes and AWS Lambda carries 6 MB: ask for less.",
    )
    return {
        "statusCode": 500,
        "headers": {"content-type": CONTENT_TYPE},
        "cookies": [],
        "body": json.dumps(said),
        "isBase64Encoded": False,
    }


def collect(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Do once what workers do all the time: collect, tell customers, write documents.

    It begins nothing that the rest of the invocation may be too short for. If Lambda ends it all
    the same, nothing is lost: the next one goes on.
    """
    ends = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE
    # What a frozen process kept may be dead by now.
    close_old_connections()
    try:
        told = {
            "collected": _collect(ends),
            "messages": _repeat(notifications.deliver_due_messages, ends),
            "callbacks": _repeat(notifications.look_at_callbacks, ends),
            "documents": _repeat(repairs.write_due_documents, ends),
        }
    finally:
        close_old_connections()
        sentry_sdk.flush(timeout=2)
    logger.info("collected", extra=told)
    return told


def _collect(ends: float) -> dict[str, str]:
    """Let each source have a round; return what came of it, by its name."""
    repairs.sync_sources()
    told = {}
    keys = repairs.sources_to_collect()
    for place, source in enumerate(Source.objects.filter(pk__in=keys).order_by("name")):
        # What one does not need is there for the others, and a share is for what comes after them.
        seconds = (ends - time.monotonic()) / (len(keys) - place + 1)
        told[source.name] = _round(source, seconds) if seconds > 0 else "no time was left"
    return told


def _round(source: Source, seconds: float) -> str:
    try:
        done = repairs.collect(source_id=source.pk, seconds=seconds)
    except SourceFailed as error:
        return f"failed: {error.detail}"
    except DomainError as error:
        # Another collector is at it.
        return f"skipped: {error.detail}"
    except Exception as error:
        # A fault of ours with one client's data must keep neither the others' jobs nor any SMS.
        logger.exception("%s could not be collected from", source.name)
        return f"failed: {type(error).__name__}"
    end = "" if done.done else "; there is more"
    return f"{done.collected} collected, {done.followed} followed, {done.written} written back{end}"


def _repeat(work: Callable[[], int], ends: float) -> int:
    """Work off what is due, in pieces of some seconds, until nothing is or the time is over."""
    done = 0
    while time.monotonic() < ends and (now := work()):
        done += now
    return done
