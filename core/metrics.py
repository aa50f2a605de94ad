"""`/metrics`: numbers of the shop for Prometheus, as the apps read them when they are asked for.

Nothing is counted in this process: any number of web processes say the same.
"""

from collections.abc import Callable, Iterator

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

Reader = Callable[[], Iterator[Metric]]
_readers: list[Reader] = []


def register(reader: Reader) -> None:
    """Let an app's numbers be read each time that somebody asks; from its `receivers.py`."""
    if reader not in _readers:
        _readers.append(reader)


class _AllReaders(Collector):
    def collect(self) -> Iterator[Metric]:
        for read in _readers:
            yield from read()


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer whoever shows METRICS_TOKEN. Where none is set there is nothing here."""
    if not settings.METRICS_TOKEN:
        raise Http404
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    known = constant_time_compare(token.strip(), settings.METRICS_TOKEN)
    if scheme.lower() != "bearer" or not known:
        return HttpResponse(
            "Show METRICS_TOKEN as a bearer token.\n",
            status=401,
            content_type="text/plain; charset=utf-8",
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
        )
    # Made anew each time: one that stays would ask the database as soon as it is made.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_AllReaders())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
