"""Interactions whose custom document fulfils conditions."""

from collections.abc import Sequence
from datetime import datetime

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Q

from conversations.querysets import InteractionQuerySet

from .conditions import Condition

# So many are read one by one and sorted; more are met soon enough along the index by time.
MOST_PICKED = 10_000
# The value of before comes first.
_SCANS = "SELECT current_setting('enable_seqscan'), set_config('enable_seqscan', %s, true)"


def fulfilling(
    interactions: InteractionQuerySet, conditions: Sequence[Condition]
) -> InteractionQuerySet:
    """Keep those that fulfil all conditions; further filters come before, not after.

    It asks the database at once which they are where the index over `custom` knows. The planner
    guesses badly how many will be found: of few it would walk along all that there are, in their
    order by time, until a page is full.
    """
    kept = interactions
    for condition in conditions:
        fulfils = Q(custom__fulfils=condition.jsonpath)
        kept = kept.filter(~fulfils if condition.negated else fulfils)
    if any(condition.indexed for condition in conditions):
        found = _first(kept)
        if not found:
            return interactions.none()
        if len(found) <= MOST_PICKED:
            moments = [moment for _, moment in found]
            # The dates bound the walk, should the planner prefer one.
            return interactions.filter(
                pk__in=[key for key, _ in found],
                interaction_date__range=(min(moments), max(moments)),
            )
    return kept


def _first(interactions: InteractionQuerySet) -> list[tuple[str, datetime]]:
    """Return key and date of these, in any order; one more than `MOST_PICKED` at most."""
    found = interactions.order_by().select_related(None).values("pk", "interaction_date")
    try:
        statement, parameters = found.query.sql_with_params()
    except EmptyResultSet:
        # A filter names what is not there.
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        # Where it thinks that they are many, the planner would read the table from its beginning.
        cursor.execute(_SCANS, ["off"])
        ((before, _),) = cursor.fetchall()
        # Planned as if all were wanted, and so by the index; but read no further than needed.
        cursor.execute(
            f"WITH found AS MATERIALIZED ({statement}) SELECT * FROM found LIMIT %s",  # noqa: S608  Django's
            [*parameters, MOST_PICKED + 1],
        )
        rows: list[tuple[str, datetime]] = cursor.fetchall()
        cursor.execute(_SCANS, [before])
        return rows
