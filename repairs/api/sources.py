"""REST of clients' databases: how their collecting goes, and rows that could not become jobs."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.serializers import InputSerializer, NothingInput
from core.api.views import ResourceViewSet
from core.etags import etag_of
from core.jobs import enqueue_on_commit
from repairs import services
from repairs.clients import COLUMNS
from repairs.models import Aside, Source
from repairs.permissions import can_manage_sources, can_see_sources
from repairs.querysets import SourceQuerySet
from repairs.states import FindingCode, JobStatus
from repairs.tasks import collect_source

from .filters import RepairSourceFilter, RowAsideFilter

# What a person may change, and so what `If-Match` is about.
SETTINGS = ("active", "table", "columns", "statuses", "write_back")
_LONGEST_NAME = 128


class FindingSerializer(serializers.Serializer[Any]):
    code = serializers.ChoiceField(choices=FindingCode.choices)
    detail = serializers.CharField(help_text="What is wrong, and what to do.")


class RepairLayoutSerializer(serializers.Serializer[Any]):
    table = serializers.CharField()
    columns = serializers.DictField(
        child=serializers.CharField(), help_text="Each of the contract's, and its name there."
    )
    statuses = serializers.DictField(
        child=serializers.ChoiceField(choices=JobStatus.choices),
        help_text="Words of the client's beside ours, and what they mean.",
    )
    write_back = serializers.BooleanField()


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string"}]})
class _KeyField(serializers.Field[Any, Any, Any, Any]):
    """A `job_id` as the client has it: text, where its column is."""


class RepairBaselineSerializer(serializers.Serializer[Any]):
    to = _KeyField(help_text="The highest `job_id` that was there before us.")
    after = _KeyField(
        allow_null=True, help_text="All up to this one are taken in; null: nothing yet."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A client's database that does well",
            {
                "name": "workshop",
                "active": True,
                "configured": True,
                "table": "",
                "columns": {"client_mobile": "phone"},
                "statuses": {"In the shop": "OPENED"},
                "write_back": None,
                "layout": {
                    "table": "Jobs",
                    "columns": {**{name: name for name in COLUMNS}, "client_mobile": "phone"},
                    "statuses": {"In the shop": "OPENED"},
                    "write_back": True,
                },
                "lag": 3,
                "complete_at": "2026-11-21T08:00:00Z",
                "baselined_at": "2026-11-01T09:30:00Z",
                "baseline": {"to": 120, "after": 120},
                "failing_since": None,
                "error_code": "",
                "error": "",
                "findings": [],
                "checked_at": "2026-11-21T07:59:00Z",
                "collected": 123,
                "set_aside": 0,
            },
        )
    ]
)
class RepairSourceSerializer(serializers.ModelSerializer[Source]):
    configured: Any = serializers.SerializerMethodField(
        help_text="Whether the settings have its address; else nobody can collect from it."
    )
    layout: Any = serializers.SerializerMethodField(
        help_text="What counts: this and the settings together; null: not configured."
    )
    columns = serializers.DictField(
        child=serializers.CharField(), help_text="Where they are called otherwise than `Jobs` has."
    )
    statuses = serializers.DictField(
        child=serializers.ChoiceField(choices=JobStatus.choices),
        help_text="What the client's own words mean.",
    )
    lag = serializers.IntegerField(
        allow_null=True,
        help_text="Seconds since the begin of the last round that took in all; null: none did.",
    )
    baseline: Any = serializers.SerializerMethodField(
        help_text="How far what was there before us is taken in; null: not begun."
    )
    error_code = serializers.ChoiceField(
        choices=FindingCode.choices, allow_blank=True, help_text="Why it fails; empty: it does not."
    )
    findings = FindingSerializer(
        many=True, allow_null=True, help_text="Of the last test; empty: all is well; null: none."
    )
    set_aside = serializers.IntegerField(help_text="Rows that could not become jobs so far.")

    class Meta:
        model = Source
        fields = (
            "name",
            "active",
            "configured",
            "table",
            "columns",
            "statuses",
            "write_back",
            "layout",
            "lag",
            "complete_at",
            "baselined_at",
            "baseline",
            "failing_since",
            "error_code",
            "error",
            "findings",
            "checked_at",
            "collected",
            "set_aside",
        )

    def get_configured(self, source: Source) -> bool:
        return services.is_configured(source)

    @extend_schema_field(RepairLayoutSerializer(allow_null=True))
    def get_layout(self, source: Source) -> Any:
        return layout_shown(source)

    @extend_schema_field(RepairBaselineSerializer(allow_null=True))
    def get_baseline(self, source: Source) -> Any:
        if source.baseline_to is None:
            return None
        return {"to": source.baseline_to, "after": source.baseline_after}


def layout_shown(source: Source) -> dict[str, Any] | None:
    """Return what counts of a source's mapping, without its address; None: not configured."""
    if not services.is_configured(source):
        return None
    layout = services.layout_of(source)
    return {
        "table": layout.table,
        "columns": {name: layout.column(name) for name in COLUMNS},
        "statuses": dict(layout.statuses),
        "write_back": layout.write_back,
    }


