"""GraphQL of repair jobs, and of the clients' databases that they come from; for staff alone."""

from collections.abc import Callable
from typing import Any, Self

import graphene
from django.db.models import QuerySet
from graphql import GraphQLResolveInfo

from accounts.models import User
from core.graphql.inputs import enum_of, filter_argument, parameters_of
from core.graphql.lists import ListField
from core.graphql.mutations import Verb
from core.graphql.relations import ModelType, Node, Related, Selection
from core.graphql.rest import view_for
from repairs import services
from repairs.api.filters import RepairFilter
from repairs.api.serializers import history_of
from repairs.api.sources import RepairSourceViewSet, layout_shown
from repairs.api.views import RepairViewSet, counts_of
from repairs.models import Job, JobNote, Source
from repairs.states import FindingCode, JobStatus

_STATUS = enum_of(JobStatus)
_FINDING = enum_of(FindingCode)


class RepairUpdateType(graphene.ObjectType):
    """A status that a job came to."""

    class Meta:
        name = "RepairUpdate"

    at = graphene.NonNull(graphene.DateTime, description="When the shop knew of it.")
    status = graphene.NonNull(graphene.String, description="In the words of whoever said it.")
    by = graphene.String(
        description="Name of who moved it, `client` or `duka`; null: somebody who is here no more."
    )


class RepairNoteType(ModelType):
    """What staff wrote about a job, for one another."""

    needs = {"by": ("by",)}

    class Meta:
        name = "RepairNote"
        model = JobNote
        fields = ("at",)

    text = graphene.NonNull(graphene.String, description="What they wrote.")
    by = graphene.String(description="Name of who wrote it; null: somebody who is here no more.")

    def resolve_by(self: JobNote, info: GraphQLResolveInfo) -> str | None:
        return str(self.by) if self.by else None


class RepairType(ModelType):
    """A repair job that came from a client's database."""

    view = RepairViewSet
    needs = {"full_id": ("source",), "source": ("source",)}

    class Meta:
        name = "Repair"
        model = Job
        interfaces = (Node,)
        fields = ("id", "updated_at")

    job_id = graphene.NonNull(graphene.String, description="The client's number: `00123`.")
    full_id = graphene.NonNull(
        graphene.String, description="What it is called in full: `workshop:00123`."
    )
    source = graphene.NonNull(graphene.String, description="Whose database it came from.")
    status = graphene.NonNull(_STATUS, description="Where it stands.")
    job_status = graphene.NonNull(
        graphene.String, description="The same in the capitals of whoever wrote it, as in REST."
    )
    client_status = graphene.NonNull(
        graphene.String, description="What stood in the client's database last."
    )
    allowed = graphene.NonNull(
        graphene.List(graphene.NonNull(_STATUS)), description="The statuses that may follow."
    )
    job_date = graphene.NonNull(graphene.Date, description="The day on which it came.")
    job_type = graphene.NonNull(graphene.String, description="What is to be done.")
    client_firstname = graphene.NonNull(graphene.String, description="Of the customer.")
    client_lastname = graphene.NonNull(graphene.String, description="Of the customer.")
    client_postcode = graphene.NonNull(graphene.String, description="Of the customer.")
    client_mobile = graphene.NonNull(graphene.String, description="As the client wrote it.")
    product_id = graphene.NonNull(graphene.String, description="The client's `product_sku`.")
    product_type = graphene.NonNull(graphene.String, description="What is repaired.")
    phone = graphene.NonNull(
        graphene.String, description="Who is told (E.164); empty: nobody can be, so far."
    )
    phone_error = graphene.NonNull(
        graphene.String, description="Why the number can be nobody's; empty: it can."
    )
    attention = graphene.NonNull(
        graphene.String, description="What a person is to look at; empty: nothing."
    )
    conflict = graphene.NonNull(
        graphene.String, description="The client's word that contradicts ours; empty: none does."
    )
    baseline = graphene.NonNull(
        graphene.Boolean, description="Whether it was there before us, so that nobody was told."
    )
    collected_at = graphene.NonNull(graphene.DateTime, description="When it was taken in.")
    updates = graphene.NonNull(
        graphene.List(graphene.NonNull(RepairUpdateType)),
        description="Each of its statuses, the first first.",
    )
    notes = Related(
        RepairNoteType, of="notes", many=True, description="What staff wrote, the first first."
    )

    @classmethod
    def fetch(
        cls, queryset: QuerySet[Any], selection: Selection, *, known: str = ""
    ) -> QuerySet[Any]:
        """Let the names of who moved the jobs come along where they are asked for."""
        jobs: Any = super().fetch(queryset, selection, known=known)
        found: QuerySet[Any] = jobs.with_names() if "updates" in selection else jobs
        return found

    def resolve_source(self: Job, info: GraphQLResolveInfo) -> str:
        return self.source.name

    def resolve_job_status(self: Job, info: GraphQLResolveInfo) -> str:
        return services.job_status_of(self)

    def resolve_allowed(self: Job, info: GraphQLResolveInfo) -> list[JobStatus]:
        return sorted(self.state.allowed)

    def resolve_client_firstname(self: Job, info: GraphQLResolveInfo) -> str:
        return self.firstname

    def resolve_client_lastname(self: Job, info: GraphQLResolveInfo) -> str:
        return self.lastname

    def resolve_client_postcode(self: Job, info: GraphQLResolveInfo) -> str:
        return self.postcode

    def resolve_client_mobile(self: Job, info: GraphQLResolveInfo) -> str:
        return self.mobile

    def resolve_product_id(self: Job, info: GraphQLResolveInfo) -> str:
        return self.product_sku

    def resolve_phone(self: Job, info: GraphQLResolveInfo) -> str:
        return self.phone or ""

    def resolve_updates(self: Job, info: GraphQLResolveInfo) -> list[dict[str, Any]]:
        return history_of(self)


