"""Handing shipments to their carriers, and asking carriers to call them off.

Each is three short transactions with the network between the last two:

1. claim: due rows are stamped with a fence and a lease (`FOR UPDATE SKIP LOCKED`, any number of
   workers);
2. begin: a row still claimed by this fence is noted as handed over;
3. settle: the outcome is stored under the same fence.

A worker that dies after 1 loses its lease and another claims the row. One that dies after 2, or
gets no clear answer, leaves a row of which nobody knows whether the carrier has it: the next try
asks the carrier first, or repeats the number where that is safe. So nothing is lost, and nothing
is brought twice.
"""

import logging
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, transaction
from django.db.models.functions import Now

from core import clock, jobs
from core.stored import storable
from orders.models import Order
from shipping.models import Carrier, Shipment
from shipping.providers import (
    Accepted,
    News,
    NotThere,
    Outcome,
    Provider,
    Refused,
    Unclear,
    provider,
)
from shipping.querysets import ShipmentQuerySet
from shipping.states import OPEN, UNSURE, ShipmentStatus, ShipmentVerb

from .attention import note
from .circuits import (
    Turn,
    give_back_turn,
    is_down,
    note_outcome,
    open_circuits,
    pause_of,
    take_turn,
)
from .preparing import become_cancelled, consignment_of, stop_what_is_fulfilled
from .telling import tell
from .timeline import locked, record

logger = logging.getLogger("duka.shipping")

T = TypeVar("T")
# What a carrier says to whether it has a shipment.
Found = Sequence[News] | Refused | Unclear | NotThere

