"""Signs of life for load balancers and operators."""

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .jobs import worker_lease
from .models import Worker

_seen_applied = False


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while this process can answer at all. Touches nothing else."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when the shop can do its work, else 503 naming what is missing."""
    checks = {"database": _database()}
    if checks["database"] == "ok":
        checks["migrations"] = _migrations()
    if checks.get("migrations") == "ok":
        checks["worker"] = _worker()
    ready = all(finding == "ok" for finding in checks.values())
    response = JsonResponse(
        {"status": "ok" if ready else "unavailable", "checks": checks},
        status=200 if ready else 503,
    )
    # Not being ready is an answer, not an error to log.
    response._has_been_logged = True  # type: ignore[attr-defined]  # Django's own mark
    return response


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return "unreachable"
    return "ok"


def _migrations() -> str:
    global _seen_applied  # noqa: PLW0603  a fact of this process
    # Reading the whole migration graph is slow, and what is applied stays so.
    if not _seen_applied:
        executor = MigrationExecutor(connection)
        _seen_applied = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return "ok" if _seen_applied else "not applied: run manage.py migrate"


def _worker() -> str:
    return (
        "ok" if Worker.objects.seen_within(worker_lease()).exists() else "none has been seen lately"
    )
