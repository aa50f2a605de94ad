"""How many interactions there were, for charts."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Count, F, TextChoices
from django.db.models.functions import TruncDate

from conversations.querysets import InteractionQuerySet

MOST_ROWS = 1_000


class Dimension(TextChoices):
    """What is counted by."""

    DAY = "day", "Day"
    AGENT = "agent", "Agent"
    CHANNEL = "channel", "Channel"
    SENTIMENT = "sentiment", "Sentiment"


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of a chart: `rows` has a value of each dimension, then how many."""

    by: tuple[Dimension, ...]
    rows: list[tuple[Any, ...]]
    total: int

    def shown(self) -> Mapping[str, Any]:
        names = [*self.by, "count"]
        return {
            "by": ",".join(self.by),
            "results": [dict(zip(map(str, names), row, strict=True)) for row in self.rows],
            "other": self.total - sum(row[-1] for row in self.rows),
            "total": self.total,
        }


def read_dimensions(text: str) -> tuple[Dimension, ...]:
    """Return the one or two that a caller names.

    Raises:
        ValueError: it names none, another, or one twice.
    """
    names = text.split(",")
    if not set(names) <= set(Dimension.values) or len(set(names)) != len(names) or len(names) > 2:
        raise ValueError(f"Must be one of {', '.join(Dimension)}, or two with a comma.")
    return tuple(Dimension(name) for name in names)


def count_interactions(interactions: InteractionQuerySet, *, by: tuple[Dimension, ...]) -> Counts:
    """Count interactions by one or two dimensions, by day in the shop's time zone.

    There are 1,000 rows at most: with days the newest whole days, from the first to the last of
    them; without, and in each day, the largest numbers first.
    """
    columns = {
        Dimension.DAY: TruncDate("interaction_date", tzinfo=ZoneInfo(settings.SHOP_TIME_ZONE)),
        Dimension.AGENT: F("agent_name"),
        Dimension.CHANNEL: F("engagement__name"),
    }
    grouped = (
        interactions.order_by()
        .select_related(None)
        # What is a column already is called so.
        .annotate(**{name: columns[name] for name in by if name in columns})
        .values(*by)
        .annotate(count=Count("pk"))
    )
    try:
        statement, parameters = grouped.query.sql_with_params()
    except EmptyResultSet:
        # A filter names what is not there.
        return Counts(by=by, rows=[], total=0)
    # Words of our own, each one of `Dimension`. A day is text: Python's calendar may not have it.
    shown = ", ".join("day::text" if name == Dimension.DAY else name for name in by)
    day_first = ["counted.day DESC"] if Dimension.DAY in by else []
    order = ", ".join([*day_first, "count DESC", *(name for name in by if name != Dimension.DAY)])
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {shown}, count, sum(count) OVER () FROM ({statement}) AS counted"  # noqa: S608  Django's
            f" ORDER BY {order} LIMIT {MOST_ROWS + 1}",
            parameters,
        )
        found = cursor.fetchall()
    rows = [row[:-1] for row in found]
    if Dimension.DAY in by:
        rows = _whole_days(rows, by.index(Dimension.DAY))
    return Counts(by=by, rows=rows[:MOST_ROWS], total=int(found[0][-1]) if found else 0)


def _whole_days(rows: list[tuple[Any, ...]], at: int) -> list[tuple[Any, ...]]:
    """Return rows, the newest day first, from the first day on, without one that was cut."""
    days = [list(day) for _, day in groupby(rows, key=lambda row: row[at])]
    if len(rows) > MOST_ROWS and len(days) > 1:
        days.pop()
    return [row for day in reversed(days) for row in day]
