"""`Idempotency-Key`: a POST sent again has its effect once and gets the first answer again."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from django.core.files import File
from django.db import connection, transaction
from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from .errors import Conflict, InvalidInput
from .models import IdempotencyKey

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
KEPT_FOR = timedelta(hours=24)
MAX_LENGTH = 255
# The headers that are part of an answer's meaning; all others belong to one delivery of it.
_KEPT_HEADERS = ("Location", "ETag", "Allow", "Retry-After")


class RequestInFlight(Conflict):
    code = "idempotency_in_flight"


class KeyReused(InvalidInput):
    status = 422
    code = "idempotency_key_reused"


def run_once(
    request: Request,
    *,
    caller: str,
    handle: Callable[[], Response],
    on_error: Callable[[Exception], Response],
) -> HttpResponseBase:
    """Run a handler, or replay what it answered to the same key before.

    The answer is stored in the transaction of its effect, so there is never
    one without the other. An error answer (4xx) is stored too, without the
    effects of its handler; a crash (5xx) stores nothing.

    Args:
        request: a POST that carries the header.
        caller: who asks; keys of two callers never meet.
        handle: makes the answer; `on_error` turns its exception into one or raises it.

    Raises:
        InvalidInput: the key is empty, too long or has characters that are not visible ASCII.
        RequestInFlight: a request with this key is being served (409).
        KeyReused: the key came with another request before (422).
    """
    key = _valid_key(request.headers[HEADER])
    fingerprint = _fingerprint(request)
    with transaction.atomic():
        # A lock of this transaction: it ends with it, also under PgBouncer and after a kill -9.
        if not _try_lock(f"{caller} {key}"):
            raise RequestInFlight(
                "A request with this Idempotency-Key is still being served; ask again shortly."
            )
        stored = IdempotencyKey.objects.filter(caller=caller, key=key).first()
        if stored is not None and timezone.now() - stored.created_at > KEPT_FOR:
            # Due to be removed by housekeeping, which may come late or not at all.
            stored.delete()
            stored = None
        if stored is not None:
            if stored.fingerprint != fingerprint:
                raise KeyReused("This Idempotency-Key was used for another request.")
            return _replay(stored)
        try:
            with transaction.atomic():
                response = handle()
                if response.status_code >= 400:
                    transaction.set_rollback(True)
        except Exception as error:  # noqa: BLE001  on_error raises what it doesn't know
            response = on_error(error)
        if response.status_code >= 500:
            transaction.set_rollback(True)
        else:
            IdempotencyKey.objects.create(
                caller=caller,
                key=key,
                fingerprint=fingerprint,
                status=response.status_code,
                headers={
                    "Content-Type": response.content_type or "application/json",
                    **{name: response[name] for name in _KEPT_HEADERS if name in response},
                },
                body=_renderer_of(request).render(_repeatable(response)),
            )
        return response


def _renderer_of(request: Request) -> BaseRenderer:
    """Return what answers this request: another one would write the same otherwise."""
    return getattr(request, "accepted_renderer", None) or JSONRenderer()


def _repeatable(response: Response) -> Any:
    """Return the answer without what is shown once only: a replay must not show it again."""
    once = dict.fromkeys(getattr(response, "shown_once", ()))
    return {**response.data, **once} if once else response.data


def _valid_key(key: str) -> str:
    if not 0 < len(key) <= MAX_LENGTH or not all("!" <= char <= "~" for char in key):
        raise InvalidInput(
            f"{HEADER} must be 1 to {MAX_LENGTH} visible ASCII characters without spaces."
        )
    return key


def _fingerprint(request: Request) -> str:
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    if (request.content_type or "").startswith("multipart/"):
        # By what it says: who sends a form again draws another line between its parts.
        for name, values in sorted(cast("QueryDict", request.data).lists()):
            for value in values:
                digest.update(f"\n{len(name)} {name} ".encode())
                _add(digest, value)
    else:
        digest.update(request.body)
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", value: Any) -> None:
    inner = hashlib.sha256()
    if isinstance(value, File):
        digest.update(f"{value.name} ".encode(errors="replace"))
        for piece in value.chunks():
            inner.update(piece)
        value.seek(0)
    else:
        inner.update(str(value).encode(errors="replace"))
    digest.update(inner.digest())


def _try_lock(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        return bool(cursor.fetchone()[0])


def _replay(stored: IdempotencyKey) -> HttpResponse:
    response = HttpResponse(bytes(stored.body), status=stored.status)
    for name, value in stored.headers.items():
        response[name] = value
    response[REPLAYED_HEADER] = "true"
    return response
