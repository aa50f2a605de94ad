"""Named reads of identities."""

from typing import TYPE_CHECKING, Self

from django.db.models import QuerySet

if TYPE_CHECKING:
    from .models import Identity


class IdentityQuerySet(QuerySet["Identity"]):
    def known_as(self, issuer: str, subject: str) -> Self:
        """The one, if any, whom an issuer means by a subject, with its user."""
        return self.filter(issuer=issuer, subject=subject).select_related("user")