CLAIMED_AT_ONCE = 20
# Seconds after which a worker looks what else there is to do.
LONGEST_RUN = 5
# So long after it was sent, that a carrier knows no such shipment proves nothing: it may be at work
# on it still.
LATE = timedelta(minutes=2)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of a try.

    `heard` is what the carrier said last, for its circuit; None: it was not asked. `certain`: where
    it refused it, it has it from no earlier try either.
    """

    outcome: Outcome
    heard: object = None
    certain: bool = False


def send_due_shipments(*, only: Collection[int] | None = None) -> int:
    """Hand over what is due until nothing is that can be, for some seconds; return how many tries.

    Not until all is sent: a worker has other things to do as well. `only`: none but these.
    """
    return _work_off(cancelling=False, only=only)


def cancel_asked() -> int:
    """Ask carriers to call off what somebody wants called off; return how many were asked."""
    return _work_off(cancelling=True)


def _work_off(*, cancelling: bool, only: Collection[int] | None = None) -> int:
    ends = time.monotonic() + LONGEST_RUN
    done = 0
    while time.monotonic() < ends and not jobs.stopping():
        claimed = claim_shipments(
            limit=CLAIMED_AT_ONCE, closed=open_circuits(), cancelling=cancelling, only=only
        )
        if not claimed:
            break
        asked = 0
        for shipment in claimed:
            if time.monotonic() >= ends:
                # One that hangs must not keep the others from every other worker.
                _release(shipment)
                continue
            try:
                asked += _try(shipment, cancelling=cancelling)
            except OperationalError:
                # The database is gone: nothing is known of the others either.
                raise
            except Exception:
                # It keeps its lease, so that it is not the first again at once.
                logger.exception("shipment %s could not be handed over", shipment.number)
        if not asked:
            # Those of carriers that are down; who asks them meanwhile is another worker.
            break
        done += asked
    return done


def _try(shipment: Shipment, *, cancelling: bool) -> bool:
    turn = None if jobs.stopping() else take_turn(shipment.carrier_id)
    if turn is None:
        _release(shipment)
        return False
    begun = begin(shipment, cancelling=cancelling)
    if begun is None:
        give_back_turn(shipment.carrier_id, turn)
        return False
    tried = _ask_to_cancel(begun) if cancelling else _hand_over(begun, before=shipment.handed_at)
    store = settle_cancelling if cancelling else settle
    if isinstance(tried.outcome, Accepted):
        store(begun, tried)
        _note_heard(shipment, tried, turn)
    else:
        # When it is tried again depends on whether the carrier is down by now.
        _note_heard(shipment, tried, turn)
        store(begun, tried)
    return True


def _note_heard(shipment: Shipment, tried: Tried, turn: Turn) -> None:
    if tried.heard is None:
        give_back_turn(shipment.carrier_id, turn)
    else:
        note_outcome(shipment.carrier_id, tried.heard, turn)


@transaction.atomic
def claim_shipments(
    *,
    limit: int,
    closed: Collection[int] = (),
    cancelling: bool = False,
    only: Collection[int] | None = None,
) -> list[Shipment]:
    """Take up to `limit` due shipments whose carriers can be asked, oldest first, for a lease."""
    rows = Shipment.objects.all() if only is None else Shipment.objects.filter(pk__in=only)
    due = rows.to_call_off(clock.now()) if cancelling else rows.to_send(clock.now())
    claimed = list(
        due.exclude(carrier__in=closed)
        .order_by("due_at", "pk")
        .select_for_update(skip_locked=True, no_key=True)[:limit]
    )
    fence = uuid.uuid4()
    Shipment.objects.filter(pk__in=[shipment.pk for shipment in claimed]).update(
        fence=fence, leased_until=Now() + _lease()
    )
    for shipment in claimed:
        shipment.fence = fence
    return claimed


@transaction.atomic
def begin(shipment: Shipment, *, cancelling: bool = False) -> Shipment | None:
    """Note that the carrier is about to be asked; None where this claim is not ours any more.

    Also where its customer has goods of it by now: then it is called off.
    """
    # The order first, as everywhere.
    Order.objects.select_for_update(no_key=True).get(pk=shipment.order_id)
    ours = _ours(shipment).filter(leased_until__gt=Now())
    if cancelling:
        ours = ours.filter(status__in=OPEN, cancel_asked_at__isnull=False)
    else:
        ours = ours.filter(status=ShipmentStatus.WAITING, cancel_asked_at=None)
    now = ours.select_for_update(no_key=True).first()
    if now is None:
        return None
    if not cancelling and stop_what_is_fulfilled(now):
        _release(now)
        return None
    if not cancelling:
        now.handed_at = now.handed_at or clock.now()
    now.attempts += 1
    now.save(update_fields=["handed_at", "attempts", "updated_at"])
    # A lease anew: the wait for those before it in the batch does not count.
    _ours(now).update(leased_until=Now() + _lease())
    if not cancelling:
        record(now, ShipmentVerb.HANDED)
    return now


def _hand_over(shipment: Shipment, *, before: datetime | None) -> Tried:
    """Send it. `before`: when it was sent last, where nobody knows what became of that."""
    plug_in = _plug_in(shipment.carrier)
    certain = before is None
    if isinstance(plug_in, Refused):
        return Tried(outcome=plug_in, heard=plug_in, certain=certain)
    if before and plug_in.looks_up and not plug_in.repeats_safely:
        found = _has_it(plug_in, shipment)
        if not isinstance(found, NotThere) or _may_be_late(before):
            return Tried(outcome=_meaning(found), heard=found)
        certain = True
    if before and not _is_sent_anew(shipment):
        # That took longer than the lease: another has it in hand.
        return Tried(outcome=Unclear(reason="It took too long."))
    outcome = _asked(lambda: plug_in.send(consignment_of(shipment)), shipment)
    if before and isinstance(outcome, Refused):
        # This try left nothing behind: nobody knows what became of those before.
        _ours(shipment).update(handed_at=before)
    if before and not certain and isinstance(outcome, Refused) and not outcome.may_pass:
        # An earlier try may have gone through, whatever is said of this one; where the carrier
        # cannot be asked, it says of both what it says of the one.
        found = _has_it(plug_in, shipment) if plug_in.looks_up else NotThere()
        if not isinstance(found, NotThere) or (plug_in.looks_up and _may_be_late(before)):
            return Tried(outcome=_meaning(found), heard=found)
        certain = True
    return Tried(outcome=outcome, heard=outcome, certain=certain)


def _may_be_late(sent_at: datetime) -> bool:
    return clock.now() - sent_at < LATE


def _is_sent_anew(shipment: Shipment) -> bool:
    """Note that it is about to be sent once more, with a lease anew; False: it is not ours now."""
    ours = _ours(shipment).filter(status=ShipmentStatus.WAITING, leased_until__gt=Now())
    return bool(ours.update(handed_at=clock.now(), leased_until=Now() + _lease()))


def _ask_to_cancel(shipment: Shipment) -> Tried:
    plug_in = _plug_in(shipment.carrier)
    if isinstance(plug_in, Refused):
        return Tried(outcome=plug_in, heard=plug_in)
    found: Found | None = None
    if shipment.status in UNSURE and plug_in.looks_up:
        found = _has_it(plug_in, shipment)
        if isinstance(found, NotThere):
            is_late = shipment.handed_at and _may_be_late(shipment.handed_at)
            return Tried(outcome=_meaning(found) if is_late else Accepted(), heard=found)
        if isinstance(found, Refused | Unclear):
            return Tried(outcome=_meaning(found), heard=found)
    if not plug_in.cancels:
        reason = f"{plug_in.label} has it, and calls nothing off."
        refused = Refused(code="has_it", reason=reason, may_pass=False)
        return Tried(outcome=refused, heard=found)
    outcome = _asked(lambda: plug_in.cancel(shipment.number), shipment)
    return Tried(outcome=outcome, heard=outcome)


def _plug_in(carrier: Carrier) -> Provider | Refused:
    try:
        return provider(carrier.name)
    except ImproperlyConfigured as error:
        return Refused(code="not_configured", reason=str(error), may_pass=True, whole=True)


def _has_it(plug_in: Provider, shipment: Shipment) -> Found:
    try:
        return _asked(lambda: plug_in.look_up(shipment.number), shipment)
    except NotThere as error:
        return error


def _meaning(found: Found) -> Outcome:
    """Return what an answer to whether the carrier has it says of the shipment."""
    if isinstance(found, NotThere):
        return Unclear(reason="The carrier does not know it so far.")
    if isinstance(found, Refused | Unclear):
        # It may have it still, whatever it thinks of the question.
        return Unclear(reason=found.reason)
    return Accepted()


def _asked(call: Callable[[], T], shipment: Shipment) -> T | Unclear:
    try:
        return call()
    except NotThere:
        raise
    except Exception as error:
        # A fault of ours: it may have struck before or after the request.
        logger.exception("the carrier of shipment %s could not be asked", shipment.number)
        return Unclear(reason=f"{type(error).__name__}: {error}"[:300])


@transaction.atomic
def settle(shipment: Shipment, tried: Tried) -> None:
    """Store what came of a try. That the carrier has it counts after the lease, too."""
    now = locked(shipment.pk)
    outcome = tried.outcome
    if isinstance(outcome, Accepted):
        _note_acceptance(now, outcome)
    elif now.fence == shipment.fence:
        now.fence = now.leased_until = None
        if now.status == ShipmentStatus.WAITING:
            _note_failure(now, outcome, certain=tried.certain)
        now.save()
        if tried.certain and isinstance(outcome, Refused):
            _cancel_what_nobody_has(now)
    logger.info(
        "shipment %s: %s",
        now.number,
        type(outcome).__name__.lower(),
        extra={"shipment": now.number, "error_code": now.error_code},
    )


def _note_acceptance(shipment: Shipment, outcome: Accepted) -> None:
    shipment.fence = shipment.leased_until = None
    shipment.heard_at = clock.now()
    shipment.sent_at = shipment.sent_at or clock.now()
    shipment.error_code = shipment.error = ""
    # Asked whether it has it, the carrier names it not.
    if outcome.id and shipment.carrier_reference not in {"", storable(outcome.id, 128)}:
        first = shipment.carrier_reference
        note(shipment, f"The carrier took it twice, as {first} and {storable(outcome.id, 128)}.")
    elif outcome.id:
        shipment.carrier_reference = storable(outcome.id, 128)
        shipment.tracking_url = storable(outcome.tracking_url, 500)
        shipment.cost, shipment.cost_currency = outcome.cost, storable(outcome.currency, 3)
    is_new = shipment.status in UNSURE
    if is_new:
        shipment.status = ShipmentStatus.SENT
    elif shipment.status == ShipmentStatus.CANCELLED:
        note(shipment, "The carrier took it although it is cancelled.")
    shipment.save()
    entry = record(shipment, ShipmentVerb.ACCEPTED, detail=shipment.carrier_reference)
    if is_new:
        tell(shipment, entry)


def _note_failure(shipment: Shipment, outcome: Refused | Unclear, *, certain: bool) -> None:
    shipment.error = storable(outcome.reason)
    shipment.error_code = "unclear"
    verb = ShipmentVerb.UNCLEAR
    if isinstance(outcome, Refused):
        shipment.error_code = storable(outcome.code, 64)
        verb = ShipmentVerb.REFUSED
        if certain:
            shipment.handed_at = None
    if isinstance(outcome, Refused) and not outcome.may_pass:
        shipment.status = ShipmentStatus.REFUSED
        if shipment.cancel_asked_at is None:
            note(shipment, "The carrier refuses it: change it, or cancel it.")
    elif shipment.cancel_asked_at is None:
        _try_later(shipment)
    # Else it is due for that already, with tries counted anew.
    record(shipment, verb, detail=shipment.error)


def _try_later(shipment: Shipment) -> None:
    """Say when the carrier is asked again; while it is down this costs the shipment no try."""
    waits = settings.SHIPMENT_RETRY_SECONDS
    if is_down(shipment.carrier_id):
        shipment.attempts -= 1
        # A moment after the next question, which so is another shipment's: one that the carrier
        # chokes on would else stop all the others.
        wait = pause_of(shipment.carrier_id) + timedelta(seconds=1)
    else:
        wait = timedelta(seconds=waits[min(shipment.attempts, len(waits)) - 1])
    shipment.due_at = clock.now() + wait


def _cancel_what_nobody_has(shipment: Shipment) -> None:
    """Cancel one that somebody wanted cancelled while the carrier was asked, which refused it."""
    if shipment.cancel_asked_at:
        become_cancelled(shipment)


@transaction.atomic
def settle_cancelling(shipment: Shipment, tried: Tried) -> None:
    """Store what came of asking a carrier to call it off."""
    now = locked(shipment.pk)
    outcome = tried.outcome
    if now.fence != shipment.fence or now.status not in OPEN:
        # It is over, or another worker asks.
        return
    now.fence = now.leased_until = None
    now.heard_at = now.heard_at if isinstance(outcome, Unclear) else clock.now()
    if isinstance(outcome, Accepted):
        become_cancelled(now)
        return
    now.error = storable(outcome.reason)
    if isinstance(outcome, Unclear) or outcome.may_pass:
        now.error_code = "unclear" if isinstance(outcome, Unclear) else storable(outcome.code, 64)
        _try_later(now)
        record(now, ShipmentVerb.UNCLEAR, detail=now.error)
    else:
        now.error_code = storable(outcome.code, 64)
        now.cancel_asked_at = None
        note(now, f"It cannot be cancelled any more: {now.error}")
        record(now, ShipmentVerb.CANCEL_REFUSED, detail=now.error)
        if now.status in UNSURE:
            # It has it, or else says nothing of it: either way it is not handed over once more.
            now.status = ShipmentStatus.SENT
            now.sent_at = now.sent_at or clock.now()
            record(now, ShipmentVerb.ACCEPTED)
    now.save()


def _release(shipment: Shipment) -> None:
    _ours(shipment).update(fence=None, leased_until=None)


def _ours(shipment: Shipment) -> ShipmentQuerySet:
    return Shipment.objects.filter(pk=shipment.pk, fence=shipment.fence)


def _lease() -> timedelta:
    return timedelta(seconds=settings.SHIPMENT_LEASE_SECONDS)
