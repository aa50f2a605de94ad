"""The admin pages of carriers and of what they told."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Case, Value, When
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.models import User
from core import clock
from core.admin import DukaModelAdmin, Verb, become
from shipping import services
from shipping.models import (
    Carrier,
    News,
)
from shipping.permissions import (
    can_handle_shipments,
    can_manage_carriers,
    can_see_carriers,
    can_see_shipments,
)
from shipping.states import (
    CircuitState,
    NewsState,
)

from .common import TypedAdmin, shown

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class CarrierForm(forms.ModelForm[Carrier]):
    days = forms.TypedMultipleChoiceField(
        choices=list(enumerate(_WEEKDAYS)),
        coerce=int,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Days of its batches. None: sent at once.",
    )

    class Meta:
        model = Carrier
        fields = ("active", "days", "cut_off")


_CIRCUIT_COLOURS = {
    CircuitState.UP: "success",
    CircuitState.FAILING: "warning",
    CircuitState.DOWN: "danger",
}


@admin.register(Carrier)
class CarrierAdmin(DukaModelAdmin):
    can_see = can_see_carriers
    can_manage = can_manage_carriers
    form = CarrierForm
    list_display = ("name", "active", "batches", "state_label", "failing_since", "error")
    fields = (
        *("name", "active", "days", "cut_off", "next_batch_at"),
        *("circuit", "failures", "failing_since", "asked_at", "error"),
    )
    readonly_fields = (
        *("name", "next_batch_at"),
        *("circuit", "failures", "failing_since", "asked_at", "error"),
    )

    @display(description="state", label=_CIRCUIT_COLOURS)
    def state_label(self, carrier: Carrier) -> tuple[str, str]:
        return carrier.circuit_state, carrier.circuit_state.label

    @display(description="batches")
    def batches(self, carrier: Carrier) -> str:
        if not carrier.days:
            return "At once"
        days = ", ".join(_WEEKDAYS[day][:3] for day in carrier.days)
        return f"{days} {carrier.cut_off:%H:%M}"

    @display(description="next batch")
    def next_batch_at(self, carrier: Carrier) -> str:
        return shown(services.next_cut_off(carrier, clock.now()))

    @display(description="state")
    def circuit(self, carrier: Carrier) -> str:
        return str(carrier.circuit_state.label)

    @display(description="asked again at")
    def asked_at(self, carrier: Carrier) -> str:
        down = carrier.circuit_state == CircuitState.DOWN
        return shown(carrier.next_at if down else None)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Those of the settings have a row each.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Carrier, form: Any, change: bool) -> None:
        become(obj, services.update_carrier(carrier_id=obj.pk, **self.changed(form)))


def _replay(*, news_id: int, by: User) -> News:
    services.replay_news(news_id=news_id)
    return News.objects.get(pk=news_id)


_NEWS_COLOURS = {
    NewsState.NEW: "info",
    NewsState.DONE: "success",
    NewsState.UNMATCHED: "warning",
    NewsState.BAD: "danger",
}


@admin.register(News)
class NewsAdmin(TypedAdmin):
    can_see = can_see_shipments
    can_manage = can_handle_shipments
    verbs = (
        Verb(
            name="replay",
            to=None,
            move=_replay,
            fits=lambda news: news.state != NewsState.NEW,
        ),
    )
    list_display = ("received_at", "carrier", "reference", "state_label", "detail")
    list_filter = ("state", "carrier", "source", "received_at")
    list_select_related = ("carrier",)
    search_fields = ("reference", "detail")
    fields = (
        *("received_at", "carrier", "source", "state", "detail", "reference", "shipment"),
        *("content_type", "body_text"),
    )
    readonly_fields = fields

    def get_ordering(self, request: HttpRequest) -> Any:
        # What is for a person comes first.
        mine = [NewsState.UNMATCHED, NewsState.BAD]
        waits = Case(When(state__in=mine, then=Value(0)), default=Value(1))
        return (waits.asc(), "-pk")

    @display(description="state", ordering="state", label=_NEWS_COLOURS)
    def state_label(self, news: News) -> tuple[str, str]:
        return news.state, news.get_state_display()

    @display(description="body")
    def body_text(self, news: News) -> str:
        return news.text

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def sentence(self, row: News) -> str:
        return f"What {row.carrier} said of {row.reference or 'no shipment'} is looked at again."

    def outcome(self, rows: Sequence[News]) -> str:
        return f"{len(rows)} looked at again."

    def saved(self, by: User, obj: News, form: Any, change: bool) -> None:
        """Write nothing: it stays as it came."""
