"""Changing what a resource is: its gap is held against what is booked already."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

from django.db import transaction
from django.utils import timezone

from bookings.exceptions import GapClash
from bookings.models import Booking, OpeningHours, Resource
from bookings.querysets import LONGEST_GAP
from core.constraints import constraints_as
from core.errors import DomainError, InvalidInput

from .history import hold_resources
from .telling import in_shop

_REFUSED: dict[str, DomainError] = {
    "bookings_resource_code_key": InvalidInput.at(
        "code", detail="Another one has this code.", code="taken"
    ),
    "resource_gap_is_within_bounds": InvalidInput.at(
        "gap", detail="More than nothing, and seven days at most.", code="out_of_bounds"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Clash:
    """Two bookings that are nearer to one another than a gap."""

    earlier: Booking
    later: Booking

    def __str__(self) -> str:
        said = (f"{each.pk} at {in_shop(each.datetime)}" for each in (self.earlier, self.later))
        return " and ".join(said)


def clashes_by(*, resource: Resource, gap: timedelta) -> list[Clash]:
    """Return which bookings of a resource, to come or under way, a gap would not leave room for."""
    return [
        Clash(earlier=earlier, later=later)
        for earlier, later in pairwise(_to_come(resource, gap))
        if later.datetime - earlier.datetime < gap
    ]


@transaction.atomic
def change_gap(*, resource_id: int, gap: timedelta, keep: bool = False) -> list[Clash]:
    """Change a resource's gap, for what is booked from now on and what is to come.

    Bookings that are over keep the gap that they had; it is what counts between them.

    Args:
        keep: of those that would clash, the earlier keeps the gap that it was booked with.

    Returns what clashes, which without `keep` is nothing.

    Raises:
        GapClash: bookings to come would clash; nothing is changed.
        InvalidInput: such a gap cannot be.
    """
    held = hold_resources(resource_id)[resource_id]
    if gap % timedelta(minutes=1):
        raise InvalidInput.at("gap", detail="Whole minutes.", code="invalid")
    clashes = clashes_by(resource=held, gap=gap)
    if clashes and not keep:
        raise GapClash(f"Bookings would clash: {'; '.join(map(str, clashes))}.")
    held.gap = gap
    with constraints_as(_REFUSED):
        held.save(update_fields=["gap"])
    kept = {each.earlier.pk for each in clashes}
    to_come = {each.pk for each in _to_come(held, gap)}
    Booking.objects.filter(pk__in=to_come - kept).update(gap=gap)
    return clashes


@transaction.atomic
def create_resource(*, opening_hours: Sequence[OpeningHours] = (), **fields: Any) -> Resource:
    """Make something that can be booked.

    Args:
        opening_hours: when; without them no time of it is offered.
        fields: `code`, `name`, `step`, `active`, `gap`.

    Raises `InvalidInput` where its code is taken.
    """
    resource = Resource(**fields)
    with constraints_as(_REFUSED):
        resource.save()
    set_opening_hours(resource_id=resource.pk, hours=opening_hours)
    return resource


@transaction.atomic
def update_resource(
    *, resource_id: int, opening_hours: Sequence[OpeningHours] | None = None, **changes: Any
) -> Resource:
    """Change a resource's `code`, `name`, `step`, `active` or `gap`.

    Args:
        opening_hours: instead of those that it has; None: they stay.

    Raises:
        GapClash: as `change_gap` does.
        InvalidInput: the code is taken, or the default one would be booked no more.
    """
    resource = hold_resources(resource_id)[resource_id]
    # The one that it has clashes with nothing new, where some were let keep another.
    if changes.get("gap", resource.gap) != resource.gap:
        change_gap(resource_id=resource_id, gap=changes["gap"])
    for name, value in changes.items():
        setattr(resource, name, value)
    if resource.is_default and not resource.active:
        raise InvalidInput.at(
            "active", detail="It is booked where nobody says which.", code="not_allowed"
        )
    with constraints_as(_REFUSED):
        resource.save()
    if opening_hours is not None:
        set_opening_hours(resource_id=resource_id, hours=opening_hours)
    return resource


@transaction.atomic
def set_opening_hours(*, resource_id: int, hours: Sequence[OpeningHours]) -> None:
    """Let a resource have these opening hours, and no others."""
    resource = hold_resources(resource_id)[resource_id]
    resource.opening_hours.all().delete()
    OpeningHours.objects.bulk_create(
        OpeningHours(resource=resource, weekday=each.weekday, opens=each.opens, closes=each.closes)
        for each in hours
    )


def _to_come(resource: Resource, gap: timedelta) -> list[Booking]:
    """Return live bookings that are not over by their gap or by this one, the first first."""
    now = timezone.now()
    live = Booking.objects.live().filter(resource=resource, datetime__gt=now - LONGEST_GAP)
    return [each for each in live.order_by("datetime") if each.datetime + max(each.gap, gap) > now]
