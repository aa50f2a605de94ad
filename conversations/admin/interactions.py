"""The admin page of interactions: found, read, noted by hand, answered by SMS."""

from copy import copy
from typing import Any, cast
from urllib.parse import quote

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Left, Length
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import formats
from django.utils.html import format_html
from unfold.decorators import display

from accounts.models import User
from conversations import services
from conversations.exceptions import TooSlow
from conversations.models import Interaction
from conversations.permissions import can_handle_conversations, can_see_conversations
from conversations.states import Channel, Direction
from core.admin import NOTHING_TO_SAVE, MovingAdmin, Verb, become
from core.deadlines import deadline
from customers.permissions import can_see_customers
from orders.permissions import can_see_orders

from .common import CappedPaginator, as_block, indented
from .filters import ChannelFilter, ClientFilter, SentimentFilter
from .forms import ContactForm, ReplyForm
from .said import said_in, said_on_its_page

# Of a document so many characters are shown; one may have sixteen million.
SHOWN = 100_000
_NOTING = "Take down a call, a visit or another contact"


def _reply(*, interaction_id: str, text: str, by: User) -> Interaction:
    return services.reply(interaction_id=interaction_id, text=text, by=by)


def _may_be_answered(interaction: Interaction) -> bool:
    """Tell whether it was with the shop itself; whether there is a number, the service knows."""
    return interaction.engagement.channel is not None or bool(
        interaction.customer and interaction.customer.phone
    )


