"""Filters of the lists, the same in both dialects."""

from collections.abc import Sequence
from typing import Any, cast

import django_filters
from django import forms
from django.db.models import QuerySet
from rest_framework.request import Request

from conversations import documents
from conversations.exceptions import BadFilter
from conversations.models import Client, Engagement, Interaction
from conversations.querysets import InteractionQuerySet
from conversations.services import conditions, finding
from core.api.filters import LONGEST_SEARCH, SearchFilter, TimeFilter
from core.api.problems import UnknownParameter
from customers.models import Customer
from orders.models import Order


class _ValuesField(forms.CharField):
    """Values with commas between them; one that holds a comma stands in double quotes."""

    def clean(self, value: Any) -> list[str]:
        text = super().clean(value)
        try:
            return conditions.values_of(text) if text else []
        except BadFilter as error:
            raise forms.ValidationError(error.detail, code="invalid") from None


class _ObjectIdsField(_ValuesField):
    def clean(self, value: Any) -> list[str]:
        try:
            return [documents.read_hex(text.strip()) for text in super().clean(value)]
        except ValueError as error:
            raise forms.ValidationError(str(error), code="invalid") from None


class ValuesFilter(django_filters.Filter):
    """Any of some values."""

    field_class = _ValuesField

    def filter(self, rows: QuerySet[Any], value: list[str]) -> QuerySet[Any]:
        if not value:
            return rows
        # With one of them the index has the rows in their order already.
        name, wanted = self.field_name, value[0] if len(value) == 1 else value
        return rows.filter(**{name if wanted is value[0] else f"{name}__in": wanted})


class ObjectIdsFilter(ValuesFilter):
    field_class = _ObjectIdsField


