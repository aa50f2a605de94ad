"""When a gateway may be asked: not above its rate, and seldom while it fails everybody.

One row of the database for each gateway gives out its turns to all workers. After some failures in
a row it is down: it is passed over where a route has another, and asked by one message at a time,
after growing pauses, until it answers. Messages that wait for it lose no try by that.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import BooleanField, Case, ExpressionWrapper, F, Q, Subquery, When
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils import timezone

from core import jobs
from core.stored import storable
from notifications.models import Message, Pace
from notifications.states import FAILURES
from notifications.transports import Outcome, Refused, Unknown, route_of

# Seconds: the pause after each doubles, from two.
LONGEST_PAUSE = 60


@dataclass(frozen=True, kw_only=True)
class Closed:
    """Gateways that cannot be asked now: down, or with all turns of the next moment given away."""

    down: Collection[str] = ()
    full: Collection[str] = ()
    # One that is down is about to be asked again.
    probing: bool = False


OPEN = Closed()


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Leave to ask a gateway once; `probe`: it is down, and this is to tell whether it still is."""

    probe: bool = False


def closed_gateways(*, patience: float = 0) -> Closed:
    """Return those that cannot be asked within so many seconds."""
    far = Now() + timedelta(seconds=patience)
    is_far = ExpressionWrapper(Q(next_at__gt=far), output_field=BooleanField())
    is_near = ExpressionWrapper(Q(next_at__lte=Now()), output_field=BooleanField())
    paces = Pace.objects.annotate(is_far=is_far, is_near=is_near)
    rows = list(paces.values_list("transport", "failures", "is_far", "is_near"))
    failing = {name: near for name, failures, _, near in rows if failures >= FAILURES}
    down = {name for name, near in failing.items() if not near}
    return Closed(
        down=down,
        full={name for name, _, far, _ in rows if far} - down,
        probing=any(failing.values()),
    )


def next_gateway(message: Message, *, down: Collection[str] = ()) -> str:
    """Return the first of a message's route that did not refuse it and is not down."""
    route = route_of(event=message.event, to=message.to)
    free = (each for each in route if each not in message.refused_by and each not in down)
    return next(free, route[0])


def can_go_out(closed: Closed) -> Q:
    """Return the condition of messages whose next gateway can be asked."""
    if not closed.down and not closed.full:
        return Q()
    can, earlier = Q(), Q()
    for pattern, names in [*settings.SMS_ROUTES, ("*", [settings.SMS_TRANSPORT])]:
        if pattern.startswith("+"):
            fits = Q(to__startswith=pattern)
        else:
            fits = Q(event__regex="^{}$".format(re.escape(pattern).replace(r"\*", ".*")))
        can |= earlier & fits & _is_open(names, closed)
        # The first rule that fits counts.
        earlier &= ~fits
    return can


def _is_open(names: list[str], closed: Closed) -> Q:
    """Return the condition of messages of this route whose next gateway can be asked."""
    refused_before, is_open = Q(), Q(pk__in=[])
    for name in names:
        if name in closed.down:
            continue
        refused = Q(refused_by__has_key=name)
        if name not in closed.full:
            is_open |= refused_before & ~refused
        refused_before &= refused
    if names[0] not in {*closed.down, *closed.full}:
        # What all have refused goes by the first again: its route was another then.
        is_open |= Q(refused_by__has_keys=names)
    return is_open


_TAKE_TURN = """
UPDATE notifications_pace
SET next_at = greatest(next_at, clock_timestamp())
    + CASE WHEN failures >= %(failures)s THEN %(longest)s ELSE %(gap)s END * interval '1 s'
WHERE transport = %(name)s AND next_at <= clock_timestamp()
    + CASE WHEN failures >= %(failures)s THEN 0 ELSE %(patience)s END * interval '1 s'
RETURNING failures >= %(failures)s, extract(epoch FROM next_at - clock_timestamp())
"""


def wait_for_turn(name: str, *, patience: float = 0) -> Turn | None:
    """Wait until a gateway may be asked once more; None: that would take longer than `patience`."""
    rate = settings.SMS_RATES.get(name)
    if not rate and not Pace.objects.down().filter(transport=name).exists():
        return Turn()
    gap = 1 / rate if rate else 0
    Pace.objects.bulk_create([Pace(transport=name)], ignore_conflicts=True)
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE_TURN,
            {
                "name": name,
                "gap": gap,
                "patience": patience,
                "failures": FAILURES,
                # Nobody else asks until the outcome of this one is noted, or its worker died.
                "longest": LONGEST_PAUSE,
            },
        )
        turn = cursor.fetchone()
    if turn is None:
        return None
    probe, until_next = turn
    if not probe:
        jobs.wait(max(float(until_next) - gap, 0))
    if jobs.stopping():
        # Asked to stop meanwhile, it did not wait for its turn.
        give_back_turn(name, Turn(probe=probe))
        return None
    return Turn(probe=probe)


def give_back_turn(name: str, turn: Turn) -> None:
    """Let another ask in its place, where a gateway that is down was not asked after all."""
    if turn.probe:
        Pace.objects.down().filter(transport=name).update(next_at=Now())


def note_outcome(name: str, outcome: Outcome, turn: Turn) -> None:
    """Note whether a gateway answers: what it refuses of one message alone is an answer too."""
    match outcome:
        case Unknown(reason=reason) | Refused(reason=reason, whole=True):
            _note_failure(name, reason, turn)
        case _:
            _note_answer(name)


def _note_answer(name: str) -> None:
    gap = timedelta(seconds=1 / settings.SMS_RATES[name] if name in settings.SMS_RATES else 0)
    Pace.objects.filter(transport=name, failures__gt=0).update(
        failures=0,
        failing_since=None,
        error="",
        next_at=Case(When(failures__gte=FAILURES, then=Now() + gap), default=F("next_at")),
    )


@transaction.atomic
def _note_failure(name: str, reason: str, turn: Turn) -> None:
    Pace.objects.bulk_create([Pace(transport=name)], ignore_conflicts=True)
    pace = Pace.objects.select_for_update().get(transport=name)
    if pace.failures >= FAILURES and not turn.probe:
        # It was under way when the gateway went down, and says nothing new.
        return
    pace.failures += 1
    pace.failing_since = pace.failing_since or timezone.now()
    pace.error = storable(reason)
    if pace.failures >= FAILURES:
        # No more doublings than matter: the number would grow too long.
        doublings = min(pace.failures - FAILURES + 1, 10)
        pace.next_at = Now() + timedelta(seconds=min(2**doublings, LONGEST_PAUSE))
    pace.save()


def is_one_s_own(message: Message) -> bool:
    """Tell whether a refusal of all looks to be of this message alone: a gateway that just took
    others refuses it again.
    """
    failed_before = Pace.objects.filter(transport=message.transport, failures__gt=1)
    return message.attempts > 1 and not failed_before.exists()


def after_pause(name: str) -> CombinedExpression:
    """Return when a message that a gateway as a whole refused is to be tried again.

    A moment after the gateway is asked again: by another message, lest one that it chokes on stop
    all the others.
    """
    paused = Pace.objects.down().filter(transport=name).values("next_at")
    return Greatest(Coalesce(Subquery(paused), Now()), Now()) + timedelta(seconds=1)
