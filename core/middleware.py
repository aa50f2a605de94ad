"""What happens to every request, whichever app serves it."""

import ipaddress
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import cast
from urllib.parse import urlsplit

from csp.constants import HEADER as CSP_HEADER
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponsePermanentRedirect,
)
from django.http.response import HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.utils import timezone
from django.utils.functional import LazyObject
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from . import request_id
from .api.problems import CONTENT_TYPE, problem_response, wants_problem
from .logs import path_to_tell

logger = logging.getLogger("duka.request")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class RequestIdMiddleware:
    """Echo or make `X-Request-ID`, and write one log line for each request."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        ident = request_id.begin(
            request.headers.get(request_id.HEADER), address=_address_of(request)
        )
        started = time.perf_counter()
        response = self.get_response(request)
        response[request_id.HEADER] = ident
        path = path_to_tell(request)
        logger.info(
            "%s %s %s",
            request.method,
            path,
            response.status_code,
            extra={
                "method": request.method,
                # Without the query, which may hold a phone number or a token.
                "path": path,
                "status": response.status_code,
                "ms": round((time.perf_counter() - started) * 1000, 1),
                "user": _user_of(request),
            },
        )
        return response


def _address_of(request: HttpRequest) -> str | None:
    # DRF's reading of who called, behind as many proxies as it has been told of.
    found = BaseThrottle().get_ident(cast("Request", request))
    try:
        return str(ipaddress.ip_address(found))
    except ValueError:
        # A Unix socket has none, and a proxy may write what it likes.
        return None


def _user_of(request: HttpRequest) -> str | None:
    # The session's user if something asked for it, else the one that DRF set on the request it
    # wrapped; never looked up for the log.
    user = getattr(request, "_cached_user", None)
    if user is None and not isinstance(request.__dict__.get("user"), LazyObject):
        user = request.__dict__.get("user")
    subject = getattr(user, "subject", None)
    return str(subject) if subject else None


class HeadersMiddleware(CSPMiddleware):
    """Tell browsers what they may do with an answer (`config.settings.csp`).

    Outside all that answers, so that what is refused early has it too. A view's own header stays.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        response.headers.setdefault(
            "Cross-Origin-Resource-Policy",
            # Pictures of goods are for whoever shows them; all else is for pages of the shop.
            "cross-origin" if request.path.startswith(settings.MEDIA_URL) else "same-origin",
        )
        if not response.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault(CSP_HEADER, settings.CSP_OF_DATA)
            return response
        response.headers.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
        return super().process_response(request, response)

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if parts.config is None and not report_only:
            exceptions = settings.CSP_EXCEPTIONS.items()
            own = (policy for path, policy in exceptions if request.path_info.startswith(path))
            parts.config = next(own, None)
        return parts


class OddInputMiddleware:
    """Disarm what Django takes at its word and then fails on with a 500.

    An `Accept` whose parameters cannot be read counts as none; an escaped NUL
    in the session's cookie would reach the database. (`core.wsgi` has the rest.)
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            _ = request.accepted_types
        except ValueError:
            request.META["HTTP_ACCEPT"] = "*/*"
            # A copy of META, which is made again when it is next asked for.
            del request.headers
        if "%00" in request.META.get("QUERY_STRING", "") and not wants_problem(request):
            # The API refuses it by the parameter's name; a page of the admin would fail on it.
            return HttpResponseBadRequest("Null characters are not allowed.")
        if not _is_readable(request.GET.get("next", "")):
            return HttpResponseBadRequest("`next` is not an address.")
        for name in [name for name, value in request.COOKIES.items() if "\x00" in value]:
            del request.COOKIES[name]
        return self.get_response(request)


def _is_readable(address: str) -> bool:
    try:
        urlsplit(address)
    except ValueError:
        return False
    return True


class SlashMiddleware(CommonMiddleware):
    """Django's own, whose redirect to the address with a slash keeps a POST a POST."""

    response_redirect_class = partial(  # type: ignore[assignment]  # called like the class
        HttpResponsePermanentRedirect, preserve_request=True
    )


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
            # In its place, so that the headers which others have set stay.
            response.content = problem_response(response.status_code).content
            response["Content-Type"] = CONTENT_TYPE
            response["Content-Length"] = str(len(response.content))
        return response