class _Condition(django_filters.Filter):
    """What one query parameter asks of the custom document, once or more."""

    def __init__(self, parameter: str) -> None:
        super().__init__()
        self.parameter = parameter

    @property
    def field(self) -> forms.Field:
        return _ConditionField(self.parameter)

    def filter(self, rows: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Left to `InteractionFilter`, which knows all of them."""
        return rows


class _ConditionField(forms.Field):
    # Gives all the values of a parameter.
    widget = forms.MultipleHiddenInput

    def __init__(self, parameter: str) -> None:
        super().__init__(required=False)
        self.parameter = parameter

    def clean(self, value: Any) -> list[conditions.Condition]:
        try:
            return [conditions.read_condition(self.parameter, text) for text in value]
        except BadFilter as error:
            raise forms.ValidationError(error.detail, code=error.code) from None


class ClientFilter(django_filters.FilterSet):
    name = django_filters.CharFilter(help_text="Its whole name.")

    class Meta:
        model = Client
        fields = ()


class EngagementFilter(django_filters.FilterSet):
    client = ObjectIdsFilter("client_id", help_text="Id of whose it is; several with commas.")
    name = django_filters.CharFilter(help_text="Its whole name: the channel.")

    class Meta:
        model = Engagement
        fields = ()


class InteractionFilter(django_filters.FilterSet):
    """Beside these: `custom.<path>[<operator>]`, see `conversations.services.conditions`."""

    # For `StrictFilterBackend`.
    pattern = ("custom.NAME", "A field of the document is custom.NAME.")
    client = ObjectIdsFilter("client_id", help_text="Id of a client; several with commas.")
    engagement = ObjectIdsFilter(
        "engagement_id", help_text="Id of an engagement; several with commas."
    )
    channel = ValuesFilter(
        method="on_channel", help_text="Name of the engagement, exactly; several with commas."
    )
    agent = django_filters.CharFilter("agent_name", help_text="Name of the agent, exactly.")
    sentiment = ValuesFilter(help_text="Exactly as it is written; several with commas.")
    customer = django_filters.CharFilter(method="of_customer", help_text="Code of the customer.")
    order = django_filters.CharFilter(method="of_order", help_text="Number of the order.")
    source_id = django_filters.CharFilter(help_text="What its source calls it.")
    after = TimeFilter("interaction_date", "gte", help_text="At this time or later (RFC 3339).")
    before = TimeFilter("interaction_date", "lt", help_text="Before this time (RFC 3339).")

    class Meta:
        model = Interaction
        fields = ()

    def __init__(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(data, *args, **kwargs)
        for name in data or ():
            if name.startswith(conditions.PREFIX):
                self.filters[name] = _Condition(name)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        rows = super().filter_queryset(queryset)
        asked = [
            condition
            for name, found in self.form.cleaned_data.items()
            if name.startswith(conditions.PREFIX)
            for condition in found
        ]
        return finding.fulfilling(rows, asked)

    def get_form_class(self) -> type[forms.Form]:
        class Form(super().get_form_class()):  # type: ignore[misc]  # made as it runs
            def clean(self) -> dict[str, Any]:
                cleaned: dict[str, Any] = super().clean()
                count = 0
                for name in list(self.fields):
                    if not name.startswith(conditions.PREFIX):
                        continue
                    count += len(self.data.getlist(name))
                    if count > conditions.MOST_CONDITIONS:
                        detail = f"At most {conditions.MOST_CONDITIONS} conditions at once."
                        self.add_error(name, forms.ValidationError(detail, code="too_many"))
                return cleaned

        return Form

    def on_channel(self, rows: QuerySet[Any], name: str, value: list[str]) -> QuerySet[Any]:
        # Looked up first, as all below: by its key the planner knows how many are of it.
        found = Engagement.objects.filter(name__in=value).values_list("pk", flat=True)
        return _with_keys(rows, "engagement", list(found))

    def of_customer(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        found = Customer.objects.filter(code=value).values_list("pk", flat=True)
        return _with_keys(rows, "customer", list(found))

    def of_order(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        found = Order.objects.filter(number=value).values_list("pk", flat=True)
        return _with_keys(rows, "order", list(found))


class InteractionCountFilter(InteractionFilter):
    # By its engagements, which stand in the index that is counted by.
    client = ObjectIdsFilter(
        "engagement__client_id", help_text="Id of a client; several with commas."
    )
    by = django_filters.CharFilter(
        method="counted_by",
        required=True,
        help_text="What is counted by: day, agent, channel or sentiment; two with a comma.",
    )

    def counted_by(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Read by the view itself."""
        return rows


class InteractionSearch(SearchFilter):
    """`?search=`: ranked, unless another ordering is asked for or a view needs none."""

    search_description = (
        "Words in any text of the document or in the agent's name; all must be found. "
        '`"in this order"`, `this or that` and `-without` are understood.'
    )

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: Any
    ) -> QuerySet[Any]:
        text = searched(request)
        if len(text) > LONGEST_SEARCH:
            raise UnknownParameter(
                {self.search_param: [f"Must be at most {LONGEST_SEARCH} characters."]}
            )
        if not text:
            return queryset
        ranked = request.query_params.get("ordering", "-relevance") == "-relevance"
        interactions = cast("InteractionQuerySet", queryset)
        if ranked and view.action == "list":
            return interactions.search(text)
        return interactions.matching(text)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            *super().get_schema_operation_parameters(view),
            {
                "name": "custom.<path>",
                "in": "query",
                "required": False,
                "description": (
                    "A condition on the custom document: `custom.csvName=a.csv`, "
                    "`custom.log.score[gte]=5`. Operators: " + ", ".join(conditions.Operator) + "."
                ),
                "schema": {"type": "string"},
            },
        ]


def searched(request: Request) -> str:
    return request.query_params.get("search", "").strip()


def _with_keys(rows: QuerySet[Any], name: str, keys: Sequence[Any]) -> QuerySet[Any]:
    if len(keys) == 1:
        return rows.filter(**{name: keys[0]})
    return rows.filter(**{f"{name}__in": keys})
