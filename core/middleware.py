"""What happens to every request, whichever app serves it."""

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from . import request_id
from .api.problems import problem_response, wants_problem

logger = logging.getLogger("duka.request")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class RequestIdMiddleware:
    """Echo or make `X-Request-ID`, and write one log line for each request."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        ident = request_id.begin(request.headers.get(request_id.HEADER))
        started = time.perf_counter()
        response = self.get_response(request)
        response[request_id.HEADER] = ident
        logger.info(
            "%s %s %s",
            request.method,
            request.path,
            response.status_code,
            extra={
                "method": request.method,
                # The path alone: a query string may hold a phone number or a token.
                "path": request.path,
                "status": response.status_code,
                "ms": round((time.perf_counter() - started) * 1000, 1),
                "user": _user_of(request),
            },
        )
        return response


def _user_of(request: HttpRequest) -> str | None:
    # Set by DRF on the request it wrapped, or by the session; never looked up for the log.
    user = getattr(request, "_cached_user", None)
    subject = getattr(user, "subject", None)
    return str(subject) if subject else None


class ShopTimeMiddleware:
    """Show the admin's times in the shop's zone; everything else speaks UTC."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith("/admin/"):
            return self.get_response(request)
        with timezone.override(settings.SHOP_TIME_ZONE):
            return self.get_response(request)


class ProblemMiddleware:
    """Turn the framework's own HTML errors under the API into problem+json.

    Errors raised inside a REST view are answered by its exception handler;
    this covers what never reached one: an unknown path, a wrong method of a
    plain view, a missing CSRF token, a crash.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if (
            isinstance(response, HttpResponse)
            and response.status_code >= 400
            and response.get("Content-Type", "").startswith("text/html")
            and wants_problem(request)
        ):
            problem = problem_response(response.status_code)
            for header in ("Allow", "Retry-After", "WWW-Authenticate"):
                if header in response:
                    problem[header] = response[header]
            return problem
        return response
