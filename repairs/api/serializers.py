"""Shapes of repair jobs, as the contract has them, in and out."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from core.api.serializers import InputSerializer
from repairs import services
from repairs.models import Job, JobNote
from repairs.services.moving import CLIENT, DUKA
from repairs.states import JobStatus, status_meant

MOST_OF_A_NOTE = 4000

DOCUMENT: dict[str, Any] = {
    "job_id": "00123",
    "job_date": "2022-03-21",
    "job_type": "Repair",
    "job_status": "New",
    "customer": {
        "client_firstname": "John",
        "client_lastname": "Smith",
        "client_postcode": "SG13 7TZ",
        "client_mobile": "+447770 123456",
    },
    "product": {"product_id": "123", "product_type": "spider catcher"},
    "updates": [{"timestamp": "2022-03-21 10:00:00", "status": "New"}],
}
_NOTE = {"text": "They call on Monday.", "by": "Mama Njeri", "at": "2022-03-21T08:00:00Z"}


class RepairCustomerSerializer(serializers.Serializer[Any]):
    client_firstname = serializers.CharField()
    client_lastname = serializers.CharField()
    client_postcode = serializers.CharField()
    client_mobile = serializers.CharField(help_text="As the client wrote it.")


class RepairProductSerializer(serializers.Serializer[Any]):
    product_id = serializers.CharField(help_text="The client's `product_sku`.")
    product_type = serializers.CharField()


class RepairUpdateSerializer(serializers.Serializer[Any]):
    timestamp = serializers.CharField(help_text="By the shop's clocks: `2022-03-21 10:00:00`.")
    status = serializers.CharField(help_text="In the words of whoever said it.")


@extend_schema_serializer(examples=[OpenApiExample("A job", DOCUMENT)])
class RepairSerializer(serializers.Serializer[Job]):
    """The contract's document of a job."""

    job_id = serializers.CharField(help_text="Five digits or more.")
    job_date = serializers.DateField(help_text="The day on which it came.")
    job_type = serializers.CharField()
    job_status = serializers.CharField(
        help_text="Where it stands: `NEW`, `OPENED`, …, in the capitals of whoever wrote it."
    )
    customer = RepairCustomerSerializer()
    product = RepairProductSerializer()
    updates = RepairUpdateSerializer(many=True, help_text="Each of its statuses, the first first.")

    def to_representation(self, job: Job) -> dict[str, Any]:
        return services.document_of(job)


@extend_schema_serializer(
    examples=[OpenApiExample("A job", {**DOCUMENT, "source": "workshop", "attention": ""})]
)
class RepairRowSerializer(RepairSerializer):
    """The contract's document of a job, and what a list shows beside it."""

    source = serializers.CharField(help_text="Whose database it came from.")  # type: ignore[assignment]  # a field, not the argument
    attention = serializers.CharField(help_text="What a person is to look at; empty: nothing.")

    def to_representation(self, job: Job) -> dict[str, Any]:
        return {
            **super().to_representation(job),
            "source": job.source.name,
            "attention": job.attention,
        }


class RepairNoteSerializer(serializers.ModelSerializer[JobNote]):
    by: Any = serializers.StringRelatedField(
        allow_null=True, read_only=True, help_text="Name of who wrote it."
    )

    class Meta:
        model = JobNote
        fields = ("text", "by", "at")


