"""Who was refused is written down; and whither the pages to sign in may lead."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from allauth.idp.oidc.models import Client
from django.conf import settings
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


class FormTargetsMiddleware:
    """Let the forms of the embedded provider lead to the clients that sent people here.

    Chromium holds each redirect after a form to `form-action`, and signing in or out ends at the
    client. Which of them began it is in the session by then, or not at all: so all of them count.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if (
            settings.OIDC_EMBEDDED
            and request.path_info.startswith(("/accounts/", "/identity/"))
            and response.status_code < 300
            and response.get("Content-Type", "").startswith("text/html")
        ):
            response._csp_update = {"form-action": sorted(set(_client_origins()))}  # type: ignore[attr-defined]  # django-csp's own mark
        return response


def _client_origins() -> Iterator[str]:
    """Yield where clients are, as a content security policy names them."""
    clients = Client.objects.exclude(redirect_uris="").only("redirect_uris")
    for uri in (uri for client in clients for uri in client.get_redirect_uris()):
        parts = urlsplit(uri)
        # An app on a telephone has a scheme of its own, and no host.
        is_web = parts.scheme in {"http", "https"}
        source = f"{parts.scheme}://{parts.netloc}" if is_web else f"{parts.scheme}:"
        # Whoever registered it, it must not end the directive.
        if re.fullmatch(r"[a-z][a-z0-9+.-]*:(//[A-Za-z0-9*.:-]+)?", source):
            yield source
