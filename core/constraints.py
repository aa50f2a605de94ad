"""Turning a database constraint that said no into an error that names the field."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from .errors import DomainError


@contextmanager
def constraints_as(errors: Mapping[str, DomainError]) -> Iterator[None]:
    """Run a write in a savepoint; raise `errors[name]` where the constraint `name` refuses it.

    The check beforehand gives the usual error; this one is for the race that
    slips in between.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        diagnostics = getattr(error.__cause__, "diag", None)
        known = errors.get(getattr(diagnostics, "constraint_name", None) or "")
        if known is None:
            raise
        raise known from None