@extend_schema_serializer(
    examples=[
        OpenApiExample("Other names", {"table": "tbl_jobs", "columns": {"client_mobile": "phone"}}),
        OpenApiExample("Read only", {"write_back": False}),
    ]
)
class RepairSourceInput(InputSerializer):
    """What is given goes before what the settings say of the same."""

    active = serializers.BooleanField(required=False, help_text="Whether it is collected from.")
    table = serializers.CharField(
        max_length=_LONGEST_NAME,
        required=False,
        allow_blank=True,
        help_text="Name of its table; empty: as in the settings.",
    )
    columns = serializers.DictField(
        child=serializers.CharField(max_length=_LONGEST_NAME),
        required=False,
        help_text="All that are called otherwise, in place of those before.",
    )
    statuses = serializers.DictField(
        child=serializers.CharField(max_length=_LONGEST_NAME),
        required=False,
        help_text="All of the client's own words, in place of those before.",
    )
    write_back = serializers.BooleanField(
        required=False,
        allow_null=True,
        help_text="Whether our status is written to it; null: as in the settings.",
    )

    ignored = tuple(name for name in RepairSourceSerializer.Meta.fields if name not in SETTINGS)


class RepairSourceViewSet(ResourceViewSet):
    """Clients' databases. Their addresses and passwords are in the settings alone."""

    queryset = Source.objects.with_set_aside()
    serializer_class = RepairSourceSerializer
    lookup_field = "name"
    lookup_value_regex = r"[a-z0-9_]{1,32}"
    http_method_names = ["get", "post", "patch", "head", "options"]
    inputs = {"partial_update": RepairSourceInput, "test": NothingInput, "collect": NothingInput}
    permitted = {"list": can_see_sources, "retrieve": can_see_sources, "*": can_manage_sources}
    filterset_class = RepairSourceFilter
    search_fields = ()
    ordering = "name"
    ordering_fields = ("name",)

    def get_queryset(self) -> SourceQuerySet:
        return Source.objects.with_set_aside()

    def partial_update(self, request: Request, name: str) -> Response:
        """Change how a client's database is read, or whether it is.

        Its address and password are in the settings of the shop's server alone.
        """
        changes = self.input()
        return self.change_locked(
            lambda source: services.update_source(source_id=source.pk, **changes)
        )

    @extend_schema(responses=RepairSourceSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, name: str) -> Response:
        """Connect to a client's database and say in `findings` what is wrong.

        Nothing is changed there. It takes some seconds where the other side does not answer. An
        `Idempotency-Key` is ignored.
        """
        self.input()
        with transaction.atomic():
            source = self._locked_object()
        services.check_source(source_id=source.pk)
        return self.answer(source.pk)

    @extend_schema(responses={202: RepairSourceSerializer})
    @action(detail=True, methods=["post"])
    def collect(self, request: Request, name: str) -> Response:
        """Collect from a client's database now, rather than when it is due.

        A worker does it; 409 `source_inactive` where it is not collected from.
        """
        self.input()

        def wake(source: Source) -> None:
            services.collect_soon(source_id=source.pk)
            enqueue_on_commit(collect_source, source_id=source.pk)

        response = self.change_locked(wake)
        response.status_code = status.HTTP_202_ACCEPTED
        return response

    def idempotent_caller(self) -> str | None:
        # The answer to a key is stored in a transaction, which would be open while the client's
        # database is asked; asked twice, nothing happens twice.
        return None if self.action == "test" else super().idempotent_caller()

    def etag_of(self, data: dict[str, Any]) -> str:
        # How it does is another with every round: nobody could change it after reading it.
        return etag_of({name: data[name] for name in SETTINGS})

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Get one client's database, and how collecting from it goes.

        `ETag` is of what can be changed alone.
        """
        data = self._represent(self.get_object())
        return Response(data, headers={"ETag": self.etag_of(data)})


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A word that nobody knows",
            {
                "id": 1,
                "source": "workshop",
                "key": "124",
                "reason": "unknown_status",
                "detail": 'Nobody knows what the status "Waiting" means.',
                "row": {"job_id": "124", "job_status": "Waiting"},
                "first_seen_at": "2026-11-21T08:00:00Z",
                "last_seen_at": "2026-11-21T08:05:00Z",
                "resolved_at": None,
            },
        )
    ]
)
class RowAsideSerializer(serializers.ModelSerializer[Aside]):
    source: Any = serializers.SlugRelatedField(
        slug_field="name", read_only=True, help_text="Whose database it stands in."
    )
    row: Any = serializers.DictField(help_text="By the contract's columns what stands there.")

    class Meta:
        model = Aside
        fields = (
            "id",
            "source",
            "key",
            "reason",
            "detail",
            "row",
            "first_seen_at",
            "last_seen_at",
            "resolved_at",
        )


class RowAsideViewSet(ResourceViewSet):
    queryset = Aside.objects.select_related("source")
    serializer_class = RowAsideSerializer
    lookup_value_regex = r"[0-9]{1,16}"
    http_method_names = ["get", "head", "options"]
    permitted = {"*": can_see_sources}
    filterset_class = RowAsideFilter
    search_fields = ()

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List rows of clients' databases that could not become jobs.

        Each is looked at again and again, and taken in once it is mended.
        """
        return super().list(request, *args, **kwargs)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Get one row that could not become a job."""
        return super().retrieve(request, *args, **kwargs)