class RepairCountsType(graphene.ObjectType):
    """How many jobs there are in each status."""

    class Meta:
        name = "RepairCounts"

    new = graphene.NonNull(graphene.Int, description="Made in the client's system.")
    opened = graphene.NonNull(graphene.Int, description="Taken in.")
    job_completed = graphene.NonNull(graphene.Int, description="The client's work is done.")
    closed = graphene.NonNull(graphene.Int, description="Over.")
    cancelled = graphene.NonNull(graphene.Int, description="Called off.")
    total = graphene.NonNull(graphene.Int, description="Of all of these.")
    attention = graphene.NonNull(graphene.Int, description="Those at which a person is to look.")

    @classmethod
    def of(cls, counts: dict[str, Any]) -> Self:
        by_status = {each.name.lower(): number for each, number in counts["by_status"].items()}
        return cls(**by_status, total=counts["total"], attention=counts["attention"])


class RepairFindingType(graphene.ObjectType):
    """What is wrong with a client's database."""

    class Meta:
        name = "RepairFinding"

    code = graphene.NonNull(_FINDING, description="What it is.")
    detail = graphene.NonNull(graphene.String, description="The same for people.")


class RepairColumnType(graphene.ObjectType):
    """How a column is called at a client."""

    class Meta:
        name = "RepairColumn"

    column = graphene.NonNull(graphene.String, description="As the contract has it.")
    called = graphene.NonNull(graphene.String, description="Its name there.")


class RepairWordType(graphene.ObjectType):
    """What a word of a client's means."""

    class Meta:
        name = "RepairWord"

    word = graphene.NonNull(graphene.String, description="As the client has it.")
    status = graphene.NonNull(_STATUS, description="What it means.")


class RepairLayoutType(graphene.ObjectType):
    """How a client's table is read."""

    class Meta:
        name = "RepairLayout"

    table = graphene.NonNull(graphene.String, description="Its name.")
    columns = graphene.NonNull(
        graphene.List(graphene.NonNull(RepairColumnType)), description="All that are read."
    )
    statuses = graphene.NonNull(
        graphene.List(graphene.NonNull(RepairWordType)),
        description="Words for a status beside ours.",
    )
    write_back = graphene.NonNull(
        graphene.Boolean, description="Whether our status is written to it."
    )


class RepairBaselineType(graphene.ObjectType):
    """How far what was there before us is taken in."""

    class Meta:
        name = "RepairBaseline"

    # Keys may be larger than GraphQL's integers.
    to = graphene.NonNull(
        graphene.String, description="The highest number that was there before us."
    )
    after = graphene.String(description="All up to this one are taken in; null: nothing yet.")


