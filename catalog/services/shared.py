"""What several verbs of the catalogue share."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, connection, models, transaction
from django.db.models import ProtectedError, QuerySet
from django.utils.text import slugify

from catalog.exceptions import InUse, Taken
from catalog.models import Category, Product
from core.errors import FieldError

# The largest value of PostgreSQL's integer.
MAX_STOCK = 2_147_483_647

SLUG_TAKEN = "Something else has this slug."


def apply(instance: models.Model, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        setattr(instance, name, value)


def taken(field: str, detail: str) -> Taken:
    return Taken(detail, errors=[FieldError(path=(field,), code="taken", detail=detail)])


def free_slug(things: QuerySet[Category] | QuerySet[Product], name: str) -> str:
    """Return a slug that none of the things has until the transaction's end.

    Others wait to make the same.
    """
    kind = things.model._meta.model_name or ""
    base = slugify(name)[:120] or kind
    lock_until_commit(f"{kind} slug {base}")
    in_use = set(things.filter(slug__startswith=base).values_list("slug", flat=True))
    candidates = (
        base if number == 1 else f"{base}-{number}" for number in range(1, len(in_use) + 2)
    )
    return next(slug for slug in candidates if slug not in in_use)


def lock_until_commit(name: str) -> None:
    """Wait until nobody else holds the lock of this name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def delete(model: type[models.Model], key: int, advice: str) -> None:
    try:
        with transaction.atomic():
            model._default_manager.filter(pk=key).delete()
            # Foreign keys are held at the commit, but what came in meanwhile is to be told here.
            connection.check_constraints()
    except (ProtectedError, IntegrityError):
        raise InUse(f"It cannot be deleted. {advice}") from None
