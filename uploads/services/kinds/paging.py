"""Whole tables, a part at a time."""

from collections.abc import Iterator
from typing import TypeVar

from django.db.models import Model, QuerySet

AnyModel = TypeVar("AnyModel", bound=Model)
AT_ONCE = 1000


def by_key(queryset: QuerySet[AnyModel]) -> Iterator[AnyModel]:
    """Yield all rows in the order of their keys.

    By keyset: neither a server-side cursor, which PgBouncer's transaction mode has not, nor one
    long transaction.
    """
    after = 0
    while rows := list(queryset.filter(pk__gt=after).order_by("pk")[:AT_ONCE]):
        yield from rows
        after = rows[-1].pk