class RepairSourceType(ModelType):
    """A client's database, and how collecting from it goes."""

    view = RepairSourceViewSet

    class Meta:
        name = "RepairSource"
        model = Source
        interfaces = (Node,)
        fields = ("id", "name", "active", "failing_since")

    configured = graphene.NonNull(
        graphene.Boolean, description="Whether the settings have its address."
    )
    layout = graphene.Field(
        RepairLayoutType, description="How its table is read; null: it is not configured."
    )
    lag = graphene.Int(
        description="Seconds since the begin of the last round that took in all; null: none did."
    )
    complete_at = graphene.DateTime(
        description="Begin of the last round that took in all there was; null: none did."
    )
    baselined_at = graphene.DateTime(
        description="When all that was there before us was taken in; null: not yet."
    )
    baseline = graphene.Field(
        RepairBaselineType, description="How far that is; null: it is not begun."
    )
    error_code = graphene.Field(_FINDING, description="Why it fails; null: it does not.")
    error = graphene.NonNull(graphene.String, description="The same for people.")
    findings = graphene.List(
        graphene.NonNull(RepairFindingType),
        description="Of the last test; none: all is well; null: it was never tested.",
    )
    checked_at = graphene.DateTime(description="When it was tested last; null: never.")
    collected = graphene.NonNull(graphene.Int, description="Jobs taken in, those before us too.")
    set_aside = graphene.NonNull(
        graphene.Int, description="Rows that could not become jobs so far."
    )

    def resolve_configured(self: Source, info: GraphQLResolveInfo) -> bool:
        return services.is_configured(self)

    def resolve_layout(self: Source, info: GraphQLResolveInfo) -> dict[str, Any] | None:
        shown = layout_shown(self)
        if shown is None:
            return None
        columns = [{"column": each, "called": name} for each, name in shown["columns"].items()]
        words = [{"word": each, "status": JobStatus(of)} for each, of in shown["statuses"].items()]
        return {**shown, "columns": columns, "statuses": words}

    def resolve_baseline(self: Source, info: GraphQLResolveInfo) -> dict[str, Any] | None:
        if self.baseline_to is None:
            return None
        return {"to": self.baseline_to, "after": self.baseline_after}

    def resolve_error_code(self: Source, info: GraphQLResolveInfo) -> FindingCode | None:
        return FindingCode(self.error_code) if self.error_code else None

    def resolve_findings(self: Source, info: GraphQLResolveInfo) -> list[dict[str, Any]] | None:
        if self.findings is None:
            return None
        return [{**each, "code": FindingCode(each["code"])} for each in self.findings]


class RepairsQuery(graphene.ObjectType):
    repairs = ListField(
        RepairType, view=RepairViewSet, description="Repair jobs, for those who may see them."
    )
    repair = graphene.Field(
        RepairType,
        id=graphene.ID(description="Its `id`."),
        job_id=graphene.String(
            description="`00123`, or `workshop:00123` where several databases have one."
        ),
        description="One job, by `id` or `jobId`; null: there is none to be seen.",
    )
    repair_counts = graphene.Field(
        RepairCountsType,
        args={name: filter_argument(each) for name, each in RepairFilter.base_filters.items()},
        description="How many jobs there are, of those that the filters leave.",
    )
    repair_sources = ListField(
        RepairSourceType,
        view=RepairSourceViewSet,
        description="Clients' databases, for those who may see repair jobs.",
    )

    def resolve_repair(self, info: GraphQLResolveInfo, job_id: str | None = None, **by: str) -> Any:
        key = None
        if job_id is not None:
            jobs: Any = RepairType.visible(info)
            job = services.find_job(job_id, jobs)
            key = str(job.pk) if job else "0"
        return RepairType.named(info, {**by, "pk": key})

    def resolve_repair_counts(self, info: GraphQLResolveInfo, **filters: Any) -> RepairCountsType:
        view: Any = view_for(RepairViewSet, info, "counts", parameters_of(filters))
        return RepairCountsType.of(counts_of(view.filter_queryset(view.get_queryset())))


def _of_job(verb: Callable[..., Job]) -> Callable[..., int]:
    def do(*, key: int, by: User, **data: Any) -> int:
        return verb(job_id=key, by=by, **data).pk

    return do


def _note(*, key: int, by: User, text: str) -> int:
    services.add_note(job_id=key, by=by, text=text)
    return key


class RepairsMutation(graphene.ObjectType):
    move_repair = Verb(
        _of_job(lambda job_status, **data: services.move_job(to=job_status, **data)),
        view=RepairViewSet,
        action="status",
        kind=RepairType,
        of=RepairType,
        description="Move a job on; its customer is told once it is closed.",
    )
    note_repair = Verb(
        _note,
        view=RepairViewSet,
        action="notes",
        kind=RepairType,
        of=RepairType,
        description="Keep what staff say of a job; the customer does not see it.",
    )
    settle_repair = Verb(
        _of_job(services.settle_conflict),
        view=RepairViewSet,
        action="settle",
        kind=RepairType,
        of=RepairType,
        description="End a contradiction between the client's database and ours.",
    )
