"""Checks of carriers for `manage.py doctor`. Nothing is sent."""

from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from core.doctor import Finding, ok, problem
from core.examining import reach
from shipping.models import Carrier
from shipping.providers import provider
from shipping.states import CircuitState


def examine_carriers() -> Iterator[Finding]:
    """Whether each carrier is set up, and answers as far as workers know."""
    if not settings.SHIPPING_PROVIDERS:
        yield ok("None is used (SHIPPING_PROVIDERS).")
        return
    rows = {carrier.name: carrier for carrier in Carrier.objects.all()}
    for name in settings.SHIPPING_PROVIDERS:
        try:
            provider(name)
        except ImproperlyConfigured as error:
            yield problem(str(error), do="See docs/carriers.md for what it needs.")
            continue
        carrier = rows.get(name)
        if carrier is not None and carrier.circuit_state == CircuitState.DOWN:
            yield problem(
                f"{name} has failed {carrier.failures} times in a row: {carrier.error[:200]}",
                do="Ask the carrier; it is asked again by itself.",
            )
        else:
            yield ok(f"{name} is set up.")


def reach_carriers() -> Iterator[Finding]:
    """Whether the servers of the carriers take connections."""
    for name in settings.SHIPPING_PROVIDERS:
        if url := getattr(settings, f"{name.upper()}_URL", ""):
            yield from reach(url, what=name)
