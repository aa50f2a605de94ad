"""RFC 9457 problem documents: the one shape of every error that the API answers."""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from psycopg2.errorcodes import (
    ADMIN_SHUTDOWN,
    CANNOT_CONNECT_NOW,
    CRASH_SHUTDOWN,
    DEADLOCK_DETECTED,
    FOREIGN_KEY_VIOLATION,
    QUERY_CANCELED,
    SERIALIZATION_FAILURE,
    TOO_MANY_CONNECTIONS,
)
from redis.exceptions import RedisError
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from core import request_id
from core.errors import DomainError, FieldError, pointer_to

logger = logging.getLogger("duka.api")

CONTENT_TYPE = "application/problem+json"
_DATABASE_AWAY = {
    ADMIN_SHUTDOWN,
    CANNOT_CONNECT_NOW,
    CRASH_SHUTDOWN,
    TOO_MANY_CONNECTIONS,
}
# Stable codes for errors that are not of a form or of a domain.
_CODES = {
    400: "bad_request",
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "too_large",
    415: "unsupported_media_type",
    429: "throttled",
    500: "internal_error",
    503: "unavailable",
}
_DETAILS = {
    404: "There is nothing at this address, or you may not see it.",
    500: "Something went wrong here. Please tell us the request_id.",
}
# As plain as Django's own page of a 500: a template could ask what is away.
_AWAY_PAGE = """<!doctype html>
<html lang="en">
<head><title>Back in a moment</title></head>
<body><h1>Back in a moment</h1><p>The shop cannot be reached just now. Try again shortly.</p></body>
</html>
"""
Problem = dict[str, Any]


class UnknownParameter(exceptions.ValidationError):
    """A query parameter is unknown or its value is wrong; `errors` name parameters, not fields."""

    code: ClassVar[str] = "invalid_parameter"
    sentence: ClassVar[str] = "The query has parameters that are unknown or wrong."


class MalformedId(UnknownParameter):
    """What stands in an address cannot be the id of anything."""

    code = "malformed_id"
    sentence = "The address has an id that can be nothing's."


def problem(
    status: int,
    *,
    code: str | None = None,
    detail: str | None = None,
    errors: Sequence[Mapping[str, str]] = (),
    **members: Any,
) -> Problem:
    """Return a problem document; `members` are extension members beside the standard ones."""
    title = HTTPStatus(status).phrase
    return {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail or _DETAILS.get(status, f"{title}."),
        "code": code or _CODES.get(status, title.lower().replace(" ", "_")),
        "errors": list(errors),
        "request_id": request_id.current(),
        **members,
    }


def problem_response(status: int, **kwargs: Any) -> HttpResponse:
    """Return a problem document outside a REST view."""
    return HttpResponse(
        JSONRenderer().render(problem(status, **kwargs)), status=status, content_type=CONTENT_TYPE
    )


