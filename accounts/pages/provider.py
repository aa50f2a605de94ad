"""The embedded provider's addresses where allauth's own need a guard."""

from http import HTTPStatus
from typing import Any

from allauth.core.internal import ratelimit
from allauth.core.internal.httpkit import extract_basic_auth
from allauth.idp.oidc import views
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounts.oidc.backchannel import IN_PROCESS
from accounts.services.audit import REFUSAL_TOLD, record_refusal
from core.outages import without_cache

_APP = "allauth.idp.oidc"


@csrf_exempt
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    """The token endpoint, with the limits that allauth leaves out."""
    if request.META.get(IN_PROCESS):
        # Our own: each sign-in is limited where it begins.
        answer: HttpResponse = views.token(request)
        return answer
    client = extract_basic_auth(request.headers)[0] or request.POST.get("client_id") or ""
    if any("\x00" in value for value in (client, *request.POST.values())):
        # Stock: a 500.
        return _error(HTTPStatus.BAD_REQUEST, "invalid_request", "Null characters are not allowed.")
    key = f"{client}-{ratelimit.get_ip(request)}"
    if not _may_ask(request, key):
        return _error(HTTPStatus.TOO_MANY_REQUESTS, "temporarily_unavailable", "Too many requests.")
    try:
        response: HttpResponse = views.token(request)
    except ValidationError as error:
        # Stock: a `resource` that is no address is a 500.
        return _error(HTTPStatus.BAD_REQUEST, "invalid_target", error.messages[0])
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        with without_cache("a wrong secret is not counted"):
            ratelimit.consume(request, app=_APP, action="token_refused", key=key)
        record_refusal(by=None, target="token", client=client[:100])
        request.META[REFUSAL_TOLD] = True
    return response


def _may_ask(request: HttpRequest, key: str) -> bool:
    # Without the cache nothing is counted: programs go on, and nobody guesses a secret that the
    # shop made. Codes to sign in by are in the cache, so that those wait.
    with without_cache("asking for tokens is not limited"):
        return bool(ratelimit.consume(request, app=_APP, action="token")) and bool(
            ratelimit.consume(request, app=_APP, action="token_refused", key=key, dry_run=True)
        )
    return True


def _error(status: HTTPStatus, error: str, description: str) -> JsonResponse:
    headers: dict[str, Any] = {"Cache-Control": "no-store"}
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = "60"
    return JsonResponse(
        {"error": error, "error_description": description}, status=status, headers=headers
    )
