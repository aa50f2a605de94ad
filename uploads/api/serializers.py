"""Shapes of uploads in and out."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from core.api.serializers import InputSerializer
from uploads.models import Upload, UploadRow
from uploads.states import Kind, Mode


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A dry run",
            {
                "id": 1,
                "kind": "customers",
                "name": "customers.csv",
                "format": "csv",
                "size": 5120,
                "mode": "skip_bad_rows",
                "dry_run": True,
                "status": "checked",
                "phase": "checking",
                "rows_total": 100,
                "rows_done": 100,
                "created": 90,
                "changed": 5,
                "unchanged": 3,
                "failed": 2,
                "error_code": "",
                "error": "",
                "by": "Mama Njeri",
                "created_at": "2026-11-21T08:00:00Z",
                "started_at": "2026-11-21T08:00:01Z",
                "ended_at": "2026-11-21T08:00:02Z",
            },
        )
    ]
)
class UploadSerializer(serializers.ModelSerializer[Upload]):
    by = serializers.StringRelatedField(  # type: ignore[var-annotated]  # of the untyped base
        help_text="Name of who uploaded or applied it."
    )

    class Meta:
        model = Upload
        fields = (
            "id",
            "kind",
            "name",
            "format",
            "size",
            "mode",
            "dry_run",
            "status",
            "phase",
            "rows_total",
            "rows_done",
            "created",
            "changed",
            "unchanged",
            "failed",
            "error_code",
            "error",
            "by",
            "created_at",
            "started_at",
            "ended_at",
        )


class RowErrorSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="Column; empty: the row as a whole.")
    code = serializers.CharField(help_text="As REST's for the same mistake.")
    detail = serializers.CharField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A bad row",
            {
                "number": 7,
                "outcome": "failed",
                "subject": "",
                "data": {"name": "Otieno", "phone": "12"},
                "changes": {},
                "errors": [
                    {
                        "field": "phone",
                        "code": "impossible_phone",
                        "detail": "This is not a phone number.",
                    }
                ],
            },
        ),
        OpenApiExample(
            "A change",
            {
                "number": 8,
                "outcome": "changed",
                "subject": "TEA-1",
                "data": {"sku": "TEA-1", "price": "14"},
                "changes": {"price": ["12.50", "14.00"]},
                "errors": [],
            },
        ),
    ]
)
class UploadRowSerializer(serializers.ModelSerializer[UploadRow]):
    data: Any = serializers.DictField(child=serializers.CharField(), help_text="As it was read.")
    changes = serializers.DictField(help_text="`{field: [before, after]}`")
    errors: Any = RowErrorSerializer(many=True)

    class Meta:
        model = UploadRow
        fields = ("number", "outcome", "subject", "data", "changes", "errors")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A dry run",
            {"kind": "customers", "file": "customers.csv", "dry_run": True},
            request_only=True,
        )
    ]
)
class UploadInput(InputSerializer):
    kind = serializers.ChoiceField(choices=Kind.choices)
    file = serializers.FileField(
        allow_empty_file=True, help_text="CSV in UTF-8, XLSX, or JSON: an array of flat objects."
    )
    mode = serializers.ChoiceField(
        choices=Mode.choices, default=Mode.STOP_AT_FIRST_ERROR, help_text="What a bad row does."
    )
    dry_run = serializers.BooleanField(
        default=False, help_text="Only look what would become of it; see its rows."
    )
