"""The admin pages of repair jobs: shown as they are, moved by verbs."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from core.admin import NOTHING_TO_SAVE, MovingAdmin, ReadOnly, Verb, named
from repairs import services
from repairs.models import LARGEST_KEY, PHONE_KEY_LENGTH, Job, JobNote, phone_key
from repairs.permissions import can_handle_repairs, can_see_repairs
from repairs.states import JobStatus

from .common import shown

_COLOURS = {
    JobStatus.NEW: "info",
    JobStatus.OPENED: "warning",
    JobStatus.JOB_COMPLETED: "success",
    JobStatus.CLOSED: "default",
    JobStatus.CANCELLED: "danger",
}
# Of who moved a job, where it was no person.
_NOBODY = {"client": "The client", "duka": "Duka"}


class NoteForm(forms.Form):
    note = forms.CharField(
        max_length=2000,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text="For those who work here.",
    )


class TextForm(forms.Form):
    text = forms.CharField(
        max_length=2000,
        label="Note",
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text="For those who work here.",
    )


class MobileForm(forms.Form):
    mobile = forms.CharField(
        max_length=50,
        label="Phone number",
        widget=UnfoldAdminTextInputWidget,
        help_text="It is told by SMS from now on. The client's database keeps what it has.",
    )


def _mobile_form(job: Job) -> Any:
    return partial(MobileForm, initial={"mobile": job.mobile})


def _note(*, job_id: int, text: str, by: User) -> Job:
    return services.add_note(job_id=job_id, text=text, by=by).job


def _move(name: str, to: JobStatus) -> Verb:
    return Verb(name=name, to=to, move=partial(services.move_job, to=to), form=NoteForm)


def _settle(name: str, keep: str) -> Verb:
    return Verb(
        name=name,
        to=None,
        move=partial(services.settle_conflict, keep=keep),
        fits=lambda job: bool(job.conflict),
    )


class AttentionFilter(admin.SimpleListFilter):
    title = "attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Needs a person")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(Job.objects.attention()) if self.value() == "yes" else queryset


class NoteInline(ReadOnly, TabularInline):
    model = JobNote
    verbose_name_plural = "notes"
    hide_title = True
    extra = 0
    fields = ("at", "text", "by_name")
    readonly_fields = fields
    by_name = named("by")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("by")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_see_repairs(request.user)


@admin.register(Job)
class JobAdmin(MovingAdmin):
    can_see = can_see_repairs
    can_manage = can_handle_repairs
    verbs = (
        _move("open_job", JobStatus.OPENED),
        _move("complete_job", JobStatus.JOB_COMPLETED),
        _move("close_job", JobStatus.CLOSED),
        _move("cancel_job", JobStatus.CANCELLED),
        _settle("keep_ours", "ours"),
        _settle("follow_the_client", "client"),
        Verb(
            name="correct_phone",
            to=None,
            move=services.correct_phone,
            form=MobileForm,
            form_of=_mobile_form,
            fits=lambda job: job.state.is_open,
            on_list=False,
        ),
        Verb(
            name="add_note",
            to=None,
            move=_note,
            form=TextForm,
            fits=lambda job: True,
            on_list=False,
        ),
    )
    list_display = (
        *("job_id", "source", "state_label", "client", "product", "postcode", "job_date"),
        "attention",
    )
    list_filter = ("status", AttentionFilter, "source", "baseline", "job_date")
    list_select_related = ("source",)
    # Of a million jobs nobody needs to know how many there are besides those that were asked for.
    show_full_result_count = False
    # Found by `get_search_results`; Django shows no field for it without any.
    search_fields = ("client_key",)
    search_help_text = "A number, a name, a phone number, a postcode or a product's number"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("job_id", "source"),
                    ("status", "client_word"),
                    ("attention",),
                    ("job_type", "job_date"),
                    ("product_type", "product_sku"),
                    ("timeline",),
                    ("collected_at", "baseline_shown"),
                )
            },
        ),
        (
            "The customer",
            {"fields": (("client", "postcode"), ("mobile", "phone_shown"), ("messages_link",))},
        ),
    )
    inlines = (NoteInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        rows = (row for _, options in self.fieldsets for row in options["fields"])
        return tuple(name for row in rows for name in row)

    @display(description="job", ordering="key")
    def job_id(self, job: Job) -> str:
        return job.job_id

    @display(description="status", ordering="status", label=_COLOURS)
    def state_label(self, job: Job) -> tuple[str, str]:
        return job.status, job.get_status_display()

    @display(description="client", ordering="client_key")
    def client(self, job: Job) -> str:
        return f"{job.firstname} {job.lastname}".strip()

    @display(description="product", ordering="product_sku")
    def product(self, job: Job) -> str:
        return job.product_type or job.product_sku

    @display(description="in the client's database")
    def client_word(self, job: Job) -> str:
        return job.client_status

    @display(description="attention")
    def attention(self, job: Job) -> str:
        return job.attention

    @display(description="was there before us")
    def baseline_shown(self, job: Job) -> str:
        return "Yes, and so nobody was told that it came" if job.baseline else "No"

    @display(description="SMS go to")
    def phone_shown(self, job: Job) -> str:
        if job.phone is None:
            return "Not looked at yet: it was there before us, and nobody was told."
        return job.phone or job.phone_error

    @display(description="what became of it")
    def timeline(self, job: Job) -> Any:
        known = {each["by"] for each in job.updates} - set(_NOBODY)
        people = User.objects.in_bulk([int(key) for key in known if str(key).isdecimal()])
        return format_html_join(
            "",
            "<p>{} · {} · {}</p>",
            (
                (
                    shown(parse_datetime(each["at"])),
                    each["status"],
                    _NOBODY.get(each["by"]) or _name_of(people, each["by"]),
                )
                for each in job.updates
            ),
        )

    @display(description="messages")
    def messages_link(self, job: Job) -> Any:
        page = reverse("admin:notifications_message_changelist")
        return format_html(
            '<a href="{}?{}" class="underline">What was told of it</a>',
            page,
            urlencode({"q": job.full_id}),
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        words = search_term.strip()
        return (queryset.filter(_looked_for(words)) if words else queryset), False

    def heading(self, verb: Verb, named: str) -> str:
        return f"{verb.label}: {named}"

    def sentence(self, row: Job) -> str:
        client = self.client(row) or "nobody's name"
        said = f"Job {row}, {client}, {self.product(row)}: now {row.state.label.lower()}."
        return f"{said} {row.attention}".strip()

    def outcome(self, rows: Sequence[Any]) -> str:
        return " ".join(f"Job {row} stands at {row.state.label.lower()}." for row in rows)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # They come from the client's database.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Job, form: Any, change: bool) -> None:
        """Write nothing: there is nothing to type in."""

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        page: HttpResponse = super().render_change_form(
            request, context | NOTHING_TO_SAVE | {"show_history": False}, *args, **kwargs
        )
        return page


def _name_of(people: dict[int, User], by: str) -> str:
    person = people.get(int(by)) if str(by).isdecimal() else None
    return str(person) if person else "Somebody who worked here"


def _looked_for(words: str) -> Q:
    """Return the jobs that somebody may mean, each part by an index: there may be a million."""
    plain = " ".join(words.upper().split())
    first, _, last = plain.rpartition(" ")
    turned = f"{last} {first}".strip()
    found = (
        Q(client_key__startswith=plain)
        | Q(client_key__startswith=turned)
        | Q(postcode_key__startswith=plain.replace(" ", ""))
        | Q(product_sku=words)
    )
    if re.fullmatch(services.ID, words):
        name, _, digits = words.rpartition(":")
        key = int(digits)
        if key <= LARGEST_KEY:
            found |= Q(key=key, source__name=name) if name else Q(key=key)
    ending = phone_key(words)
    if len(ending) == PHONE_KEY_LENGTH:
        found |= Q(phone_key=ending)
    return found
