"""REST of repair jobs."""

from typing import Any, cast

from django.db import transaction
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from core.api.views import ResourceViewSet
from repairs import services
from repairs.models import Job
from repairs.permissions import can_handle_repairs, can_see_repairs
from repairs.querysets import JobQuerySet

from .filters import RepairFilter
from .serializers import (
    RepairChangeInput,
    RepairCountsSerializer,
    RepairHandlingSerializer,
    RepairNoteInput,
    RepairNoteSerializer,
    RepairRowSerializer,
    RepairSerializer,
    RepairSettleInput,
    RepairStatusInput,
)


class RepairViewSet(ResourceViewSet):
    """Jobs of clients' databases. `{job_id}` is `00123`, `123` or `workshop:00123`."""

    queryset = Job.objects.for_display()
    serializer_class = RepairSerializer
    lookup_url_kwarg = "job_id"
    lookup_value_regex = services.ID
    http_method_names = ["get", "post", "patch", "head", "options"]
    # 409 `ambiguous_job`.
    may_conflict = ("retrieve", "handling")
    inputs = {
        "partial_update": RepairChangeInput,
        "status": RepairStatusInput,
        "notes": RepairNoteInput,
        "settle": RepairSettleInput,
    }
    permitted = {
        "list": can_see_repairs,
        "retrieve": can_see_repairs,
        "counts": can_see_repairs,
        "handling": can_see_repairs,
        "*": can_handle_repairs,
    }
    filterset_class = RepairFilter
    search_fields = ()
    ordering = "-job_date"
    ordering_fields = ("job_date",)

    def get_queryset(self) -> JobQuerySet:
        jobs = Job.objects.for_display().visible_to(self.request.user)
        if self.action == "handling":
            return jobs.with_names().prefetch_related("notes__by")
        return jobs

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        if self.action == "list":
            return RepairRowSerializer
        return RepairHandlingSerializer if self.action == "handling" else RepairSerializer

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Get one repair job: its document.

        409 `ambiguous_job` where several sources have a job of this number: `ids` are what each
        is called in full.
        """
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(responses=RepairHandlingSerializer)
    @action(detail=True, filterset_class=None, pagination_class=None)
    def handling(self, request: Request, job_id: str) -> Response:
        """Show what staff need to handle a job: what may follow, who did what, the notes."""
        return super().retrieve(request)

    @extend_schema(responses=RepairCountsSerializer, filters=True)
    @action(detail=False, pagination_class=None)
    def counts(self, request: Request) -> Response:
        """Count the jobs in each status, of those that the filters leave."""
        jobs = cast("JobQuerySet", self.filter_queryset(self.get_queryset()))
        return Response(counts_of(jobs))

    def partial_update(self, request: Request, job_id: str) -> Response:
        """Move a job on, or mend its phone number, or both.

        409 `illegal_move` where its status does not allow this: `status_now` is where it stands,
        `allowed` what may follow.
        """
        changes = self.input()

        def change(job: Job) -> None:
            # First, so that the right number is told of the move.
            if "client_mobile" in changes:
                mobile = changes["client_mobile"]
                services.correct_phone(job_id=job.pk, mobile=mobile, by=self.caller)
            if "job_status" in changes:
                services.move_job(job_id=job.pk, to=changes["job_status"], by=self.caller)

        return self.change_locked(change)

    @extend_schema(responses=RepairSerializer)
    @action(detail=True, methods=["post"])
    def status(self, request: Request, job_id: str) -> Response:
        """Move a job on; its customer is told once it is closed.

        409 `illegal_move` where its status does not allow this: `status_now` is where it stands,
        `allowed` what may follow.
        """
        given = self.input()
        return self.change_locked(
            lambda job: services.move_job(
                job_id=job.pk, to=given["job_status"], note=given.get("note", ""), by=self.caller
            )
        )

    @extend_schema(responses={201: RepairNoteSerializer})
    @action(detail=True, methods=["post"])
    def notes(self, request: Request, job_id: str) -> Response:
        """Keep what staff say of a job; the customer does not see it."""
        given = self.input()
        with transaction.atomic():
            job = self._locked_object()
            note = services.add_note(job_id=job.pk, by=self.caller, **given)
            note.refresh_from_db(fields=["at"])
        return Response(RepairNoteSerializer(note).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=RepairSerializer)
    @action(detail=True, methods=["post"])
    def settle(self, request: Request, job_id: str) -> Response:
        """End a contradiction between the client's database and ours.

        409 `nothing_to_settle` where there is none. What is kept of ours is written back.
        """
        keep = self.input()["keep"]
        return self.change_locked(
            lambda job: services.settle_conflict(job_id=job.pk, keep=keep, by=self.caller)
        )

    def _object_from(self, queryset: Any) -> Job:
        job = services.find_job(self.kwargs["job_id"], queryset)
        if job is None:
            raise Http404
        return job


def counts_of(jobs: JobQuerySet) -> dict[str, Any]:
    """Return how many jobs are in each status, in both APIs' shape."""
    by_status = jobs.counts()
    return {
        "by_status": by_status,
        "total": sum(by_status.values()),
        "attention": jobs.order_by().needing_attention().count(),
    }
