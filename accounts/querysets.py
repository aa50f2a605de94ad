"""Named reads of accounts."""

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db.models import Q, QuerySet
from django.utils import timezone

from .states import Role

if TYPE_CHECKING:
    from .models import (
        Invitation,
        Machine,
        Membership,
        User,
    )


class UserManager(DjangoUserManager["User"]):
    def known_as(self, issuer: str, subject: str) -> "User | None":
        """Return whom an issuer means by a subject, with what decides on their rights."""
        users = self.select_related("machine").prefetch_related("memberships")
        if settings.OIDC_EMBEDDED and issuer == settings.OIDC_ISSUER:
            return users.filter(Q(subject=_uuid(subject)) | Q(machine__client=subject)).first()
        return users.filter(identities__issuer=issuer, identities__subject=subject).first()


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


class MembershipQuerySet(QuerySet["Membership"]):
    def active(self) -> Self:
        return self.filter(suspended_at=None, user__is_active=True)

    def shopkeepers(self) -> Self:
        return self.filter(role=Role.SHOPKEEPER)

    def with_right(self, right: str) -> Self:
        """Those that let somebody do this now; a shopkeeper may do everything."""
        granted = Q(role=Role.SHOPKEEPER) | Q(rights__contains=[right])
        return self.active().filter(granted)


class InvitationQuerySet(QuerySet["Invitation"]):
    def open(self) -> Self:
        return self.filter(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())


class MachineQuerySet(QuerySet["Machine"]):
    def used_before(self, seconds: float) -> Self:
        """Those whose last use was noted longer ago than so many seconds, or never."""
        return self.filter(
            Q(last_used_at=None) | Q(last_used_at__lt=timezone.now() - timedelta(seconds=seconds))
        )
