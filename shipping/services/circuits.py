"""Whether a carrier may be asked now: seldom, while it fails everybody.

After some failures in a row its circuit is open: it is asked by one shipment at a time, after
pauses that double, until it answers. The rules are those of gateways for messages.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from core.stored import storable
from shipping.models import Carrier
from shipping.providers import Refused, Unclear
from shipping.states import FAILURES

# Seconds: the pause after each doubles, from two.
LONGEST_PAUSE = 60


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Leave to ask a carrier once; `probe`: it is down, and this is to tell whether it still is."""

    probe: bool = False


def open_circuits() -> set[int]:
    """Return the keys of carriers that cannot be asked now."""
    return set(
        Carrier.objects.filter(failures__gte=FAILURES, next_at__gt=Now()).values_list(
            "pk", flat=True
        )
    )


def is_down(carrier_id: int) -> bool:
    """Tell whether a carrier is down, though a probe may be due."""
    return Carrier.objects.filter(pk=carrier_id, failures__gte=FAILURES).exists()


def pause_of(carrier_id: int) -> timedelta:
    """Return how long a carrier is not asked from now on."""
    next_at = Carrier.objects.values_list("next_at", flat=True).get(pk=carrier_id)
    return max(next_at - timezone.now(), timedelta())


def take_turn(carrier_id: int) -> Turn | None:
    """Return leave to ask a carrier; None: it is down, and another asks or it is too soon."""
    if not is_down(carrier_id):
        return Turn()
    probing = Carrier.objects.filter(
        pk=carrier_id, failures__gte=FAILURES, next_at__lte=Now()
    ).update(
        # Nobody else asks until the outcome of this one is noted, or its worker died.
        next_at=Now() + timedelta(seconds=LONGEST_PAUSE)
    )
    return Turn(probe=True) if probing else None


def give_back_turn(carrier_id: int, turn: Turn) -> None:
    """Let another ask in its place, where it was not asked after all."""
    if turn.probe:
        Carrier.objects.filter(pk=carrier_id, failures__gte=FAILURES).update(next_at=Now())


def note_outcome(carrier_id: int, outcome: object, turn: Turn) -> None:
    """Note whether a carrier answers: what it refuses of one shipment alone is an answer too."""
    match outcome:
        case Unclear(reason=reason) | Refused(reason=reason, whole=True):
            _note_failure(carrier_id, reason, turn)
        case _:
            Carrier.objects.filter(pk=carrier_id, failures__gt=0).update(
                failures=0, failing_since=None, error="", next_at=Now()
            )


@transaction.atomic
def _note_failure(carrier_id: int, reason: str, turn: Turn) -> None:
    carrier = Carrier.objects.select_for_update(no_key=True).get(pk=carrier_id)
    if carrier.failures >= FAILURES and not turn.probe:
        # It was under way when the carrier went down, and says nothing new.
        return
    failures = carrier.failures + 1
    # No more doublings than matter: the number would grow too long.
    doublings = min(failures - FAILURES + 1, 10)
    pause = min(2**doublings, LONGEST_PAUSE) if doublings > 0 else 0
    Carrier.objects.filter(pk=carrier_id).update(
        failures=F("failures") + 1,
        failing_since=carrier.failing_since or timezone.now(),
        error=storable(reason),
        next_at=Now() + timedelta(seconds=pause),
    )