class RepairHistorySerializer(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="In the words of whoever said it.")
    by = serializers.CharField(
        allow_null=True,
        help_text="Name of who moved it, `client` or `duka`; null: somebody who is here no more.",
    )
    at = serializers.DateTimeField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A job that waits for the client",
            {
                "id": "workshop:00123",
                "source": "workshop",
                "status": "OPENED",
                "baseline": False,
                "allowed": ["CANCELLED", "JOB COMPLETED"],
                "attention": "",
                "conflict": "",
                "phone": "+447770123456",
                "phone_error": "",
                "client_status": "OPENED",
                "notes": [_NOTE],
                "history": [
                    {"status": "New", "by": "client", "at": "2022-03-21T07:00:00Z"},
                    {"status": "OPENED", "by": "duka", "at": "2022-03-21T07:00:00Z"},
                ],
                "collected_at": "2022-03-21T07:00:00Z",
            },
        )
    ]
)
class RepairHandlingSerializer(serializers.ModelSerializer[Job]):
    id = serializers.CharField(source="full_id", help_text="What it is called in full.")
    source: Any = serializers.CharField(
        source="source.name", help_text="Whose database it came from."
    )
    allowed: Any = serializers.SerializerMethodField(help_text="The statuses that may follow.")
    attention = serializers.CharField(help_text="What a person is to look at; empty: nothing.")
    phone: Any = serializers.SerializerMethodField(
        help_text="Who is told, in international form (E.164); empty: nobody can be, so far."
    )
    notes = RepairNoteSerializer(many=True)
    history: Any = serializers.SerializerMethodField(help_text="Each status, and who did it.")

    class Meta:
        model = Job
        fields = (
            "id",
            "source",
            "status",
            "baseline",
            "allowed",
            "attention",
            "conflict",
            "phone",
            "phone_error",
            "client_status",
            "notes",
            "history",
            "collected_at",
        )

    def get_allowed(self, job: Job) -> list[JobStatus]:
        return sorted(job.state.allowed)

    def get_phone(self, job: Job) -> str:
        return job.phone or ""

    @extend_schema_field(RepairHistorySerializer(many=True))
    def get_history(self, job: Job) -> Any:
        return RepairHistorySerializer(history_of(job), many=True).data


def history_of(job: Job) -> list[dict[str, Any]]:
    """Return the statuses of a job, fetched with names, with who did each."""
    return [
        {
            "status": each["status"],
            "by": _known_as(each["by"], job.names),
            "at": datetime.fromisoformat(each["at"]),
        }
        for each in job.updates
    ]


def _known_as(by: str, names: dict[str, str]) -> str | None:
    return by if by in {CLIENT, DUKA} else names.get(by)


class RepairStatusField(serializers.ChoiceField):
    """A status, in whatever case and with whatever spaces."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=JobStatus.choices, **options)

    def to_internal_value(self, data: Any) -> JobStatus:
        meant = status_meant(data) if isinstance(data, str) else None
        return JobStatus(super().to_internal_value(meant or data))


@extend_schema_serializer(
    examples=[
        OpenApiExample("Done", {"job_status": "JOB COMPLETED", "note": "A new spring."}),
        OpenApiExample("Handed over", {"job_status": "CLOSED"}),
    ]
)
class RepairStatusInput(InputSerializer):
    job_status = RepairStatusField(help_text="The status that it shall have, in any case.")
    note = serializers.CharField(
        max_length=MOST_OF_A_NOTE, required=False, allow_blank=True, help_text="For the staff."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample("Done", {"job_status": "JOB COMPLETED"}),
        OpenApiExample("Another number", {"client_mobile": "+447770 123456"}),
    ]
)
class RepairChangeInput(InputSerializer):
    job_status = RepairStatusField(
        required=False, help_text="The status that it shall have, in any case."
    )
    client_mobile = serializers.CharField(
        max_length=50, required=False, help_text="A number that can be right, for what is told."
    )

    ignored = ("job_id", "job_date", "job_type", "product", "updates")


@extend_schema_serializer(examples=[OpenApiExample("A note", {"text": _NOTE["text"]})])
class RepairNoteInput(InputSerializer):
    text = serializers.CharField(max_length=MOST_OF_A_NOTE, help_text="For the staff.")


@extend_schema_serializer(examples=[OpenApiExample("The client is wrong", {"keep": "ours"})])
class RepairSettleInput(InputSerializer):
    keep = serializers.ChoiceField(
        choices=[("ours", "Ours"), ("client", "Client")],
        help_text="Whose status is right: `ours`, or the `client`'s.",
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A small workshop",
            {
                "by_status": {
                    "NEW": 0,
                    "OPENED": 3,
                    "JOB COMPLETED": 1,
                    "CLOSED": 120,
                    "CANCELLED": 4,
                },
                "total": 128,
                "attention": 1,
            },
        )
    ]
)
class RepairCountsSerializer(serializers.Serializer[Any]):
    by_status = serializers.DictField(
        child=serializers.IntegerField(min_value=0), help_text="Of each status."
    )
    total = serializers.IntegerField()
    attention = serializers.IntegerField(help_text="Those at which a person is to look.")
