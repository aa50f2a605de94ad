"""Messages in the admin: seen, sent again, called off, settled; and the words they are told in."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import (
    BUTTON_CLASSES,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from core.admin import (
    NOTHING_TO_SAVE,
    DukaModelAdmin,
    MovingAdmin,
    ReadOnly,
    ReadOnlyAdmin,
    Verb,
    become,
    named,
)
from core.errors import DomainError
from core.phones import ImpossiblePhone, parse_phone

from . import services
from .models import (
    Callback,
    Consent,
    ConsentChange,
    InboundMessage,
    Message,
    MessageEvent,
    Pace,
    StatusLink,
    Template,
    TemplateVersion,
)
from .permissions import (
    can_change_consents,
    can_handle_messages,
    can_manage_templates,
    can_see_consents,
    can_see_messages,
)
from .querysets import MessageQuerySet, TemplateQuerySet
from .services.hand import CALLED_OFF, OUTCOMES, SETTLED, can_be_retried
from .services.words import event_of
from .states import FAILURES, ConsentSource, MessageStatus

if TYPE_CHECKING:
    from accounts.models import User

_COLOURS = {
    MessageStatus.DELIVERED: "success",
    MessageStatus.SENT: "success",
    MessageStatus.FAILED: "danger",
    MessageStatus.PARKED: "danger",
    MessageStatus.UNKNOWN: "warning",
    MessageStatus.QUEUED: "info",
    MessageStatus.SENDING: "info",
}


class WhyForm(forms.Form):
    reason = forms.CharField(
        max_length=300,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text="For the timeline.",
    )


class OutcomeForm(WhyForm):
    outcome = forms.ChoiceField(
        choices=[(each, MessageStatus(each).label) for each in OUTCOMES],
        widget=UnfoldAdminSelectWidget,
        help_text="What became of it, as you found out.",
    )

    field_order = ("outcome", "reason")

    def clean_outcome(self) -> MessageStatus:
        return MessageStatus(self.cleaned_data["outcome"])


def _in(statuses: set[MessageStatus], message: Message) -> bool:
    return message.status in statuses


class TimelineInline(ReadOnly, TabularInline[MessageEvent, Message]):
    model = MessageEvent
    hide_title = True
    verbose_name_plural = "timeline"
    fields = ("at", "what", "transport", "code", "detail", "cost", "by_name")
    readonly_fields = fields
    by_name = named("by")
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[MessageEvent]:
        happenings: QuerySet[MessageEvent] = super().get_queryset(request)
        return happenings.select_related("by")

    @display(description="cost")
    def cost(self, event: MessageEvent) -> str:
        return f"{event.cost_currency} {event.cost_amount}" if event.cost_amount else ""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_see_messages(request.user)


@admin.register(Message)
class MessageAdmin(MovingAdmin):
    can_see = can_see_messages
    can_manage = can_handle_messages
    verbs = (
        Verb(
            name="retry",
            to=None,
            move=services.retry_message,
            form=WhyForm,
            fits=can_be_retried,
        ),
        Verb(
            name="cancel",
            to=None,
            move=services.call_off_message,
            form=WhyForm,
            fits=partial(_in, CALLED_OFF),
        ),
        Verb(
            name="settle",
            to=None,
            move=services.settle_message,
            form=OutcomeForm,
            fits=partial(_in, SETTLED),
        ),
    )
    list_display = ("created_at", "event", "reference", "to", "body", "state_label")
    list_filter = ("status", "event", "transport", "created_at")
    search_fields = ("to", "reference", "recipient", "body", "transport_id")
    fieldsets = (
        (None, {"fields": ("status", "error", "to", "body", "about", "event", "recipient")}),
        (
            "How it went out",
            {
                "fields": (
                    "created_at",
                    "next_try",
                    "sent_at",
                    "delivered_at",
                    "attempts",
                    "transport",
                    "transport_id",
                    "segments",
                    "encoding",
                    "price",
                    "language",
                    "template",
                )
            },
        ),
    )
    # All of them, or Django would let them be typed in.
    readonly_fields = tuple(name for _, options in fieldsets for name in options["fields"])
    inlines = (TimelineInline,)

    def get_queryset(self, request: HttpRequest) -> MessageQuerySet:
        messages: MessageQuerySet = super().get_queryset(request)
        return messages.shown()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {**(extra_context or {}), **NOTHING_TO_SAVE}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Message, form: Any, change: bool) -> None:
        """Write nothing: saved whole it would undo what a worker did meanwhile."""

    @display(description="status", ordering="status", label=_COLOURS)
    def state_label(self, message: Message) -> tuple[str, str]:
        return message.status, message.get_status_display()

    @display(description="next try")
    def next_try(self, message: Message) -> datetime | None:
        return message.due_at if message.status == MessageStatus.QUEUED else None

    @display(description="about")
    def about(self, message: Message) -> str:
        return f"{message.subject} {message.reference}"

    @display(description="cost")
    def price(self, message: Message) -> str:
        return f"{message.cost_currency} {message.cost_amount}" if message.cost_amount else ""


class _ShowWidget(UnfoldAdminTextInputWidget):
    """With a button that shows and does not save; the form's first, so that Enter does so, too."""

    def render(self, *args: Any, **kwargs: Any) -> SafeString:
        field = super().render(*args, **kwargs)
        classes = " ".join(BUTTON_CLASSES)
        return format_html(
            '<div class="flex gap-3 max-w-2xl">{}<button type="submit" name="{}" value="1"'
            ' class="{}">Show</button></div>',
            field,
            SHOW,
            classes,
        )


