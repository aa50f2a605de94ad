"""What carriers tell."""

import logging

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from core.jobs import enqueue_on_commit
from shipping import services
from shipping.providers import Forged, Request
from shipping.tasks import look_at_news

logger = logging.getLogger("duka.shipping")
MAX_WEBHOOK = 64 * 1024


@csrf_exempt
@require_POST
def webhook(request: HttpRequest, name: str, token: str = "") -> HttpResponse:
    """Store what a carrier tells, and have a worker look at it.

    Also what cannot be understood is answered 200: said again it would be understood as little.
    """
    if name not in settings.SHIPPING_PROVIDERS:
        return HttpResponse("There is no such carrier.", status=404)
    # Whatever its headers say of it.
    body = request.read(MAX_WEBHOOK + 1)
    if len(body) > MAX_WEBHOOK:
        return HttpResponse("Too large.", status=413)
    told = Request(
        body=body,
        content_type=request.content_type or "",
        headers=request.headers,
        key=token,
    )
    try:
        is_new = services.receive_news(name=name, request=told)
    except Forged as error:
        logger.warning("a webhook of %s was refused: %s", name, error)
        return HttpResponse("Refused.", status=403)
    if is_new:
        enqueue_on_commit(look_at_news)
    return HttpResponse("", status=200)
