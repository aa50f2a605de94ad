"""Named reads of repair jobs."""

from typing import TYPE_CHECKING, Self

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from .permissions import can_see_repairs
from .states import OPEN, JobStatus

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User

    from .models import Aside, DocumentWrite, Job, Source


class SourceQuerySet(QuerySet["Source"]):
    def with_set_aside(self) -> Self:
        """With `set_aside`: how many of its rows could not become jobs."""
        # models.py imports this file.
        aside = apps.get_model("repairs", "Aside").objects
        rows = aside.open().filter(source=OuterRef("pk")).order_by()
        counted = rows.values("source").annotate(rows=Count("pk")).values("rows")
        return self.annotate(set_aside=Coalesce(Subquery(counted), 0))


class JobQuerySet(QuerySet["Job"]):
    _with_names = False

    def for_display(self) -> Self:
        """With all that an answer shows, in a fixed number of statements."""
        return self.select_related("source")

    def with_names(self) -> Self:
        """With `names`: who the keys in `updates` are, in one statement for all of the jobs."""
        jobs = self.all()
        jobs._with_names = True
        return jobs

    def _clone(self) -> Self:
        jobs: Self = super()._clone()  # type: ignore[misc]  # the stub does not have it
        jobs._with_names = self._with_names
        return jobs

    def _fetch_all(self) -> None:
        is_new = self._result_cache is None
        super()._fetch_all()
        if not (is_new and self._with_names and self._result_cache):
            return
        said = {each["by"] for job in self._result_cache for each in job.updates}
        users = get_user_model().objects.in_bulk([int(by) for by in said if by.isdigit()])
        names = {str(key): str(user) for key, user in users.items()}
        for job in self._result_cache:
            job.names = names

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        return self if can_see_repairs(user) else self.none()

    def needing_attention(self) -> Self:
        """Return those at which a person is to look: nobody can be told, or the client objects."""
        return self.filter(self.attention())

    @staticmethod
    def attention() -> Q:
        return Q(phone_error__gt="", status__in=OPEN) | Q(conflict__gt="")

    def to_write_back(self) -> Self:
        return self.filter(write_due=True)

    def counts(self) -> dict[JobStatus, int]:
        """Count these in each status; zero where there is none."""
        found = dict(self.order_by().values_list("status").annotate(jobs=Count("pk")))
        return {status: found.get(status.value, 0) for status in JobStatus}


class AsideQuerySet(QuerySet["Aside"]):
    def open(self) -> Self:
        return self.filter(resolved_at=None)


class DocumentWriteQuerySet(QuerySet["DocumentWrite"]):
    def due(self) -> Self:
        return self.filter(due_at__lte=Now())

    def refused(self) -> Self:
        """Return those that MongoDB does not take, each for itself."""
        return self.filter(attempts__gt=0)
