"""REST of uploads and exports."""

from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db.models import QuerySet
from django.http import Http404, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.parsers import JSONParser
from core.api.serializers import NothingInput
from core.api.views import ResourceViewSet
from core.jobs import enqueue_on_commit
from uploads import services
from uploads.models import Upload, UploadRow
from uploads.permissions import EXPORTING, UPLOADING, can_export, can_upload
from uploads.states import Format, Kind
from uploads.tasks import run_uploads

from .filters import UploadFilter, UploadRowFilter
from .serializers import UploadInput, UploadRowSerializer, UploadSerializer

# What a form has around its file.
_FORM = 64 * 1024


class UploadViewSet(ResourceViewSet):
    queryset = Upload.objects.for_display()
    serializer_class = UploadSerializer
    inputs = {"create": UploadInput, "cancel": NothingInput, "apply": NothingInput}
    permitted = {"*": can_upload}
    filterset_class = UploadFilter
    lookup_value_regex = "[0-9]{1,18}"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Before anything looks into the form, such as the check of a session's CSRF token.
        if self._takes_a_file() and int(request.META.get("CONTENT_LENGTH") or 0) > (
            settings.UPLOAD_MAX_BYTES + _FORM
        ):
            raise RequestDataTooBig
        super().initial(request, *args, **kwargs)

    def read_body(self, request: Request) -> None:
        # A file goes to the disk as it comes, never into memory.
        if not self._takes_a_file():
            super().read_body(request)

    def get_parsers(self) -> list[BaseParser]:
        return [MultiPartParser() if self._takes_a_file() else JSONParser()]

    def _takes_a_file(self) -> bool:
        # There is no request where the document is written.
        request = getattr(self, "request", None)
        return request is not None and request.method == "POST" and not self.detail

    def get_queryset(self) -> QuerySet[Upload]:
        return Upload.objects.for_display().visible_to(self.request.user)

    @extend_schema(request={"multipart/form-data": UploadInput}, responses={202: UploadSerializer})
    def create(self, request: Request) -> Response:
        """Upload a file of customers, products or orders.

        A worker takes its rows in; look at the upload to see how far it is, and at its rows to
        see what became of each. The columns are those of the templates.
        """
        fields = self.input()
        if not UPLOADING[fields["kind"]](request.user):
            raise PermissionDenied
        upload = services.create_upload(name=fields["file"].name, by=self.caller, **fields)
        enqueue_on_commit(run_uploads)
        response = self.answer(upload.pk, status_code=status.HTTP_202_ACCEPTED)
        response["Location"] = self._address_of(response.data)
        return response

    @extend_schema(responses={202: UploadSerializer})
    @action(detail=True, methods=["post"])
    def apply(self, request: Request, pk: str) -> Response:
        """Do for real what a dry run looked at, or go on with what failed or was cancelled."""
        response = self.change_locked(
            lambda upload: services.apply_upload(upload_id=upload.pk, by=self.caller)
        )
        enqueue_on_commit(run_uploads)
        response.status_code = status.HTTP_202_ACCEPTED
        return response

    @extend_schema(responses=UploadSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop an upload. What it has written stays, unless it is all or nothing."""
        return self.change_locked(lambda upload: services.cancel_upload(upload_id=upload.pk))


class UploadRowViewSet(ResourceViewSet):
    queryset = UploadRow.objects.all()
    serializer_class = UploadRowSerializer
    permitted = {"*": can_upload}
    filterset_class = UploadRowFilter
    ordering = "number"
    ordering_fields = ("number",)

    def get_queryset(self) -> QuerySet[UploadRow]:
        return super().get_queryset().filter(upload=self.kwargs.get("upload_id"))

    def list(self, request: Request, upload_id: str) -> Response:
        """List the rows of an upload, with what became, or would become, of each."""
        get_object_or_404(Upload.objects.visible_to(request.user), pk=upload_id)
        return super().list(request)


class _Whatever(BaseContentNegotiation):
    """A file is what its address says; only errors are rendered."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


def _file(what: str, summary: str) -> Any:
    return extend_schema(
        operation_id=what,
        summary=summary,
        parameters=[
            OpenApiParameter("kind", str, OpenApiParameter.PATH, enum=Kind.values),
            OpenApiParameter("format", str, OpenApiParameter.PATH, enum=Format.values),
        ],
        responses={
            (200, content_type): OpenApiTypes.BINARY
            for content_type in map(services.content_type_of, Format.values)
        },
    )


class TemplateView(APIView):
    permitted = {"get": can_upload}
    content_negotiation_class = _Whatever

    @_file("upload_template", "Get a file to fill in.")
    def get(self, request: Request, kind: str, format: str) -> StreamingHttpResponse:  # noqa: A002
        """With the columns of this kind and a row that shows what is meant."""
        _known(kind, format)
        return services.as_download(services.template(kind=kind, format=format), kind, format)


class ExportView(APIView):
    permitted = {"get": can_export}
    content_negotiation_class = _Whatever

    @_file("export", "Export all customers, products or orders.")
    def get(self, request: Request, kind: str, format: str) -> StreamingHttpResponse:  # noqa: A002
        """In the form of uploads: uploaded again, nothing changes."""
        _known(kind, format)
        if not EXPORTING[kind](request.user):
            raise PermissionDenied
        return services.as_download(services.export(kind=kind, format=format), kind, format)


def _known(kind: str, format_: str) -> None:
    if kind not in Kind.values or format_ not in Format.values:
        raise Http404
