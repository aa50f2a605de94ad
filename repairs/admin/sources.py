"""The admin pages of clients' databases, and of their rows that could not become jobs."""

from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.timesince import timesince
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from core import clock
from core.admin import DukaModelAdmin, MovingAdmin, ReadOnly, Verb, become, tell
from core.errors import DomainError
from core.jobs import enqueue_on_commit
from repairs import services, tasks
from repairs.clients import COLUMNS
from repairs.exceptions import BadMapping
from repairs.models import Aside, Source
from repairs.permissions import can_manage_sources, can_see_sources
from repairs.services.mapping import checked_changes
from repairs.states import JobStatus, status_meant

from .common import shown

_PLAIN = ("active", "table", "write_back")
# Where it is typed in what a service calls otherwise.
_FIELDS = {"table": "table", "statuses": "words"}


class _SourceForm(forms.ModelForm[Source]):
    words = forms.CharField(
        label="Its words for a status",
        max_length=5000,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 4, "placeholder": "In the shop = OPENED"}),
        help_text="One a line, beside those of the settings; NEW, OPENED, JOB COMPLETED, CLOSED"
        " and CANCELLED are understood as they are.",
    )

    class Meta:
        model = Source
        fields = _PLAIN
        help_texts = {"write_back": "Whether the status is written to it."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "write_back" in self.fields:
            unsaid = ("unknown", "As in the settings")
            cast("Any", self.fields["write_back"]).widget.choices = [
                *(unsaid, ("true", "Yes"), ("false", "No"))
            ]
        source = self.instance
        self.initial["words"] = _lines(source.statuses)
        given = services.layout_of(source) if services.is_configured(source) else None
        for name in COLUMNS:
            key = f"column_{name}"
            if key in self.fields:
                self.initial[key] = source.columns.get(name, "")
                self.fields[key].widget.attrs["placeholder"] = given.column(name) if given else name
        if given and "table" in self.fields:
            self.fields["table"].widget.attrs["placeholder"] = given.table

    def clean_words(self) -> dict[str, str]:
        found = {}
        for line in filter(str.strip, self.cleaned_data["words"].splitlines()):
            word, _, meant = (part.strip() for part in line.rpartition("="))
            status = status_meant(meant)
            if not word or status is None:
                known = ", ".join(JobStatus.values)
                raise forms.ValidationError(f"Write a word = one of {known}: {line!r}.")
            found[word] = str(status.value)
        return found

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        beside = settings.REPAIR_SOURCES.get(self.instance.name, {}).get("columns", {})
        try:
            checked_changes(self.arguments(), beside=beside)
        except BadMapping as error:
            for each in error.errors:
                field = _FIELDS.get(str(each.path[0])) or f"column_{each.path[-1]}"
                self.add_error(field if field in self.fields else None, each.detail)
        return data

    def arguments(self) -> dict[str, Any]:
        """Return what a service is told: what was changed."""
        data = {name: self.cleaned_data[name] for name in self.changed_data}
        arguments = {name: data[name] for name in _PLAIN if name in data}
        if any(name.startswith("column_") for name in data):
            typed = {name: self.cleaned_data[f"column_{name}"] for name in COLUMNS}
            arguments["columns"] = {name: column for name, column in typed.items() if column}
        if "words" in data:
            arguments["statuses"] = data["words"]
        return arguments


# A field for each column of the contract.
SourceForm = type(
    "SourceForm",
    (_SourceForm,),
    {
        f"column_{name}": forms.CharField(
            label=name, max_length=128, required=False, widget=UnfoldAdminTextInputWidget
        )
        for name in COLUMNS
    },
)


def _lines(statuses: dict[str, str]) -> str:
    return "\n".join(f"{word} = {status}" for word, status in statuses.items())


def _test(*, source_id: int, by: User) -> list[str]:
    """Test the connection; return what is wrong with it."""
    return [each.detail for each in services.check_source(source_id=source_id)]


def _collect(*, source_id: int, by: User) -> None:
    services.collect_soon(source_id=source_id)
    enqueue_on_commit(tasks.collect_source, source_id=source_id)


_STATES = {
    "off": ("default", "Not collected from"),
    "unknown": ("danger", "Not in the settings"),
    "failing": ("danger", "Failing"),
    "baseline": ("info", "Taking in what was there"),
    "up": ("success", "Up"),
}


@admin.register(Source)
class SourceAdmin(MovingAdmin):
    can_see = can_see_sources
    can_manage = can_manage_sources
    form = SourceForm
    verbs = (
        Verb(
            name="test_the_connection",
            to=None,
            move=_test,
            fits=services.is_configured,
            on_list=False,
        ),
        Verb(
            name="collect_now",
            to=None,
            move=_collect,
            fits=lambda source: source.active and services.is_configured(source),
        ),
    )
    list_display = (
        *("name", "state_label", "lag", "complete_shown", "collected", "aside_count", "error"),
    )
    _typed = (
        (
            "How it is read",
            {"fields": (("name", "active"), ("table", "write_back"), "words")},
        ),
        (
            "What its columns are called",
            {
                "fields": tuple(
                    tuple(f"column_{name}" for name in COLUMNS[at : at + 2])
                    for at in range(0, len(COLUMNS), 2)
                ),
                "description": "Empty: as it stands there in grey.",
            },
        ),
    )
    _shown = (
        (
            "How it is read",
            {"fields": (("name", "active"), ("table_shown", "write_back_shown"))},
        ),
    )
    _facts = (
        (
            "How it goes",
            {
                "fields": (
                    ("state_shown", "lag"),
                    ("complete_shown", "swept_shown"),
                    ("failing_shown", "next_shown"),
                    ("error",),
                    ("baseline",),
                    ("collected_link", "aside_link"),
                )
            },
        ),
        ("The last test of the connection", {"fields": (("checked_shown",), ("findings_shown",))}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*self._facts, *(self._typed if self._may(request) else self._shown))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        there = self._facts if self._may(request) else (*self._shown, *self._facts)
        rows = [row for _, options in there for row in options["fields"]]
        return ("name", *(name for row in rows for name in cast("Any", row)))

    def _may(self, request: HttpRequest) -> bool:
        return can_manage_sources(request.user)

    def get_queryset(self, request: HttpRequest) -> Any:
        open_rows = Q(aside__resolved_at=None, aside__isnull=False)
        return super().get_queryset(request).annotate(set_aside=Count("aside", filter=open_rows))

    def _state(self, source: Source) -> str:
        if not services.is_configured(source):
            return "unknown"
        if not source.active:
            return "off"
        if source.failures:
            return "failing"
        return "up" if source.baselined_at else "baseline"

    @display(
        description="state",
        label={key: colour for key, (colour, _) in _STATES.items()},
    )
    def state_label(self, source: Source) -> tuple[str, str]:
        state = self._state(source)
        return state, _STATES[state][1]

    @display(description="state")
    def state_shown(self, source: Source) -> str:
        return _STATES[self._state(source)][1]

    @display(description="last success", ordering="complete_at")
    def complete_shown(self, source: Source) -> str:
        return shown(source.complete_at)

    @display(description="lag")
    def lag(self, source: Source) -> str:
        """Say how old the news is that we have."""
        if source.complete_at is None:
            return "Nothing was taken in completely yet"
        seconds = (clock.now() - source.complete_at).total_seconds()
        return timesince(source.complete_at, clock.now()) if seconds >= 120 else f"{seconds:.0f} s"

    @display(description="all compared at")
    def swept_shown(self, source: Source) -> str:
        return shown(source.swept_at)

    @display(description="failing since")
    def failing_shown(self, source: Source) -> str:
        return shown(source.failing_since)

    @display(description="asked again at")
    def next_shown(self, source: Source) -> str:
        return shown(source.next_at if source.failures else None)

    @display(description="what was there before us")
    def baseline(self, source: Source) -> str:
        if source.baselined_at:
            return f"Taken in at {shown(source.baselined_at)}, up to job {source.baseline_to or 0}"
        if source.baseline_to is None:
            return "Not begun"
        return f"Job {source.baseline_after or 0} of {source.baseline_to}"

    @display(description="collected", ordering="collected")
    def collected_link(self, source: Source) -> Any:
        return _link("job", source.collected, "job", source__id__exact=source.pk)

    @display(description="set aside", ordering="set_aside")
    def aside_count(self, source: Any) -> int:
        return cast("int", source.set_aside)

    @display(description="set aside")
    def aside_link(self, source: Any) -> Any:
        return _link(
            "aside",
            source.set_aside,
            "row",
            source__id__exact=source.pk,
            resolved_at__isempty=1,
        )

    @display(description="tested at")
    def checked_shown(self, source: Source) -> str:
        return shown(source.checked_at)

    @display(description="what was found")
    def findings_shown(self, source: Source) -> Any:
        if source.findings is None:
            return "Never tested"
        if not source.findings:
            return "All is as it should be"
        return format_html_join("", "<p>{}</p>", ((each["detail"],) for each in source.findings))

    @display(description="table")
    def table_shown(self, source: Source) -> str:
        return services.layout_of(source).table if services.is_configured(source) else source.table

    @display(description="write back", boolean=True)
    def write_back_shown(self, source: Source) -> bool | None:
        known = services.is_configured(source)
        return services.layout_of(source).write_back if known else source.write_back

    def heading(self, verb: Verb, named: str) -> str:
        return f"{verb.label}: {named}"

    def sentence(self, row: Source) -> str:
        return f"{row}: {self.state_shown(row).lower()}."

    def move(self, request: HttpRequest, rows: QuerySet[Any], verb: Verb, **more: Any) -> None:
        """Do it with each, and say what came of it."""
        for source in rows:
            try:
                found = verb.move(source_id=source.pk, by=request.user)
            except DomainError as error:
                tell(request, error)
                continue
            for sentence in found or ():
                messages.warning(request, f"{source}: {sentence}")
            if found == []:
                messages.success(request, f"{source}: all is as it should be.")
            elif found is None:
                messages.success(request, f"{source}: a worker collects from it now.")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Those of the settings have a row each.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Source, form: Any, change: bool) -> None:
        become(obj, services.update_source(source_id=obj.pk, **form.arguments()))


def _link(model: str, count: int, what: str, **query: Any) -> Any:
    page = reverse(f"admin:repairs_{model}_changelist")
    words = f"{count:,} {what}{pluralize(count)}"
    return format_html('<a href="{}?{}" class="underline">{}</a>', page, urlencode(query), words)


@admin.register(Aside)
class AsideAdmin(ReadOnly, DukaModelAdmin):
    can_see = can_see_sources
    can_manage = can_manage_sources
    list_display = (
        "key",
        "source",
        "reason",
        "detail",
        "first_seen_at",
        "last_seen_at",
        "resolved_at",
    )
    list_filter = (("resolved_at", admin.EmptyFieldListFilter), "source", "reason")
    list_select_related = ("source",)
    search_fields = ("^key",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("key", "source"),
                    ("reason", "detail"),
                    ("row_shown",),
                    ("first_seen_at", "last_seen_at"),
                    ("resolved_at",),
                ),
                "description": "It becomes a job by itself once it is mended: in the client's"
                " database, or, where its word for a status is not known, at the source.",
            },
        ),
    )
    readonly_fields = ("row_shown",)

    @display(description="what stands there")
    def row_shown(self, aside: Aside) -> Any:
        row = aside.row if isinstance(aside.row, dict) else {}
        stands = ((name, row[name]) for name in COLUMNS if name in row)
        return format_html_join("", "<p>{}: {}</p>", stands)

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

    def save_model(self, request: HttpRequest, obj: Aside, form: Any, change: bool) -> None:
        """Write nothing: it is mended in the client's database, or by the mapping."""
