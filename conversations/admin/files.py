"""The admin page of imported files, and of their lines that could not be taken in."""

from typing import Any

from django.contrib import admin
from django.db.models import BinaryField, F, Func, Value
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from conversations.models import ImportedFile, RejectedLine
from conversations.permissions import can_handle_conversations, can_see_conversations
from core.admin import DukaModelAdmin, ReadOnly

from .common import as_block

# Of the lines of a file, and of each of them.
_LINES = 50
_BYTES = 500


@admin.register(ImportedFile)
class ImportedFileAdmin(ReadOnly, DukaModelAdmin):
    can_see = can_see_conversations
    can_manage = can_handle_conversations
    list_display = (
        *("name", "collection", "created", "unchanged", "rejected", "started_at", "ended_at"),
    )
    list_filter = ("collection", ("ended_at", admin.EmptyFieldListFilter))
    search_fields = ("name",)
    search_help_text = "A file's name"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "collection"),
                    ("created", "unchanged"),
                    ("rejected", "line"),
                    ("started_at", "updated_at"),
                    ("ended_at",),
                    ("lines_shown",),
                )
            },
        ),
    )
    readonly_fields = ("lines_shown",)

    @display(description="lines set aside")
    def lines_shown(self, file: ImportedFile) -> Any:
        """Show the first of them: what stands there, and why it could not be taken in."""
        begin = Func(
            F("content"),
            Value(1),
            Value(_BYTES),
            function="substring",
            output_field=BinaryField(),
        )
        rows = RejectedLine.objects.filter(file=file).annotate(begin=begin).defer("content")
        lines = [
            (
                f"{line.number:,}",
                " ".join(str(each.get("detail", "")) for each in line.errors),
                as_block(bytes(line.begin).decode(errors="replace")),
            )
            for line in rows.order_by("number")[:_LINES]
        ]
        more = file.rejected - len(lines)
        rest = format_html("<p>And {} more.</p>", f"{more:,}") if lines and more > 0 else ""
        return format_html("{}{}", format_html_join("", "<p>Line {}: {}</p>{}", lines), rest)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # The admin knows the history only of what was typed in there.
        context = {**(extra_context or {}), "show_history": False}
        return super().changeform_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: ImportedFile, form: Any, change: bool) -> None:
        """Write nothing: the import does."""
