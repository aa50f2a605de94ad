"""The life of a standing order: pausing, ending, leaving out dates, coming to the next one."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from django.conf import settings
from django.db import transaction

from core import clock
from shipping.exceptions import MoveNotAllowed, NoSuchDate
from shipping.models import Occurrence, StandingOrder, StandingOrderChange
from shipping.states import Interval, OccurrenceStatus, StandingOrderStatus, StandingOrderVerb

from .dates import Rhythm, last_due

if TYPE_CHECKING:
    from accounts.models import User

# So many dates to come can be skipped at once: each is a row, and it may come for ever.
MAX_SKIPPED = 60
MISSED = "It was due while nothing ran."


def rhythm_of(standing: StandingOrder) -> Rhythm:
    return Rhythm(
        interval=Interval(standing.interval),
        every=standing.every,
        start=standing.start,
        end=standing.end,
        count=standing.count,
    )


def pause_standing_order(
    *, standing_order_id: int, by: "User | None", reason: str = ""
) -> StandingOrder:
    """Let nothing come until it is resumed. Raises `MoveNotAllowed` unless it is active."""
    return _become(
        standing_order_id,
        StandingOrderStatus.PAUSED,
        StandingOrderVerb.PAUSED,
        by=by,
        reason=reason,
    )


@transaction.atomic
def resume_standing_order(
    *, standing_order_id: int, by: "User | None", reason: str = ""
) -> StandingOrder:
    """Let it come again, from its next date to come on.

    Raises `MoveNotAllowed` unless it is paused.
    """
    standing = _become(
        standing_order_id,
        StandingOrderStatus.ACTIVE,
        StandingOrderVerb.RESUMED,
        by=by,
        reason=reason,
    )
    paused = standing.history.filter(verb=StandingOrderVerb.PAUSED).order_by("pk").last()
    # What was due by the pause did not come for another reason: it is caught up, or was missed.
    before = last_due(paused.at) if paused else None
    if before and settings.STANDING_ORDERS_MISSED == "skip":
        skip_until(standing, before, OccurrenceStatus.MISSED, MISSED)
    skip_until(standing, last_due(), OccurrenceStatus.SKIPPED, "It was paused.", after=before)
    standing.save()
    return standing


@transaction.atomic
def end_standing_order(
    *, standing_order_id: int, by: "User | None", reason: str = ""
) -> StandingOrder:
    """Let nothing come any more, nor what waits for goods. Raises `MoveNotAllowed` once ended."""
    standing = _become(
        standing_order_id, StandingOrderStatus.ENDED, StandingOrderVerb.ENDED, by=by, reason=reason
    )
    standing.occurrences.filter(status=OccurrenceStatus.WAITING).update(
        status=OccurrenceStatus.SKIPPED,
        reason="The standing order was ended.",
        try_at=None,
        by=by,
        updated_at=clock.now(),
    )
    return standing


@transaction.atomic
def skip_date(
    *, standing_order_id: int, on: date, by: "User | None", reason: str = ""
) -> Occurrence:
    """Let one date be left out, also one that waits for goods. Skipped already, it stays so.

    Raises:
        NoSuchDate: it is none of its dates, not to come any more, or one too many.
    """
    standing = hold(standing_order_id)
    occurrence = standing.occurrences.filter(on=on).first()
    if occurrence is None:
        if not _is_to_come(standing, on):
            raise NoSuchDate.at(
                "on", detail=f"Standing order {standing.number} does not come on {on}."
            )
        if standing.occurrences.filter(on__gt=clock.today()).count() >= MAX_SKIPPED:
            raise NoSuchDate.at(
                "on", detail=f"{MAX_SKIPPED} dates to come are skipped already. Pause or end it."
            )
        occurrence = Occurrence(standing_order=standing, on=on)
    elif occurrence.status == OccurrenceStatus.SKIPPED:
        return occurrence
    elif occurrence.status != OccurrenceStatus.WAITING:
        raise NoSuchDate.at(
            "on", detail=f"It is too late to skip {on}: it is {occurrence.status} already."
        )
    occurrence.status = OccurrenceStatus.SKIPPED
    occurrence.reason, occurrence.by, occurrence.try_at = reason, by, None
    occurrence.save()
    record(
        standing, StandingOrderVerb.SKIPPED, by=by, reason=reason, changes={"on": [None, str(on)]}
    )
    if on == standing.next_on:
        advance(standing)
        standing.save()
    return occurrence


def how_it_stands(standing: StandingOrder, on: date) -> Literal["coming", "skipped", "late"]:
    """Say of a date whether it is to come and can be skipped, is skipped, or neither."""
    occurrence = standing.occurrences.filter(on=on).first()
    if occurrence is None:
        return "coming" if _is_to_come(standing, on) else "late"
    if occurrence.status == OccurrenceStatus.SKIPPED:
        return "skipped"
    return "coming" if occurrence.status == OccurrenceStatus.WAITING else "late"


def _is_to_come(standing: StandingOrder, on: date) -> bool:
    position = rhythm_of(standing).position_of(on)
    return standing.next_on is not None and position is not None and position >= standing.position


def hold(standing_order_id: int) -> StandingOrder:
    """Return it as it is now, nobody else's to change before the transaction ends."""
    return StandingOrder.objects.select_for_update(no_key=True).get(pk=standing_order_id)


def advance(standing: StandingOrder) -> None:
    """Let `next_on` be its first date that nothing was done about, without saving it.

    Where there is none it is ended.
    """
    done = set(standing.occurrences.filter(on__gte=standing.start).values_list("on", flat=True))
    for position, day in rhythm_of(standing).dates_from(standing.position):
        if day not in done:
            standing.position, standing.next_on = position, day
            return
    standing.next_on = None
    standing.status = StandingOrderStatus.ENDED
    record(standing, StandingOrderVerb.ENDED, by=None, reason="It has no further date.")


def skip_until(
    standing: StandingOrder,
    day: date,
    status: OccurrenceStatus,
    reason: str,
    *,
    after: date | None = None,
) -> None:
    """Leave out all its dates up to a day, or those `after` another, without saving it."""
    if standing.next_on is None or standing.next_on > day:
        return
    passed = []
    for _, each in rhythm_of(standing).dates_from(standing.position):
        if each > day:
            break
        if after is None or each > after:
            passed.append(
                Occurrence(standing_order=standing, on=each, status=status, reason=reason)
            )
    # Some of them may have been skipped beforehand.
    Occurrence.objects.bulk_create(passed, ignore_conflicts=True)
    advance(standing)


def record(
    standing: StandingOrder,
    verb: StandingOrderVerb,
    *,
    by: "User | None",
    reason: str = "",
    changes: Mapping[str, Any] | None = None,
) -> StandingOrderChange:
    """Write what happened into its history."""
    return StandingOrderChange.objects.create(
        standing_order=standing,
        verb=verb,
        by=by,
        at=clock.now(),
        reason=reason,
        changes=dict(changes or {}),
    )


@transaction.atomic
def _become(
    standing_order_id: int,
    to: StandingOrderStatus,
    verb: StandingOrderVerb,
    *,
    by: "User | None",
    reason: str,
) -> StandingOrder:
    standing = hold(standing_order_id)
    before = standing.state
    if to not in before.allowed:
        raise MoveNotAllowed(
            f"Standing order {standing.number} is {before.label.lower()};"
            f" it cannot become {to.label.lower()}.",
            status=before,
            allowed=[str(status) for status in before.allowed],
        )
    standing.status = to
    if to == StandingOrderStatus.ENDED:
        standing.next_on = None
    standing.save()
    record(standing, verb, by=by, reason=reason)
    return standing
