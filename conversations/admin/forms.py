"""What staff type in on the pages of interactions."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from conversations import services
from conversations.documents import showable
from conversations.models import Interaction
from conversations.states import Channel, Direction
from core.phones import ImpossiblePhone, parse_phone


class _Suggesting(UnfoldAdminTextInputWidget):
    """A text, with some that are usual to choose from."""

    def __init__(self, *usual: str) -> None:
        super().__init__()
        self.usual = usual

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        list_id = f"usual_{name}"
        field = super().render(name, value, {**(attrs or {}), "list": list_id}, renderer)
        options = format_html_join(
            "", '<option value="{}"></option>', ((each,) for each in self.usual)
        )
        return format_html('{}<datalist id="{}">{}</datalist>', field, list_id, options)


class ContactForm(forms.ModelForm[Interaction]):
    channel = forms.ChoiceField(
        choices=Channel.choices, initial=Channel.PHONE, widget=UnfoldAdminSelectWidget
    )
    direction = forms.ChoiceField(
        choices=Direction.choices, initial=Direction.IN, widget=UnfoldAdminSelectWidget
    )
    phone = forms.CharField(
        max_length=32,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="As people write it. Without a customer, whoever has it.",
    )
    text = forms.CharField(
        label="What was said",
        max_length=10_000,
        widget=UnfoldAdminTextareaWidget({"rows": 5}),
    )
    at = forms.SplitDateTimeField(
        label="When",
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="Empty: now.",
    )

    class Meta:
        model = Interaction
        fields = ("customer", "order", "sentiment")
        # Sources have their own words for it, so that any is taken.
        widgets = {"sentiment": _Suggesting("Positive", "Neutral", "Negative")}
        help_texts = {"sentiment": "How they felt, in a word. Empty: not known."}

    def clean_phone(self) -> str:
        phone: str = self.cleaned_data["phone"]
        try:
            return parse_phone(phone) if phone else ""
        except ImpossiblePhone as error:
            raise forms.ValidationError(error.detail) from None

    def clean_at(self) -> datetime | None:
        at: datetime | None = self.cleaned_data["at"]
        try:
            return showable(at) if at else None
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        customer, order = data.get("customer"), data.get("order")
        if customer and order and order.customer_id != customer.pk:
            self.add_error("order", "This is another customer's order.")
        return data

    def validate_constraints(self) -> None:
        """Of a row that a service makes nothing is known yet."""


class ReplyForm(forms.Form):
    text = forms.CharField(
        label="SMS",
        max_length=services.LONGEST_REPLY,
        widget=UnfoldAdminTextareaWidget({"rows": 4}),
        help_text="Three SMS at most.",
    )