# The button by which words are shown and not saved.
SHOW = "_show"


class TemplateForm(forms.ModelForm[Template]):
    text = forms.CharField(
        required=False,
        max_length=1000,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
        help_text="Left empty, it is told in the words that came with the event.",
    )
    reference = forms.CharField(
        label="Try it on",
        required=False,
        max_length=64,
        widget=_ShowWidget({"placeholder": "1001"}),
        help_text="Number of a real order, or nothing for examples. It shows how the words above"
        " would be told, and saves nothing.",
    )

    class Meta:
        model = Template
        fields: ClassVar[list[str]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["text"] = services.text_of(self.instance)

    def clean_text(self) -> str:
        text = str(self.cleaned_data["text"]).strip()
        try:
            services.check_text(self.instance.event, text)
        except DomainError as error:
            raise forms.ValidationError([each.detail for each in error.errors]) from None
        return text

    def clean(self) -> dict[str, Any]:
        if SHOW in self.data:
            # Where they cannot be told, nothing is shown: not the words of before.
            self.instance.preview = None  # type: ignore[attr-defined]  # for the page
        if SHOW in self.data and "text" in self.cleaned_data:
            try:
                self.instance.preview = services.preview(  # type: ignore[attr-defined]  # for the page
                    template=self.instance,
                    text=self.cleaned_data["text"] or self._own_words(),
                    reference=self.cleaned_data["reference"],
                )
            except DomainError as error:
                self.add_error("reference", error.detail)
        return self.cleaned_data

    def _own_words(self) -> str:
        return event_of(self.instance.event).text_in(self.instance.language)[0]

    def is_valid(self) -> bool:
        # Then the page is shown again, with what was typed in.
        return super().is_valid() and SHOW not in self.data


class VersionInline(ReadOnly, TabularInline[TemplateVersion, Template]):
    model = TemplateVersion
    hide_title = True
    verbose_name_plural = "versions"
    fields = ("number", "text", "by_name", "at")
    readonly_fields = fields
    by_name = named("by")
    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_manage_templates(request.user)


@admin.register(Template)
class TemplateAdmin(DukaModelAdmin):
    can_see = can_manage_templates
    can_manage = can_manage_templates
    form = TemplateForm
    list_display = ("event", "language", "words", "takes")
    list_filter = ("language",)
    search_fields = ("event",)
    fields = ("event", "language", "variables", "text", "reference", "shown")
    readonly_fields = ("event", "language", "variables", "shown")
    inlines = (VersionInline,)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> TemplateQuerySet:
        templates: TemplateQuerySet = super().get_queryset(request)
        return templates.of_declared_events().with_words()

    def save_model(self, request: HttpRequest, obj: Template, form: Any, change: bool) -> None:
        # Words that came with the event stay theirs, and change with it, until somebody writes
        # others.
        if "text" in form.changed_data:
            services.change_template(
                template_id=obj.pk, text=form.cleaned_data["text"], by=cast("User", request.user)
            )

    @display(description="words")
    def words(self, template: Template) -> str:
        return services.text_of(template)

    @display(description="variables")
    def variables(self, template: Template) -> str:
        return ", ".join(f"{{{name}}}" for name in event_of(template.event).variables)

    @display(description="SMS")
    def takes(self, template: Template) -> str:
        return str(services.size_with_examples(template).segments)

    @display(description="As it is told")
    def shown(self, template: Template) -> str:
        # Of what was typed in, where it was to be shown; else of the words of now.
        preview = (
            template.preview
            if hasattr(template, "preview")
            else services.preview(template=template)
        )
        if preview is None:
            return ""
        return f"{preview.body}\n\n{_size(preview)}"


def _size(preview: services.Preview) -> str:
    alphabet = "" if preview.encoding == "gsm-7" else ", as some letters need more room"
    cost = (
        f", about {preview.cost_currency} {preview.cost_amount:.2f}" if preview.cost_amount else ""
    )
    return f"{len(preview.body)} characters, {preview.segments} SMS{alphabet}{cost}"


class ConsentChangeInline(ReadOnly, TabularInline[ConsentChange, Consent]):
    model = ConsentChange
    hide_title = True
    fields = ("at", "opted_out", "source", "detail", "by_name")
    readonly_fields = fields
    by_name = named("by")
    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_see_consents(request.user)


class ConsentForm(forms.ModelForm[Consent]):
    phone = forms.CharField(
        max_length=32, widget=UnfoldAdminTextInputWidget, help_text="As people write it."
    )
    reason = forms.CharField(
        max_length=300,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text="How they said so, for the record.",
    )

    class Meta:
        model = Consent
        fields: ClassVar[list[str]] = ["phone", "opted_out"]
        help_texts: ClassVar[dict[str, str]] = {
            "opted_out": "They want to hear nothing from the shop."
        }

    def clean_phone(self) -> str:
        try:
            return parse_phone(self.cleaned_data["phone"])
        except ImpossiblePhone as error:
            raise forms.ValidationError(error.detail) from None

    def validate_unique(self) -> None:
        """Of a number that is known already, this is what is wanted from now on."""


@admin.register(Consent)
class ConsentAdmin(DukaModelAdmin):
    can_see = can_see_consents
    can_manage = can_change_consents
    form = ConsentForm
    list_display = ("phone", "opted_out", "changed_at")
    list_filter = ("opted_out",)
    search_fields = ("phone",)
    fields = ("phone", "opted_out", "reason")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("phone",) if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return [ConsentChangeInline] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Consent, form: Any, change: bool) -> None:
        services.note_consent(
            phone=obj.phone,
            opted_out=form.cleaned_data["opted_out"],
            source=ConsentSource.STAFF,
            detail=form.cleaned_data["reason"],
            by=cast("User", request.user),
        )
        become(obj, Consent.objects.get(phone=obj.phone))

    def log_addition(self, *args: Any) -> None:
        """The changes are the record; in the admin's log a number would never be forgotten."""

    def log_change(self, *args: Any) -> None:
        """As above."""


