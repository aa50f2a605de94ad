"""Messages in the admin: seen, sent again, called off, settled; and the words they are told in."""

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from core.admin import DukaModelAdmin, MovingAdmin, ReadOnly, ReadOnlyAdmin, Verb, named
from core.errors import DomainError

from . import services
from .models import (
    Callback,
    Consent,
    ConsentChange,
    InboundMessage,
    Message,
    MessageEvent,
    Template,
    TemplateVersion,
)
from .permissions import (
    can_handle_messages,
    can_manage_templates,
    can_see_consents,
    can_see_messages,
)
from .querysets import MessageQuerySet, TemplateQuerySet
from .services.hand import CALLED_OFF, OUTCOMES, RETRIED, SETTLED
from .services.words import event_of
from .states import MessageStatus

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
    verbose_name_plural = "timeline"
    fields = ("at", "what", "transport", "code", "detail", "cost", "by_name")
    readonly_fields = fields
    by_name = named("by")
    extra = 0
    can_delete = False

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
            fits=partial(_in, RETRIED),
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
    exclude = ("fence", "secret")
    inlines = (TimelineInline,)

    def get_queryset(self, request: HttpRequest) -> MessageQuerySet:
        messages: MessageQuerySet = super().get_queryset(request)
        return messages.shown()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [field.name for field in self.opts.fields if field.name not in self.exclude]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Message, form: Any, change: bool) -> None:
        """Write nothing: saved whole it would undo what a worker did meanwhile."""

    @display(description="status", ordering="status", label=_COLOURS)
    def state_label(self, message: Message) -> tuple[str, str]:
        return message.status, message.get_status_display()


class TemplateForm(forms.ModelForm[Template]):
    text = forms.CharField(
        required=False,
        max_length=1000,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
        help_text="Left empty, it is told in the words that came with the event.",
    )
    preview_of = forms.CharField(
        required=False,
        max_length=64,
        help_text="Number of an order, to see the words on it. Saved or not, they are shown below.",
    )

    class Meta:
        model = Template
        fields: ClassVar[list[str]] = []

    def clean_text(self) -> str:
        text = str(self.cleaned_data["text"]).strip()
        try:
            services.check_text(self.instance.event, text)
        except DomainError as error:
            raise forms.ValidationError([each.detail for each in error.errors]) from None
        return text


class VersionInline(ReadOnly, TabularInline[TemplateVersion, Template]):
    model = TemplateVersion
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
    fields = ("event", "language", "variables", "text", "preview_of", "shown")
    readonly_fields = ("event", "language", "variables", "shown")
    inlines = (VersionInline,)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> TemplateQuerySet:
        templates: TemplateQuerySet = super().get_queryset(request)
        return templates.of_declared_events().prefetch_related("versions")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None:
            form.base_fields["text"].initial = self._words(obj)
        return form

    def save_model(self, request: HttpRequest, obj: Template, form: Any, change: bool) -> None:
        services.change_template(
            template_id=obj.pk, text=form.cleaned_data["text"], by=cast("User", request.user)
        )

    def response_change(self, request: HttpRequest, obj: Template) -> HttpResponse:
        reference = request.POST.get("preview_of", "").strip()
        if reference:
            try:
                preview = services.preview(template=obj, reference=reference)
            except DomainError as error:
                self.message_user(request, error.detail, level="warning")
            else:
                self.message_user(request, f"On {reference}: {preview.body}")
        response: HttpResponse = super().response_change(request, obj)
        return response

    @display(description="words")
    def words(self, template: Template) -> str:
        return self._words(template)

    @display(description="variables")
    def variables(self, template: Template) -> str:
        return ", ".join(f"{{{name}}}" for name in event_of(template.event).variables)

    @display(description="SMS")
    def takes(self, template: Template) -> str:
        return str(services.preview(template=template).segments)

    @display(description="With examples")
    def shown(self, template: Template) -> str:
        preview = services.preview(template=template)
        cost = f", {preview.cost_currency} {preview.cost_amount}" if preview.cost_amount else ""
        return f"{preview.body} ({preview.segments} SMS, {preview.encoding}{cost})"

    def _words(self, template: Template) -> str:
        return services.words_of_template(template).text


class ConsentChangeInline(ReadOnly, TabularInline[ConsentChange, Consent]):
    model = ConsentChange
    fields = ("at", "opted_out", "source", "detail", "by_name")
    readonly_fields = fields
    by_name = named("by")
    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_see_consents(request.user)


class _SeenByStaff(ReadOnlyAdmin):
    """To be seen by those who may see messages."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_see_messages(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return can_see_messages(request.user)


@admin.register(Consent)
class ConsentAdmin(_SeenByStaff):
    list_display = ("phone", "opted_out", "changed_at")
    list_filter = ("opted_out",)
    search_fields = ("phone",)
    inlines = (ConsentChangeInline,)


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
