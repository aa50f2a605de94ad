"""Uploads in the admin: a form, its progress, what became of each row; and the exports."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from unfold.decorators import display

from core.admin import MovingAdmin, ReadOnlyAdmin, Verb, become, named
from core.jobs import enqueue_on_commit

from . import services
from .models import Upload, UploadRow
from .permissions import (
    EXPORTING,
    UPLOADING,
    can_upload,
    kinds_exported_by,
    kinds_uploaded_by,
)
from .querysets import UploadQuerySet
from .states import Format, Kind, Mode, Outcome, UploadStatus
from .tasks import run_uploads

_COLOURS = {
    UploadStatus.QUEUED: "info",
    UploadStatus.RUNNING: "info",
    UploadStatus.CHECKED: "warning",
    UploadStatus.DONE: "success",
    UploadStatus.FAILED: "danger",
    UploadStatus.CANCELLED: "danger",
}
_ROW_COLOURS = {
    Outcome.CREATED: "success",
    Outcome.CHANGED: "warning",
    Outcome.UNCHANGED: "info",
    Outcome.FAILED: "danger",
}


class UploadForm(forms.ModelForm[Upload]):
    file = forms.FileField(
        allow_empty_file=True, help_text="CSV in UTF-8, XLSX or JSON, with the template's columns."
    )
    dry_run = forms.BooleanField(
        required=False,
        initial=True,
        label="Dry run",
        help_text="Only look what would come of it; it can be applied afterwards.",
    )

    class Meta:
        model = Upload
        fields = ("kind", "file", "mode", "dry_run")


@admin.register(Upload)
class UploadAdmin(MovingAdmin):
    form = UploadForm
    can_see = can_upload
    can_manage = can_upload
    verbs = (
        Verb(name="apply", to=UploadStatus.QUEUED, move=services.apply_upload),
        Verb(name="cancel", to=UploadStatus.CANCELLED, move=services.cancel_upload),
    )
    list_display = ("name", "kind", "state_label", "rows_done", "failed", "uploader", "created_at")
    list_filter = ("kind", "status")
    list_select_related = ("by",)
    list_before_template = "admin/uploads/upload/files.html"
    change_form_before_template = "admin/uploads/upload/progress.html"
    ordering = ("-pk",)
    uploader = named("by")

    def get_queryset(self, request: HttpRequest) -> UploadQuerySet:
        uploads: UploadQuerySet = super().get_queryset(request)
        return uploads.visible_to(request.user)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("kind", "file", "mode", "dry_run")
        times = ("created_at", "started_at", "ended_at")
        return ("kind", "name", "mode", "dry_run", "uploader", *times)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.get_fields(request, obj) if obj else ()

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "kind":
            mine = kinds_uploaded_by(request.user)
            kwargs["choices"] = [(kind.value, kind.label) for kind in Kind if kind in mine]
        if db_field.name == "mode":
            kwargs["choices"] = Mode.choices
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # They go by themselves.
        return False

    @display(description="status", ordering="status", label=_COLOURS)
    def state_label(self, upload: Upload) -> tuple[str, str]:
        return upload.status, upload.get_status_display()

    def save_model(self, request: HttpRequest, obj: Upload, form: Any, change: bool) -> None:
        if change:
            # There is nothing to be typed in.
            return
        file = form.cleaned_data["file"]
        kept = services.create_upload(
            kind=form.cleaned_data["kind"],
            file=file,
            name=file.name,
            mode=form.cleaned_data["mode"],
            dry_run=form.cleaned_data["dry_run"],
            by=request.user,  # type: ignore[arg-type]  # nobody else comes here
        )
        become(obj, kept)
        enqueue_on_commit(run_uploads)

    def response_add(self, request: HttpRequest, obj: Upload, post_url_continue: Any = None) -> Any:
        return HttpResponseRedirect(reverse("admin:uploads_upload_change", args=[obj.pk]))

    def move(self, request: HttpRequest, rows: Any, verb: Verb, **more: Any) -> None:
        super().move(request, rows, verb, **more)
        enqueue_on_commit(run_uploads)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        files = [
            (kind.label, [(name, _links(view, kind)) for name, view in views])
            for kind in Kind
            if (
                views := [
                    (name, view)
                    for name, view, kinds in (
                        ("Template", "template", kinds_uploaded_by(request.user)),
                        ("Export", "export", kinds_exported_by(request.user)),
                    )
                    if kind in kinds
                ]
            )
        ]
        return super().changelist_view(request, {**(extra_context or {}), "files": files})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        upload: Any = self.get_object(request, object_id)
        rows = reverse("admin:uploads_uploadrow_changelist")
        shown = {
            "upload": upload,
            "rows": f"{rows}?upload__id__exact={object_id}",
            "outcomes": upload and [(each, getattr(upload, each)) for each in _COUNTED],
            "show_save": False,
            "show_save_and_continue": False,
            "show_save_and_add_another": False,
        }
        response = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **shown}
        )
        if upload and not upload.state.is_over:
            response["Refresh"] = "2"
        return response

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        urls: list[URLPattern] = super().get_urls()
        return [
            path(f"{what}/<slug:kind>.<slug:format>", guard(view), name=f"uploads_upload_{what}")
            for what, view in (("export", self.export), ("template", self.template))
        ] + urls

    def export(self, request: HttpRequest, kind: str, format: str) -> HttpResponseBase:  # noqa: A002
        return self._file(request, kind, format, EXPORTING, services.export)

    def template(self, request: HttpRequest, kind: str, format: str) -> HttpResponseBase:  # noqa: A002
        return self._file(request, kind, format, UPLOADING, services.template)

    def _file(
        self, request: HttpRequest, kind: str, format_: str, may: Any, make: Any
    ) -> HttpResponseBase:
        if kind not in Kind.values or format_ not in Format.values:
            raise Http404
        if not may[kind](request.user):
            raise PermissionDenied
        return services.as_download(make(kind=kind, format=format_), kind, format_)


_COUNTED = (Outcome.CREATED, Outcome.CHANGED, Outcome.UNCHANGED, Outcome.FAILED)


def _links(view: str, kind: Kind) -> list[tuple[str, str]]:
    return [
        (each.label, reverse(f"admin:uploads_upload_{view}", args=[kind.value, each.value]))
        for each in Format
    ]


@admin.register(UploadRow)
class UploadRowAdmin(ReadOnlyAdmin):
    list_display = ("number", "state_label", "subject", "what", "data")
    list_filter = ("outcome",)
    list_display_links = None
    ordering = ("number",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super().get_queryset(request).filter(upload__kind__in=kinds_uploaded_by(request.user))
        )

    @display(description="outcome", label=_ROW_COLOURS)
    def state_label(self, row: UploadRow) -> tuple[str, str]:
        return row.outcome, row.get_outcome_display()

    @display(description="errors or changes")
    def what(self, row: UploadRow) -> str:
        errors = ((each["field"], each["detail"]) for each in row.errors)
        changes = (
            (name, f"{_said(before)} → {_said(after)}")
            for name, (before, after) in row.changes.items()
        )
        return format_html_join(mark_safe("<br>"), "{}: {}", (*errors, *changes))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_upload(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return can_upload(request.user)


def _said(value: Any) -> str:
    return "nothing" if value in {None, ""} else str(value)
