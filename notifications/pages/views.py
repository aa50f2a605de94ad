"""What customers see by a link, and what gateways tell."""

import logging

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from core import status_pages
from core.jobs import enqueue_on_commit
from notifications import services
from notifications.states import CallbackKind
from notifications.tasks import look_at_callbacks
from notifications.transports import Forged, Malformed, Request, transport

logger = logging.getLogger("duka.notifications")
MAX_CALLBACK = 64 * 1024
_KINDS = {
    "report": CallbackKind.REPORT,
    "inbound": CallbackKind.INBOUND,
    "opt-out": CallbackKind.OPT_OUT,
}


@require_safe
def status(request: HttpRequest, token: str) -> HttpResponse:
    """Show where one thing stands, to whoever has its link. Of all others nothing is said."""
    link = services.find_link(token)
    page = link and status_pages.page_of(link.subject, link.reference, link.language)
    language = link.language if link else settings.LANGUAGE_CODE
    # Nobody has signed in whose time zone it could be.
    with translation.override(language), timezone.override(settings.SHOP_TIME_ZONE):
        response = render(
            request,
            "notifications/status.html",
            {"page": page, "language": language},
            status=200 if page else 404,
        )
    status_pages.keep_private(response)
    return response


@csrf_exempt
@require_POST
def callback(request: HttpRequest, name: str, kind: str, token: str = "") -> HttpResponse:
    """Store what a gateway tells, and have a worker look at it."""
    if name not in settings.SMS_GATEWAYS or _KINDS.get(kind) not in transport(name).callbacks:
        return HttpResponse("There is no such callback.", status=404)
    # Whatever its headers say of it.
    body = request.read(MAX_CALLBACK + 1)
    if len(body) > MAX_CALLBACK:
        return HttpResponse("Too large.", status=413)
    told = Request(
        body=body,
        content_type=request.content_type or "",
        headers=request.headers,
        key=token,
    )
    try:
        services.receive_callback(name=name, kind=_KINDS[kind], request=told)
    except Forged as error:
        logger.warning("a callback of %s was refused: %s", name, error)
        return HttpResponse("Refused.", status=error.status)
    except Malformed:
        return HttpResponse("It cannot be understood.", status=400)
    enqueue_on_commit(look_at_callbacks)
    return HttpResponse("", status=200)
