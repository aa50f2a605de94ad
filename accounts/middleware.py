"""Who was refused is written down."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from core.logs import path_to_tell

from .services.audit import REFUSAL_TOLD, record_refusal


class RefusalMiddleware:
    """Record a 403, and a 401 to somebody who showed something that was not believed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if REFUSAL_TOLD in request.META:
            return response
        shown = "Authorization" in request.headers
        # Not a 401 to a caller who showed nothing: that is how programs ask what is wanted.
        if response.status_code == 403 or (response.status_code == 401 and shown):
            record_refusal(
                by=request.user,
                target=f"{request.method} {path_to_tell(request)}",
                status=response.status_code,
            )
        return response