@admin.register(StatusLink)
class StatusLinkAdmin(MovingAdmin):
    can_see = can_handle_messages
    can_manage = can_handle_messages
    verbs = (
        Verb(
            name="revoke",
            to=None,
            move=services.revoke_link,
            fits=lambda link: link.revoked_at is None,
        ),
    )
    list_display = ("subject", "reference", "created_at", "expires_at", "revoked_at", "revoker")
    list_filter = ("subject", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("revoked_by",)
    search_fields = ("reference",)
    # Nothing of what its token is made of.
    fields = (
        "subject",
        "reference",
        "language",
        "created_at",
        "expires_at",
        "revoked_at",
        "revoker",
    )
    readonly_fields = fields
    revoker = named("revoked_by")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: StatusLink, form: Any, change: bool) -> None:
        """Write nothing: a link is made with its message, and closed by the verb."""

    def sentence(self, row: StatusLink) -> str:
        return f"The link to {row}, of {row.created_at:%Y-%m-%d}, will open nothing any more."

    def outcome(self, rows: Sequence[StatusLink]) -> str:
        named = ", ".join(str(row) for row in rows)
        return f"Links that open nothing any more: {named}."


class _SeenByStaff(ReadOnlyAdmin):
    """To be seen by those who may see messages."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_see_messages(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return can_see_messages(request.user)


@admin.register(InboundMessage)
class InboundMessageAdmin(_SeenByStaff):
    list_display = ("received_at", "phone", "customer", "text")
    search_fields = ("phone", "customer", "text")


@admin.register(Callback)
class CallbackAdmin(_SeenByStaff):
    list_display = ("received_at", "transport", "kind", "state", "detail")
    list_filter = ("state", "kind", "transport")
    search_fields = ("gateway_id",)
    fields = ("received_at", "transport", "kind", "state", "detail", "gateway_id", "said")
    readonly_fields = fields

    @display(description="body")
    def said(self, callback: Callback) -> str:
        return bytes(callback.body).decode(errors="replace")


@admin.register(Pace)
class GatewayAdmin(_SeenByStaff):
    """Those that have a rate or failed: of others there is nothing to say."""

    list_display = ("transport", "state_label", "failing_since", "next_at", "error")
    fields = ("transport", "failures", "failing_since", "next_at", "error")
    readonly_fields = fields

    @display(description="state", label={"up": "success", "failing": "warning", "down": "danger"})
    def state_label(self, pace: Pace) -> str:
        return "down" if pace.failures >= FAILURES else "failing" if pace.failures else "up"