@admin.register(Interaction)
class InteractionAdmin(MovingAdmin):
    can_see = can_see_conversations
    can_manage = can_handle_conversations
    form = ContactForm
    verbs = (
        Verb(
            name="reply",
            to=None,
            move=_reply,
            form=ReplyForm,
            fits=_may_be_answered,
            on_list=False,
        ),
    )
    paginator = CappedPaginator
    show_full_result_count = False
    list_display = (
        *("when", "client_shown", "channel", "said_shown"),
        *("agent", "sentiment_shown", "customer_shown"),
    )
    list_filter = (ClientFilter, ChannelFilter, SentimentFilter, "interaction_date")
    list_select_related = False
    sortable_by = ("when",)
    ordering = ("-interaction_date", "-pk")
    # Found by `get_search_results`; Django shows no field for it without any.
    search_fields = ("words",)
    search_help_text = 'Words of anything that was said; "as a phrase", or -without.'
    autocomplete_fields = ("customer", "order")
    _typed = (
        (
            # No page of adding has another heading.
            _NOTING,
            {
                "fields": (
                    ("customer", "order"),
                    ("channel", "direction"),
                    ("phone", "sentiment"),
                    ("at",),
                    ("text",),
                )
            },
        ),
    )
    _shown = (
        (
            None,
            {
                "fields": (
                    ("when", "agent"),
                    ("client_shown", "channel"),
                    ("customer_link", "order_link"),
                    ("sentiment_shown", "source_shown"),
                    ("text_shown",),
                    ("document_shown",),
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).defer("document", "custom", "words")
        return rows.select_related("engagement__client", "customer", "order")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self._shown if obj else self._typed

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return tuple(
            name for _, options in self._shown for row in options["fields"] for name in row
        )

    @display(description="when", ordering="interaction_date")
    def when(self, interaction: Interaction) -> str:
        at = interaction.local_date
        # Of what the shop's zone cannot tell, the year 1 or 9999, in UTC.
        return formats.localize(at) if at else f"{interaction.interaction_date:%Y-%m-%d %H:%M} UTC"

    @display(description="client")
    def client_shown(self, interaction: Interaction) -> str:
        return str(interaction.engagement.client)

    @display(description="channel")
    def channel(self, interaction: Interaction) -> str:
        return str(interaction.engagement)

    @display(description="agent")
    def agent(self, interaction: Interaction) -> str:
        return interaction.agent_name

    @display(description="sentiment")
    def sentiment_shown(self, interaction: Interaction) -> str:
        return interaction.sentiment

    @display(description="its source calls it")
    def source_shown(self, interaction: Interaction) -> str:
        return interaction.source_id

    @display(description="customer")
    def customer_shown(self, interaction: Interaction) -> str:
        return str(interaction.customer or "-")

    @display(description="customer")
    def customer_link(self, interaction: Any) -> Any:
        return _link("customers_customer", interaction.customer, can=interaction.opens[0])

    @display(description="order")
    def order_link(self, interaction: Any) -> Any:
        return _link("orders_order", interaction.order, can=interaction.opens[1])

    @display(description="what was said")
    def said_shown(self, interaction: Any) -> str:
        return interaction.said or "-"

    @display(description="what was said")
    def text_shown(self, interaction: Interaction) -> Any:
        text = said_on_its_page(interaction.pk)
        if text is None:
            return "Too long to be shown; it is in the document."
        return as_block(text) if text else "-"

    @display(description="document")
    def document_shown(self, interaction: Interaction) -> Any:
        """Show the document, or as much of its beginning as a page can hold."""
        rows = Interaction.objects.filter(pk=interaction.pk)
        text, length = rows.values_list(Left("document", SHOWN), Length("document")).get()
        block = as_block(indented(text))
        if length <= SHOWN:
            return block
        return format_html(
            '{}<p>{} of {} characters. <a href="{}" class="underline">All of it</a></p>',
            block,
            f"{SHOWN:,}",
            f"{length:,}",
            reverse("extended-interaction-detail", args=[interaction.pk]),
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        words = search_term.strip()
        found = cast("Any", queryset).search(words) if words else queryset
        return found, False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        slow = TooSlow("That takes too long. Filter by a channel or a date as well.")
        with deadline(settings.CONVERSATIONS_TIMEOUT_SECONDS, error=slow):
            page = super().get_changelist_instance(request)
            # Read here, under the time limit, and not while the page is written.
            page.result_list = list(page.result_list)
            said = said_in(each.pk for each in page.result_list)
        for each in page.result_list:
            each.said = said.get(each.pk)
        return page

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        # A customer as people know them; their list shows no more than the code either.
        return lookup == "customer__code" or super().lookup_allowed(lookup, value, request)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        found: Any = super().get_object(request, object_id, from_field)
        if found is not None:
            # What is linked opens for those alone who may open it.
            found.opens = can_see_customers(request.user), can_see_orders(request.user)
        return found

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        # A document is what its source said: it is noted, read and deleted, not typed over.
        nothing = {} if kwargs.get("add") else NOTHING_TO_SAVE | {"show_history": False}
        page: HttpResponse = super().render_change_form(request, context | nothing, *args, **kwargs)
        return page

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**(extra_context or {}), "title": _NOTING}
        page: HttpResponse = super().add_view(request, form_url, context)
        return page

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return super().log_addition(request, _nameless(obj), message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return super().log_deletions(request, [_nameless(each) for each in queryset])

    def sentence(self, row: Interaction) -> str:
        phone = services.phone_of(contact=row)
        whom = row.customer or "somebody"
        said = said_on_its_page(row.pk)
        return format_html(
            "{}, {}: {}, {}.{}",
            row.engagement,
            self.when(row),
            whom,
            phone or "no phone number",
            as_block(said) if said else "",
        )

    def heading(self, verb: Verb, named: str) -> str:
        return f"{verb.label} by SMS"

    def outcome(self, rows: Any) -> str:
        return "The reply is on its way."

    def save_model(self, request: HttpRequest, obj: Interaction, form: Any, change: bool) -> None:
        if change:
            # There is nothing to type in.
            return
        data = form.cleaned_data
        saved = services.note_contact(
            by=cast("User", request.user),
            text=data["text"],
            channel=Channel(data["channel"]),
            direction=Direction(data["direction"]),
            at=data["at"],
            customer=data["customer"],
            order=data["order"],
            phone=data["phone"],
            sentiment=data["sentiment"],
        )
        become(obj, saved)

    def delete_model(self, request: HttpRequest, obj: Interaction) -> None:
        services.delete_interaction(interaction_id=obj.pk)


def _nameless(row: Interaction) -> Interaction:
    """Return a row whose title does not name its customer: the log outlives who is forgotten."""
    nameless = copy(row)
    nameless._state.fields_cache.pop("customer", None)
    return nameless


def _link(page: str, row: Any, *, can: bool) -> Any:
    if row is None or not can:
        return str(row or "-")
    address = reverse(f"admin:{page}_change", args=[quote(str(row.pk))])
    return format_html('<a href="{}" class="underline">{}</a>', address, row)
