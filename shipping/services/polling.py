"""Asking carriers about shipments of which nothing was heard for too long."""

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, transaction
from django.db.models import Q

from core import clock, jobs
from shipping.models import Shipment
from shipping.providers import Malformed, NotThere, Refused, Unclear, provider
from shipping.states import NewsSource

from .attention import note
from .circuits import note_outcome, open_circuits, take_turn
from .news import fold
from .sending import LONGEST_RUN
from .timeline import locked

logger = logging.getLogger("duka.shipping")


def poll_silent_shipments() -> int:
    """Ask about each silent shipment, once in so many hours; return how many were asked about.

    Not until all are: a worker has other things to do as well.
    """
    asked = 0
    passed = _silent_since()
    ends = time.monotonic() + LONGEST_RUN
    while time.monotonic() < ends and not jobs.stopping():
        shipment = _next_silent(before=passed)
        if shipment is None:
            break
        try:
            asked += _ask_about(shipment)
        except OperationalError:
            raise
        except Exception:
            # The next one may be better; this one's turn comes again.
            logger.exception("shipment %s could not be asked about", shipment.number)
    return asked


@transaction.atomic
def _next_silent(*, before: datetime) -> Shipment | None:
    """Return one that nobody else asks about, and note that it is asked about now."""
    shipment = (
        Shipment.objects.with_carriers()
        .filter(Q(polled_at=None) | Q(polled_at__lte=before), heard_at__lte=before)
        .filter(carrier__name__in=_askable())
        .exclude(carrier__in=open_circuits())
        .order_by("heard_at", "pk")
        .select_for_update(skip_locked=True, no_key=True, of=("self",))
        .select_related("carrier")
        .first()
    )
    if shipment is not None:
        Shipment.objects.filter(pk=shipment.pk).update(polled_at=clock.now())
    return shipment


def _ask_about(shipment: Shipment) -> bool:
    turn = take_turn(shipment.carrier_id)
    if turn is None:
        # Nobody was asked, so that it need not wait as long as after an answer.
        Shipment.objects.filter(pk=shipment.pk).update(polled_at=shipment.polled_at)
        return False
    try:
        found = provider(shipment.carrier.name).look_up(shipment.number)
    except NotThere as error:
        note_outcome(shipment.carrier_id, error, turn)
        _note_loss(shipment)
        return True
    note_outcome(shipment.carrier_id, found, turn)
    if isinstance(found, Refused | Unclear):
        return True
    for news in found:
        try:
            fold(shipment=shipment, news=news, source=NewsSource.POLL)
        except Malformed as error:
            # What it says beside that counts all the same.
            logger.warning("news of shipment %s: %s", shipment.number, error)
    Shipment.objects.filter(pk=shipment.pk).update(heard_at=clock.now())
    return True


@transaction.atomic
def _note_loss(shipment: Shipment) -> None:
    now = locked(shipment.pk)
    if now.state.is_with_carrier:
        note(now, "The carrier was asked, and knows no such shipment.")
        now.save(update_fields=["attention", "updated_at"])


def _askable() -> list[str]:
    found = []
    for name in settings.SHIPPING_PROVIDERS:
        try:
            if provider(name).looks_up:
                found.append(name)
        except ImproperlyConfigured:
            # What it has under way waits until it is configured again.
            continue
    return found


def _silent_since() -> datetime:
    return clock.now() - timedelta(hours=settings.SHIPPING_SILENT_HOURS)