def wants_problem(request: HttpRequest) -> bool:
    """Tell programs (the API, or whoever accepts JSON and not HTML) from browsers."""
    return request.path.startswith(settings.API_PATHS) or not request.accepts("text/html")


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`: no detail to the caller but the request's id.

    Where no view of REST answered, this learns too of a database that is away: 503, come back.
    """
    body, headers = _mapped(sys.exc_info()[1])
    if body is None or body["status"] != HTTPStatus.SERVICE_UNAVAILABLE:
        return problem_response(500) if wants_problem(request) else defaults.server_error(request)
    if wants_problem(request):
        return HttpResponse(
            JSONRenderer().render(body), status=503, headers=headers, content_type=CONTENT_TYPE
        )
    return HttpResponse(_AWAY_PAGE, status=503, headers=headers)


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's `EXCEPTION_HANDLER`. None (an unknown error) lets Django answer 500 and log it."""
    body, headers = _mapped(error)
    if body is None:
        return None
    return Response(body, status=body["status"], headers=headers, content_type=CONTENT_TYPE)


def problem_of(error: Exception) -> Problem | None:
    """Return what REST answers to an error; None: nobody foresaw it."""
    return _mapped(error)[0]


def _mapped(error: BaseException | None) -> tuple[Problem | None, dict[str, str]]:
    body: Problem | None = None
    headers: dict[str, str] = {}
    match error:
        case DomainError():
            body = _of_domain_error(error)
        case RequestDataTooBig():
            body = problem(413, detail="The body is larger than this shop accepts.")
        case Http404():
            body = problem(404)
        case PermissionDenied():
            body = problem(403, detail=str(error) or None)
        case exceptions.ValidationError():
            body = _of_validation_error(error)
        case exceptions.APIException():
            body, headers = _of_api_exception(error)
        case DatabaseError() | InterfaceError():
            body, headers = _of_database_error(error)
        case RedisError():
            logger.warning("the cache is away: %s", error)
            detail = "A part of the shop is away. Send it again shortly."
            body, headers = problem(503, detail=detail), {"Retry-After": "2"}
    return body, headers


def _of_database_error(
    error: DatabaseError | InterfaceError,
) -> tuple[Problem | None, dict[str, str]]:
    """Answer for what two requests did to each other; anything else is a fault of ours (500)."""
    code = getattr(error.__cause__, "pgcode", None)
    if code == FOREIGN_KEY_VIOLATION:
        # Held at the commit: what this refers to was deleted since it was looked up.
        detail = "Something that this refers to was deleted meanwhile. Read it again."
        return problem(409, code="conflict", detail=detail), {}
    if code in {DEADLOCK_DETECTED, SERIALIZATION_FAILURE}:
        detail = "Another request stood in the way; nothing was changed. Send it again."
        return problem(503, code="try_again", detail=detail), {"Retry-After": "1"}
    if code == QUERY_CANCELED:
        logger.warning("the database took too long: %s", error)
        detail = "The database took too long. Send it again later, with the same Idempotency-Key."
        return problem(503, code="too_slow", detail=detail), {"Retry-After": "10"}
    if isinstance(error, InterfaceError) or (
        isinstance(error, OperationalError) and _means_away(code)
    ):
        logger.warning("the database is away: %s", error)
        detail = "The database is away. Send it again shortly, with the same Idempotency-Key."
        return problem(503, detail=detail), {"Retry-After": "2"}
    return None, {}


def _means_away(code: str | None) -> bool:
    # Without a code the connection itself failed. Class 08 is of connections too: by it PgBouncer
    # says that it waited in vain for a server, or that one crashed.
    return code is None or code in _DATABASE_AWAY or code.startswith("08")


def _of_domain_error(error: DomainError) -> Problem:
    return problem(
        error.status,
        code=error.code,
        detail=error.detail,
        errors=[_field_error(each) for each in error.errors],
        **error.members,
    )


def _field_error(error: FieldError) -> dict[str, str]:
    return {"pointer": error.pointer, "code": error.code, "detail": error.detail}


def _of_validation_error(error: exceptions.ValidationError) -> Problem:
    details = error.get_full_details()
    if isinstance(error, UnknownParameter):
        return problem(
            400,
            code=error.code,
            detail=error.sentence,
            errors=[
                {"parameter": str(path[0]), "code": code, "detail": detail}
                for path, code, detail in _leaves(details)
            ],
        )
    return problem(
        400,
        code="invalid",
        detail="The input has errors.",
        errors=[
            {"pointer": pointer_to(path), "code": code, "detail": detail}
            for path, code, detail in _leaves(details)
        ],
    )


def _of_api_exception(error: exceptions.APIException) -> tuple[Problem, dict[str, str]]:
    headers = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(int(wait))
    code = (
        "malformed" if isinstance(error, exceptions.ParseError) else _CODES.get(error.status_code)
    )
    return problem(error.status_code, code=code, detail=str(error.detail)), headers


def errors_of(error: exceptions.ValidationError) -> list[FieldError]:
    """Return a form's failures as services say theirs."""
    return [
        FieldError(path=path, code=code, detail=detail)
        for path, code, detail in _leaves(error.get_full_details())
    ]


def _leaves(
    details: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Flatten DRF's nested details into (path, code, detail), one for each single error."""
    if isinstance(details, list):
        for index, item in enumerate(details):
            yield from _leaves(item, path if _is_leaf(item) else (*path, index))
    elif _is_leaf(details):
        yield path, details["code"], str(details["message"])
    else:
        for name, item in details.items():
            yield from _leaves(item, path if name == "non_field_errors" else (*path, name))


def _is_leaf(details: Any) -> bool:
    # The names alone do not tell: a form may have fields that are called so.
    return (
        isinstance(details, dict)
        and set(details) == {"message", "code"}
        and isinstance(details["message"], str)
    )
