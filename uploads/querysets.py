"""Named reads of uploads."""

from typing import TYPE_CHECKING, Self

from django.db.models import QuerySet
from django.db.models.functions import Now

from .permissions import kinds_uploaded_by
from .states import UploadStatus

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User

    from .models import Upload


class UploadQuerySet(QuerySet["Upload"]):
    def for_display(self) -> Self:
        return self.select_related("by")

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Those of the kinds that they may upload."""
        return self.filter(kind__in=kinds_uploaded_by(user))

    def due(self) -> Self:
        """Waiting for a worker, or held by one whose lease has passed."""
        return self.filter(
            status__in=[UploadStatus.QUEUED, UploadStatus.RUNNING], due_at__lte=Now()
        )

    def over(self) -> Self:
        return self.exclude(status__in=[UploadStatus.QUEUED, UploadStatus.RUNNING])
