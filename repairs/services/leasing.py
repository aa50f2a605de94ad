"""Who collects from a source now: one at a time, for as long as a lease lasts.

It spares the client's database; that no job comes twice is the inbox's business (`storing`).
"""

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from repairs.exceptions import LeaseLost, SourceBusy
from repairs.models import Source

# For which a source that was given to a worker is given to no other.
HAND_OVER = timedelta(minutes=1)


@transaction.atomic
def sources_to_collect() -> list[int]:
    """Return the keys of the sources that are due, each to one caller."""
    due = Source.objects.filter(
        _free(), active=True, name__in=settings.REPAIR_SOURCES, next_at__lte=Now()
    ).select_for_update(skip_locked=True, no_key=True)
    keys = list(due.order_by("next_at", "pk").values_list("pk", flat=True))
    Source.objects.filter(pk__in=keys).update(next_at=Now() + HAND_OVER)
    return keys


@transaction.atomic
def claim(*, source_id: int) -> Source:
    """Take a source for as long as a lease lasts; `tried_at` is when, by the database's clock.

    Raises:
        SourceBusy: another collector is at it.
    """
    taken = Source.objects.filter(_free(), pk=source_id).update(
        fence=uuid.uuid4(), leased_until=Now() + _lease(), tried_at=Now()
    )
    source = Source.objects.get(pk=source_id)
    if not taken:
        raise SourceBusy(f"Another collector is at {source.name}.")
    return source


def hold(source: Source, **changes: Any) -> None:
    """Lock the source, with its lease anew, and change it.

    First in each transaction of a collector's, so that they do not wait for one another in a
    circle.

    Raises:
        LeaseLost: another collector has it by now.
    """
    ours = Source.objects.filter(pk=source.pk, fence=source.fence)
    # Who claimed nothing has no lease to keep.
    until = Now() + _lease() if source.fence else None
    if not ours.update(leased_until=until, **changes):
        raise LeaseLost
    for name, value in changes.items():
        if not isinstance(value, Combinable):
            setattr(source, name, value)


def release(source: Source, **changes: Any) -> None:
    """Let another collector have it; where one already has, this changes nothing."""
    Source.objects.filter(pk=source.pk, fence=source.fence).update(
        fence=None, leased_until=None, **changes
    )


def _free() -> Q:
    return Q(leased_until=None) | Q(leased_until__lte=Now())


def _lease() -> timedelta:
    return timedelta(seconds=settings.REPAIRS_LEASE_SECONDS)
